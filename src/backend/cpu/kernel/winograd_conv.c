/* Winograd forward, and backward data, which is the same with other weights. In: blocked x, weights; out:
 * blocked y. A block of tiles is transformed into V (36 points), 36 small matrix products give M for a
 * chunk of output channels, and M is transformed into y.
 *
 * Threads share out the blocks of tiles, V and M being their own. Where weights are many and tiles few
 * they share out the output channels: each thread makes all of V for itself, as lines cross from core
 * to core slowly, then packs and multiplies its part of the weights, chunk by chunk. */
#include "backend/cpu/kernel/gemm.h"
#include "backend/cpu/kernel/wino_tile.h"
#include "backend/cpu/kernel/winograd.h"
#include "base/parallel.h"

enum {
    BLOCK_TILES = 56,
    SMALL_TILES = 28,
    L2_BYTES = 768 << 10,
    OWN_BYTES = 640 << 10, /* packed by each thread for itself, and near it */
    ALL_BYTES = 6 << 20,   /* V of all tiles, read again for each chunk */
    CHUNK_VECTORS = 4,     /* vectors of output channels a chunk, even */
    CHANNEL_CHUNK = 2,     /* the same where threads share out channels */
};

/* What every thread needs; sizes in floats. */
struct job {
    const struct wino_conv *a;
    struct parallel_tasks *blocks; /* of tiles, where threads share out tiles */
    struct tiling tiling;
    int n_tile, n_block, c_blocks, k_blocks, panels;
    size_t v_step, m_step, v_size, m_size, u_size, chunk_size, panel;
    bool own_u;       /* each thread packs all weights, which stay in L2 */
    bool by_channels; /* threads share out output channels */
};

/* So few that their V is small beside the weights, and in itself. */
static int few_tiles(const struct wino_shape *s)
{
    return min_of(s->k / 4, ALL_BYTES / (s->c * POINTS * (int)sizeof(float)));
}

/* As many as fill the products' rows and, where packed weights are read again for each block, leave room
 * for them in L2. */
static int block_tiles(const struct wino_shape *s, const struct job *j)
{
    int tile = POINTS * (s->c + min_of(s->k, CHUNK_VECTORS * V)) * (int)sizeof(float);
    int u = (int)(j->u_size * sizeof(float));
    return j->own_u && u + BLOCK_TILES * tile > L2_BYTES ? SMALL_TILES : BLOCK_TILES;
}

static struct job job_of(const struct wino_shape *s, int n_thread)
{
    struct job j = {.tiling = tiling_of(s)};
    j.n_tile = s->n * j.tiling.rows * j.tiling.columns;
    j.c_blocks = blocks_of(s->c, V);
    j.k_blocks = blocks_of(s->k, V);
    j.panels = blocks_of(s->k, PANEL);
    j.panel = (size_t)s->c * PANEL;
    j.chunk_size = POINTS * packed_step(CHANNEL_CHUNK / 2, s->c);
    j.u_size = ISA_NAME(wino_packed_bytes)(s) / sizeof(float);
    j.own_u = ISA_NAME(wino_packed_bytes)(s) <= OWN_BYTES;
    j.by_channels = !j.own_u && j.n_tile <= few_tiles(s) && 2 * n_thread <= j.panels;
    j.n_block = blocks_of(j.n_tile, block_tiles(s, &j));
    if (!j.by_channels)
        j.n_block = blocks_of(j.n_block, n_thread) * n_thread;
    j.v_step = (size_t)j.c_blocks * BLOCK_TILES * V + LINE;
    j.m_step = (size_t)min_of(j.k_blocks, CHUNK_VECTORS) * BLOCK_TILES * V + LINE;
    j.v_size = POINTS * j.v_step;
    j.m_size = POINTS * j.m_step;
    return j;
}

/* Of one block of channels of one picture. */
static size_t plane_bytes(const struct job *j)
{
    return (size_t)j->tiling.h * (size_t)j->tiling.w * V * (j->a->shape.half ? 2 : 4);
}

/* Tiles in groups of at most GEMM_ROWS: V of a point is (groups, blocks of channels, tiles of the
 * group, V), so that a product reads it in one stream. */
static int groups_of(int n_tile)
{
    return blocks_of(n_tile, GEMM_ROWS);
}

static FORCE_INLINE void transform_in(bool half, const struct job *j, int first, int n_tile,
                                      float *v)
{
    size_t plane = plane_bytes(j);
    for (int cb = 0; cb < j->c_blocks; cb++) {
        struct tile t = tile_at(&j->tiling, first);
        for (int group = 0; group < groups_of(n_tile); group++) {
            int lo, hi;
            parallel_range(n_tile, group, groups_of(n_tile), &lo, &hi);
            float *to = v + (size_t)(lo * j->c_blocks + cb * (hi - lo)) * V;
            for (int i = lo; i < hi; i++, t = tile_next(&j->tiling, t), to += V) {
                size_t at = (size_t)t.picture * (size_t)j->c_blocks + (size_t)cb;
                tile_input(half, &j->tiling, t, (const char *)j->a->x + at * plane, to,
                           j->v_step);
            }
        }
    }
}

