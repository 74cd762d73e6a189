/* The passes with AVX2. Each weight is split into a signed high and an unsigned 15-bit low half,
 * and vpmaddwd sums two taps of each half in 32 bits: high * 2^15 + low is then exactly the sum
 * that the plain version makes with 32-bit products. */
#if defined(__x86_64__)
#include "image/resample.h"

#include <immintrin.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2")))

enum {
    MAX_TAPS = 256, /* 255 x (2^15 - 1) x taps stays below 2^31 */
    ROWS = 4,       /* rows that share a load of the weights */
    BLOCK = 32,     /* bytes of a vector */
    PIXELS_A_LOAD = 4,
};

static bool present(void)
{
    return __builtin_cpu_supports("avx2");
}

static bool fits(const struct resample_pass *p, bool along_rows)
{
    const struct taps *t = p->taps;
    return t->n_tap <= MAX_TAPS &&
           (along_rows ? t->n_in >= t->n_tap && p->h >= ROWS : p->w * 3 >= BLOCK);
}

/* (high * 2^15 + low + half) >> 22, eight sums. */
AVX2 static inline __m256i join(__m256i high, __m256i low)
{
    __m256i half = _mm256_set1_epi32(1 << (WEIGHT_BITS - 1));
    __m256i sum = _mm256_add_epi32(_mm256_slli_epi32(high, SPLIT_BITS), low);
    return _mm256_srai_epi32(_mm256_add_epi32(sum, half), WEIGHT_BITS);
}

/* Four 16-bit weights as the pairs that meet pixels 0, 1 in the lower lane and 2, 3 in the upper. */
AVX2 static inline __m256i spread(const int16_t *weight)
{
    int64_t four;
    memcpy(&four, weight, sizeof(four));
    const __m256i pair = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
    return _mm256_permutevar8x32_epi32(_mm256_castsi128_si256(_mm_cvtsi64_si128(four)), pair);
}

/* Output pixel x of ROWS rows: ROWS x (r g b 0). */
AVX2 static inline __m128i pixel_of_rows(const struct taps *t, const uint8_t *row,
                                         size_t row_bytes, int x)
{
    /* Two pixels of three bytes become word pairs: r0 r1, g0 g1, b0 b1, nothing. */
    const __m256i order = _mm256_setr_epi8(
        0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, /* pixels 0 and 1 */
        6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
    size_t at = (size_t)x * (size_t)t->n_tap;
    const uint8_t *in = row + (size_t)t->first[x] * 3;
    __m256i high[ROWS], low[ROWS];
    for (int r = 0; r < ROWS; r++)
        high[r] = low[r] = _mm256_setzero_si256();
    for (int k = 0; k < t->n_tap; k += TAP_GROUP, in += TAP_GROUP * 3) {
        __m256i wh = spread(t->high + at + k), wl = spread(t->low + at + k);
        for (int r = 0; r < ROWS; r++) {
            const __m128i *bytes = (const __m128i *)(const void *)(in + (size_t)r * row_bytes);
            __m256i v = _mm256_broadcastsi128_si256(_mm_loadu_si128(bytes));
            v = _mm256_shuffle_epi8(v, order);
            high[r] = _mm256_add_epi32(high[r], _mm256_madd_epi16(v, wh));
            low[r] = _mm256_add_epi32(low[r], _mm256_madd_epi16(v, wl));
        }
    }
    /* Add the lanes of two rows at once: the lower lane holds row 0, the upper row 1. */
    __m256i sum[ROWS / 2];
    for (int r = 0; r < ROWS; r += 2) {
        __m256i h = _mm256_add_epi32(_mm256_permute2x128_si256(high[r], high[r + 1], 0x20),
                                     _mm256_permute2x128_si256(high[r], high[r + 1], 0x31));
        __m256i l = _mm256_add_epi32(_mm256_permute2x128_si256(low[r], low[r + 1], 0x20),
                                     _mm256_permute2x128_si256(low[r], low[r + 1], 0x31));
        sum[r / 2] = join(h, l);
    }
    __m256i words = _mm256_packs_epi32(sum[0], sum[1]); /* rows 0, 2 | 1, 3 */
    __m256i bytes = _mm256_packus_epi16(words, words);
    return _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes),
                              _mm256_extracti128_si256(bytes, 1));
}

