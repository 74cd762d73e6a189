/* Convolution forward, and backward data, as matrix products. In: blocked x, canonical weights; out: blocked
 * y. The weights are packed into panels of two vectors of outputs. A block of pixels, a chunk of its
 * channels near, meets one panel after the other, and a few pixels' sums stay in registers over a chunk's
 * channels and all taps.
 *
 * Forward, x is read where it lies; what a group of pixels has not side by side, or not at all, under a
 * tap is copied, with zeros. Backward, the products of each tap are added to what lies under it. */
#include "backend/cpu/kernel/implicit.h"
#include "backend/cpu/kernel/moments.h"
#include "base/parallel.h"

#include <string.h>

enum {
    BLOCK_GROUPS = V == 16 ? 4 : 10, /* of at most GEMM_ROWS pixels */
    PART_GROUPS = 8 * BLOCK_GROUPS,  /* a part of the moments; threads share out parts */
    EVEN = 4,                        /* parts, for two or four threads */
    LINE = 16,                       /* floats of a cache line */
    X_BYTES = 256 << 10,             /* of a block's pixels in L2, */
    U_BYTES = 384 << 10,             /* and of weights */
    PACK_PANELS = 4,                 /* packed by a task */
    MAX_PANELS = 64,                 /* whose moments are taken at a time */
};

/* The first pixel of a group: all are of nearly one size. */
static int pixel_at(const struct implicit_job *j, int group)
{
    return (int)((long long)j->pixels * group / j->groups);
}

static size_t copies_of(const struct implicit_job *j)
{
    return j->plain || j->spread ? 0
                                 : (size_t)(BLOCK_GROUPS * j->taps * j->chunk) * GEMM_ROWS * V;
}

static size_t weights_at_hand(const struct implicit_job *j)
{
    return (size_t)(j->bunch * j->chunk * j->taps * V) * PANEL;
}

/* As many channels read and panels written at a time as keep a block's pixels and the weights in L2. Where
 * fewer are read, what is written is read and written again; where fewer are written, what is read is read
 * again, and copied. */
static void cut(struct implicit_job *j)
{
    const struct implicit_shape *s = j->s;
    bool in_rows = s->ow % GEMM_ROWS == 0 || s->ow >= 4 * GEMM_ROWS;
    int around = j->plain || j->spread ? 1 : in_rows ? s->stride * s->stride + 1 : j->taps;
    int again = j->plain || j->spread || in_rows ? around : 4 * around; /* the price of it */
    int x_bytes = BLOCK_GROUPS * GEMM_ROWS * V * around * (int)sizeof(float);
    int u_bytes = j->taps * V * PANEL * (int)sizeof(float);
    int threads = j->n_part == 1 ? 2 : 1; /* that share the panels, at least */
    j->chunk = j->c_blocks;
    j->bunch = min_of(MAX_PANELS, blocks_of(j->panels, threads));
    while (j->chunk * x_bytes > X_BYTES || j->chunk * j->bunch * u_bytes > U_BYTES) {
        bool reads =
            j->chunk * x_bytes > X_BYTES || j->chunk * V * again > 2 * j->bunch * PANEL;
        if (j->chunk > 1 && (reads || j->bunch == 1))
            j->chunk = blocks_of(j->chunk, 2);
        else if (j->bunch > 1)
            j->bunch = blocks_of(j->bunch, 2);
        else
            break;
    }
    j->n_chunk = blocks_of(j->c_blocks, j->chunk);
}

static struct implicit_job job_of(const struct implicit_shape *s, bool back, int n_thread)
{
    struct implicit_job j = {.s = s, .plain = is_plain(s), .taps = taps_of(s)};
    size_t x = (size_t)(s->h * s->w) * V, y = (size_t)(s->oh * s->ow) * V;
    j.spread = back && !j.plain;
    j.c = back ? s->k : s->c;
    j.k = back ? s->c : s->k;
    j.c_blocks = blocks_of(j.c, V);
    j.k_blocks = blocks_of(j.k, V);
    j.panels = blocks_of(j.k, PANEL);
    j.pixels = s->oh * s->ow;
    j.groups = blocks_of(j.pixels, GEMM_ROWS);
    j.n_part = j.spread ? blocks_of(s->n, max_of(1, PART_GROUPS / j.groups))
                        : blocks_of(s->n * j.groups, PART_GROUPS);
    if (j.n_part > EVEN && !j.spread)
        j.n_part = blocks_of(j.n_part, EVEN) * EVEN;
    j.k_parts = min_of(j.panels, j.n_part == 1 ? n_thread : blocks_of(2 * n_thread, j.n_part));
    j.x_plane = back ? y : x;
    j.y_plane = back ? x : y;
    j.panel = (size_t)(j.c * j.taps) * PANEL;
    cut(&j);
    j.out_lines = j.spread ? 0 : blocks_of(GEMM_ROWS * V / LINE, j.chunk);
    return j;
}

