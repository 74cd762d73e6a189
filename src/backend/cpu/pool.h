/* Pools of any window on blocked tensors: the seam between pool.c (plans, windows, threads) and
 * kernel/pool_*.c (one plane of V channels, compiled for each instruction set). */
#ifndef BACKEND_CPU_POOL_H
#define BACKEND_CPU_POOL_H

#include "backend/cpu/isa.h"

#include <stdint.h>

/* One dimension of all windows: output i reads cells [from[i], to[i]) and begins at begin[i], which
 * may lie in the padding; cell c is read by outputs [first[c], last[c]). */
struct pool_axis {
    int *begin, *from, *to; /* (n_out) */
    int *first, *last;      /* (n_in) */
    float *share;           /* (n_out): 1 / extent, of averages */
    int n_in, n_out;
};

/* A plane: pixels of V elements, float or bf16. */
struct pool_task {
    struct pool_axis h, w;
    int kernel_w;
    const void *x;  /* (H, W) */
    void *y;        /* (OH, OW) */
    const void *dy; /* (OH, OW) */
    void *dx;       /* (H, W), written */
    /* (OH, OW, V): which cell of its window won, row by row, counted from begin; NULL = not kept */
    uint8_t *winner;
};

struct pool_kernels {
    void (*max)(const struct pool_task *t);
    void (*max_back)(const struct pool_task *t);
    void (*average)(const struct pool_task *t);
    void (*average_back)(const struct pool_task *t);
};

ISA_EXTERN(const struct pool_kernels, pool_f32);
extern const struct pool_kernels pool_bf16_avx512bf16;

#endif
