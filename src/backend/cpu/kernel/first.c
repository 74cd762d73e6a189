/* The first convolution. Rows of the picture are turned into float, normalised, zero-padded and
 * interleaved (x, channel), so that the taps of one kernel row are kernel_w * C numbers in a run; a
 * band of them stays in the near caches while all output channels are computed from it. With bf16
 * activations the row and the weights are bf16 too, and one instruction multiplies pairs: of
 * neighbouring taps forward, of neighbouring pixels for the gradient. Sums are fp32. */
#include "backend/cpu/first.h"
#include "backend/cpu/kernel/shards.h"
#include "backend/cpu/vmask.h"
#include "base/parallel.h"

#include <assert.h>

#if defined(ISA_avx512bf16)
enum { HAS_PAIRS = 1 };
#else
enum { HAS_PAIRS = 0 };
#endif

enum {
    PANEL = 2 * V,
    PIXELS = V == 16 ? 14 : 6,        /* x 2 accumulators */
    FIRST_MAX_STEP = 2 * FIRST_MAX_C, /* numbers from a pixel to the next */
    TAPS = V == 16 ? 12 : 6,          /* x 2 accumulators */
    BAND = 8,                         /* output rows */
    GRAD_PANELS = 4,                  /* of output channels, a task of the gradient */
    STREAM_BYTES = 16 << 20,          /* outputs beyond the last caches go around them */
};

/* Sizes in floats. */
struct job {
    const struct first_conv *a;
    int panels, k_blocks, taps, width; /* taps: kernel_w * C; width: of a row in the buffer */
    int bands, k_parts;
    size_t panel;         /* kernel_h * taps * 2V: weights or sums of a panel */
    size_t sums;          /* of a shard: panels and then biases */
    size_t rows;          /* a thread's buffer */
    float *scale, *shift; /* (w, c) */
    float *u, *bias, *shards, *rows_at;
    bool stream, pairs;
};

extern const struct first_ops ISA_NAME(first);

static size_t lines(size_t n)
{
    return (n + 15) / 16 * 16;
}

static struct job job_of(const struct first_conv *a)
{
    struct job j = {.a = a};
    j.panels = (a->k + PANEL - 1) / PANEL;
    j.k_blocks = (a->k + V - 1) / V;
    j.taps = a->kernel_w * a->c;
    /* a last pair of taps may begin in the row and end behind it */
    j.width = (int)lines((size_t)((a->ow - 1) * a->stride_w + a->kernel_w) * (size_t)a->c + 1);
    j.bands = (a->oh + BAND - 1) / BAND;
    j.k_parts = (j.panels + GRAD_PANELS - 1) / GRAD_PANELS;
    j.panel = (size_t)(a->kernel_h * j.taps) * PANEL;
    j.sums = (size_t)j.panels * (j.panel + PANEL);
    j.rows = (size_t)((BAND - 1) * a->stride_h + a->kernel_h) * (size_t)j.width;
    j.scale = a->scratch;
    j.shift = j.scale + lines((size_t)(a->w * a->c));
    j.u = j.shift + lines((size_t)(a->w * a->c));
    j.bias = j.u + (size_t)j.panels * j.panel;
    j.shards = j.bias + j.panels * PANEL;
    j.rows_at = j.shards + j.sums * (size_t)a->n_shard;
    assert(HAS_PAIRS || !a->half);
    j.pairs = a->half;
    size_t element = a->half ? 2 : 4;
    j.stream = (size_t)a->n * (size_t)j.k_blocks * V * (size_t)(a->oh * a->ow) * element >
               STREAM_BYTES;
    return j;
}

/* -- the picture's rows -- */

static void spread_normalisation(const struct job *j)
{
    for (int i = 0; i < j->a->w * j->a->c; i++) {
        j->scale[i] = j->a->scale[i % j->a->c];
        j->shift[i] = j->a->shift[i % j->a->c];
    }
}

static void fill_row(const struct job *j, int picture, int y, float *row)
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

