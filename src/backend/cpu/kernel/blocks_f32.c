/* Blocks of weights in single precision. */
#include "backend/cpu/blocks.h"
#include "backend/cpu/kernel/transpose.h"

static void turned(const float *w, int K, int C, int row, void *blocks)
{
    (void)K;
    float *to = (float *)blocks + (size_t)row * V * (size_t)C;
    w += (size_t)row * V * (size_t)C;
    for (int c = 0; c < C; c += V)
        columns_of(w + c, (size_t)C, V, V, to + (size_t)c * V, V);
}

static void plain(const float *w, int K, int C, int row, void *blocks)
{
    (void)K;
    float *to = (float *)blocks + (size_t)row * V * (size_t)C;
    w += (size_t)row * V * (size_t)C;
    for (int c = 0; c < C; c += V)
        for (int k = 0; k < V; k++, to += V)
            vstore(to, vloadu(w + (size_t)k * (size_t)C + c));
}

static void by_inputs(const float *w, int K, int C, int row, void *blocks)
{
    float *to = (float *)blocks + (size_t)row * V * (size_t)K;
    w += (size_t)row * V;
    for (int k = 0; k < K; k++, w += C, to += V)
        vstore(to, vloadu(w));
}

static void unpack(const float *blocks, int K, int C, int row, float *w)
{
    (void)K;
    blocks += (size_t)row * V * (size_t)C;
    w += (size_t)row * V * (size_t)C;
    for (int c = 0; c < C; c += V)
        rows_of(blocks + (size_t)c * V, V, w + c, (size_t)C, V);
}

const struct blocks_kernels ISA_NAME(blocks_f32) = {
    .pack = {[BLOCKS_TURNED] = turned, [BLOCKS_PLAIN] = plain, [BLOCKS_BY_INPUTS] = by_inputs},
    .unpack = unpack};
