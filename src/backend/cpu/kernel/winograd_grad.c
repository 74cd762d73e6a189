/* Winograd backward weights. In: blocked x and dy; out: canonical dw (K, C, 3, 3) and db (K).
 * For a block of input and of output channels and the pictures of one shard, blocks of tiles are
 * transformed into V and Z, a third of the 36 points at a time, matrix products over the tiles add to
 * dU, and dU goes back to 3 x 3 taps at the shard's end. Each task owns its sums; a fixed tree adds the
 * shards. Nothing is fetched ahead: V and Z need all of L2. */
#include "backend/cpu/kernel/gemm.h"
#include "backend/cpu/kernel/shards.h"
#include "backend/cpu/kernel/transpose.h"
#include "backend/cpu/kernel/wino_pair.h"
#include "backend/cpu/kernel/winograd.h"
#include "base/parallel.h"

enum {
    TAPS = 9,
    BLOCK_TILES = 56,
    BLOCK_C = 128, /* channels of a task: multiples of 2V */
    BLOCK_K = 128,
};

/* Sizes in floats. */
struct job {
    const struct wino_grad *a;
    struct tiling tiling;
    int c_blocks, k_blocks, c_parts, k_parts; /* vectors; tasks */
    size_t v_step, z_step, du_step, per_thread;
    size_t partial; /* floats of dw */
    float *dw,
        *db; /* (n_shard, partial): the caller's where it is one; (n_shard, k_blocks, V) */
};

static struct job job_of(const struct wino_shape *s)
{
    struct job j = {.tiling = tiling_of(s)};
    j.c_blocks = blocks_of(s->c, V);
    j.k_blocks = blocks_of(s->k, V);
    j.c_parts = blocks_of(s->c, BLOCK_C);
    j.k_parts = blocks_of(s->k, BLOCK_K);
    size_t c = (size_t)min_of(j.c_blocks * V, BLOCK_C);
    size_t k = (size_t)min_of(blocks_of(j.k_blocks, 2) * PANEL, BLOCK_K);
    j.v_step = c * BLOCK_TILES + LINE;
    j.z_step = k * BLOCK_TILES + LINE;
    j.du_step = c * k + LINE;
    j.per_thread = PAIR_POINTS * (j.v_step + j.z_step) + POINTS * j.du_step;
    j.partial = (size_t)j.k_blocks * (size_t)s->c * TAPS * V;
    return j;
}

struct range {
    int first, count;
};

/* The channels and tiles that one task sums over. */
struct part {
    int shard, c_first, c_count, k_first, k_count; /* in vectors */
    struct range tiles;
    float *v, *z, *du;
};

static struct part part_of(const struct job *j, int task, int thread)
{
    const struct wino_grad *a = j->a;
    int tiles = j->tiling.rows * j->tiling.columns, first, end;
    int c_part = task % j->c_parts, k_part = task / j->c_parts % j->k_parts;
    struct part p = {.shard = task / j->c_parts / j->k_parts};
    parallel_range(a->shape.n, p.shard, a->n_shard, &first, &end);
    p.tiles = (struct range){first * tiles, (end - first) * tiles};
    p.c_first = c_part * (BLOCK_C / V);
    p.c_count = min_of(BLOCK_C / V, j->c_blocks - p.c_first);
    p.k_first = k_part * (BLOCK_K / V);
    p.k_count = min_of(BLOCK_K / V, j->k_blocks - p.k_first);
    p.v = (float *)a->scratch + (size_t)thread * j->per_thread;
    p.z = p.v + PAIR_POINTS * j->v_step;
    p.du = p.z + PAIR_POINTS * j->z_step;
    return p;
}

