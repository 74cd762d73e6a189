/* The weights' way to the 36 points: u = G w G^T, packed as the matrix products read it,
 * (points, ceil(K/2V), C, 2V). */
#include "backend/cpu/kernel/wino_gemm.h"
#include "backend/cpu/kernel/wino_tile.h"
#include "backend/cpu/kernel/winograd.h"
#include "base/parallel.h"

enum { TAPS = 9 };

struct job {
    const struct wino_shape *s;
    const float *w;
    bool transposed;
    float *u;
};

/* taps[c][tap][V outputs] of up to V channels in by V out; zeros past the last. */
static void gather(const struct job *j, int c0, int k0, float *taps)
{
    int n_c = min_of(V, j->s->c - c0), n_k = min_of(V, j->s->k - k0);
    if (n_k < V)
        memset(taps, 0, sizeof(float) * V * TAPS * V);
    if (!j->transposed) {
        for (int k = 0; k < n_k; k++) {
            const float *w = j->w + ((size_t)(k0 + k) * (size_t)j->s->c + (size_t)c0) * TAPS;
            for (int i = 0; i < n_c * TAPS; i++)
                taps[i * V + k] = w[i];
        }
        return;
    }
    for (int c = 0; c < n_c; c++) {
        const float *w = j->w + ((size_t)(c0 + c) * (size_t)j->s->k + (size_t)k0) * TAPS;
        for (int k = 0; k < n_k; k++)
            for (int i = 0; i < TAPS; i++)
                taps[(c * TAPS + TAPS - 1 - i) * V + k] = w[k * TAPS + i];
    }
}

static void transform(const float *taps, float *u, size_t step)
{
    vec row[PATCH][3];
    for (int x = 0; x < 3; x++) {
        vec g[3], out[PATCH];
        for (int y = 0; y < 3; y++)
            g[y] = vload(taps + (y * 3 + x) * V);
        wino_weights(g, out);
        for (int i = 0; i < PATCH; i++)
            row[i][x] = out[i];
    }
    for (int i = 0; i < PATCH; i++) {
        vec out[PATCH];
        wino_weights(row[i], out);
        for (int k = 0; k < PATCH; k++)
            vstore(u + (size_t)(i * PATCH + k) * step, out[k]);
    }
}

static void pack_block(void *ctx, int task, int thread)
{
    const struct job *j = ctx;
    (void)thread;
    _Alignas(64) float taps[V * TAPS * V];
    int c_blocks = blocks_of(j->s->c, V), k = task / c_blocks, c0 = task % c_blocks * V;
    size_t panel = (size_t)j->s->c * PANEL;
    size_t step = (size_t)blocks_of(j->s->k, PANEL) * panel;
    gather(j, c0, k * V, taps);
    float *u = j->u + (size_t)(k / 2) * panel + (size_t)c0 * PANEL + (size_t)(k % 2) * V;
    for (int c = 0; c < V && c0 + c < j->s->c; c++)
        transform(taps + c * TAPS * V, u + (size_t)c * PANEL, step);
}

size_t ISA_NAME(wino_packed_bytes)(const struct wino_shape *s)
{
    return sizeof(float) * POINTS * (size_t)blocks_of(s->k, PANEL) * (size_t)s->c * PANEL;
}

void ISA_NAME(wino_pack)(const struct wino_shape *s, const float *w, bool transposed, void *u,
                         int n_thread)
{
    struct job j = {s, w, transposed, u};
    parallel_for(n_thread, blocks_of(s->k, V) * blocks_of(s->c, V), pack_block, &j);
}
