/* Weights of a convolution by implicit matrix products, packed: canonical (K, C, taps) into panels of two
 * vectors of outputs, each of a chunk of channels (taps, channels, 2V), zeros past the last output. */
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

/* V outputs of a panel: w is their first row. */
static void pack_half(const struct implicit_job *j, const float *w, int n_k,
                      const struct implicit_chunk *c, float *u)
{
    size_t row = (size_t)(j->c * j->taps);
    for (int b = c->lo; b < c->hi; b++, u += V * PANEL)
        pack_square(j, w + b * V * j->taps, row, n_k, min_of(V, j->c - b * V), u,
                    (ptrdiff_t)c->n * PANEL);
}

/* Where output i of some panels goes. */
static float *output_at(float *u, size_t step, int i)
{
    return u + (size_t)(i / PANEL) * step + (size_t)(i % PANEL);
}

/* Backward, where a row of weights is of one c: outputs first .. end - 1. */
static void pack_row(const struct implicit_job *j, const float *w, int first, int end, float *u,
                     size_t step, ptrdiff_t tap)
{
    for (int k = first; k < end; k += V) {
        int n = max_of(0, min_of(V, j->k - k));
        const float *from = n ? w + (ptrdiff_t)k * j->taps : w;
        float *to = output_at(u, step, k - first);
        if (j->taps == 1)
            vstore(to, n ? vload_some(from, n) : vset(0));
        for (int t = 0; j->taps > 1 && t < j->taps; t += V)
            columns_of(from + t, (size_t)j->taps, n, min_of(V, j->taps - t), to + t * tap, tap);
    }
}

void ISA_NAME(implicit_pack)(const struct implicit_job *j, int panel, int end,
                             const struct implicit_chunk *c, float *u, size_t step)
{
    size_t taps = (size_t)j->taps, row = (size_t)j->k * taps;
    int first = panel * PANEL, last = end * PANEL;
    for (int i = 0; i < c->n && j->a->back; i++)
        pack_row(j, j->a->w + (size_t)(c->lo * V + i) * row, first, last, u + i * PANEL, step,
                 (ptrdiff_t)c->n * PANEL);
    for (int k = first; k < last && !j->a->back; k += V) {
        int n = max_of(0, min_of(V, j->k - k));
        size_t at = n ? (size_t)k * (size_t)j->c * taps : 0;
        pack_half(j, j->a->w + at, n, c, output_at(u, step, k - first));
    }
}
