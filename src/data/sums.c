/* Bytes k and k + 48 of a row are of the same channel, so vectors of three registers each hold one
 * channel in every third lane, and are told apart only at the end. SSE2 is in every x86-64. */
#include "data/sums.h"

static void add_bytes(const uint8_t *byte, size_t n, struct picture_sums *out)
{
    for (size_t i = 0; i < n; i++) {
        out->sum[i % 3] += byte[i];
        out->square[i % 3] += (uint64_t)byte[i] * byte[i];
    }
}

void picture_sums_plain(const struct image *im, struct picture_sums *out)
{
    *out = (struct picture_sums){.n = (uint64_t)im->w * (uint64_t)im->h};
    add_bytes(im->pixel, 3 * out->n, out);
}

#if defined(__x86_64__)
#include <immintrin.h>

enum {
    PERIOD = 48,
    /* 16-bit sums of two bytes a step, and 32-bit sums of two squares, do not overflow in these. */
    STEPS = 128,
};

/* One register of the period: lanes at the same offset in two successive periods are added. */
static inline void add_pair(const uint8_t *byte, __m128i sum[2], __m128i square[4])
{
    const __m128i zero = _mm_setzero_si128();
    __m128i a = _mm_loadu_si128((const void *)byte);
    __m128i b = _mm_loadu_si128((const void *)(byte + PERIOD));
    __m128i ab[2] = {_mm_unpacklo_epi8(a, b), _mm_unpackhi_epi8(a, b)};
    const __m128i low = _mm_set1_epi16(0xff);
    for (int i = 0; i < 2; i++) {
        __m128i even = _mm_and_si128(ab[i], low), odd = _mm_srli_epi16(ab[i], 8);
        sum[i] = _mm_add_epi16(sum[i], _mm_add_epi16(even, odd));
        __m128i first = _mm_unpacklo_epi8(ab[i], zero), last = _mm_unpackhi_epi8(ab[i], zero);
        square[2 * i] = _mm_add_epi32(square[2 * i], _mm_madd_epi16(first, first));
        square[2 * i + 1] = _mm_add_epi32(square[2 * i + 1], _mm_madd_epi16(last, last));
    }
}

/* n steps of two periods; `at` is the register's offset in the period. */
static void add_steps(const uint8_t *byte, int n, int at, struct picture_sums *out)
{
    __m128i sum[2] = {_mm_setzero_si128(), _mm_setzero_si128()};
    __m128i square[4] = {sum[0], sum[0], sum[0], sum[0]};
    for (int i = 0; i < n; i++)
        add_pair(byte + at + (ptrdiff_t)i * 2 * PERIOD, sum, square);
    uint16_t sums[16];
    uint32_t squares[16];
    for (int i = 0; i < 2; i++)
        _mm_storeu_si128((void *)(sums + 8 * i), sum[i]);
    for (int i = 0; i < 4; i++)
        _mm_storeu_si128((void *)(squares + 4 * i), square[i]);
    for (int i = 0; i < 16; i++) {
        out->sum[(at + i) % 3] += sums[i];
        out->square[(at + i) % 3] += squares[i];
    }
}

void picture_sums_of(const struct image *im, struct picture_sums *out)
{
    *out = (struct picture_sums){.n = (uint64_t)im->w * (uint64_t)im->h};
    size_t step = 0, n_step = 3 * out->n / (2 * PERIOD);
    for (; step < n_step; step += STEPS)
        for (int at = 0; at < PERIOD; at += 16)
            add_steps(im->pixel + step * 2 * PERIOD,
                      n_step - step < STEPS ? (int)(n_step - step) : STEPS, at, out);
    size_t done = n_step * 2 * PERIOD;
    add_bytes(im->pixel + done, 3 * out->n - done, out);
}
#else
void picture_sums_of(const struct image *im, struct picture_sums *out)
{
    picture_sums_plain(im, out);
}
#endif
