/* Which build of the first convolution's kernels an instruction set runs. */
#include "backend/cpu/first.h"

ISA_EXTERN(const struct first_ops, first);

const struct first_ops *first_ops(const struct isa *isa)
{
    static const struct first_ops *const builds[ISA_COUNT] = ISA_BUILDS(first);
    return builds[isa->id];
}
