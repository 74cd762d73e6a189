/* Convolution backward weights as matrix products. In: blocked x and dy; out: canonical dw (K, C, taps) and
 * db (K). A task owns some channels in and some out, all taps of them, and sums over all pixels, a block of
 * them at a time. */
#include "backend/cpu/kernel/implicit.h"
#include "backend/cpu/kernel/transpose.h"
#include "base/parallel.h"

enum {
    BLOCK_PIXELS = 112,
    MAX_CHANNELS = 128,     /* of a task, both ways; multiples of 2V */
    TAP_CHANNELS = 64,      /* in, where there are several taps */
    NEAR_BYTES = 512 << 10, /* of x and dy, that stay in L2 after the first task */
};

/* Sizes in floats. */
struct job {
    const struct implicit_grad *a;
    const struct implicit_shape *s;
    bool plain;
    int taps, c_blocks, k_blocks;
    int c_size, k_size, c_parts, k_parts; /* vectors of a task; tasks */
    int rows, width;                      /* of a plane of y; where x lies alike, one row */
    int pictures, per_picture;            /* of a block; blocks of a picture */
    size_t x_plane, y_plane, du_size;
};

static struct job job_of(const struct implicit_shape *s, int n_thread)
{
    struct job j = {.s = s, .plain = is_plain(s), .taps = taps_of(s)};
    j.x_plane = (size_t)(s->h * s->w) * V;
    j.y_plane = (size_t)(s->oh * s->ow) * V;
    j.rows = j.plain ? 1 : s->oh;
    j.width = j.plain ? s->oh * s->ow : s->ow;
    j.pictures = max_of(1, BLOCK_PIXELS / (s->oh * s->ow));
    j.per_picture = min_of(j.plain ? j.width : j.rows, blocks_of(s->oh * s->ow, BLOCK_PIXELS));
    j.c_blocks = blocks_of(s->c, V);
    j.k_blocks = blocks_of(s->k, V);
    j.c_size = (j.taps > 1 ? TAP_CHANNELS : MAX_CHANNELS) / V;
    j.k_size = MAX_CHANNELS / V;
    for (;;) {
        j.c_parts = blocks_of(j.c_blocks, j.c_size);
        j.k_parts = blocks_of(j.k_blocks, j.k_size);
        if (j.c_parts * j.k_parts >= 2 * n_thread || (j.c_size <= 2 && j.k_size <= 2))
            break;
        *(j.c_size >= j.k_size ? &j.c_size : &j.k_size) /= 2;
    }
    j.du_size = (size_t)(j.taps * j.c_size * V * blocks_of(j.k_size, 2)) * PANEL;
    return j;
}

/* The channels of a task, in vectors. */
struct part {
    int c, c_count, k, k_count;
    bool more; /* than the first block: du holds sums */
    float *du;
};

/* Rows of pixels of dy, in some pictures. */
struct block {
    int picture, pictures, row, row_end, x, x_end;
};

static struct block block_of(const struct job *j, int i)
{
    int group = i / j->per_picture, lo, hi;
    struct block b = {.picture = group * j->pictures, .row_end = 1, .x_end = j->width};
    b.pictures = min_of(j->pictures, j->s->n - b.picture);
    parallel_range(j->plain ? j->width : j->rows, i % j->per_picture, j->per_picture, &lo, &hi);
    *(j->plain ? &b.x : &b.row) = lo;
    *(j->plain ? &b.x_end : &b.row_end) = hi;
    return b;
}

static int count_blocks(const struct job *j)
{
    return blocks_of(j->s->n, j->pictures) * j->per_picture;
}

/* -- products -- */

/* Outputs lo .. hi - 1, of `out` along a side, have an input under a tap, of which there are `in`. */
struct span {
    int lo, hi;
};

static inline struct span under_tap(int tap, int pad, int stride, int in, int out)
{
    int lo = pad > tap ? blocks_of(pad - tap, stride) : 0;
    int hi = in + pad > tap ? min_of(out, (in - 1 + pad - tap) / stride + 1) : 0;
    return (struct span){lo, max_of(lo, hi)};
}

