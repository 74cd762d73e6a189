/* Weights of a convolution by implicit matrix products, packed: canonical (K, C, taps) into panels of two
 * vectors of outputs, each (chunks, taps, channels of a chunk, 2V), zeros past the last output. */
#include "backend/cpu/kernel/implicit.h"
#include "backend/cpu/kernel/transpose.h"

/* V outputs from `k` on and V channels from `c` on, whose weights are `row` floats apart. */
static void pack_square(const struct implicit_job *j, const float *w, size_t row, int n_k,
                        int n_c, float *u, ptrdiff_t tap)
{
    _Alignas(64) float columns[IMPLICIT_MAX_TAPS * V * V];
    int n = n_c * j->taps;
    if (j->taps == 1) {
        columns_of(w, row, n_k, n_c, u, PANEL);
        return;
    }
    for (int i = 0; i < n; i += V)
        columns_of(w + i, row, n_k, min_of(V, n - i), columns + i * V, V);
    for (int c = 0; c < n_c; c++)
        for (int t = 0; t < j->taps; t++)
            vstore(u + t * tap + c * PANEL, vload(columns + (c * j->taps + t) * V));
}

static void pack_panel(void *ctx, int panel, int thread)
{
    const struct implicit_job *j = ctx;
    size_t row = (size_t)(j->c * j->taps);
    (void)thread;
    for (int half = 0; half < 2; half++) {
        int k = panel * PANEL + half * V, n_k = max_of(0, min_of(V, j->k - k));
        const float *w = j->a->w + (n_k ? (size_t)k * row : 0);
        for (int i = 0; i < j->n_chunk; i++) {
            struct implicit_chunk c = implicit_chunk_of(j, i);
            float *u = implicit_weights(j, panel, &c) + half * V;
            for (int b = c.lo; b < c.hi; b++, u += V * PANEL)
                pack_square(j, w + b * V * j->taps, row, n_k, min_of(V, j->c - b * V), u,
                            (ptrdiff_t)c.n * PANEL);
        }
    }
}

/* Backward, where a row of weights is of one c: V outputs. */
static void pack_row(const struct implicit_job *j, const float *w, int n_k, float *u,
                     ptrdiff_t tap)
{
    if (j->taps == 1)
        vstore(u, n_k ? vload_some(w, n_k) : vset(0));
    for (int t = 0; j->taps > 1 && t < j->taps; t += V)
        columns_of(w + t, (size_t)j->taps, n_k, min_of(V, j->taps - t), u + t * tap, tap);
}

/* V rows of all panels. */
static void pack_band(void *ctx, int band, int thread)
{
    const struct implicit_job *j = ctx;
    struct implicit_chunk chunk = implicit_chunk_of(j, 0);
    (void)thread;
    for (int i = 1; band >= chunk.hi; i++)
        chunk = implicit_chunk_of(j, i);
    for (int panel = 0; panel < j->panels; panel++)
        for (int c = band * V; c < min_of((band + 1) * V, j->c); c++)
            for (int k = panel * PANEL; k < (panel + 1) * PANEL; k += V) {
                int n_k = max_of(0, min_of(V, j->k - k));
                size_t at = n_k ? (size_t)c * (size_t)j->k + (size_t)k : 0;
                pack_row(j, j->a->w + at * (size_t)j->taps, n_k,
                         implicit_weights(j, panel, &chunk) + (c - chunk.lo * V) * PANEL +
                             k % PANEL,
                         (ptrdiff_t)chunk.n * PANEL);
            }
}

void ISA_NAME(implicit_pack)(struct implicit_job *j)
{
    if (j->a->back)
        parallel_for(j->a->n_thread, j->c_blocks, pack_band, j);
    else
        parallel_for(j->a->n_thread, j->panels, pack_panel, j);
}