/* -- pixels -- */

/* Of x, what a group of pixels reads under a tap. */
struct piece {
    const float *x;
    size_t block; /* from one block of channels to the next */
    bool wide;    /* pixels are two vectors apart */
};

/* Pixels first .. first + n - 1 of a picture. */
struct group {
    int picture, first, n;
};

static struct group group_of(const struct implicit_job *j, int i)
{
    struct group g = {.picture = i / j->groups, .first = pixel_at(j, i % j->groups)};
    g.n = pixel_at(j, i % j->groups + 1) - g.first;
    return g;
}

static const float *plane_of(const struct implicit_job *j, int picture,
                             const struct implicit_chunk *c)
{
    return j->a->x + ((size_t)picture * (size_t)j->c_blocks + (size_t)c->lo) * j->x_plane;
}

/* What lies under a tap at a pixel: row y and column x, perhaps outside of the picture. */
struct cell {
    int y, x, left, end; /* columns of a row's first pixel, and past its last */
};

static FORCE_INLINE struct cell cell_of(const struct implicit_shape *s, int pixel, int tap)
{
    int left = tap % s->kernel_w - s->pad_w, top = tap / s->kernel_w - s->pad_h;
    return (struct cell){pixel / s->ow * s->stride + top, pixel % s->ow * s->stride + left,
                         left, s->ow * s->stride + left};
}

static FORCE_INLINE bool is_inside(const struct implicit_shape *s, struct cell c)
{
    return c.y >= 0 && c.y < s->h && c.x >= 0 && c.x < s->w;
}

/* At the next pixel. */
static FORCE_INLINE struct cell cell_next(const struct implicit_shape *s, struct cell c)
{
    if ((c.x += s->stride) >= c.end) {
        c.x = c.left;
        c.y += s->stride;
    }
    return c;
}

static struct piece copy_pixels(const struct implicit_job *j, struct group g,
                                const struct implicit_chunk *c, struct cell cell, float *to)
{
    const float *plane = plane_of(j, g.picture, c);
    struct piece piece = {to, (size_t)g.n * V, false};
    int at[GEMM_ROWS];
    for (int i = 0; i < g.n; i++, cell = cell_next(j->s, cell))
        at[i] = is_inside(j->s, cell) ? cell.y * j->s->w + cell.x : -1;
    for (int b = c->lo; b < c->hi; b++, plane += j->x_plane)
        for (int i = 0; i < g.n; i++, to += V)
            vstore(to, at[i] < 0 ? vset(0) : vload(plane + (ptrdiff_t)at[i] * V));
    return piece;
}

static struct piece piece_of(const struct implicit_job *j, struct group g,
                             const struct implicit_chunk *c, int tap, float *copy)
{
    const struct implicit_shape *s = j->s;
    const float *plane = plane_of(j, g.picture, c);
    if (j->plain || j->spread)
        return (struct piece){plane + (size_t)g.first * V, j->x_plane, false};
    struct cell cell = cell_of(s, g.first, tap), last = cell;
    last.x += (g.n - 1) * s->stride;
    if (is_inside(s, cell) && is_inside(s, last) && last.x < cell.end && s->stride <= 2)
        return (struct piece){plane + (ptrdiff_t)(cell.y * s->w + cell.x) * V, j->x_plane,
                              s->stride == 2};
    return copy_pixels(j, g, c, cell, copy);
}

/* A group's sums. */
struct sums {
    const struct piece *piece; /* of each tap, or one */
    int first;                 /* pixel */
    int width, n_c;            /* vectors of outputs; channels */
    bool more;                 /* y holds sums */
    float *y;                  /* plane of the panel's first vector */
    vec bias[2];
    struct measured *moments; /* of the panel's vectors, or NULL */
    struct ahead next;
    size_t next_tap; /* bytes further on */
};