/* Pixels of x and of dy under a tap: in some pictures some rows of n. */
struct walk {
    const float *v, *z;
    int pictures, rows, n;
    size_t v_row, z_row, v_picture, z_picture, z_block; /* z_block: to the second vector of K */
};

/* The same on some channels of x and of dy. */
static struct walk walk_of(const struct job *j, const struct part *p, struct block b, int tap)
{
    const struct implicit_shape *s = j->s;
    struct walk w = {.pictures = b.pictures, .z_block = j->y_plane};
    struct span rows = {b.row, b.row_end}, columns = {b.x, b.x_end};
    int top = 0, left = 0;
    if (!j->plain) {
        int ty = tap / s->kernel_w, tx = tap % s->kernel_w;
        rows = under_tap(ty, s->pad_h, s->stride, s->h, s->oh);
        columns = under_tap(tx, s->pad_w, s->stride, s->w, s->ow);
        rows = (struct span){max_of(rows.lo, b.row), min_of(rows.hi, b.row_end)};
        top = ty - s->pad_h;
        left = tx - s->pad_w;
    }
    w.rows = max_of(0, rows.hi - rows.lo);
    w.n = columns.hi - columns.lo;
    w.v_row = (size_t)(s->stride * s->w) * V;
    w.z_row = (size_t)s->ow * V;
    w.v_picture = (size_t)j->c_blocks * j->x_plane;
    w.z_picture = (size_t)j->k_blocks * j->y_plane;
    if (w.rows == 0 || w.n == 0)
        return (struct walk){.v = j->a->x, .z = j->a->dy}; /* nothing to sum */
    w.v = j->a->x + (size_t)b.picture * w.v_picture + (size_t)p->c * j->x_plane +
          (ptrdiff_t)((rows.lo * s->stride + top) * s->w + columns.lo * s->stride + left) * V;
    w.z = j->a->dy + (size_t)b.picture * w.z_picture + (size_t)p->k * j->y_plane +
          (ptrdiff_t)(rows.lo * s->ow + columns.lo) * V;
    return w;
}

/* The sums of a walk's pixels for GRAD_ROWS channels, as grad_rows. */
static FORCE_INLINE void sum_walk(int width, int v_step, const struct walk *w, const float *v,
                                  const float *z, bool more, float *du, struct runs next)
{
    vec acc[GRAD_ROWS][2];
    grad_begin(du, acc);
    for (int i = 0; i < w->pictures; i++, v += w->v_picture, z += w->z_picture)
        for (int row = 0; row < w->rows; row++)
            grad_sums(width, v + (size_t)row * w->v_row, v_step, z + (size_t)row * w->z_row,
                      w->z_block, w->n, &next, acc);
    grad_end(width, more, du, acc);
}

/* Where the next block's planes begin, and vectors of each. */
struct fetches {
    const float *x, *dy;
    int x_count, dy_count;
};

static struct fetches fetches_of(const struct job *j, const struct part *p, struct block b)
{
    const struct implicit_shape *s = j->s;
    struct walk w = walk_of(j, p, b, 0);
    struct fetches f = {w.v, w.z, w.n, w.n};
    if (j->plain || w.pictures == 0)
        return f;
    f.x = j->a->x + (size_t)b.picture * w.v_picture + (size_t)p->c * j->x_plane +
          (size_t)(min_of(b.row * s->stride, s->h - 1) * s->w) * V;
    f.x_count = (b.row_end - b.row) * s->stride * s->w;
    f.dy_count = (b.row_end - b.row) * s->ow;
    return f;
}