/* bf16 of a, and of b above it. */
static FORCE_INLINE vec pair_of(vec a, vec b)
{
    _Alignas(64) uint16_t half[2][V];
    vstore_bf16(half[0], a);
    vstore_bf16(half[1], b);
    return (vec)(__builtin_convertvector(*(const vechalf *)half[0], vecu) |
                 __builtin_convertvector(*(const vechalf *)half[1], vecu) << 16);
}

/* In place: to bf16, or with `apart` to pairs of a number and the one so far to its right. */
static void pair_row(const struct job *j, float *row, int apart)
{
    float end[V + FIRST_MAX_STEP] = {0};
    void *at = row;
    memcpy(end, row + j->width - V, V * sizeof(float));
    for (int i = 0; i < j->width; i += V) {
        const float *right = i + V < j->width ? row + i + apart : end + apart;
        if (apart)
            vstore(row + i, pair_of(vload(row + i), vloadu(right)));
        else
            vstore_bf16((uint16_t *)at + i, vload(row + i));
    }
}

/* The rows under output rows from `first` on, `count` of them. */
static void fill_band(const struct job *j, int picture, int first, int count, int apart,
                      float *rows)
{
    int n = (count - 1) * j->a->stride_h + j->a->kernel_h;
    for (int i = 0; i < n; i++, rows += j->width) {
        fill_row(j, picture, first * j->a->stride_h - j->a->pad_h + i, rows);
        if (j->pairs)
            pair_row(j, rows, apart);
    }
}

/* -- forward -- */

/* In place: the taps of a kernel row to pairs, the last one alone when they are odd. */
static void pack_pairs(const struct job *j, float *u)
{
    float *to = u;
    for (int r = 0; r < j->a->kernel_h; r++)
        for (int i = 0; i < j->taps; i += 2, to += PANEL)
            for (int lane = 0; lane < PANEL; lane += V) {
                const float *tap = u + (r * j->taps + i) * PANEL + lane;
                vstore(to + lane,
                       pair_of(vload(tap), i + 1 < j->taps ? vload(tap + PANEL) : vset(0)));
            }
}

static void pack(void *ctx, int panel, int thread)
{
    const struct job *j = ctx;
    const struct first_conv *a = j->a;
    (void)thread;
    int n = a->kernel_h * j->taps;
    float *u = j->u + (size_t)panel * j->panel;
    for (int lane = 0; lane < PANEL; lane++) {
        int k = panel * PANEL + lane;
        j->bias[k] = a->bias && k < a->k ? a->bias[k] : 0;
        for (int i = 0; i < n; i++) {
            int c = i % a->c, tap = i / a->c; /* (y, x) of the kernel */
            u[i * PANEL + lane] =
                k < a->k ? a->weight[(k * a->c + c) * a->kernel_h * a->kernel_w + tap] : 0;
        }
    }
    if (j->pairs)
        pack_pairs(j, u);
}

/* Where a panel's outputs go: a row of pixels in one or two vectors of channels. */
struct target {
    void *y;
    size_t block; /* elements from the first vector's plane to the second's */
    bool half, stream;
};

