/* Blocks of weights rounded to bf16, two along the inner rows in one unit. */
#include "backend/cpu/blocks.h"
#include "backend/cpu/kernel/transpose.h"

static void turned(const float *w, int K, int C, int row, void *blocks)
{
    (void)K;
    vecu *to = (vecu *)blocks + (size_t)row * (size_t)C / 2;
    w += (size_t)row * V * (size_t)C;
    for (int c = 0; c < C; c += V) {
        float column[V * V] __attribute__((aligned(64)));
        columns_of(w + c, (size_t)C, V, V, column, V);
        for (int i = 0; i < V * V; i += 2 * V)
            *to++ = vpair_bf16(vload(column + i), vload(column + i + V));
    }
}

static void by_inputs(const float *w, int K, int C, int row, void *blocks)
{
    vecu *to = (vecu *)blocks + (size_t)row * (size_t)K / 2;
    w += (size_t)row * V;
    for (int k = 0; k < K; k += 2, w += 2 * (size_t)C)
        *to++ = vpair_bf16(vloadu(w), vloadu(w + C));
}

const struct blocks_kernels ISA_NAME(blocks_bf16) = {
    .pack = {[BLOCKS_TURNED] = turned, [BLOCKS_BY_INPUTS] = by_inputs}};
