/* 1x1 convolution forward, and backward data, which is the same with transposed weights. In: blocked x,
 * canonical weights; out: blocked y. The weights are packed into panels of two vectors of outputs; a
 * block of pixels, all its channels near, meets one panel after the other, and a few pixels' sums stay
 * in registers over all channels. */
#include "backend/cpu/kernel/moments.h"
#include "backend/cpu/kernel/pointwise.h"
#include "backend/cpu/kernel/transpose.h"
#include "base/parallel.h"

enum {
    BLOCK_GROUPS = V == 16 ? 4 : 10, /* of at most GEMM_ROWS pixels */
    BLOCK_PIXELS = BLOCK_GROUPS * GEMM_ROWS,
    TASK_GROUPS = 8 * BLOCK_GROUPS, /* a task is a part of the moments too */
    LINE = 16,                      /* floats of a cache line */
    FAR_BYTES = 2 << 20,            /* of weights */
};

/* Sizes in floats. c and k are those of this pass: read and written. */
struct job {
    const struct pointwise_conv *a;
    struct planes planes;
    int c, k, c_blocks, k_blocks, panels;
    int pixels, groups, n_task; /* of y, or where back of x, in a picture */
    int k_parts;                /* of the panels, where pixels give too few tasks */
    int out_lines;              /* that a block of channels fetches of a product's y */
    size_t x_plane, y_plane, panel;
    bool far; /* weights, more than L2 holds */
    float *u; /* packed weights: (panels, c, 2V) */
};

static int tasks_of(int pixels)
{
    return blocks_of(blocks_of(pixels, GEMM_ROWS), TASK_GROUPS);
}

/* The first pixel of a group: all are of nearly one size. */
static int pixel_at(const struct job *j, int group)
{
    return (int)((long long)j->pixels * group / j->groups);
}

static struct job job_of(const struct pointwise_shape *s, bool back, int n_thread)
{
    struct job j = {.planes = planes_of(s)};
    j.c = back ? s->k : s->c;
    j.k = back ? s->c : s->k;
    j.c_blocks = blocks_of(j.c, V);
    j.k_blocks = blocks_of(j.k, V);
    j.panels = blocks_of(j.k, PANEL);
    j.pixels = j.planes.oh * j.planes.ow;
    j.groups = blocks_of(j.pixels, GEMM_ROWS);
    j.n_task = tasks_of(j.pixels);
    j.k_parts = min_of(j.panels, blocks_of(2 * n_thread, s->n * j.n_task));
    j.x_plane = j.planes.out;
    j.y_plane = back ? j.planes.in : j.planes.out;
    j.panel = (size_t)j.c * PANEL;
    j.out_lines = blocks_of(GEMM_ROWS * V / LINE, j.c_blocks);
    j.far = (size_t)j.panels * j.panel * sizeof(float) > FAR_BYTES;
    return j;
}

/* -- weights -- */

/* u[c][2V outputs] of a panel, zeros past the last. */
static void pack_panel(void *ctx, int panel, int thread)
{
    const struct job *j = ctx;
    size_t C = (size_t)j->a->shape.c;
    (void)thread;
    for (int half = 0; half < 2; half++) {
        int k = panel * PANEL + half * V, n_k = max_of(0, min_of(V, j->k - k));
        const float *w = j->a->w + (n_k ? (size_t)k * C : 0);
        float *u = j->u + (size_t)panel * j->panel + half * V;
        for (int c = 0; c < j->c; c += V, u += V * PANEL)
            columns_of(w + c, C, n_k, min_of(V, j->c - c), u, PANEL);
    }
}

/* Backward, where a row of weights is of one c: V rows of all panels. */
static void pack_rows(void *ctx, int band, int thread)
{
    const struct job *j = ctx;
    (void)thread;
    for (int panel = 0; panel < j->panels; panel++)
        for (int c = band * V; c < min_of((band + 1) * V, j->c); c++)
            for (int k = panel * PANEL; k < (panel + 1) * PANEL; k += V) {
                const float *w = j->a->w + (size_t)c * (size_t)j->k;
                vstore(j->u + (size_t)panel * j->panel + (size_t)c * PANEL + k % PANEL,
                       k < j->k ? vload_some(w + k, j->k - k) : vset(0));
            }
}

/* -- pixels -- */

/* A few pixels of x, with all channels, and where their sums go. */
struct pixels {
    const float *x;
    int first; /* pixel of the smaller plane */
    float *y;  /* plane of the panel's first vector */
    vec bias[2];
    struct measured *moments; /* of the panel's vectors, or NULL */
};

