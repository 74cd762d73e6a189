/* The first convolution, forward: a band of rows stays in the near caches while all output channels
 * are computed from it. */
#include "backend/cpu/kernel/first_rows.h"
#include "base/parallel.h"

enum { PIXELS = V == 16 ? 14 : 6 }; /* x 2 accumulators */

/* In place: the taps of a kernel row to pairs, the last one alone when they are odd. */
static void pack_pairs(const struct job *j, float *u)
{
    float *to = u;
    for (int r = 0; r < j->a->kernel_h; r++)
        for (int i = 0; i < j->taps; i += 2, to += PANEL)
            for (int lane = 0; lane < PANEL; lane += V) {
                const float *tap = u + (r * j->taps + i) * PANEL + lane;
                vec next = i + 1 < j->taps ? vload(tap + PANEL) : vset(0);
                vstore(to + lane, (vec)vpair_bf16(vload(tap), next));
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
    bool half, around, clamped;
    float low, high;
    int fetch; /* pixels whose lines a kernel row fetches */
};

static FORCE_INLINE void put(const struct target *t, size_t at, vec v)
{
    if (t->clamped)
        v = vclamp(v, t->low, t->high);
    if (t->half)
        vstore_bf16((uint16_t *)t->y + at, v);
    else if (t->around)
        vstream((float *)t->y + at, v);
    else
        vstore((float *)t->y + at, v);
}

/* The lines of n pixels' outputs, before they are written. */
static FORCE_INLINE void fetch(const struct target *t, int width, int first, int n)
{
    const float *y = (const float *)t->y + (ptrdiff_t)first * V;
    for (int p = 0; p < n; p++, y += V) {
        __builtin_prefetch(y, 1, 3);
        if (width == 2)
            __builtin_prefetch(y + t->block, 1, 3);
    }
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
        fetch(t, width, first + 2 * pixels + r * t->fetch, t->fetch);
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
    int fetched = a->stores == FIRST_FETCHED && !a->half ? (PIXELS - 1) / a->kernel_h + 1 : 0;
    fill_band(j, picture, first, count, 0, rows);
    for (int panel = 0; panel < j->panels; panel++)
        for (int i = 0; i < count; i++) {
            size_t block = (size_t)picture * (size_t)j->k_blocks + (size_t)panel * 2;
            size_t at = block * plane + (size_t)(first + i) * (size_t)a->ow * V;
            struct target t = {.y = (char *)a->y + at * (a->half ? 2 : 4),
                               .block = plane,
                               .half = a->half,
                               .around = a->stores == FIRST_AROUND,
                               .clamped = a->clamped,
                               .low = a->low,
                               .high = a->high,
                               .fetch = fetched};
            forward_any(panel * 2 + 1 < j->k_blocks ? 2 : 1, j,
                        rows + (size_t)(i * a->stride_h) * (size_t)j->width,
                        j->u + (size_t)panel * j->panel, j->bias + panel * PANEL, &t);
        }
    vfence();
}

void ISA_NAME(first_forward)(const struct first_conv *a)
{
    struct job j = job_of(a);
    spread_normalisation(&j);
    parallel_for(a->n_thread, j.panels, pack, &j);
    parallel_for(a->n_thread, a->n * j.bands, forward_band, &j);
}