static void transform_in_full(const struct job *j, int first, int n_tile, float *v)
{
    transform_in(false, j, first, n_tile, v);
}

static void transform_in_half(const struct job *j, int first, int n_tile, float *v)
{
    transform_in(true, j, first, n_tile, v);
}

/* One panel of U for all tiles of a block; meanwhile `next` (a panel's size) comes nearer too. */
static void multiply_panel(const struct job *j, const float *v, const float *u, int width,
                           int n_tile, float *m, const float *next)
{
    int groups = groups_of(n_tile), lines = j->own_u ? 0 : blocks_of(V * PANEL / LINE, groups);
    for (int i = 0; i < groups; i++) {
        int lo, hi;
        parallel_range(n_tile, i, groups, &lo, &hi);
        const float *from = v + (size_t)(lo * j->c_blocks) * V;
        struct ahead ahead = {
            .at = (const char *)(next + (size_t)i * (size_t)j->c_blocks * (size_t)lines * LINE),
            .lines = lines,
            .step = (size_t)lines * LINE * sizeof(float)};
        size_t block = (size_t)n_tile * V;
        if (width == 2)
            gemm_any(hi - lo, 2, from, u, j->a->shape.c, m + lo * V, block, ahead);
        else
            gemm_any(hi - lo, 1, from, u, j->a->shape.c, m + lo * V, block, ahead);
    }
}

/* Packed weights: `panels` panels a point, of which the first to be read is `at`. */
struct packed {
    const float *at;
    int panels;
};

/* M of k_count vectors of output channels. */
static void multiply(const struct job *j, struct packed u, int k_count, int n_tile,
                     const float *v, float *m)
{
    size_t point = packed_step(u.panels, j->a->shape.c);
    for (size_t p = 0; p < POINTS; p++, v += j->v_step, m += j->m_step, u.at += point)
        for (int k = 0; k < k_count; k += 2) {
            const float *at = u.at + (size_t)(k / 2) * j->panel;
            const float *next = k + 2 < k_count ? at + j->panel : u.at + point;
            multiply_panel(j, v, at, min_of(2, k_count - k), n_tile,
                           m + (size_t)(k * n_tile) * V, next);
        }
}

/* A block, and its tiles first .. first + count - 1. */
struct range {
    int block, first, count;
};

static struct range tiles_of(const struct job *j, int block)
{
    int lo, hi;
    parallel_range(j->n_tile, block, j->n_block, &lo, &hi);
    return (struct range){block, lo, hi - lo};
}

/* Of a block's cells in output vector k. */
static void store_moments(const struct job *j, struct range tiles, int k,
                          const struct measured *m)
{
    size_t part = (size_t)tiles.block * (size_t)j->k_blocks + (size_t)k;
    measured_store(m, j->a->count[tiles.block], j->a->moments + part * 2 * V);
}

static FORCE_INLINE void transform_out(bool half, const struct job *j, int k_first, int k_count,
                                       struct range tiles, const float *m)
{
    const struct wino_conv *a = j->a;
    size_t plane = plane_bytes(j);
    for (int k = k_first; k < k_first + k_count; k++) {
        struct tile t = tile_at(&j->tiling, tiles.first);
        struct measured moments = {.begun = false};
        float bias[V] = {0};
        for (int i = 0; a->bias && i < V && k * V + i < a->shape.k; i++)
            bias[i] = a->bias[k * V + i];
        struct finish finish = {
            .bias = vloadu(bias), .kind = a->kind, .moments = a->moments ? &moments : NULL};
        for (int i = 0; i < tiles.count; i++, t = tile_next(&j->tiling, t), m += V) {
            size_t at = (size_t)t.picture * (size_t)j->k_blocks + (size_t)k;
            finish.more = a->more ? (const char *)a->more + at * plane : NULL;
            tile_output(half, &j->tiling, t, m, j->m_step, &finish, (char *)a->y + at * plane);
        }
        if (a->moments)
            store_moments(j, tiles, k, &moments);
    }
}

static void transform_out_full(const struct job *j, int k_first, int k_count,
                               struct range tiles, const float *m)
{
    transform_out(false, j, k_first, k_count, tiles, m);
}

static void transform_out_half(const struct job *j, int k_first, int k_count,
                               struct range tiles, const float *m)
{
    transform_out(true, j, k_first, k_count, tiles, m);
}

static void transform_block(const struct job *j, struct range tiles, float *v)
{
    (j->a->shape.half ? transform_in_half : transform_in_full)(j, tiles.first, tiles.count, v);
}

/* y of a block's tiles and `count` vectors of output channels from k on, whose weights are u. */
static void finish_chunk(const struct job *j, struct range tiles, int k, int count,
                         struct packed u, const float *v, float *m)
{
    multiply(j, u, count, tiles.count, v, m);
    (j->a->shape.half ? transform_out_half : transform_out_full)(j, k, count, tiles, m);
}

