/* Which build of the implicit matrix products an instruction set runs. */
#include "backend/cpu/implicit.h"

ISA_EXTERN(const struct implicit_ops, implicit);

const struct implicit_ops *implicit_ops(const struct isa *isa)
{
    static const struct implicit_ops *const builds[ISA_COUNT] = ISA_BUILDS(implicit);
    return builds[isa->id];
}