/* Backward with a stride: one pixel of dx has a gradient, those around it none. */
static FORCE_INLINE void scatter(const struct job *j, int i, float *y, vec v)
{
    const struct planes *p = &j->planes;
    int h = j->a->shape.h, top = i / p->ow * p->stride, left = i % p->ow * p->stride;
    for (int r = top; r < min_of(top + p->stride, h); r++)
        for (int x = left; x < min_of(left + p->stride, p->w); x++)
            vstore(y + ((size_t)r * (size_t)p->w + (size_t)x) * V,
                   r == top && x == left ? v : vset(0));
}

static FORCE_INLINE void multiply(const struct job *j, int rows, int width,
                                  const struct pixels *p, const float *u, struct ahead next)
{
    vec acc[GEMM_ROWS][2];
    bool spread = j->a->back && j->planes.stride > 1;
    float *y = p->y + (spread ? 0 : (size_t)p->first * V);
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
        acc[r][0] = p->bias[0];
        acc[r][1] = p->bias[1];
    }
    next.out[0] = (const char *)y;
    next.out[1] = (const char *)(width == 2 ? y + j->y_plane : y);
    next.out_lines = spread ? 0 : j->out_lines;
    gemm_sums(rows, width, p->x, j->x_plane, u, j->c, next, acc);
#pragma GCC unroll 2
    for (int k = 0; k < width; k++) {
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++)
            if (spread)
                scatter(j, p->first + r, y + (size_t)k * j->y_plane, acc[r][k]);
            else
                vstore(y + (size_t)k * j->y_plane + r * V, acc[r][k]);
        if (p->moments)
            measure(p->moments + k, &acc[0][k], 2, rows, 0, rows);
    }
}

static void multiply_any(const struct job *j, int rows, int width, const struct pixels *p,
                         const float *u, struct ahead next)
{
#define ROWS(n)                                                                                \
    case n:                                                                                    \
        if (n > GEMM_ROWS)                                                                     \
            break;                                                                             \
        if (width == 2)                                                                        \
            multiply(j, n <= GEMM_ROWS ? n : 1, 2, p, u, next);                                \
        else                                                                                   \
            multiply(j, n <= GEMM_ROWS ? n : 1, 1, p, u, next);                                \
        break;
    switch (rows) {
        GEMM_EACH_ROWS(ROWS)
    }
#undef ROWS
}

/* -- tasks: some blocks of pixels of a picture, for some panels -- */

struct task {
    int picture, part; /* part: of the moments */
    int lo, hi;        /* groups of pixels */
    int panel, panel_end;
    struct measured *moments; /* of these panels' vectors, or NULL */
};

static vec bias_of(const struct job *j, int k)
{
    const float *bias = j->a->bias;
    return bias && k < j->k ? vload_some(bias + k, j->k - k) : vset(0);
}

/* What this thread most likely reads after pixel `end` of the task's picture. */
static const float *after(const struct job *j, const struct task *t, int end)
{
    size_t picture = (size_t)j->c_blocks * j->x_plane;
    const float *x = j->a->x + (size_t)t->picture * picture;
    if (end < j->pixels)
        return x + (size_t)end * V;
    return t->picture + 1 < j->a->shape.n ? x + picture : x;
}

/* Groups lo .. hi - 1. Meanwhile the next block's pixels come nearer, or of far weights the next panel. */
static void run_block(const struct job *j, const struct task *t, int lo, int hi)
{
    const float *x = j->a->x + (size_t)t->picture * (size_t)j->c_blocks * j->x_plane;
    float *y = j->a->y + (size_t)t->picture * (size_t)j->k_blocks * j->y_plane;
    int products = j->far ? hi - lo : (hi - lo) * (t->panel_end - t->panel);
    int lines = blocks_of((j->far ? PANEL : BLOCK_PIXELS) * V / LINE, products);
    size_t step = j->far ? (size_t)(lines * LINE) : j->x_plane;
    const float *next = after(j, t, pixel_at(j, hi));
    for (int panel = t->panel; panel < t->panel_end; panel++) {
        const float *u = j->u + (size_t)panel * j->panel;
        int k = panel * PANEL, width = min_of(2, j->k_blocks - 2 * panel);
        struct pixels p = {.y = y + (size_t)(2 * panel) * j->y_plane,
                           .bias = {bias_of(j, k), bias_of(j, k + V)}};
        p.moments = t->moments ? t->moments + 2 * (panel - t->panel) : NULL;
        if (j->far)
            next = u + j->panel;
        for (int g = lo; g < hi; g++) {
            struct ahead ahead = {
                .at = (const char *)next, .lines = lines, .step = step * sizeof(float)};
            p.first = pixel_at(j, g);
            p.x = x + (size_t)p.first * V;
            multiply_any(j, pixel_at(j, g + 1) - p.first, width, &p, u, ahead);
            next += (j->far ? j->c_blocks : 1) * lines * LINE;
        }
    }
}

