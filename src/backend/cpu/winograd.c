/* Which build of Winograd's kernels an instruction set runs. */
#include "backend/cpu/winograd.h"

ISA_EXTERN(const struct wino_ops, wino);

const struct wino_ops *wino_ops(const struct isa *isa)
{
    static const struct wino_ops *const builds[ISA_COUNT] = ISA_BUILDS(wino);
    return builds[isa->id];
}
