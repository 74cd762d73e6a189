/* Which build of the first convolution's kernels an instruction set runs, and how they write. */
#include "backend/cpu/first.h"

ISA_EXTERN(const struct first_ops, first);

const struct first_ops *first_ops(const struct isa *isa)
{
    static const struct first_ops *const builds[ISA_COUNT] = ISA_BUILDS(first);
    return builds[isa->id];
}

static bool is_intel(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_is("intel");
#else
    return false;
#endif
}

/* A core's stores around the caches reach memory at 7 GB/s on Cascade Lake, those to fetched lines at
 * 11; on AMD's Zen 5 around is the faster way, in bf16 too. What the last caches hold stays there. */
enum first_stores first_stores(size_t bytes, bool half)
{
    enum { CACHED_BYTES = 16 << 20 };
    if (bytes <= CACHED_BYTES || (half && is_intel()))
        return FIRST_THROUGH;
    return is_intel() ? FIRST_FETCHED : FIRST_AROUND;
}
