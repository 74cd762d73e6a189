/* The passes in plain C: what the vector kernels are tested against, and the fallback for
 * pictures too small for them. */
#include "image/resample.h"

#include <stdlib.h>
#include <string.h>

static uint8_t clip(int32_t sum)
{
    int32_t v = sum >> WEIGHT_BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

void resample_pixel(const struct taps *t, const uint8_t *row, int x, uint8_t *out)
{
    const int32_t *weight = t->weight + (size_t)x * (size_t)t->n_tap;
    const uint8_t *in = row + (size_t)t->first[x] * 3;
    int32_t r = 1 << (WEIGHT_BITS - 1), g = r, b = r;
    for (int i = 0; i < t->n_used[x]; i++, in += 3) {
        r += in[0] * weight[i];
        g += in[1] * weight[i];
        b += in[2] * weight[i];
    }
    out[0] = clip(r);
    out[1] = clip(g);
    out[2] = clip(b);
}

static void across(const struct resample_pass *p)
{
    const uint8_t *row = p->src;
    uint8_t *out = p->dst;
    for (int y = 0; y < p->h; y++, row += (size_t)p->taps->n_in * 3)
        for (int x = 0; x < p->taps->n_out; x++, out += 3)
            resample_pixel(p->taps, row, x, out);
}

/* A block of values at a time, so that the sums stay in registers or the nearest cache. */
static void down(const struct resample_pass *p)
{
    enum { BLOCK = 64 };
    const struct taps *t = p->taps;
    int row_bytes = p->w * 3;
    for (int y = 0; y < t->n_out; y++) {
        const int32_t *weight = t->weight + (size_t)y * (size_t)t->n_tap;
        const uint8_t *top = p->src + (size_t)t->first[y] * (size_t)row_bytes;
        uint8_t *out = p->dst + (size_t)y * (size_t)row_bytes;
        for (int at = 0; at < row_bytes; at += BLOCK) {
            int n = row_bytes - at < BLOCK ? row_bytes - at : BLOCK;
            int32_t sum[BLOCK];
            for (int i = 0; i < n; i++)
                sum[i] = 1 << (WEIGHT_BITS - 1);
            for (int k = 0; k < t->n_used[y]; k++) {
                const uint8_t *in = top + (size_t)k * (size_t)row_bytes + at;
                for (int i = 0; i < n; i++)
                    sum[i] += in[i] * weight[k];
            }
            for (int i = 0; i < n; i++)
                out[at + i] = clip(sum[i]);
        }
    }
}

static bool always(void)
{
    return true;
}

const struct resample_kernel resample_generic = {
    .name = "generic",
    .present = always,
    .across = across,
    .down = down,
};

const struct resample_kernel *const resample_kernels[] = {
#if defined(__x86_64__)
    &resample_avx2,
#endif
    &resample_generic,
    NULL,
};

/* LINNET_ISA=generic is the only name that forbids AVX2: the wider sets all contain it. */
const struct resample_kernel *resample_choose(void)
{
    const char *forced = getenv("LINNET_ISA");
    const struct resample_kernel *const *k = resample_kernels;
    if (forced && strcmp(forced, "generic") == 0)
        return &resample_generic;
    while (!(*k)->present())
        k++;
    return *k;
}
