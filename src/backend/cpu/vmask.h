/* Masks, bf16 and wide products on top of vec.h. A vmask holds one truth a lane; as bits (vbits) it
 * is V bits in memory: saved pool indices and dropout masks cost a bit a channel. */
#ifndef BACKEND_CPU_VMASK_H
#define BACKEND_CPU_VMASK_H

#include "backend/cpu/vec.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define ALWAYS static FORCE_INLINE

typedef uint32_t vecu __attribute__((vector_size(V * 4)));
typedef uint64_t vec64 __attribute__((vector_size(V * 4)));

#if defined(ISA_avx512) || defined(ISA_avx512bf16)

typedef uint16_t vword; /* a mask in memory */
typedef __mmask16 vmask;

ALWAYS vmask vgt(vec a, vec b)
{
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GT_OQ);
}
ALWAYS vmask veq(vec a, vec b)
{
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_EQ_OQ);
}
ALWAYS vmask vnan(vec a)
{
    return _mm512_cmp_ps_mask((__m512)a, (__m512)a, _CMP_UNORD_Q);
}
ALWAYS vmask vge_int(vecu a, uint32_t b) /* as signed numbers */
{
    return _mm512_cmp_epi32_mask((__m512i)a, _mm512_set1_epi32((int)b), _MM_CMPINT_NLT);
}
ALWAYS vec vpick(vmask m, vec a, vec b) /* m ? a : b */
{
    return (vec)_mm512_mask_blend_ps(m, (__m512)b, (__m512)a);
}
ALWAYS vecu vpick_int(vmask m, vecu a, vecu b)
{
    return (vecu)_mm512_mask_blend_epi32(m, (__m512i)b, (__m512i)a);
}
ALWAYS vec vadd_where(vmask m, vec a, vec b) /* m ? a + b : a */
{
    return (vec)_mm512_mask_add_ps((__m512)a, m, (__m512)a, (__m512)b);
}
ALWAYS vmask vnot(vmask m)
{
    return (vmask)~m;
}
ALWAYS vmask vand(vmask a, vmask b)
{
    return (vmask)(a & b);
}
ALWAYS vmask vor(vmask a, vmask b)
{
    return (vmask)(a | b);
}
ALWAYS vword vbits(vmask m)
{
    return m;
}
ALWAYS vmask vmask_of(vword bits)
{
    return bits;
}
ALWAYS vec vclamp(vec x, float lo, float hi) /* NaN stays */
{
    return (vec)_mm512_max_ps(_mm512_set1_ps(lo), _mm512_min_ps(_mm512_set1_ps(hi), (__m512)x));
}
ALWAYS vec64 vmul_even(vecu a, vecu b) /* 64-bit products of the even lanes */
{
    return (vec64)_mm512_mul_epu32((__m512i)a, (__m512i)b);
}
/* Lanes of a and b in turn: of their lower halves, of their upper halves. */
ALWAYS vecu vmix_low(vecu a, vecu b)
{
    const vecu at = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23};
    return (vecu)_mm512_permutex2var_epi32((__m512i)a, (__m512i)at, (__m512i)b);
}
ALWAYS vecu vmix_high(vecu a, vecu b)
{
    const vecu at = {8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    return (vecu)_mm512_permutex2var_epi32((__m512i)a, (__m512i)at, (__m512i)b);
}

#else

typedef uint8_t vword;
typedef veci vmask;

ALWAYS vmask vgt(vec a, vec b)
{
    return a > b;
}
ALWAYS vmask veq(vec a, vec b)
{
    return a == b;
}
ALWAYS vmask vnan(vec a)
{
    return a != a; /* NOLINT(misc-redundant-expression): true of NaN alone */
}
ALWAYS vmask vge_int(vecu a, uint32_t b)
{
    return (veci)a >= (int32_t)b;
}
ALWAYS vecu vpick_int(vmask m, vecu a, vecu b)
{
    return ((vecu)m & a) | (~(vecu)m & b);
}
ALWAYS vmask vnot(vmask m)
{
    return ~m;
}
ALWAYS vmask vand(vmask a, vmask b)
{
    return a & b;
}
ALWAYS vmask vor(vmask a, vmask b)
{
    return a | b;
}
ALWAYS vmask vmask_of(vword bits)
{
    const veci bit = {1, 2, 4, 8, 16, 32, 64, 128};
    return (((veci){0} + (int32_t)bits) & bit) == bit;
}
#if defined(ISA_avx2)
ALWAYS vec vpick(vmask m, vec a, vec b)
{
    return (vec)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)m);
}
ALWAYS vword vbits(vmask m)
{
    return (vword)_mm256_movemask_ps((__m256)m);
}
ALWAYS vec vclamp(vec x, float lo, float hi)
{
    return (vec)_mm256_max_ps(_mm256_set1_ps(lo), _mm256_min_ps(_mm256_set1_ps(hi), (__m256)x));
}
ALWAYS vec64 vmul_even(vecu a, vecu b)
{
    return (vec64)_mm256_mul_epu32((__m256i)a, (__m256i)b);
}
ALWAYS vecu vmix_low(vecu a, vecu b)
{
    return (vecu)_mm256_permute2x128_si256(_mm256_unpacklo_epi32((__m256i)a, (__m256i)b),
                                           _mm256_unpackhi_epi32((__m256i)a, (__m256i)b), 0x20);
}
ALWAYS vecu vmix_high(vecu a, vecu b)
{
    return (vecu)_mm256_permute2x128_si256(_mm256_unpacklo_epi32((__m256i)a, (__m256i)b),
                                           _mm256_unpackhi_epi32((__m256i)a, (__m256i)b), 0x31);
}
#else
ALWAYS vec vpick(vmask m, vec a, vec b)
{
    return vselect(m, a, b);
}
ALWAYS vword vbits(vmask m)
{
    unsigned bits = 0;
    for (int i = 0; i < V; i++)
        bits |= (unsigned)(m[i] & 1) << i;
    return (vword)bits;
}
ALWAYS vec vclamp(vec x, float lo, float hi)
{
    x = vselect(x > vset(hi), vset(hi), x);
    return vselect(x < vset(lo), vset(lo), x);
}
ALWAYS vec64 vmul_even(vecu a, vecu b)
{
    return ((vec64)a & 0xffffffffu) * ((vec64)b & 0xffffffffu);
}
ALWAYS vecu vmix_low(vecu a, vecu b)
{
    return (vecu){a[0], b[0], a[1], b[1], a[2], b[2], a[3], b[3]};
}
ALWAYS vecu vmix_high(vecu a, vecu b)
{
    return (vecu){a[4], b[4], a[5], b[5], a[6], b[6], a[7], b[7]};
}
#endif
ALWAYS vec vadd_where(vmask m, vec a, vec b)
{
    return a + (vec)(m & (veci)b);
}

