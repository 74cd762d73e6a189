/* The rules in double (the oracle of ref), and the choice of a table. */
#include "backend/update.h"

#include "backend/cpu/isa.h"

#include <math.h>

#define REAL           double
#define SQRT           sqrt
#define UPDATE_NAME(f) f##_ref
extern const struct update_kernels update_kernels_ref;
#include "backend/update_loops.h"

extern const struct update_kernels update_kernels_generic;
#if defined(__x86_64__)
extern const struct update_kernels update_kernels_avx2, update_kernels_avx512,
    update_kernels_avx512bf16;
#endif

const struct update_kernels *update_kernels(const struct backend *b)
{
    if (!b->isa)
        return &update_kernels_ref;
#if defined(__x86_64__)
    static const struct update_kernels *const table[ISA_COUNT] = {
        [ISA_ID_GENERIC] = &update_kernels_generic,
        [ISA_ID_AVX2] = &update_kernels_avx2,
        [ISA_ID_AVX512] = &update_kernels_avx512,
        [ISA_ID_AVX512BF16] = &update_kernels_avx512bf16,
    };
    return table[b->isa->id];
#else
    return &update_kernels_generic;
#endif
}
