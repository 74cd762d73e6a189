/* Winograd forward, and backward data, which is the same with other weights. In: blocked x, packed
 * weights; out: blocked y. A block of tiles is transformed into V (36 points), 36 small matrix
 * products give M for a chunk of output channels, and M is transformed into y; V and M are the
 * thread's own scratch. Blocks of tiles are shared out evenly among the threads. */
#include "backend/cpu/kernel/wino_gemm.h"
#include "backend/cpu/kernel/wino_tile.h"
#include "backend/cpu/kernel/winograd.h"
#include "base/parallel.h"

enum {
    BLOCK_TILES = 56,
    NEAR_BYTES = 256 << 10, /* what L2 holds beside a block's products */
    CHUNK_VECTORS = 4,      /* vectors of output channels a chunk, even */
};

/* What every thread needs; sizes in floats. */
struct job {
    const struct wino_conv *a;
    struct tiling tiling;
    int n_tile, n_block, c_blocks, k_blocks;
    size_t v_step, m_step, per_thread;
    bool u_near; /* packed weights stay in L2 */
};

/* The scratch's size does not depend on how many tiles a smaller batch puts into a block. */
static struct job job_of(const struct wino_shape *s, int n_thread)
{
    struct job j = {.tiling = tiling_of(s)};
    j.n_tile = s->n * j.tiling.rows * j.tiling.columns;
    j.c_blocks = blocks_of(s->c, V);
    j.k_blocks = blocks_of(s->k, V);
    j.n_block = blocks_of(blocks_of(j.n_tile, BLOCK_TILES), n_thread) * n_thread;
    j.u_near = (size_t)s->c * (size_t)s->k * POINTS * sizeof(float) <= NEAR_BYTES;
    j.v_step = (size_t)j.c_blocks * BLOCK_TILES * V + LINE;
    j.m_step = (size_t)min_of(j.k_blocks, CHUNK_VECTORS) * BLOCK_TILES * V + LINE;
    j.per_thread = POINTS * (j.v_step + j.m_step);
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

/* What comes nearer during the products of a block: the next block's input, this one's output. */
struct fetches {
    struct fetch in, out;
    int in_pace, out_pace;
};

/* One panel of U for all tiles of a block; meanwhile `next` (a panel's size) comes nearer too. */
static void multiply_panel(const struct job *j, const float *v, const float *u, int width,
                           int n_tile, float *m, const float *next, struct fetches *f)
{
    int groups = groups_of(n_tile), lines = j->u_near ? 0 : blocks_of(V * PANEL / LINE, groups);
    for (int i = 0; i < groups; i++) {
        int lo, hi;
        parallel_range(n_tile, i, groups, &lo, &hi);
        const float *from = v + (size_t)(lo * j->c_blocks) * V;
        struct ahead ahead = {
            (const char *)(next + (size_t)i * (size_t)j->c_blocks * (size_t)lines * LINE),
            lines};
        size_t block = (size_t)n_tile * V;
        fetch_rows(&f->in, f->in_pace);
        fetch_rows(&f->out, f->out_pace);
        if (width == 2)
            gemm_any(hi - lo, 2, from, u, j->a->shape.c, m + lo * V, block, ahead);
        else
            gemm_any(hi - lo, 1, from, u, j->a->shape.c, m + lo * V, block, ahead);
    }
}

/* M of k_count vectors of output channels from k_first (even) on. */
static void multiply(const struct job *j, int k_first, int k_count, int n_tile, const float *v,
                     float *m, struct fetches *f)
{
    size_t panels = (size_t)blocks_of(j->k_blocks, 2), panel = (size_t)j->a->shape.c * PANEL;
    const float *u = (const float *)j->a->u + (size_t)k_first / 2 * panel;
    for (size_t p = 0; p < POINTS; p++, v += j->v_step, m += j->m_step)
        for (int k = 0; k < k_count; k += 2) {
            const float *at = u + (p * panels + (size_t)k / 2) * panel;
            const float *next = k + 2 < k_count ? at + panel : u + (p + 1) * panels * panel;
            multiply_panel(j, v, at, min_of(2, k_count - k), n_tile,
                           m + (size_t)(k * n_tile) * V, next, f);
        }
}

static FORCE_INLINE void transform_out(bool half, const struct job *j, int k_first, int k_count,
                                       int first, int n_tile, const float *m)
{
    const struct wino_conv *a = j->a;
    size_t plane = plane_bytes(j);
    for (int k = 0; k < k_count; k++) {
        struct tile t = tile_at(&j->tiling, first);
        float bias[V] = {0};
        for (int i = 0; a->bias && i < V && (k_first + k) * V + i < a->shape.k; i++)
            bias[i] = a->bias[(k_first + k) * V + i];
        struct finish finish = {.bias = vloadu(bias), .kind = a->kind};
        for (int i = 0; i < n_tile; i++, t = tile_next(&j->tiling, t), m += V) {
            size_t at = (size_t)t.picture * (size_t)j->k_blocks + (size_t)(k_first + k);
            finish.more = a->more ? (const char *)a->more + at * plane : NULL;
            tile_output(half, &j->tiling, t, m, j->m_step, &finish, (char *)a->y + at * plane);
        }
    }
}

static void transform_out_full(const struct job *j, int k_first, int k_count, int first,
                               int n_tile, const float *m)
{
    transform_out(false, j, k_first, k_count, first, n_tile, m);
}

static void transform_out_half(const struct job *j, int k_first, int k_count, int first,
                               int n_tile, const float *m)
{
    transform_out(true, j, k_first, k_count, first, n_tile, m);
}

static struct fetch fetch_of(const struct job *j, const void *data, int blocks, int first,
                             int n_tile)
{
    struct fetch f = {
        .tiling = &j->tiling, .data = data, .blocks = blocks, .first = first, .n_tile = n_tile};
    f.element = j->a->shape.half ? 2 : 4;
    return f;
}

static void work(void *ctx, int thread, int n_thread)
{
    const struct job *j = ctx;
    int lo, hi;
    parallel_range(j->n_block, thread, n_thread, &lo, &hi);
    float *v = (float *)j->a->scratch + (size_t)thread * j->per_thread;
    float *m = v + POINTS * j->v_step;
    for (int block = lo; block < hi; block++) {
        int first, end, next_end = 0;
        parallel_range(j->n_tile, block, j->n_block, &first, &end);
        if (block + 1 < hi)
            parallel_range(j->n_tile, block + 1, j->n_block, &end, &next_end);
        int n_tile = end - first, calls = POINTS * groups_of(n_tile);
        if (n_tile == 0)
            continue;
        (j->a->shape.half ? transform_in_half : transform_in_full)(j, first, n_tile, v);
        struct fetches f = {.in = fetch_of(j, j->a->x, j->c_blocks, end, next_end - end)};
        f.in.below = 1;
        f.in.block_end = next_end > end ? j->c_blocks : 0;
        f.in_pace = fetch_pace(&f.in, calls * blocks_of(j->k_blocks, 2));
        for (int k = 0; k < j->k_blocks; k += CHUNK_VECTORS) {
            int count = min_of(CHUNK_VECTORS, j->k_blocks - k);
            f.out = fetch_of(j, j->a->y, j->k_blocks, first, n_tile);
            f.out.block = k;
            f.out.block_end = k + count;
            f.out_pace = fetch_pace(&f.out, calls * blocks_of(count, 2));
            multiply(j, k, count, n_tile, v, m, &f);
            (j->a->shape.half ? transform_out_half : transform_out_full)(j, k, count, first,
                                                                         n_tile, m);
        }
    }
}

size_t ISA_NAME(wino_scratch_conv)(const struct wino_shape *s, int n_thread)
{
    return job_of(s, n_thread).per_thread * (size_t)n_thread * sizeof(float);
}

void ISA_NAME(wino_conv)(const struct wino_conv *a)
{
    struct job j = job_of(&a->shape, a->n_thread);
    j.a = a;
    parallel_region(a->n_thread, work, &j);
}