/* Four rows from y, up to pixel n; a store is 4 bytes wide, but 3 at a row's end. */
AVX2 static void rows_across(const struct resample_pass *p, int y, int n)
{
    size_t in_row = (size_t)p->taps->n_in * 3, out_row = (size_t)p->taps->n_out * 3;
    const uint8_t *row = p->src + (size_t)y * in_row;
    uint8_t *out = p->dst + (size_t)y * out_row;
    for (int x = 0; x < n; x++, out += 3) {
        uint32_t pixel[ROWS];
        __m128i four = pixel_of_rows(p->taps, row, in_row, x);
        _mm_storeu_si128((__m128i *)(void *)pixel, four);
        size_t width = x == p->taps->n_out - 1 ? 3 : 4;
        if (width == 4)
            for (size_t r = 0; r < ROWS; r++)
                memcpy(out + r * out_row, &pixel[r], 4);
        else
            for (size_t r = 0; r < ROWS; r++)
                memcpy(out + r * out_row, &pixel[r], 3);
    }
}

/* A load takes 16 bytes for 12: in the picture's last row the pixels at its end are done one by
 * one. Rows that are no multiple of four are done again with their neighbours. */
AVX2 static void across(const struct resample_pass *p)
{
    const struct taps *t = p->taps;
    int safe = t->n_out;
    while (safe > 0 && (t->first[safe - 1] + t->n_tap - TAP_GROUP) * 3 + 16 > t->n_in * 3)
        safe--;
    int y = 0;
    for (; y < p->h - ROWS; y += ROWS)
        rows_across(p, y, t->n_out);
    y = p->h - ROWS;
    rows_across(p, y, safe);
    for (int r = y; r < p->h; r++)
        for (int x = safe; x < t->n_out; x++)
            resample_pixel(t, p->src + (size_t)r * (size_t)t->n_in * 3, x,
                           p->dst + ((size_t)r * (size_t)t->n_out + (size_t)x) * 3);
}

/* 32 values of one output row: byte pairs of two input rows are widened to word pairs. */
AVX2 static inline void block_down(const struct taps *t, const uint8_t *in, size_t row_bytes,
                                   int y, uint8_t *out)
{
    const __m256i zero = _mm256_setzero_si256();
    size_t at = (size_t)y * (size_t)t->n_tap;
    int n_used = t->n_used[y];
    __m256i high[4] = {zero, zero, zero, zero}, low[4] = {zero, zero, zero, zero};
    for (int k = 0; k < n_used; k += 2, in += 2 * row_bytes) {
        int32_t h, l;
        memcpy(&h, t->high + at + k, sizeof(h));
        memcpy(&l, t->low + at + k, sizeof(l));
        __m256i wh = _mm256_set1_epi32(h), wl = _mm256_set1_epi32(l);
        const uint8_t *second = k + 1 < n_used ? in + row_bytes : in; /* its weight is zero */
        __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)in);
        __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)second);
        __m256i lo = _mm256_unpacklo_epi8(a, b), hi = _mm256_unpackhi_epi8(a, b);
        const __m256i v[4] = {_mm256_unpacklo_epi8(lo, zero), _mm256_unpackhi_epi8(lo, zero),
                              _mm256_unpacklo_epi8(hi, zero), _mm256_unpackhi_epi8(hi, zero)};
        for (int i = 0; i < 4; i++) {
            high[i] = _mm256_add_epi32(high[i], _mm256_madd_epi16(v[i], wh));
            low[i] = _mm256_add_epi32(low[i], _mm256_madd_epi16(v[i], wl));
        }
    }
    __m256i first = _mm256_packs_epi32(join(high[0], low[0]), join(high[1], low[1]));
    __m256i last = _mm256_packs_epi32(join(high[2], low[2]), join(high[3], low[3]));
    _mm256_storeu_si256((__m256i *)(void *)out, _mm256_packus_epi16(first, last));
}

AVX2 static void down(const struct resample_pass *p)
{
    const struct taps *t = p->taps;
    size_t row_bytes = (size_t)p->w * 3;
    for (int y = 0; y < t->n_out; y++) {
        const uint8_t *in = p->src + (size_t)t->first[y] * row_bytes;
        uint8_t *out = p->dst + (size_t)y * row_bytes;
        for (size_t at = 0; at + BLOCK <= row_bytes; at += BLOCK)
            block_down(t, in + at, row_bytes, y, out + at);
        block_down(t, in + row_bytes - BLOCK, row_bytes, y, out + row_bytes - BLOCK);
    }
}

const struct resample_kernel resample_avx2 = {
    .name = "avx2",
    .present = present,
    .fits = fits,
    .across = across,
    .down = down,
};
#else
typedef int resample_avx2_is_for_x86_64;
#endif
