/* The two matrix products of a linear layer, one task each, compiled for each instruction set. */
#ifndef BACKEND_CPU_LINEAR_H
#define BACKEND_CPU_LINEAR_H

#include "backend/cpu/isa.h"

/* y[n][k] = bias[k] + sum_d x[n][d] w[k][d] for all N rows and K rows of w: rows of sums along
 * memory. y's row length is ldy. */
struct linear_dot {
    const float *x, *w, *bias; /* (N, D), (K, D), (K) or NULL */
    float *y;
    int N, K, D, ldy;
};

/* c[i][j] = sum_p a(i, p) b[p][j]: rows of b scaled and added. a(i, p) = a[i * a_row + p * a_col];
 * b's and c's row length is ld. */
struct linear_mix {
    const float *a, *b;
    float *c;
    int I, P, J;
    long a_row, a_col, ld;
};

struct linear_ops {
    void (*dot)(const struct linear_dot *t);
    void (*mix)(const struct linear_mix *t);
};
extern const struct linear_ops linear_ops_generic, linear_ops_avx2, linear_ops_avx512,
    linear_ops_avx512bf16;

#endif
