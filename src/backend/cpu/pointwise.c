/* Which build of the 1x1 convolution's kernels an instruction set runs. */
#include "backend/cpu/pointwise.h"

ISA_EXTERN(const struct pointwise_ops, pointwise);

const struct pointwise_ops *pointwise_ops(const struct isa *isa)
{
    static const struct pointwise_ops *const builds[ISA_COUNT] = ISA_BUILDS(pointwise);
    return builds[isa->id];
}
