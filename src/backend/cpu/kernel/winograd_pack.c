/* The weights' way to the 36 points: u = G w G^T, packed as the matrix products read it,
 * (points, ceil(K/2V), C, 2V), a line between points. */
#include "backend/cpu/kernel/gemm.h"
#include "backend/cpu/kernel/transpose.h"
#include "backend/cpu/kernel/wino_tile.h"
#include "backend/cpu/kernel/winograd.h"
#include "base/parallel.h"

enum { TAPS = 9, AROUND_BYTES = 1 << 20 };

struct job {
    const struct wino_shape *s;
    const float *w;
    bool transposed;
    void *u;     /* of all panels */
    bool around; /* the caches, as what is written is more than they hold */
};

/* taps[c][tap][V outputs] of up to V channels in by V out; zeros past the last. */
static void gather(const struct job *j, int c0, int k0, float *taps)
{
    int n_c = min_of(V, j->s->c - c0), n_k = min_of(V, j->s->k - k0);
    size_t row = (size_t)(j->transposed ? j->s->k : j->s->c) * TAPS;
    if (!j->transposed) {
        const float *w = j->w + (size_t)k0 * row + (size_t)c0 * TAPS;
        for (int i = 0; i < n_c * TAPS; i += V)
            columns_of(w + i, row, n_k, min_of(V, n_c * TAPS - i), taps + i * V, V);
        return;
    }
    const float *w = j->w + (size_t)c0 * row + (size_t)k0 * TAPS;
    for (int c = 0; c < n_c; c++, w += row, taps += TAPS * V)
        for (int i = 0; i < TAPS; i += V) /* the last tap first */
            columns_of(w + i, TAPS, n_k, min_of(V, TAPS - i), taps + (TAPS - 1 - i) * V, -V);
}

static FORCE_INLINE void transform(const float *taps, float *u, size_t step, bool around)
{
    vec row[PATCH][3];
#pragma GCC unroll 3
    for (int x = 0; x < 3; x++) {
        vec g[3], out[PATCH];
#pragma GCC unroll 3
        for (int y = 0; y < 3; y++)
            g[y] = vload(taps + (y * 3 + x) * V);
        wino_weights(g, out);
#pragma GCC unroll 6
        for (int i = 0; i < PATCH; i++)
            row[i][x] = out[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < PATCH; i++) {
        vec out[PATCH];
        wino_weights(row[i], out);
#pragma GCC unroll 6
        for (int k = 0; k < PATCH; k++)
            (around ? vstream : vstore)(u + (size_t)(i * PATCH + k) * step, out[k]);
    }
}

/* V input channels from c0 on, V outputs from k0 on. */
static void pack_block(const struct job *j, int c0, int k0, float *u, size_t step)
{
    _Alignas(64) float taps[V * TAPS * V];
    gather(j, c0, k0, taps);
    int n_c = min_of(V, j->s->c - c0);
    for (int c = 0; c < n_c; c++, u += PANEL)
        if (j->around)
            transform(taps + c * TAPS * V, u, step, true);
        else
            transform(taps + c * TAPS * V, u, step, false);
}

void ISA_NAME(wino_pack_panels)(const struct wino_shape *s, const float *w, bool transposed,
                                int first, int end, float *u, int panels)
{
    struct job j = {.s = s, .w = w, .transposed = transposed};
    size_t step = packed_step(panels, s->c);
    j.around = sizeof(vec) == 64 &&
               POINTS * packed_step(end - first, s->c) * sizeof(float) > AROUND_BYTES;
    for (int p = first; p < end; p++, u += (size_t)s->c * PANEL)
        for (int c = 0; c < s->c; c += V)
            for (int k = p * PANEL; k < min_of((p + 1) * PANEL, s->k); k += V)
                pack_block(&j, c, k, u + c * PANEL + k % PANEL, step);
    if (j.around)
        vfence();
}

size_t ISA_NAME(wino_packed_bytes)(const struct wino_shape *s)
{
    return sizeof(float) * POINTS * packed_step(blocks_of(s->k, PANEL), s->c);
}

static void pack_part(void *ctx, int thread, int n_thread)
{
    const struct job *j = ctx;
    int panels = blocks_of(j->s->k, PANEL), lo, hi;
    parallel_range(panels, thread, n_thread, &lo, &hi);
    ISA_NAME(wino_pack_panels)
    (j->s, j->w, j->transposed, lo, hi, (float *)j->u + (size_t)lo * (size_t)j->s->c * PANEL,
     panels);
}

void ISA_NAME(wino_pack)(const struct wino_shape *s, const float *w, bool transposed, void *u,
                         int n_thread)
{
    struct job j = {.s = s, .w = w, .transposed = transposed, .u = u};
    parallel_region(n_thread, pack_part, &j);
}