static FORCE_INLINE void put(const struct target *t, size_t at, vec v)
{
    if (t->half)
        vstore_bf16((uint16_t *)t->y + at, v);
    else if (t->stream)
        vstream((float *)t->y + at, v);
    else
        vstore((float *)t->y + at, v);
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

/* `pixels` outputs in a row; x: the buffer's row under the first one, `step` numbers a pixel. */
static FORCE_INLINE void forward_pixels(bool pairs, int pixels, int width, int step,
                                        const struct job *j, const float *x, const float *u,
                                        const float *bias, const struct target *t, int first)
{
    int size = pairs ? 2 : 4;
    vec acc[PIXELS][2];
#pragma GCC unroll 16
    for (int p = 0; p < pixels; p++) {
        acc[p][0] = vload(bias);
        acc[p][1] = vload(bias + V);
    }
    for (int r = 0; r < j->a->kernel_h; r++, x += j->width) {
        const char *at = (const char *)x + first * step * size, *end = at + j->taps * size;
        for (; at < end; at += 4, u += PANEL) {
            /* or gcc carries what the next tap shares from one to the next, and spills */
            __asm__("" : "+r"(at));
            vec u0 = vload(u), u1 = width == 2 ? vload(u + V) : u0;
#pragma GCC unroll 16
            for (int p = 0; p < pixels; p++) {
                vec v = spread(pairs, at + p * step * size);
                acc[p][0] = add_product(pairs, v, u0, acc[p][0]);
                if (width == 2)
                    acc[p][1] = add_product(pairs, v, u1, acc[p][1]);
            }
        }
    }
#pragma GCC unroll 16
    for (int p = 0; p < pixels; p++) {
        put(t, (size_t)(first + p) * V, acc[p][0]);
        if (width == 2)
            put(t, t->block + (size_t)(first + p) * V, acc[p][1]);
    }
}

/* One output row; the last group of pixels overlaps the one before. */
static FORCE_INLINE void forward_row(bool pairs, int width, int step, const struct job *j,
                                     const float *x, const float *u, const float *bias,
                                     const struct target *t)
{
    int n = j->a->ow;
    for (int p = 0; p < n; p += n < PIXELS ? 1 : PIXELS) {
        if (n < PIXELS)
            forward_pixels(pairs, 1, width, step, j, x, u, bias, t, p);
        else
            forward_pixels(pairs, PIXELS, width, step, j, x, u, bias, t,
                           p + PIXELS > n ? n - PIXELS : p);
    }
}

static FORCE_INLINE void forward_steps(bool pairs, int width, const struct job *j,
                                       const float *x, const float *u, const float *bias,
                                       const struct target *t)
{
#define STEP(n)                                                                                \
    case n:                                                                                    \
        forward_row(pairs, width, n, j, x, u, bias, t);                                        \
        break;
    switch (j->a->stride_w * j->a->c) {
        STEP(1) STEP(2) STEP(3) STEP(4) STEP(6) STEP(8)
    }
#undef STEP
}

static void forward_any(int width, const struct job *j, const float *x, const float *u,
                        const float *bias, const struct target *t)
{
    if (HAS_PAIRS && j->pairs && width == 2)
        forward_steps(true, 2, j, x, u, bias, t);
    else if (HAS_PAIRS && j->pairs)
        forward_steps(true, 1, j, x, u, bias, t);
    else if (width == 2)
        forward_steps(false, 2, j, x, u, bias, t);
    else
        forward_steps(false, 1, j, x, u, bias, t);
}

static void forward_band(void *ctx, int task, int thread)
{
    const struct job *j = ctx;
    const struct first_conv *a = j->a;
    int picture = task / j->bands, first = task % j->bands * BAND;
    int count = a->oh - first < BAND ? a->oh - first : BAND;
    float *rows = j->rows_at + (size_t)thread * j->rows;
    size_t plane = (size_t)a->oh * (size_t)a->ow * V;
    fill_band(j, picture, first, count, 0, rows);
    for (int panel = 0; panel < j->panels; panel++)
        for (int i = 0; i < count; i++) {
            size_t block = (size_t)picture * (size_t)j->k_blocks + (size_t)panel * 2;
            size_t at = block * plane + (size_t)(first + i) * (size_t)a->ow * V;
            struct target t = {(char *)a->y + at * (a->half ? 2 : 4), plane, a->half,
                               j->stream};
            forward_any(panel * 2 + 1 < j->k_blocks ? 2 : 1, j,
                        rows + (size_t)(i * a->stride_h) * (size_t)j->width,
                        j->u + (size_t)panel * j->panel, j->bias + panel * PANEL, &t);
        }
    vfence();
}

/* -- the gradient of weights and bias -- */

/* A vector of floats, or two pixels' bf16 as pairs; the last pixel of an odd row has zeros beside it. */
static FORCE_INLINE vec load_pixels(bool pairs, const void *dy, bool two)
{
    if (!pairs)
        return vload(dy);
    const uint16_t *half = dy;
    vecu a = __builtin_convertvector(*(const vechalf *)half, vecu);
    vecu b = two ? __builtin_convertvector(*(const vechalf *)(half + V), vecu) : (vecu){0};
    return (vec)(a | b << 16);
}

/* sums[tap][2V] += x[pixel * step + tap] * dy[pixel] over a row of n pixels, one or a pair at a time;
 * the next row of dy comes nearer. block: bytes to the second vector's plane. */
static FORCE_INLINE void grad_taps(int taps, int width, bool pairs, const float *x, int step,
                                   const char *dy, size_t block, int n, float *sums)
{
    vec acc[TAPS][2];
    int pixels = pairs ? 2 : 1;
    size_t pixel_bytes = V * (pairs ? 2 : 4), row_bytes = (size_t)n * pixel_bytes;
#pragma GCC unroll 16
    for (int i = 0; i < taps; i++)
        acc[i][0] = acc[i][1] = vset(0);
    for (int p = 0; p < n;
         p += pixels, x += pixels * step, dy += (size_t)pixels * pixel_bytes) {
        vec d0 = load_pixels(pairs, dy, p + 1 < n), d1 = d0;
        __builtin_prefetch(dy + row_bytes, 0, 2);
        if (width == 2) {
            __builtin_prefetch(dy + block + row_bytes, 0, 2);
            d1 = load_pixels(pairs, dy + block, p + 1 < n);
        }
#pragma GCC unroll 16
        for (int i = 0; i < taps; i++) {
            vec v = spread(pairs, (const char *)(x + i));
            acc[i][0] = add_product(pairs, v, d0, acc[i][0]);
            if (width == 2)
                acc[i][1] = add_product(pairs, v, d1, acc[i][1]);
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < taps; i++) {
        vstore(sums + i * PANEL, vload(sums + i * PANEL) + acc[i][0]);
        if (width == 2)
            vstore(sums + i * PANEL + V, vload(sums + i * PANEL + V) + acc[i][1]);
    }
}

static FORCE_INLINE void grad_any(int taps, int width, bool pairs, const float *x, int step,
                                  const char *dy, size_t block, int n, float *sums)
{
#define ROWS(t)                                                                                \
    case t:                                                                                    \
        if (t <= TAPS)                                                                         \
            grad_taps(t <= TAPS ? t : 1, width, pairs, x, step, dy, block, n, sums);           \
        break;
    switch (taps) {
        ROWS(1)
        ROWS(2)
        ROWS(3) ROWS(4) ROWS(5) ROWS(6) ROWS(7) ROWS(8) ROWS(9) ROWS(10) ROWS(11) ROWS(12)
    }
#undef ROWS
}

/* One output row of a panel. */
static void grad_row(const struct job *j, int width, const float *x, const char *dy,
                     size_t block, float *sums)
{
    const struct first_conv *a = j->a;
    int step = a->stride_w * a->c, groups = (j->taps + TAPS - 1) / TAPS;
    for (int r = 0; r < a->kernel_h; r++, x += j->width, sums += (size_t)j->taps * PANEL)
        for (int i = 0; i < groups; i++) {
            int lo, hi;
            parallel_range(j->taps, i, groups, &lo, &hi);
            float *to = sums + (size_t)lo * PANEL;
            if (HAS_PAIRS && j->pairs && width == 2)
                grad_any(hi - lo, 2, true, x + lo, step, dy, block, a->ow, to);
            else if (HAS_PAIRS && j->pairs)
                grad_any(hi - lo, 1, true, x + lo, step, dy, block, a->ow, to);
            else if (width == 2)
                grad_any(hi - lo, 2, false, x + lo, step, dy, block, a->ow, to);
            else
                grad_any(hi - lo, 1, false, x + lo, step, dy, block, a->ow, to);
        }
}

static void bias_row(const struct job *j, int width, const void *dy, size_t block, float *sums)
{
    for (int k = 0; k < width; k++) {
        vec sum = vset(0);
        size_t at = (size_t)k * block;
        for (size_t end = at + (size_t)j->a->ow * V; at < end; at += V)
            sum += j->a->half ? vload_bf16((const uint16_t *)dy + at)
                              : vload((const float *)dy + at);
        vstore(sums + k * V, vload(sums + k * V) + sum);
    }
}

static void grad_band(const struct job *j, int picture, int band, int part, const float *rows,
                      float *sums)
{
    const struct first_conv *a = j->a;
    int first = band * BAND, last = first + BAND < a->oh ? first + BAND : a->oh;
    size_t plane = (size_t)a->oh * (size_t)a->ow * V;
    int end = (part + 1) * GRAD_PANELS < j->panels ? (part + 1) * GRAD_PANELS : j->panels;
    for (int panel = part * GRAD_PANELS; panel < end; panel++)
        for (int y = first; y < last; y++) {
            size_t block = (size_t)picture * (size_t)j->k_blocks + (size_t)panel * 2;
            size_t at = block * plane + (size_t)y * (size_t)a->ow * V;
            size_t element = a->half ? 2 : 4;
            const char *dy = (const char *)a->dy + at * element;
            int width = panel * 2 + 1 < j->k_blocks ? 2 : 1;
            grad_row(j, width, rows + (size_t)((y - first) * a->stride_h) * (size_t)j->width,
                     dy, plane * element, sums + (size_t)panel * j->panel);
            bias_row(j, width, dy, plane,
                     sums + (size_t)j->panels * j->panel + (size_t)panel * PANEL);
        }
}

/* One shard's sums for a part of the output channels. */
static void grad_part(void *ctx, int task, int thread)
{
    const struct job *j = ctx;
    const struct first_conv *a = j->a;
    int shard = task / j->k_parts, part = task % j->k_parts, lo, hi;
    int panel = part * GRAD_PANELS;
    size_t count = (size_t)(j->panels - panel < GRAD_PANELS ? j->panels - panel : GRAD_PANELS);
    float *rows = j->rows_at + (size_t)thread * j->rows;
    float *sums = j->shards + (size_t)shard * j->sums;
    memset(sums + (size_t)panel * j->panel, 0, count * j->panel * sizeof(float));
    memset(sums + (size_t)j->panels * j->panel + (size_t)panel * PANEL, 0,
           count * PANEL * sizeof(float));
    parallel_range(a->n, shard, a->n_shard, &lo, &hi);
    for (int picture = lo; picture < hi; picture++)
        for (int band = 0; band < j->bands; band++) {
            int first = band * BAND;
            fill_band(j, picture, first, a->oh - first < BAND ? a->oh - first : BAND,
                      a->stride_w * a->c, rows);
            grad_band(j, picture, band, part, rows, sums);
        }
}

/* Adds the shards of a panel, writes canonical gradients. */
static void collect(void *ctx, int panel, int thread)
{
    const struct job *j = ctx;
    const struct first_conv *a = j->a;
    (void)thread;
    float *sums = j->shards + (size_t)panel * j->panel;
    float *bias = j->shards + (size_t)j->panels * j->panel + (size_t)panel * PANEL;
    shards_sum(sums, j->sums, a->n_shard, j->panel);
    shards_sum(bias, j->sums, a->n_shard, PANEL);
    int taps = a->kernel_h * a->kernel_w;
    for (int lane = 0; lane < PANEL && panel * PANEL + lane < a->k; lane++) {
        int k = panel * PANEL + lane;
        for (int i = 0; i < taps; i++)
            for (int c = 0; c < a->c; c++)
                a->dweight[(k * a->c + c) * taps + i] = sums[(i * a->c + c) * PANEL + lane];
        if (a->dbias)
            a->dbias[k] = bias[lane];
    }
}

static size_t scratch_bytes(const struct first_conv *a)
{
    struct first_conv base = *a;
    base.scratch = NULL;
    struct job j = job_of(&base);
    return (size_t)(j.rows_at - j.scale) * sizeof(float) +
           j.rows * (size_t)a->n_thread * sizeof(float);
}

static void forward(const struct first_conv *a)
{
    struct job j = job_of(a);
    spread_normalisation(&j);
    parallel_for(a->n_thread, j.panels, pack, &j);
    parallel_for(a->n_thread, a->n * j.bands, forward_band, &j);
}

static void grad(const struct first_conv *a)
{
    struct job j = job_of(a);
    spread_normalisation(&j);
    parallel_for(a->n_thread, a->n_shard * j.k_parts, grad_part, &j);
    parallel_for(a->n_thread, j.panels, collect, &j);
}

const struct first_ops ISA_NAME(first) = {
    .scratch_bytes = scratch_bytes, .forward = forward, .grad = grad};
