/* One vector of floats for the kernels of kernel/, which are compiled once for each instruction
 * set: width V, and loads, stores and a fused multiply-add on GCC's vector type. ISA_NAME(f) is
 * f's name in this build: f_avx2, ... */
#ifndef BACKEND_CPU_VEC_H
#define BACKEND_CPU_VEC_H

#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define ISA_JOIN_(name, isa) name##_##isa
#define ISA_JOIN(name, isa)  ISA_JOIN_(name, isa)
#define ISA_NAME(name)       ISA_JOIN(name, ISA)
/* For functions whose constant arguments shape the code: loops unroll, arrays stay in registers. */
#define FORCE_INLINE inline __attribute__((always_inline))

#if defined(ISA_avx512) || defined(ISA_avx512bf16)
enum { V = 16 };
#else
enum { V = 8 };
#endif

typedef float vec __attribute__((vector_size(V * 4)));
typedef int32_t veci __attribute__((vector_size(V * 4)));
typedef float vec_any __attribute__((vector_size(V * 4), aligned(4))); /* unaligned in memory */

static inline vec vload(const float *p) /* aligned to V * 4 bytes */
{
    return *(const vec *)p;
}
static inline vec vloadu(const float *p)
{
    return *(const vec_any *)p;
}
static inline void vstore(float *p, vec v)
{
    *(vec *)p = v;
}
static inline void vstoreu(float *p, vec v)
{
    *(vec_any *)p = v;
}
/* Bits of the first n lanes. */
static inline uint32_t vfirst(int n)
{
    return n <= 0 ? 0 : n >= V ? (1u << V) - 1 : (1u << n) - 1;
}
/* The first n of V, none below 0 and all above V, anywhere in memory; loaded, the rest are zeros. */
static inline vec vload_some(const float *p, int n)
{
#if defined(ISA_avx512) || defined(ISA_avx512bf16)
    return (vec)_mm512_maskz_loadu_ps(_cvtu32_mask16(vfirst(n)), p);
#else
    float some[V] = {0};
    if (n >= V)
        return vloadu(p);
    memcpy(some, p, (size_t)(n > 0 ? n : 0) * sizeof(float));
    return vloadu(some);
#endif
}
static inline void vstore_some(float *p, vec v, int n)
{
#if defined(ISA_avx512) || defined(ISA_avx512bf16)
    _mm512_mask_storeu_ps(p, _cvtu32_mask16(vfirst(n)), (__m512)v);
#else
    if (n >= V)
        vstoreu(p, v);
    else
        memcpy(p, &v, (size_t)(n > 0 ? n : 0) * sizeof(float));
#endif
}
static inline vec vset(float x)
{
    return x - (vec){0}; /* folds: x - 0 is x, where x + 0 is not for -0 */
}
static inline vec vfma(vec a, vec b, vec c) /* a * b + c, rounded once where the set can */
{
#if defined(ISA_avx512) || defined(ISA_avx512bf16)
    return (vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(ISA_avx2)
    return (vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    return a * b + c;
#endif
}
/* mask is all ones or zeros a lane, as comparisons of vectors give it */
static inline vec vselect(veci mask, vec a, vec b)
{
    return (vec)((mask & (veci)a) | (~mask & (veci)b));
}
static inline vec vmax(vec a, vec b)
{
    return vselect(a > b, a, b);
}

/* The sum of the lanes, halves upon halves. */
static inline float vsum(vec v)
{
    float s[V] __attribute__((aligned(64)));
    vstore(s, v);
    for (int width = V / 2; width > 0; width /= 2)
        for (int i = 0; i < width; i++)
            s[i] += s[i + width];
    return s[0];
}

/* Around the caches, for what nobody reads soon; vfence before another thread does. */
static inline void vstream(float *p, vec v)
{
#if defined(ISA_avx512) || defined(ISA_avx512bf16)
    _mm512_stream_ps(p, (__m512)v);
#elif defined(ISA_avx2)
    _mm256_stream_ps(p, (__m256)v);
#else
    vstore(p, v);
#endif
}
static inline void vfence(void)
{
#if !defined(ISA_generic)
    _mm_sfence();
#endif
}

#endif
