/* Sums and products of tensors, element by element: the seam between merge.c (plans, threads) and
 * kernel/merge_*.c, compiled for each instruction set. Arrays are aligned; a plane's pixel has V
 * channels. */
#ifndef BACKEND_CPU_MERGE_H
#define BACKEND_CPU_MERGE_H

#include "backend/cpu/isa.h"
#include "op/activation.h"

#include <stddef.h>

/* One element each of `count`; z is the sum of n_in arrays. */
typedef void merge_forward_fn(const void *const *in, int n_in, void *y, size_t count);
/* dy is the sum of n_part arrays. */
typedef void merge_gradient_fn(const void *const *in, int n_in, const void *const *part,
                               int n_part, void *dx, size_t count);

struct merge_kernels {
    merge_forward_fn *forward[ACTIVATION_COUNT];   /* y = f(z) */
    merge_gradient_fn *gradient[ACTIVATION_COUNT]; /* dx = dy f'(z) */
    merge_gradient_fn
        *gradient_y[ACTIVATION_COUNT]; /* the same; in[0] is y, n_in 1. NULL where y
                                                      * does not tell f' */
    void (*product)(const void *a, const void *b, void *y, size_t count);
    /* y = x * factor, with V factors. */
    void (*scale)(const void *x, const float *factor, void *y, size_t n_pixel);
    /* dx = dy * factor, unless dx is NULL; sum (V) = sum dy * x. */
    void (*scale_back)(const void *x, const void *dy, const float *factor, void *dx, float *sum,
                       size_t n_pixel);
};

ISA_EXTERN(const struct merge_kernels, merge_f32);
extern const struct merge_kernels merge_bf16_avx512bf16;

#endif