static FORCE_INLINE void multiply(const struct implicit_job *j, bool plain, int rows, int width,
                                  const struct sums *p, const float *u)
{
    vec acc[GEMM_ROWS][2];
    float *y = p->y + (size_t)p->first * V;
    struct ahead next = p->next;
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
        acc[r][0] = p->more ? vload(y + r * V) : p->bias[0];
        acc[r][1] = p->more && width == 2 ? vload(y + j->y_plane + r * V) : p->bias[1];
    }
    next.out[0] = (const char *)y;
    next.out[1] = (const char *)(width == 2 ? y + j->y_plane : y);
    next.out_lines = j->out_lines;
    for (int t = 0; t < (plain ? 1 : j->taps); t++, u += (size_t)p->n_c * PANEL) {
        const struct piece *x = p->piece + t;
        if (!plain && x->wide)
            gemm_sums(rows, width, x->x, 2 * V, x->block, u, p->n_c, next, acc);
        else
            gemm_sums(rows, width, x->x, V, x->block, u, p->n_c, next, acc);
        next.at += p->next_tap;
        next.out_lines = 0;
    }
#pragma GCC unroll 2
    for (int k = 0; k < width; k++) {
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++)
            vstore(y + (size_t)k * j->y_plane + r * V, acc[r][k]);
        if (p->moments)
            measure(p->moments + k, &acc[0][k], 2, rows, 0, rows);
    }
}

static FORCE_INLINE void add(float *y, vec v)
{
    vstore(y, vload(y) + v);
}

static FORCE_INLINE void multiply_spread(const struct implicit_job *j, int rows, int width,
                                         const struct sums *p, const float *u)
{
    const struct implicit_shape *s = j->s;
    struct ahead next = p->next;
    for (int t = 0; t < j->taps; t++, u += (size_t)p->n_c * PANEL) {
        vec acc[GEMM_ROWS][2];
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++)
            acc[r][0] = acc[r][1] = vset(0);
        gemm_sums(rows, width, p->piece->x, V, p->piece->block, u, p->n_c, next, acc);
        next.at += p->next_tap;
        struct cell cell = cell_of(s, p->first, t);
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++, cell = cell_next(s, cell))
            if (is_inside(s, cell)) {
                float *to = p->y + (ptrdiff_t)(cell.y * s->w + cell.x) * V;
                add(to, acc[r][0]);
                if (width == 2)
                    add(to + j->y_plane, acc[r][1]);
            }
    }
}

static FORCE_INLINE void multiply_rows(const struct implicit_job *j, int rows,
                                       const struct sums *p, const float *u)
{
    if (j->spread && p->width == 2)
        multiply_spread(j, rows, 2, p, u);
    else if (j->spread)
        multiply_spread(j, rows, 1, p, u);
    else if (j->plain && p->width == 2)
        multiply(j, true, rows, 2, p, u);
    else if (p->width == 2)
        multiply(j, false, rows, 2, p, u);
    else
        multiply(j, false, rows, 1, p, u);
}

static void multiply_any(const struct implicit_job *j, int rows, const struct sums *p,
                         const float *u)
{
#define ROWS(n)                                                                                \
    case n:                                                                                    \
        if (n <= GEMM_ROWS)                                                                    \
            multiply_rows(j, n <= GEMM_ROWS ? n : 1, p, u);                                    \
        break;
    switch (rows) {
        GEMM_EACH_ROWS(ROWS)
    }
#undef ROWS
}

/* -- tasks: some groups of pixels, for some panels -- */

struct task {
    int lo, hi; /* groups, running over pictures */
    int panel, panel_end;
    struct measured *moments; /* of these panels' vectors, or NULL */
    float *u, *copies;
};

/* Packed weights of a panel: packed for all tasks, or where all pixels are one part for this one. */
static float *weights_of(const struct implicit_job *j, const struct task *t, int panel,
                         const struct implicit_chunk *c)
{
    if (j->n_part == 1)
        return t->u + (size_t)(panel - t->panel) * (size_t)(c->n * j->taps) * PANEL;
    return j->u + (size_t)panel * j->panel + (size_t)(c->lo * V * j->taps) * PANEL;
}