/* Meanwhile the next block comes nearer, each product its part of x and of dy. */
static void sum_block(const struct job *j, const struct part *p, struct block b,
                      struct fetches f)
{
    size_t row = (size_t)(p->c_count * V) * PANEL;
    int pairs = blocks_of(p->k_count, 2), halves = V / GRAD_ROWS, rows = p->c_count * halves;
    int x_run = blocks_of(f.x_count, j->taps * pairs * halves);
    int dy_run = blocks_of(2 * f.dy_count, j->taps * rows);
    int steps = blocks_of(b.x_end - b.x, RUN_TILES) * (b.row_end - b.row) * b.pictures;
    struct runs ahead = {.lines = {blocks_of(x_run, steps), blocks_of(dy_run, steps)}};
    if (!f.x)
        ahead = (struct runs){.lines = {0, 0}};
    for (int t = 0; t < j->taps; t++) {
        struct walk w = walk_of(j, p, b, t);
        float *du = p->du + (size_t)t * (size_t)pairs * row;
        for (int k = 0; k < p->k_count; k += 2)
            for (int i = 0; i < rows; i++, du += GRAD_ROWS * PANEL) {
                const float *v =
                    w.v + (size_t)(i / halves) * j->x_plane + i % halves * GRAD_ROWS;
                const float *z = w.z + (size_t)k * j->y_plane;
                int at = 2 * i / rows; /* of the two vectors */
                if (f.x) {
                    int x_turn = (t * pairs + k / 2) * halves + i % halves;
                    int dy_turn = t * (rows / 2) + i - at * (rows / 2);
                    ahead.at[0] = (const char *)(f.x + (size_t)(i / halves) * j->x_plane +
                                                 x_turn * x_run * V);
                    ahead.at[1] = (const char *)(f.dy + (size_t)(k + at) * j->y_plane +
                                                 dy_turn * dy_run * V);
                }
                if (k + 1 == p->k_count)
                    sum_walk(1, j->s->stride * V, &w, v, z, p->more, du, ahead);
                else if (w.pictures * w.rows == 1 && j->s->stride == 1)
                    grad_rows(2, v, z, w.z_block, w.n, p->more, du, ahead);
                else if (j->s->stride == 1)
                    sum_walk(2, V, &w, v, z, p->more, du, ahead);
                else
                    sum_walk(2, j->s->stride * V, &w, v, z, p->more, du, ahead);
            }
    }
}

/* -- results -- */

static void add_bias(const struct job *j, const struct part *p, struct block b, float *sums)
{
    size_t first = (size_t)(b.row * j->width + b.x) * V;
    int n = j->plain ? b.x_end - b.x : (b.row_end - b.row) * j->width;
    for (int i = b.picture; i < b.picture + b.pictures; i++)
        for (int k = 0; k < p->k_count; k++) {
            size_t plane = (size_t)i * (size_t)j->k_blocks + (size_t)(p->k + k);
            const float *z = j->a->dy + plane * j->y_plane + first;
            vec sum = vset(0);
            for (int t = 0; t < n; t++)
                sum += vload(z + t * V);
            vstore(sums + k * V, vload(sums + k * V) + sum);
        }
}

/* V channels in and V out. */
static void finish_square(const struct job *j, const float *du, size_t tap, int n_c, float *dw,
                          int n_k)
{
    _Alignas(64) float square[IMPLICIT_MAX_TAPS * V * V];
    size_t row = (size_t)(j->s->c * j->taps);
    int n = n_c * j->taps;
    for (int c = 0; c < V; c++)
        for (int t = 0; t < j->taps; t++)
            vstore(square + (c * j->taps + t) * V, vload(du + (size_t)t * tap + c * PANEL));
    for (int i = 0; i < n; i += V)
        rows_of(square + i * V, min_of(V, n - i), dw + i, row, n_k);
}

static void finish(const struct job *j, const struct part *p, const float *sums)
{
    const struct implicit_grad *a = j->a;
    size_t C = (size_t)j->s->c, row = (size_t)(p->c_count * V) * PANEL;
    size_t tap = (size_t)blocks_of(p->k_count, 2) * row;
    for (int k = 0; k < p->k_count; k++) {
        int k0 = (p->k + k) * V, n_k = min_of(V, j->s->k - k0);
        for (int c = 0; c < p->c_count; c++) {
            int c0 = (p->c + c) * V;
            const float *du =
                p->du + (size_t)(k / 2) * row + (size_t)(c * V) * PANEL + k % 2 * V;
            finish_square(j, du, tap, min_of(V, j->s->c - c0),
                          a->dw + ((size_t)k0 * C + (size_t)c0) * (size_t)j->taps, n_k);
        }
        if (a->db && p->c == 0)
            vstore_some(a->db + k0, vload(sums + k * V), n_k);
    }
}