static void run_pixels(const struct job *j, const struct task *t)
{
    int n = blocks_of(t->hi - t->lo, BLOCK_GROUPS);
    for (int block = 0; block < n; block++) {
        int lo, hi;
        parallel_range(t->hi - t->lo, block, n, &lo, &hi);
        run_block(j, t, t->lo + lo, t->lo + hi);
    }
}

/* Vectors of a task's panels whose moments are taken at a time. */
enum { MAX_MOMENTS = 128 };

static void run_task(void *ctx, int task, int thread)
{
    const struct job *j = ctx;
    struct measured moments[MAX_MOMENTS];
    int part = task / j->k_parts, lo, hi;
    (void)thread;
    struct task t = {.picture = part / j->n_task, .part = part};
    parallel_range(j->groups, part % j->n_task, j->n_task, &t.lo, &t.hi);
    parallel_range(j->panels, task % j->k_parts, j->k_parts, &lo, &hi);
    for (int panel = lo; panel < hi; panel = t.panel_end) {
        t.panel = panel;
        t.panel_end = j->a->moments ? min_of(hi, panel + MAX_MOMENTS / 2) : hi;
        int n = min_of(2 * (t.panel_end - panel), j->k_blocks - 2 * panel);
        if (j->a->moments) {
            for (int i = 0; i < n; i++)
                moments[i] = (struct measured){.begun = false};
            t.moments = moments;
        }
        run_pixels(j, &t);
        for (int i = 0; j->a->moments && i < n; i++)
            measured_store(&moments[i], j->a->count[part],
                           j->a->moments +
                               ((size_t)part * (size_t)j->k_blocks + (size_t)(2 * panel + i)) *
                                   2 * V);
    }
}

int ISA_NAME(pointwise_parts)(const struct pointwise_shape *s)
{
    struct planes p = planes_of(s);
    return s->n * tasks_of(p.oh * p.ow);
}

size_t ISA_NAME(pointwise_scratch_conv)(const struct pointwise_shape *s)
{
    struct job forward = job_of(s, false, 1), back = job_of(s, true, 1);
    size_t a = (size_t)forward.panels * forward.panel, b = (size_t)back.panels * back.panel;
    return (a > b ? a : b) * sizeof(float);
}

void ISA_NAME(pointwise_conv)(const struct pointwise_conv *a)
{
    struct job j = job_of(&a->shape, a->back, a->n_thread);
    j.a = a;
    j.u = a->scratch;
    for (int i = 0; a->moments && i < a->shape.n * j.n_task; i++) {
        int lo, hi;
        parallel_range(j.groups, i % j.n_task, j.n_task, &lo, &hi);
        a->count[i] = (float)(pixel_at(&j, hi) - pixel_at(&j, lo));
    }
    if (a->back)
        parallel_for(a->n_thread, j.c_blocks, pack_rows, &j);
    else
        parallel_for(a->n_thread, j.panels, pack_panel, &j);
    parallel_for(a->n_thread, a->shape.n * j.n_task * j.k_parts, run_task, &j);
}

/* -- a stride: pixels that are read, side by side -- */

/* A picture's block of channels. */
static void gather_plane(void *ctx, int task, int thread)
{
    const struct pointwise_conv *a = ctx;
    struct planes p = planes_of(&a->shape);
    const float *x = a->x + (size_t)task * p.in;
    float *to = a->y + (size_t)task * p.out;
    (void)thread;
    for (int row = 0; row < p.oh; row++, x += p.stride * p.w * V)
        for (int i = 0; i < p.ow; i++, to += V)
            vstore(to, vload(x + i * p.stride * V));
}

void ISA_NAME(pointwise_gather)(const struct pointwise_shape *s, const float *x, float *to,
                                int n_thread)
{
    struct pointwise_conv a = {.shape = *s, .x = x, .y = to};
    parallel_for(n_thread, s->n * blocks_of(s->c, V), gather_plane, &a);
}
