/* Which instruction set's kernels run: picked by cpuid, or forced with LINNET_ISA. */
#ifndef BACKEND_CPU_ISA_H
#define BACKEND_CPU_ISA_H

#include "base/err.h"

enum isa_id { ISA_ID_GENERIC, ISA_ID_AVX2, ISA_ID_AVX512, ISA_ID_AVX512BF16, ISA_COUNT };

struct isa {
    enum isa_id id;
    const char *name; /* "generic", "avx2", "avx512", "avx512bf16" */
    int lanes;        /* floats a vector: the V of blocked layouts */
    bool bf16;        /* has bf16 dot products */
};
extern const struct isa isas[ISA_COUNT];

/* One symbol of kernel/ in each of its builds, by isa id: ISA_ROWS(f) with f_generic, f_avx2, ... */
#if defined(__x86_64__)
#define ISA_ROWS(f)                                                                            \
    {                                                                                          \
        f##_generic, f##_avx2, f##_avx512, f##_avx512bf16                                      \
    }
/* The same for what is built only where there are bf16 instructions; NULL elsewhere. */
#define ISA_BF16_ROW(f)                                                                        \
    {                                                                                          \
        [ISA_ID_AVX512BF16] = f##_avx512bf16                                                   \
    }
#else
#define ISA_BF16_ROW(f)                                                                        \
    {                                                                                          \
        NULL                                                                                   \
    }
#define ISA_ROWS(f)                                                                            \
    {                                                                                          \
        f##_generic                                                                            \
    }
#endif

bool isa_present(const struct isa *isa); /* on this processor */
/* LINNET_ISA's, or the best present; ERR_DEVICE when the forced one is unknown or absent. */
MUST_CHECK const struct isa *isa_choose(struct err *e);

/* A kernel's builds: ISA_EXTERN declares name_generic, ..., ISA_BUILDS lists them by isa->id. */
#if defined(__x86_64__)
#define ISA_EXTERN(type, name)                                                                 \
    extern type name##_generic, name##_avx2, name##_avx512, name##_avx512bf16
#define ISA_BUILDS(name)                                                                       \
    {                                                                                          \
        &name##_generic, &name##_avx2, &name##_avx512, &name##_avx512bf16                      \
    }
#else
#define ISA_EXTERN(type, name) extern type name##_generic
#define ISA_BUILDS(name)                                                                       \
    {                                                                                          \
        &name##_generic                                                                        \
    }
#endif

#endif
