/* Winograd forward, and backward data, which is the same with other weights. In: blocked x, packed
 * weights; out: blocked y. A block of tiles is transformed into V (36 points), 36 small matrix
 * products give M for a chunk of output channels, and M is transformed into y; V and M are the
 * thread's own scratch. Blocks of tiles are shared out evenly among the threads. */
#include "backend/cpu/kernel/wino_gemm.h"
#include "backend/cpu/kernel/wino_tile.h"
#include "backend/cpu/kernel/winograd.h"
#include "base/parallel.h"

enum {
    LINE = 16, /* floats of a cache line: keeps the points out of each other's sets */
    BLOCK_TILES = 56,
    CHUNK_VECTORS = 4, /* vectors of output channels a chunk, even */
};

/* What every thread needs; sizes in floats. */
struct job {
    const struct wino_conv *a;
    struct tiling tiling;
    int n_tile, n_block, c_blocks, k_blocks;
    size_t v_step, m_step, per_thread;
};

/* The scratch's size does not depend on how many tiles a smaller batch puts into a block. */
static struct job job_of(const struct wino_shape *s, int n_thread)
{
    struct job j = {.tiling = tiling_of(s)};
    j.n_tile = s->n * j.tiling.rows * j.tiling.columns;
    j.c_blocks = blocks_of(s->c, V);
    j.k_blocks = blocks_of(s->k, V);
    j.n_block = blocks_of(blocks_of(j.n_tile, BLOCK_TILES), n_thread) * n_thread;
    j.v_step = (size_t)j.c_blocks * BLOCK_TILES * V + LINE;
    j.m_step = (size_t)min_of(j.k_blocks, CHUNK_VECTORS) * BLOCK_TILES * V + LINE;
    j.per_thread = POINTS * (j.v_step + j.m_step);
    return j;
}

static void transform_in(const struct job *j, int first, int n_tile, float *v)
{
    size_t plane = (size_t)j->tiling.h * (size_t)j->tiling.w * V;
    for (int cb = 0; cb < j->c_blocks; cb++) {
        struct tile t = tile_at(&j->tiling, first);
        float *to = v + (size_t)cb * (size_t)n_tile * V;
        for (int i = 0; i < n_tile; i++, t = tile_next(&j->tiling, t), to += V) {
            size_t at = (size_t)t.picture * (size_t)j->c_blocks + (size_t)cb;
            tile_input(&j->tiling, t, (const float *)j->a->x + at * plane, to, j->v_step);
        }
    }
}

/* M of k_count vectors of output channels from k_first (even) on. */
static void multiply(const struct job *j, int k_first, int k_count, int n_tile, const float *v,
                     float *m)
{
    int c = j->a->shape.c, groups = blocks_of(n_tile, GEMM_ROWS);
    size_t block = (size_t)n_tile * V, panel = (size_t)c * PANEL;
    size_t panels = (size_t)blocks_of(j->k_blocks, 2);
    for (size_t p = 0; p < POINTS; p++)
        for (int k = 0; k < k_count; k += 2) {
            const float *u =
                (const float *)j->a->u + (p * panels + (size_t)(k_first + k) / 2) * panel;
            for (int i = 0; i < groups; i++) {
                int lo, hi;
                parallel_range(n_tile, i, groups, &lo, &hi);
                const float *from = v + p * j->v_step + (size_t)lo * V;
                float *to = m + p * j->m_step + (size_t)k * block + (size_t)lo * V;
                if (k + 1 < k_count)
                    gemm_any(hi - lo, 2, from, block, u, c, to, block);
                else
                    gemm_any(hi - lo, 1, from, block, u, c, to, block);
            }
        }
}

static void transform_out(const struct job *j, int k_first, int k_count, int first, int n_tile,
                          const float *m)
{
    const struct wino_conv *a = j->a;
    size_t plane = (size_t)j->tiling.h * (size_t)j->tiling.w * V;
    for (int k = 0; k < k_count; k++) {
        struct tile t = tile_at(&j->tiling, first);
        float bias[V] = {0};
        for (int i = 0; a->bias && i < V && (k_first + k) * V + i < a->shape.k; i++)
            bias[i] = a->bias[(k_first + k) * V + i];
        vec b = vloadu(bias);
        for (int i = 0; i < n_tile; i++, t = tile_next(&j->tiling, t), m += V) {
            size_t at = (size_t)t.picture * (size_t)j->k_blocks + (size_t)(k_first + k);
            tile_output(&j->tiling, t, m, j->m_step, b, (float *)a->y + at * plane);
        }
    }
}

static void work(void *ctx, int thread, int n_thread)
{
    const struct job *j = ctx;
    int lo, hi;
    parallel_range(j->n_block, thread, n_thread, &lo, &hi);
    float *v = (float *)j->a->scratch + (size_t)thread * j->per_thread;
    float *m = v + POINTS * j->v_step;
    for (int block = lo; block < hi; block++) {
        int first, end;
        parallel_range(j->n_tile, block, j->n_block, &first, &end);
        if (first == end)
            continue;
        transform_in(j, first, end - first, v);
        for (int k = 0; k < j->k_blocks; k += CHUNK_VECTORS) {
            int count = min_of(CHUNK_VECTORS, j->k_blocks - k);
            multiply(j, k, count, end - first, v, m);
            transform_out(j, k, count, first, end - first, m);
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