static void run_part(void *ctx, int task, int thread)
{
    const struct job *j = ctx;
    const struct implicit_grad *a = j->a;
    _Alignas(64) float sums[MAX_CHANNELS] = {0};
    struct part p = {.c = task % j->c_parts * j->c_size, .k = task / j->c_parts * j->k_size};
    int n = count_blocks(j);
    p.c_count = min_of(j->c_size, j->c_blocks - p.c);
    p.k_count = min_of(j->k_size, j->k_blocks - p.k);
    p.du = (float *)a->scratch + (size_t)thread * j->du_size;
    size_t bytes =
        ((size_t)p.c_count * j->x_plane + (size_t)p.k_count * j->y_plane) * sizeof(float);
    bool near = bytes * (size_t)j->s->n <= NEAR_BYTES;
    for (int i = 0; i < n; i++) {
        struct fetches f = {.x = NULL};
        if (!near && i + 1 < n)
            f = fetches_of(j, &p, block_of(j, i + 1));
        struct block b = block_of(j, i);
        sum_block(j, &p, b, f);
        if (a->db && p.c == 0)
            add_bias(j, &p, b, sums);
        p.more = true;
    }
    finish(j, &p, sums);
}

/* -- one tap and a stride: pixels that are read, side by side -- */

static bool is_sparse(const struct implicit_shape *s)
{
    return taps_of(s) == 1 && !is_plain(s) && s->pad_h == 0 && s->pad_w == 0;
}

static struct implicit_shape dense_of(struct implicit_shape s)
{
    s.h = s.oh;
    s.w = s.ow;
    s.stride = 1;
    return s;
}

/* A picture's block of channels. */
static void gather_plane(void *ctx, int task, int thread)
{
    const struct implicit_conv *a = ctx;
    const struct implicit_shape *s = &a->shape;
    const float *x = a->x + (size_t)task * (size_t)(s->h * s->w) * V;
    float *to = a->y + (size_t)task * (size_t)(s->oh * s->ow) * V;
    (void)thread;
    for (int row = 0; row < s->oh; row++, x += s->stride * s->w * V)
        for (int i = 0; i < s->ow; i++, to += V)
            vstore(to, vload(x + i * s->stride * V));
}

size_t ISA_NAME(implicit_scratch_grad)(const struct implicit_shape *s, int n_thread)
{
    struct implicit_shape dense = is_sparse(s) ? dense_of(*s) : *s;
    struct job j = job_of(&dense, n_thread);
    size_t gathered = (size_t)(s->n * j.c_blocks) * j.x_plane;
    return ((size_t)n_thread * j.du_size + (is_sparse(s) ? gathered : 0)) * sizeof(float);
}

void ISA_NAME(implicit_grad)(const struct implicit_grad *a)
{
    struct implicit_grad dense = *a;
    if (is_sparse(&a->shape))
        dense.shape = dense_of(a->shape);
    struct job j = job_of(&dense.shape, a->n_thread);
    j.a = &dense;
    if (is_sparse(&a->shape)) {
        float *gathered = (float *)a->scratch + (size_t)a->n_thread * j.du_size;
        struct implicit_conv gather = {.shape = a->shape, .x = a->x, .y = gathered};
        parallel_for(a->n_thread, a->shape.n * j.c_blocks, gather_plane, &gather);
        dense.x = gathered;
    }
    parallel_for(a->n_thread, j.c_parts * j.k_parts, run_part, &j);
}

static size_t scratch(const struct implicit_shape *s, int n_thread)
{
    size_t conv = ISA_NAME(implicit_scratch_conv)(s, n_thread);
    size_t grad = ISA_NAME(implicit_scratch_grad)(s, n_thread);
    return conv > grad ? conv : grad;
}

const struct implicit_ops ISA_NAME(implicit) = {
    .scratch = scratch,
    .parts = ISA_NAME(implicit_parts),
    .conv = ISA_NAME(implicit_conv),
    .grad = ISA_NAME(implicit_grad),
};
