/* The first convolution: the gradient of weights and bias, and the row of functions of this build. */
#include "backend/cpu/kernel/first_rows.h"
#include "backend/cpu/kernel/shards.h"
#include "base/parallel.h"

enum {
    TAPS = V == 16 ? 12 : 6, /* x 2 accumulators */
    CHUNK = 64,              /* pixels of dy, for all rows of the kernel while they are near */
};

extern const struct first_ops ISA_NAME(first);

/* A vector of pixels of dy, or with `pairs` of pairs of them, and bytes from it to the second vector's. */
struct pixels {
    const char *at;
    size_t block;
    int n;
    bool pairs;
};

/* What comes nearer meanwhile: a line, and one of the second vector's, `step` bytes a vector. */
struct ahead {
    const char *at;
    size_t block, step;
};

/* sums[tap][2V] += x[i * step + tap] * dy[i]. */
static FORCE_INLINE void grad_taps(int taps, int width, bool pairs, const float *x, int step,
                                   struct pixels dy, struct ahead next, float *sums)
{
    vec acc[TAPS][2];
#pragma GCC unroll 16
    for (int i = 0; i < taps; i++)
        acc[i][0] = acc[i][1] = vset(0);
    for (int p = 0; p < dy.n;
         p++, x += step, dy.at += V * sizeof(float), next.at += next.step) {
        vec d0 = vload((const void *)dy.at), d1 = d0;
        __builtin_prefetch(next.at, 0, 2);
        if (width == 2) {
            __builtin_prefetch(next.at + next.block, 0, 2);
            d1 = vload((const void *)(dy.at + dy.block));
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
                                  struct pixels dy, struct ahead next, float *sums)
{
#define ROWS(t)                                                                                \
    case t:                                                                                    \
        if (t <= TAPS)                                                                         \
            grad_taps(t <= TAPS ? t : 1, width, pairs, x, step, dy, next, sums);               \
        break;
    switch (taps) {
        ROWS(1)
        ROWS(2)
        ROWS(3) ROWS(4) ROWS(5) ROWS(6) ROWS(7) ROWS(8) ROWS(9) ROWS(10) ROWS(11) ROWS(12)
    }
#undef ROWS
}

/* A chunk of an output row of a panel: what it adds to the sums of all taps; each row of the kernel
 * fetches its share. */
static void grad_chunk(const struct job *j, int width, const float *x, struct pixels dy,
                       struct ahead next, float *sums)
{
    const struct first_conv *a = j->a;
    int step = a->stride_w * a->c * (dy.pairs ? 2 : 1), groups = (j->taps + TAPS - 1) / TAPS;
    for (int r = 0; r < a->kernel_h; r++, x += j->width, sums += (size_t)j->taps * PANEL,
             next.at += (size_t)dy.n * next.step)
        for (int i = 0; i < groups; i++) {
            int lo, hi;
            parallel_range(j->taps, i, groups, &lo, &hi);
            float *to = sums + (size_t)lo * PANEL;
            if (HAS_PAIRS && dy.pairs && width == 2)
                grad_any(hi - lo, 2, true, x + lo, step, dy, next, to);
            else if (HAS_PAIRS && dy.pairs)
                grad_any(hi - lo, 1, true, x + lo, step, dy, next, to);
            else if (width == 2)
                grad_any(hi - lo, 2, false, x + lo, step, dy, next, to);
            else
                grad_any(hi - lo, 1, false, x + lo, step, dy, next, to);
        }
}

/* The same of the bias. */
static void bias_chunk(int width, struct pixels dy, float *sums)
{
    enum { LINES = 4 };
    const uint32_t ones = 0x3f803f80; /* a pair of bf16 */
    vec x = dy.pairs ? spread(true, (const char *)&ones) : vset(1);
    for (int k = 0; k < width; k++) {
        const void *first = dy.at + (size_t)k * dy.block;
        const float *at = first;
        vec sum[LINES] = {vset(0)};
#pragma GCC unroll 4
        for (int p = 0; p < dy.n; p++, at += V)
            sum[p % LINES] = add_product(dy.pairs, x, vload(at), sum[p % LINES]);
        vstore(sums + k * V, vload(sums + k * V) + ((sum[0] + sum[1]) + (sum[2] + sum[3])));
    }
}

/* n pixels of bf16 as pairs; the last one of an odd number has zeros beside it. */
static struct pixels pair_pixels(int width, const char *dy, size_t block, int n,
                                 vecu (*to)[CHUNK / 2])
{
    for (int k = 0; k < width; k++, dy += block)
        for (int p = 0; p < n; p += 2) {
            const uint16_t *half = (const uint16_t *)dy + p * V;
            vecu a = __builtin_convertvector(*(const vechalf *)half, vecu), b = {0};
            if (p + 1 < n)
                b = __builtin_convertvector(*(const vechalf *)(half + V), vecu);
            to[k][p / 2] = a | b << 16;
        }
    return (struct pixels){(const char *)to, sizeof(to[0]), (n + 1) / 2, true};
}

/* Of a pixel. */
static size_t vector_bytes(const struct first_conv *a)
{
    return V * (a->half ? sizeof(uint16_t) : sizeof(float));
}

/* Rows of dy of a panel: the first, and bytes to the next and to the second vector's. */
struct gradients {
    const char *at;
    size_t row, block;
};

static void grad_row(const struct job *j, int width, const float *x, const char *dy,
                     size_t block, struct ahead next, float *sums, float *bias)
{
    const struct first_conv *a = j->a;
    vecu paired[2][CHUNK / 2];
    size_t vector = vector_bytes(a);
    for (int p = 0; p < a->ow; p += CHUNK) {
        int n = a->ow - p < CHUNK ? a->ow - p : CHUNK;
        struct pixels chunk = {dy, block, n, false};
        if (HAS_PAIRS && j->pairs)
            chunk = pair_pixels(width, dy, block, n, paired);
        grad_chunk(j, width, x, chunk, next, sums);
        bias_chunk(width, chunk, bias);
        x += CHUNK * a->stride_w * a->c;
        dy += CHUNK * vector;
        next.at += CHUNK * vector;
    }
}

/* A picture's rows from first to last - 1, and a thread's buffers. */
struct band {
    int picture, first, last;
    float *rows, *dy;
};

/* As they lie in memory, or made into the buffer. */
static struct gradients gradients_of(const struct job *j, const struct band *b, int panel,
                                     int width)
{
    const struct first_conv *a = j->a;
    size_t row = (size_t)a->ow * vector_bytes(a), plane = (size_t)a->oh * row;
    size_t block = (size_t)b->picture * (size_t)j->k_blocks + (size_t)panel * 2;
    if (!a->rows)
        return (struct gradients){(const char *)a->dy + block * plane + (size_t)b->first * row,
                                  row, plane};
    for (int k = 0; k < width; k++)
        a->rows->make(a->rows->maker, b->picture, panel * 2 + k, b->first, b->last,
                      (char *)b->dy + (size_t)(k * FIRST_BAND) * row);
    return (struct gradients){(const char *)b->dy, row, FIRST_BAND * row};
}

/* Of what is at `from`, as each row of the kernel fetches its share. */
static struct ahead ahead_of(const struct first_conv *a, const void *from, size_t block)
{
    return (struct ahead){from, block, V * sizeof(float) / (size_t)a->kernel_h};
}

/* What a panel's rows from `row` on are made of. */
static struct ahead source_of(const struct job *j, int picture, int panel, int row)
{
    const struct first_conv *a = j->a;
    size_t bytes = (size_t)a->ow * vector_bytes(a), plane = (size_t)a->oh * bytes;
    size_t block = (size_t)picture * (size_t)j->k_blocks + (size_t)panel * 2;
    return ahead_of(a, (const char *)a->y + block * plane + (size_t)row * bytes, plane);
}

/* Of the panels first .. end - 1. Meanwhile what is next comes nearer: the next chunk of dy, or of what it
 * will be made of, which is the next panel's or the next band's. */
static void grad_band(const struct job *j, const struct band *b, int first, int end,
                      float *sums)
{
    const struct first_conv *a = j->a;
    float *bias = sums + (size_t)j->panels * j->panel;
    for (int panel = first; panel < end; panel++) {
        int width = panel * 2 + 1 < j->k_blocks ? 2 : 1;
        const float *rows = b->rows;
        struct gradients dy = gradients_of(j, b, panel, width);
        struct ahead next = ahead_of(a, dy.at + CHUNK * vector_bytes(a), dy.block);
        if (a->rows)
            next = panel + 1 < end ? source_of(j, b->picture, panel + 1, b->first)
                                   : source_of(j, b->picture, first, b->last);
        for (int y = b->first; y < b->last; y++, dy.at += dy.row, next.at += dy.row) {
            grad_row(j, width, rows, dy.at, dy.block, next, sums + (size_t)panel * j->panel,
                     bias + panel * PANEL);
            rows += a->stride_h * j->width;
        }
    }
}

/* One shard's sums for a part of the output channels. */
static void grad_part(void *ctx, int task, int thread)
{
    const struct job *j = ctx;
    const struct first_conv *a = j->a;
    int shard = task / j->k_parts, panel = task % j->k_parts * GRAD_PANELS, lo, hi;
    int end = j->panels - panel < GRAD_PANELS ? j->panels : panel + GRAD_PANELS;
    size_t count = (size_t)(end - panel);
    float *sums = j->shards + (size_t)shard * j->sums;
    memset(sums + (size_t)panel * j->panel, 0, count * j->panel * sizeof(float));
    memset(sums + (size_t)j->panels * j->panel + (size_t)panel * PANEL, 0,
           count * PANEL * sizeof(float));
    struct band b = {.rows = j->rows_at + (size_t)thread * j->rows,
                     .dy = j->dy_at + (size_t)thread * j->dy};
    parallel_range(a->n, shard, a->n_shard, &lo, &hi);
    for (b.picture = lo; b.picture < hi; b.picture++)
        for (b.first = 0; b.first < a->oh; b.first = b.last) {
            b.last = a->oh - b.first < FIRST_BAND ? a->oh : b.first + FIRST_BAND;
            fill_band(j, b.picture, b.first, b.last - b.first, a->stride_w * a->c, b.rows);
            grad_band(j, &b, panel, end, sums);
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
    return ((size_t)(j.dy_at - j.scale) + j.dy * (size_t)a->n_thread) * sizeof(float);
}

static void grad(const struct first_conv *a)
{
    struct job j = job_of(a);
    spread_normalisation(&j);
    parallel_for(a->n_thread, a->n_shard * j.k_parts, grad_part, &j);
    parallel_for(a->n_thread, j.panels, collect, &j);
}

const struct first_ops ISA_NAME(first) = {
    .scratch_bytes = scratch_bytes, .forward = ISA_NAME(first_forward), .grad = grad};
