/* The first convolution, forward: a band of rows stays in the near caches while all output channels
 * are computed from it. */
#include "backend/cpu/kernel/first_rows.h"
#include "backend/cpu/kernel/moments.h"
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
    struct measured *moments; /* of each vector; or NULL */
    void *y;
    size_t block; /* elements from the first vector's plane to the second's */
    bool half, around, fetched, clamped;
    float low, high;
};

static FORCE_INLINE void put(const struct target *t, size_t at, vec v)
{
    if (t->half)
        vstore_bf16((uint16_t *)t->y + at, v);
    else if (t->around)
        vstream((float *)t->y + at, v);
    else
        vstore((float *)t->y + at, v);
}

/* Two neighbouring pixels' bf16: a line. */
static FORCE_INLINE void put_two(const struct target *t, size_t at, vec v, vec next)
{
    void *line = (uint16_t *)t->y + at;
    if (t->around)
        vstream(line, vboth_bf16(v, next));
    else
        vstoreu(line, vboth_bf16(v, next));
}

/* Lines of two runs that will be written, fetched one by one: all at once they hold up what is loaded
 * meanwhile. */
struct fetches {
    const float *at, *second;
    int each, left; /* of a run; of both */
};

static FORCE_INLINE void fetch_line(struct fetches *f)
{
    if (f->left == 0)
        return;
    __builtin_prefetch(f->at, 1, 3);
    f->at = --f->left == f->each ? f->second : f->at + V;
}

/* `pixels` outputs in a row, of which `from` are there already; x: the buffer's row under the first one,
 * `step` numbers a pixel. */
static FORCE_INLINE void forward_pixels(bool pairs, int pixels, int width, int step,
                                        const struct job *j, const float *x, const float *u,
                                        const float *bias, const struct target *t, int first,
                                        int from)
{
    int size = pairs ? 2 : 4;
    vec acc[PIXELS][2];
#pragma GCC unroll 16
    for (int p = 0; p < pixels; p++) {
        acc[p][0] = vload(bias);
        acc[p][1] = vload(bias + V);
    }
    const float *next_group = (const float *)t->y + (ptrdiff_t)(first + pixels) * V;
    struct fetches fetches = {next_group, next_group + t->block, pixels,
                              t->fetched ? width * pixels : 0};
    for (int r = 0; r < j->a->kernel_h; r++, x += j->width) {
        const char *at = (const char *)x + first * step * size, *end = at + j->taps * size;
        for (; at < end; at += 4, u += PANEL) {
            /* or gcc carries what the next tap shares from one to the next, and spills */
            __asm__("" : "+r"(at));
            if (!pairs)
                fetch_line(&fetches);
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
    if (t->clamped) {
#pragma GCC unroll 16
        for (int p = 0; p < pixels; p++) {
            acc[p][0] = vclamp(acc[p][0], t->low, t->high);
            acc[p][1] = vclamp(acc[p][1], t->low, t->high);
        }
    }
    bool two = pairs && pixels > 1;
#pragma GCC unroll 16
    for (int p = 0; p < pixels; p += two ? 2 : 1) {
        size_t at = (size_t)(first + p) * V;
        if (two)
            put_two(t, at, acc[p][0], acc[p + 1][0]);
        else
            put(t, at, acc[p][0]);
        if (two && width == 2)
            put_two(t, at + t->block, acc[p][1], acc[p + 1][1]);
        else if (width == 2)
            put(t, at + t->block, acc[p][1]);
    }
    if (t->moments)
        measure(&t->moments[0], &acc[0][0], 2, pixels, from, pixels);
    if (t->moments && width == 2)
        measure(&t->moments[1], &acc[0][1], 2, pixels, from, pixels);
}

/* One output row; the last group of pixels overlaps the one before. */
static FORCE_INLINE void forward_row(bool pairs, int width, int step, const struct job *j,
                                     const float *x, const float *u, const float *bias,
                                     const struct target *t)
{
    int n = j->a->ow;
    for (int p = 0; p < n; p += n < PIXELS ? 1 : PIXELS) {
        int back = p + PIXELS > n ? p + PIXELS - n : 0;
        if (n < PIXELS)
            forward_pixels(pairs, 1, width, step, j, x, u, bias, t, p, 0);
        else
            forward_pixels(pairs, PIXELS, width, step, j, x, u, bias, t, p - back, back);
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

/* The rows of a band that lie in `rows`, of one panel's channels. */
static void forward_panel(const struct job *j, int picture, int band, int panel,
                          const float *rows)
{
    const struct first_conv *a = j->a;
    int first = band * FIRST_BAND, width = panel * 2 + 1 < j->k_blocks ? 2 : 1;
    int count = a->oh - first < FIRST_BAND ? a->oh - first : FIRST_BAND;
    size_t plane = (size_t)a->oh * (size_t)a->ow * V;
    size_t block = (size_t)picture * (size_t)j->k_blocks + (size_t)panel * 2;
    struct measured moments[2] = {{.begun = false}, {.begun = false}};
    struct target t = {.moments = a->moments ? moments : NULL,
                       .block = plane,
                       .half = a->half,
                       .around = a->stores == FIRST_AROUND && (!a->half || a->ow % 2 == 0),
                       .fetched = a->stores == FIRST_FETCHED && !a->half,
                       .clamped = a->clamped,
                       .low = a->low,
                       .high = a->high};
    for (int i = 0; i < count; i++) {
        size_t at = block * plane + (size_t)(first + i) * (size_t)a->ow * V;
        t.y = (char *)a->y + at * (a->half ? 2 : 4);
        forward_any(width, j, rows + (size_t)(i * a->stride_h) * (size_t)j->width,
                    j->u + (size_t)panel * j->panel, j->bias + panel * PANEL, &t);
    }
    if (!a->moments)
        return;
    size_t part = (size_t)(picture * j->bands + band);
    float pixels = (float)(count * a->ow);
    float *to = a->moments + (part * (size_t)j->k_blocks + (size_t)panel * 2) * 2 * V;
    for (int k = 0; k < width; k++, to += 2 * V)
        measured_store(&moments[k], pixels, to);
    a->count[part] = pixels;
}

static void forward_band(void *ctx, int task, int thread)
{
    const struct job *j = ctx;
    int picture = task / j->bands, band = task % j->bands, first = band * FIRST_BAND;
    int left = j->a->oh - first;
    float *rows = j->rows_at + (size_t)thread * j->rows;
    fill_band(j, picture, first, left < FIRST_BAND ? left : FIRST_BAND, 0, rows);
    for (int panel = 0; panel < j->panels; panel++)
        forward_panel(j, picture, band, panel, rows);
    vfence();
}

void ISA_NAME(first_forward)(const struct first_conv *a)
{
    struct job j = job_of(a);
    spread_normalisation(&j);
    parallel_for(a->n_thread, j.panels, pack, &j);
    parallel_for(a->n_thread, a->n * j.bands, forward_band, &j);
}