/* Some panels. */
static void pack_panels(void *ctx, int task, int thread)
{
    const struct implicit_job *j = ctx;
    int panel = task * PACK_PANELS, end = min_of(j->panels, panel + PACK_PANELS);
    (void)thread;
    for (int i = 0; i < j->n_chunk; i++) {
        struct implicit_chunk c = implicit_chunk_of(j, i);
        ISA_NAME(implicit_pack)(j, panel, end, &c, weights_of(j, NULL, panel, &c), j->panel);
    }
}

static vec bias_of(const struct implicit_job *j, int k)
{
    const float *bias = j->a->bias;
    return bias && k < j->k ? vload_some(bias + k, j->k - k) : vset(0);
}

/* Rows of the gradient that the pixels before `pixel` reach. */
static int rows_before(const struct implicit_job *j, int pixel)
{
    const struct implicit_shape *s = j->s;
    if (pixel == 0 || pixel == j->pixels)
        return pixel ? s->h : 0;
    int reached = (pixel - 1) / s->ow * s->stride + s->kernel_h - s->pad_h;
    return max_of(0, min_of(s->h, reached));
}

/* Before anything is added to them. */
static void clear(const struct implicit_job *j, struct group g, int width, float *y)
{
    size_t row = (size_t)j->s->w * V, from = (size_t)rows_before(j, g.first),
           end = (size_t)rows_before(j, g.first + g.n);
    for (int k = 0; k < width; k++)
        memset(y + (size_t)k * j->y_plane + from * row, 0, (end - from) * row * sizeof(float));
}

/* What a block of pixels reads first of a plane that the one before it did not, and how many vectors. */
static const float *fresh(const struct implicit_job *j, int group,
                          const struct implicit_chunk *c, int *n)
{
    const struct implicit_shape *s = j->s;
    struct group g = group_of(j, group);
    const float *plane = plane_of(j, g.picture, c);
    int pixels = BLOCK_GROUPS * GEMM_ROWS;
    if (j->plain || j->spread) {
        *n = pixels;
        return plane + (size_t)g.first * V;
    }
    int row = g.first / s->ow * s->stride + s->kernel_h - s->pad_h - s->stride;
    *n = blocks_of(pixels, s->ow) * s->stride * s->w;
    return plane + (size_t)(g.first ? max_of(0, row) * s->w : 0) * V;
}

/* Groups lo .. hi - 1. Meanwhile the next block's pixels come nearer. */
static void run_block(const struct implicit_job *j, const struct task *t,
                      const struct implicit_chunk *c, int lo, int hi)
{
    struct group group[BLOCK_GROUPS];
    struct piece piece[BLOCK_GROUPS * IMPLICIT_MAX_TAPS];
    int taps = j->plain || j->spread ? 1 : j->taps, n_fresh, groups = hi - lo;
    float *copy = t->copies;
    for (int i = 0; i < groups; i++) {
        group[i] = group_of(j, lo + i);
        for (int tap = 0; tap < taps; tap++, copy += j->chunk * GEMM_ROWS * V)
            piece[i * taps + tap] = piece_of(j, group[i], c, tap, copy);
    }
    struct sums p = {.n_c = c->n, .more = !c->first};
    const float *next = fresh(j, min_of(hi, j->s->n * j->groups - 1), c, &n_fresh);
    int calls = groups * (t->panel_end - t->panel) * j->taps;
    p.next = (struct ahead){.at = (const char *)next,
                            .lines = blocks_of(n_fresh * V / LINE, calls),
                            .step = j->x_plane * sizeof(float)};
    p.next_tap = (size_t)(p.next.lines * LINE) * sizeof(float);
    for (int panel = t->panel; panel < t->panel_end; panel++) {
        const float *u = weights_of(j, t, panel, c);
        int k = 2 * panel;
        p.width = min_of(2, j->k_blocks - k);
        p.bias[0] = bias_of(j, k * V);
        p.bias[1] = bias_of(j, (k + 1) * V);
        p.moments = t->moments && c->last ? t->moments + (k - 2 * t->panel) : NULL;
        for (int i = 0; i < groups; i++) {
            struct group g = group[i];
            p.piece = piece + i * taps;
            p.first = g.first;
            p.y = j->a->y + ((size_t)g.picture * (size_t)j->k_blocks + (size_t)k) * j->y_plane;
            if (j->spread && c->first)
                clear(j, g, p.width, p.y);
            multiply_any(j, g.n, &p, u);
            p.next.at += (size_t)j->taps * p.next_tap;
        }
    }
}