/* -- threads share out tiles: the scratch is a V and an M for each, then packed weights -- */

static void tiles_block(const struct job *j, int block, const float *u, float *v)
{
    struct range tiles = tiles_of(j, block);
    if (tiles.count == 0)
        return;
    transform_block(j, tiles, v);
    for (int k = 0; k < j->k_blocks; k += CHUNK_VECTORS) {
        struct packed at = {u + (size_t)(k / 2) * j->panel, j->panels};
        finish_chunk(j, tiles, k, min_of(CHUNK_VECTORS, j->k_blocks - k), at, v, v + j->v_size);
    }
}

static const float *pack_tiles(const struct job *j, int thread, int n_thread)
{
    const struct wino_conv *a = j->a;
    int lo = 0, hi = j->panels;
    float *u = (float *)a->scratch + (size_t)n_thread * (j->v_size + j->m_size);
    if (j->own_u)
        u += (size_t)thread * j->u_size;
    else
        parallel_range(j->panels, thread, n_thread, &lo, &hi);
    float *at = u + (size_t)lo * j->panel;
    ISA_NAME(wino_pack_panels)(&a->shape, a->w, a->transposed, lo, hi, at, j->panels);
    if (!j->own_u)
        parallel_barrier();
    return u;
}

static void work_tiles(void *ctx, int thread, int n_thread)
{
    const struct job *j = ctx;
    const float *u = j->a->u ? j->a->u : pack_tiles(j, thread, n_thread);
    float *v = (float *)j->a->scratch + (size_t)thread * (j->v_size + j->m_size);
    for (int block; (block = parallel_take(j->blocks, thread)) >= 0;)
        tiles_block(j, block, u, v);
}

/* -- threads share out channels: the scratch is, for each, V of n_block blocks, an M and a chunk's packed
 * weights -- */

static size_t channels_part(const struct job *j, int n_block)
{
    return (size_t)n_block * j->v_size + j->m_size + j->chunk_size;
}

static struct packed pack_chunk(const struct job *j, int panel, int end, float *u)
{
    const struct wino_conv *a = j->a;
    if (a->u)
        return (struct packed){(const float *)a->u + (size_t)panel * j->panel, j->panels};
    ISA_NAME(wino_pack_panels)(&a->shape, a->w, a->transposed, panel, end, u, end - panel);
    return (struct packed){u, end - panel};
}

static void work_channels(void *ctx, int thread, int n_thread)
{
    const struct job *j = ctx;
    float *v = (float *)j->a->scratch + (size_t)thread * channels_part(j, j->n_block);
    float *m = v + (size_t)j->n_block * j->v_size;
    int lo, hi;
    for (int block = 0; block < j->n_block; block++)
        transform_block(j, tiles_of(j, block), v + (size_t)block * j->v_size);
    parallel_range(j->panels, thread, n_thread, &lo, &hi);
    for (int panel = lo; panel < hi; panel += CHANNEL_CHUNK / 2) {
        int end = min_of(panel + CHANNEL_CHUNK / 2, hi), k = 2 * panel;
        struct packed u = pack_chunk(j, panel, end, m + j->m_size);
        for (int block = 0; block < j->n_block; block++)
            finish_chunk(j, tiles_of(j, block), k, min_of(2 * end, j->k_blocks) - k, u,
                         v + (size_t)block * j->v_size, m);
    }
}

/* Enough for a smaller batch too, whose threads may share out channels where this one's do not. */
size_t ISA_NAME(wino_scratch_conv)(const struct wino_shape *s, int n_thread, bool packs)
{
    struct job j = job_of(s, n_thread);
    size_t threads = (size_t)n_thread, u = j.own_u ? threads : 1;
    size_t tiles = threads * (j.v_size + j.m_size);
    if (packs)
        tiles += u * j.u_size;
    int blocks = blocks_of(min_of(j.n_tile, few_tiles(s)), BLOCK_TILES);
    size_t channels = threads * channels_part(&j, blocks);
    return (tiles > channels ? tiles : channels) * sizeof(float);
}

int ISA_NAME(wino_parts)(const struct wino_shape *s, int n_thread)
{
    return job_of(s, n_thread).n_block;
}

static void count_cells(const struct job *j)
{
    for (int block = 0; block < j->n_block; block++) {
        struct range t = tiles_of(j, block);
        j->a->count[block] = (float)(cells_before(&j->tiling, t.first + t.count) -
                                     cells_before(&j->tiling, t.first));
    }
}

void ISA_NAME(wino_conv)(const struct wino_conv *a)
{
    struct job j = job_of(&a->shape, a->n_thread);
    struct parallel_tasks blocks;
    j.a = a;
    j.blocks = &blocks;
    if (a->moments)
        count_cells(&j);
    parallel_share_out(&blocks, j.n_block, a->n_thread);
    parallel_region(a->n_thread, j.by_channels ? work_channels : work_tiles, &j);
}
