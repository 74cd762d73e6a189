/* Layer norm of rows: the seam between layer_norm.c (plans, threads) and kernel/layer_norm_*.c (a band
 * of rows, compiled for each instruction set), with the softmax of a row. */
#ifndef BACKEND_CPU_LAYER_NORM_H
#define BACKEND_CPU_LAYER_NORM_H

#include "backend/cpu/isa.h"

#include <stddef.h>

/* Rows of D features. Vector j of row i lies at i * row + j * step elements; what the last vector holds
 * past D is left out, and stored as zeros where `padded`. */
struct norm_task {
    const void *x, *dy;
    void *y, *dx; /* dx NULL = not wanted */
    int n_row, D;
    size_t row, step;
    bool padded;
    float eps;
    const float *gamma, *beta; /* (D) */
    float *sum; /* (2, D rounded up to V): sum dy xhat, sum dy; NULL = not wanted */
};

typedef void norm_fn(const struct norm_task *t);
struct norm_kernels {
    norm_fn *forward, *backward;
};
struct softmax_kernels {
    void (*forward)(float *row, int n); /* in place */
    void (*backward)(const float *p, float *dp,
                     int n); /* dp becomes the gradient before softmax */
};

ISA_EXTERN(const struct norm_kernels, norm_f32);
extern const struct norm_kernels norm_bf16_avx512bf16;
ISA_EXTERN(const struct softmax_kernels, softmax);

#endif