/* V and Z of a pair's points; adds dy to the sums, unless they are NULL. */
static FORCE_INLINE void transform(bool half, enum pair pair, const struct job *j,
                                   const struct part *p, struct range r, float *sums)
{
    const struct wino_grad *a = j->a;
    const struct tiling *g = &j->tiling;
    size_t plane = (size_t)g->h * (size_t)g->w * V * (half ? 2 : 4);
    for (int c = 0; c < p->c_count; c++) {
        struct tile t = tile_at(g, r.first);
        float *to = p->v + (size_t)(c * r.count) * V;
        for (int i = 0; i < r.count; i++, t = tile_next(g, t), to += V) {
            size_t at = (size_t)t.picture * (size_t)j->c_blocks + (size_t)(p->c_first + c);
            pair_of_input(half, pair, g, t, (const char *)a->x + at * plane, to, j->v_step);
        }
    }
    for (int k = 0; k < p->k_count; k++) {
        struct tile t = tile_at(g, r.first);
        float *to = p->z + (size_t)(k * r.count) * V;
        for (int i = 0; i < r.count; i++, t = tile_next(g, t), to += V) {
            size_t at = (size_t)t.picture * (size_t)j->k_blocks + (size_t)(p->k_first + k);
            const char *dy = (const char *)a->dy + at * plane;
            pair_of_gradient(half, pair, g, t, dy, to, j->z_step);
            if (pair == PAIR_ENDS && sums)
                vstore(sums + k * V, vload(sums + k * V) + tile_sum(half, g, t, dy));
        }
    }
}

static FORCE_INLINE void transform_pair(bool half, enum pair pair, const struct job *j,
                                        const struct part *p, struct range r, float *sums)
{
    if (pair == PAIR_ENDS)
        transform(half, PAIR_ENDS, j, p, r, sums);
    else if (pair == PAIR_A)
        transform(half, PAIR_A, j, p, r, sums);
    else
        transform(half, PAIR_B, j, p, r, sums);
}

static void transform_full(enum pair pair, const struct job *j, const struct part *p,
                           struct range r, float *sums)
{
    transform_pair(false, pair, j, p, r, sums);
}

static void transform_half(enum pair pair, const struct job *j, const struct part *p,
                           struct range r, float *sums)
{
    transform_pair(true, pair, j, p, r, sums);
}

/* dU of each point is (k_count / 2, channels of the part, 2V); with `more` it holds sums already. */
static void multiply(const struct job *j, const struct part *p, enum pair pair, int n_tile,
                     bool more)
{
    size_t block = (size_t)n_tile * V, channels = (size_t)p->c_count * V;
    const struct runs nothing = {.lines = {0}};
    for (int i = 0; i < PAIR_POINTS; i++) {
        float *du = p->du + pair_point(pair, i) * j->du_step;
        for (int k = 0; k < p->k_count; k += 2, du += channels * PANEL)
            for (int c = 0; c < p->c_count * V; c += GRAD_ROWS) {
                const float *v = p->v + (size_t)i * j->v_step + (size_t)(c / V) * block + c % V;
                const float *z = p->z + (size_t)i * j->z_step + (size_t)k * block;
                float *to = du + (size_t)c * PANEL;
                if (k + 1 < p->k_count)
                    grad_rows(2, v, z, block, n_tile, more, to, nothing);
                else
                    grad_rows(1, v, z, block, n_tile, more, to, nothing);
            }
    }
}

static void taps_of(const float *du, size_t step, float *taps)
{
    vec row[3][PATCH];
    for (int k = 0; k < PATCH; k++) {
        vec u[PATCH], out[3];
        for (int i = 0; i < PATCH; i++)
            u[i] = vload(du + (size_t)(i * PATCH + k) * step);
        wino_weights_back(u, out);
        for (int y = 0; y < 3; y++)
            row[y][k] = out[y];
    }
    for (int y = 0; y < 3; y++) {
        vec out[3];
        wino_weights_back(row[y], out);
        for (int x = 0; x < 3; x++)
            vstore(taps + (y * 3 + x) * V, out[x]);
    }
}

/* The taps of a task's channels, in the order of dw. */
static void finish_part(const struct job *j, const struct part *p)
{
    size_t row = (size_t)j->a->shape.c * TAPS;
    float *dw = j->dw + (size_t)p->shard * j->partial;
    for (int k = 0; k < p->k_count; k++)
        for (int c = 0; c < p->c_count; c++) {
            _Alignas(64) float taps[V * TAPS * V];
            int k0 = (p->k_first + k) * V, c0 = (p->c_first + c) * V;
            int n_k = min_of(V, j->a->shape.k - k0), n = min_of(V, j->a->shape.c - c0) * TAPS;
            const float *du = p->du + (size_t)(k / 2) * (size_t)(p->c_count * V) * PANEL;
            du += (size_t)(c * V) * PANEL + (size_t)(k % 2) * V;
            for (int i = 0; i < V; i++)
                taps_of(du + (size_t)i * PANEL, j->du_step, taps + i * TAPS * V);
            float *to = dw + (size_t)k0 * row + (size_t)c0 * TAPS;
            for (int i = 0; i < n; i += V)
                rows_of(taps + i * V, min_of(V, n - i), to + i, row, n_k);
        }
}

