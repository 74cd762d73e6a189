/* What the first convolution's passes share: the job, and the picture's rows turned into float,
 * normalised, zero-padded and interleaved (x, channel), so that the taps of one kernel row are
 * kernel_w * C numbers in a run. With bf16 activations row and weights are bf16 too, and one
 * instruction multiplies pairs: of neighbouring taps forward, of neighbouring pixels for the gradient.
 * Sums are fp32. */
#ifndef BACKEND_CPU_KERNEL_FIRST_ROWS_H
#define BACKEND_CPU_KERNEL_FIRST_ROWS_H

#include "backend/cpu/first.h"
#include "backend/cpu/vmask.h"

#include <assert.h>

#if defined(ISA_avx512bf16)
enum { HAS_PAIRS = 1 };
#else
enum { HAS_PAIRS = 0 };
#endif

enum {
    PANEL = 2 * V,
    FIRST_MAX_STEP = 2 * FIRST_MAX_C, /* numbers from a pixel to the next */
    GRAD_PANELS = 4,                  /* of output channels, a task of the gradient */
};

/* Sizes in floats. */
struct job {
    const struct first_conv *a;
    int panels, k_blocks, taps, width; /* taps: kernel_w * C; width: of a row in the buffer */
    int bands, k_parts;
    size_t panel;         /* kernel_h * taps * 2V: weights or sums of a panel */
    size_t sums;          /* of a shard: panels and then biases */
    size_t rows, dy;      /* a thread's buffers */
    float *scale, *shift; /* (w, c) */
    float *u, *bias, *shards, *rows_at, *dy_at;
    bool pairs;
};

static inline size_t lines(size_t n)
{
    return (n + 15) / 16 * 16;
}

static inline struct job job_of(const struct first_conv *a)
{
    struct job j = {.a = a};
    j.panels = (a->k + PANEL - 1) / PANEL;
    j.k_blocks = (a->k + V - 1) / V;
    j.taps = a->kernel_w * a->c;
    /* a last pair of taps may begin in the row and end behind it */
    j.width = (int)lines((size_t)((a->ow - 1) * a->stride_w + a->kernel_w) * (size_t)a->c + 1);
    j.bands = (a->oh + FIRST_BAND - 1) / FIRST_BAND;
    j.k_parts = (j.panels + GRAD_PANELS - 1) / GRAD_PANELS;
    j.panel = (size_t)(a->kernel_h * j.taps) * PANEL;
    j.sums = (size_t)j.panels * (j.panel + PANEL);
    j.rows = (size_t)((FIRST_BAND - 1) * a->stride_h + a->kernel_h) * (size_t)j.width;
    j.scale = a->scratch;
    j.shift = j.scale + lines((size_t)(a->w * a->c));
    j.u = j.shift + lines((size_t)(a->w * a->c));
    j.bias = j.u + (size_t)j.panels * j.panel;
    j.shards = j.bias + j.panels * PANEL;
    j.rows_at = j.shards + j.sums * (size_t)a->n_shard;
    j.dy = (size_t)(FIRST_BAND * a->ow) * PANEL;
    j.dy_at = j.rows_at + j.rows * (size_t)a->n_thread;
    assert(HAS_PAIRS || !a->half);
    j.pairs = a->half;
    return j;
}

static inline void spread_normalisation(const struct job *j)
{
    for (int i = 0; i < j->a->w * j->a->c; i++) {
        j->scale[i] = j->a->scale[i % j->a->c];
        j->shift[i] = j->a->shift[i % j->a->c];
    }
}

static inline void fill_row(const struct job *j, int picture, int y, float *row)
{
    const struct first_conv *a = j->a;
    int left = a->pad_w * a->c, n = a->w * a->c;
    if (y < 0 || y >= a->h) {
        memset(row, 0, (size_t)j->width * sizeof(float));
        return;
    }
    if (left > j->width)
        left = j->width;
    if (n > j->width - left)
        n = j->width - left;
    memset(row, 0, (size_t)left * sizeof(float));
    memset(row + left + n, 0, (size_t)(j->width - left - n) * sizeof(float));
    row += left;
    if (a->pixel) {
        const uint8_t *from =
            a->pixel + ((size_t)picture * (size_t)a->h + (size_t)y) * (size_t)(a->w * a->c);
        for (int i = 0; i < n; i++)
            row[i] = (float)from[i] * j->scale[i] + j->shift[i];
        return;
    }
    for (int c = 0; c < a->c; c++) {
        size_t plane = (size_t)picture * (size_t)a->c + (size_t)c;
        const float *from = a->x + (plane * (size_t)a->h + (size_t)y) * (size_t)a->w;
        for (int i = c; i < n; i += a->c)
            row[i] = *from++;
    }
}

/* In place: to bf16, or with `apart` to pairs of a number and the one so far to its right. */
static inline void pair_row(const struct job *j, float *row, int apart)
{
    float end[V + FIRST_MAX_STEP] = {0};
    void *at = row;
    memcpy(end, row + j->width - V, V * sizeof(float));
    for (int i = 0; i < j->width; i += V) {
        const float *right = i + V < j->width ? row + i + apart : end + apart;
        if (apart)
            vstore(row + i, (vec)vpair_bf16(vload(row + i), vloadu(right)));
        else
            vstore_bf16((uint16_t *)at + i, vload(row + i));
    }
}

/* The rows under output rows from `first` on, `count` of them. */
static inline void fill_band(const struct job *j, int picture, int first, int count, int apart,
                             float *rows)
{
    int n = (count - 1) * j->a->stride_h + j->a->kernel_h;
    for (int i = 0; i < n; i++, rows += j->width) {
        fill_row(j, picture, first * j->a->stride_h - j->a->pad_h + i, rows);
        if (j->pairs)
            pair_row(j, rows, apart);
    }
}

/* What a multiplication takes from a row: a float or a pair of bf16, in every lane. */
static FORCE_INLINE vec spread(bool pairs, const char *x)
{
    uint32_t pair;
    float number;
    memcpy(&pair, x, sizeof(pair));
    memcpy(&number, x, sizeof(number));
    return pairs ? (vec)((vecu){0} + pair) : vset(number);
}

static FORCE_INLINE vec add_product(bool pairs, vec x, vec u, vec sum)
{
#if defined(ISA_avx512bf16)
    if (pairs)
        return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)x, (__m512bh)u);
#endif
    (void)pairs;
    return vfma(x, u, sum);
}

void ISA_NAME(first_forward)(const struct first_conv *a);

#endif