static void run_chunks(const struct implicit_job *j, const struct task *t)
{
    int n = blocks_of(t->hi - t->lo, BLOCK_GROUPS);
    for (int i = 0; i < j->n_chunk; i++) {
        struct implicit_chunk c = implicit_chunk_of(j, i);
        if (j->n_part == 1) {
            size_t panel = (size_t)(c.n * j->taps) * PANEL;
            ISA_NAME(implicit_pack)(j, t->panel, t->panel_end, &c, t->u, panel);
        }
        for (int block = 0; block < n; block++) {
            int lo, hi;
            parallel_range(t->hi - t->lo, block, n, &lo, &hi);
            run_block(j, t, &c, t->lo + lo, t->lo + hi);
        }
    }
}

static void groups_of_part(const struct implicit_job *j, int part, int *lo, int *hi)
{
    int unit = j->spread ? j->groups : 1;
    parallel_range(j->s->n * j->groups / unit, part, j->n_part, lo, hi);
    *lo *= unit;
    *hi *= unit;
}

static void run_task(void *ctx, int task, int thread)
{
    const struct implicit_job *j = ctx;
    struct measured moments[2 * MAX_PANELS];
    int part = task / j->k_parts, lo, hi;
    struct task t = {.u = j->u + (size_t)thread * weights_at_hand(j),
                     .copies = j->copies + (size_t)thread * copies_of(j)};
    groups_of_part(j, part, &t.lo, &t.hi);
    parallel_range(j->panels, task % j->k_parts, j->k_parts, &lo, &hi);
    for (int panel = lo; panel < hi; panel = t.panel_end) {
        t.panel = panel;
        t.panel_end = min_of(hi, panel + j->bunch);
        int n = min_of(2 * (t.panel_end - panel), j->k_blocks - 2 * panel);
        if (j->a->moments) {
            for (int i = 0; i < n; i++)
                moments[i] = (struct measured){.begun = false};
            t.moments = moments;
        }
        run_chunks(j, &t);
        for (int i = 0; j->a->moments && i < n; i++)
            measured_store(&moments[i], j->a->count[part],
                           j->a->moments +
                               ((size_t)part * (size_t)j->k_blocks + (size_t)(2 * panel + i)) *
                                   2 * V);
    }
}

int ISA_NAME(implicit_parts)(const struct implicit_shape *s)
{
    return job_of(s, false, 1).n_part;
}

static size_t weights_size(const struct implicit_job *j, int n_thread)
{
    return j->n_part == 1 ? (size_t)n_thread * weights_at_hand(j)
                          : (size_t)j->panels * j->panel;
}

/* For all n pictures and, as a smaller batch may be one part, for one. */
size_t ISA_NAME(implicit_scratch_conv)(const struct implicit_shape *s, int n_thread)
{
    size_t most = 0;
    for (int i = 0; i < 4; i++) {
        struct implicit_shape some = *s;
        some.n = i < 2 ? s->n : 1;
        struct implicit_job j = job_of(&some, i % 2, n_thread);
        size_t n = weights_size(&j, n_thread) + (size_t)n_thread * copies_of(&j);
        most = n > most ? n : most;
    }
    return most * sizeof(float);
}

void ISA_NAME(implicit_conv)(const struct implicit_conv *a)
{
    struct implicit_job j = job_of(&a->shape, a->back, a->n_thread);
    j.a = a;
    j.u = a->scratch;
    j.copies = j.u + weights_size(&j, a->n_thread);
    for (int i = 0; a->moments && i < j.n_part; i++) {
        int lo, hi;
        groups_of_part(&j, i, &lo, &hi);
        a->count[i] = (float)(hi / j.groups * j.pixels + pixel_at(&j, hi % j.groups) -
                              lo / j.groups * j.pixels - pixel_at(&j, lo % j.groups));
    }
    if (j.n_part > 1)
        parallel_for(a->n_thread, blocks_of(j.panels, PACK_PANELS), pack_panels, &j);
    parallel_for(a->n_thread, j.n_part * j.k_parts, run_task, &j);
}