static void sum_block(const struct job *j, const struct part *p, struct range r, bool more,
                      float *sums)
{
    for (enum pair pair = 0; pair < PAIRS; pair++) {
        (j->a->shape.half ? transform_half : transform_full)(pair, j, p, r, sums);
        multiply(j, p, pair, r.count, more);
    }
}

static void sum_part(void *ctx, int task, int thread)
{
    const struct job *j = ctx;
    struct part p = part_of(j, task, thread);
    _Alignas(64) float sums[BLOCK_K] = {0};
    int n_block = blocks_of(p.tiles.count, BLOCK_TILES);
    bool sums_dy = j->a->db && p.c_first == 0;
    for (int i = 0; i < n_block; i++) {
        int lo, hi;
        parallel_range(p.tiles.count, i, n_block, &lo, &hi);
        sum_block(j, &p, (struct range){p.tiles.first + lo, hi - lo}, i > 0,
                  sums_dy ? sums : NULL);
    }
    if (n_block == 0) /* a shard of fewer pictures than shards */
        memset(p.du, 0, POINTS * j->du_step * sizeof(float));
    finish_part(j, &p);
    if (sums_dy)
        memcpy(j->db + ((size_t)p.shard * (size_t)j->k_blocks + (size_t)p.k_first) * V, sums,
               (size_t)p.k_count * V * sizeof(float));
}

/* V output channels: adds the shards. */
static void collect(void *ctx, int task, int thread)
{
    const struct job *j = ctx;
    const struct wino_grad *a = j->a;
    int k0 = task * V, n_k = min_of(V, a->shape.k - k0);
    size_t row = (size_t)a->shape.c * TAPS, first = (size_t)k0 * row, n = (size_t)n_k * row;
    (void)thread;
    if (a->n_shard > 1) {
        shards_sum(j->dw + first, j->partial, a->n_shard, (n + V - 1) / V * V);
        memcpy(a->dw + first, j->dw + first, n * sizeof(float));
    }
    if (!a->db)
        return;
    shards_sum(j->db + k0, (size_t)j->k_blocks * V, a->n_shard, V);
    memcpy(a->db + k0, j->db + k0, (size_t)n_k * sizeof(float));
}

int ISA_NAME(wino_grad_tasks)(const struct wino_shape *s)
{
    struct job j = job_of(s);
    return j.c_parts * j.k_parts;
}

size_t ISA_NAME(wino_scratch_grad)(const struct wino_shape *s, int n_thread, int n_shard)
{
    struct job j = job_of(s);
    return sizeof(float) * (j.per_thread * (size_t)n_thread +
                            (j.partial + (size_t)j.k_blocks * V) * (size_t)n_shard);
}

void ISA_NAME(wino_grad)(const struct wino_grad *a)
{
    struct job j = job_of(&a->shape);
    j.a = a;
    float *sums = (float *)a->scratch + j.per_thread * (size_t)a->n_thread;
    j.dw = a->n_shard == 1 ? a->dw : sums;
    j.db = sums + j.partial * (size_t)a->n_shard;
    parallel_for(a->n_thread, a->n_shard * j.c_parts * j.k_parts, sum_part, &j);
    parallel_for(a->n_thread, j.k_blocks, collect, &j);
}

const struct wino_ops ISA_NAME(wino) = {
    .packed_bytes = ISA_NAME(wino_packed_bytes),
    .pack = ISA_NAME(wino_pack),
    .scratch_conv = ISA_NAME(wino_scratch_conv),
    .conv = ISA_NAME(wino_conv),
    .parts = ISA_NAME(wino_parts),
    .grad_tasks = ISA_NAME(wino_grad_tasks),
    .scratch_grad = ISA_NAME(wino_scratch_grad),
    .grad = ISA_NAME(wino_grad),
};
