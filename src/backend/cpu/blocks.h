/* Weights of a 1x1 convolution, (K, C) floats, in the blocks of V x V that oneDNN's direct kernels read,
 * and gradients out of them: what its own reorders do at a fraction of the memory's speed. The seam
 * between blocks.c (layouts, threads) and kernel/blocks_*.c (a row of blocks, for each instruction
 * set). */
#ifndef BACKEND_CPU_BLOCKS_H
#define BACKEND_CPU_BLOCKS_H

#include "backend/backend.h"
#include "backend/cpu/dnnl.h"
#include "backend/cpu/isa.h"

enum blocks_order {
    BLOCKS_NONE,      /* another layout: oneDNN's reorder it is */
    BLOCKS_TURNED,    /* (K/V, C/V, V of C, V of K): forward, gradient of weights */
    BLOCKS_PLAIN,     /* (K/V, C/V, V of K, V of C): gradient of data */
    BLOCKS_BY_INPUTS, /* (C/V, K/V, V of K, V of C): the same, for vectors of 16 */
    BLOCKS_ORDERS,
};

/* Row `row` of blocks. bf16: in pairs along the inner rows, (V/2, V, 2). */
typedef void blocks_fn(const float *w, int K, int C, int row, void *blocks);
struct blocks_kernels {
    blocks_fn *pack[BLOCKS_ORDERS]; /* NULL: none for that order */
    void (*unpack)(const float *blocks, int K, int C, int row, float *w); /* BLOCKS_TURNED */
};
ISA_EXTERN(const struct blocks_kernels, blocks_f32);
extern const struct blocks_kernels blocks_bf16_avx512bf16;

struct blocks {
    enum blocks_order order;
    int lanes, K, C;
    const struct blocks_kernels *kernels;
};

/* The order that a description of (K, C, 1, 1) stands for. */
struct blocks blocks_of_weights(const struct isa *isa, int K, int C, md_ref weights);
void blocks_pack(const struct blocks *b, const float *w, void *blocks, int n_thread);
void blocks_unpack(const struct blocks *b, const float *blocks, float *w, int n_thread);

#endif