#endif

/* Does a come before the earlier b as a maximum? As in torch's max_pool2d, NaN beats all, and a later
 * NaN too. */
ALWAYS vmask vbeats(vec a, vec b)
{
    return vor(vgt(a, b), vnan(a));
}

/* 16-bit brain floats: the upper half of a float, rounded to nearest even. */
typedef uint16_t vechalf __attribute__((vector_size(V * 2)));

typedef uint16_t vechalf_any __attribute__((vector_size(V * 2), aligned(2)));

ALWAYS vec vload_bf16(const uint16_t *p) /* aligned to V * 2 bytes */
{
    vechalf h = *(const vechalf *)p;
    return (vec)(__builtin_convertvector(h, vecu) << 16);
}
ALWAYS void vstore_bf16(uint16_t *p, vec v)
{
#if defined(ISA_avx512bf16)
    *(vechalf *)p = (vechalf)_mm512_cvtneps_pbh((__m512)v);
#else
    vecu bits = (vecu)v, up = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    vecu quiet = bits >> 16 | 0x40; /* rounding could turn a NaN into infinity */
    *(vechalf *)p = __builtin_convertvector(vpick_int(vnan(v), quiet, up), vechalf);
#endif
}
ALWAYS vec vload_bf16u(const uint16_t *p)
{
    vechalf h = (vechalf) * (const vechalf_any *)p;
    return (vec)(__builtin_convertvector(h, vecu) << 16);
}
ALWAYS void vstore_bf16u(uint16_t *p, vec v)
{
    vechalf h;
    vstore_bf16((uint16_t *)&h, v);
    *(vechalf_any *)p = (vechalf_any)h;
}
/* Two vectors', one after the other. */
ALWAYS vec vboth_bf16(vec first, vec second)
{
#if defined(ISA_avx512bf16)
    return (vec)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first);
#else
    vechalf half[2];
    vec both;
    vstore_bf16((uint16_t *)&half[0], first);
    vstore_bf16((uint16_t *)&half[1], second);
    memcpy(&both, half, sizeof(both));
    return both;
#endif
}
/* Two in a lane's 32 bits, the first below. */
ALWAYS vecu vpair_bf16(vec first, vec second)
{
    vechalf a, b;
    vstore_bf16((uint16_t *)&a, first);
    vstore_bf16((uint16_t *)&b, second);
    return __builtin_convertvector(a, vecu) | __builtin_convertvector(b, vecu) << 16;
}

#endif
