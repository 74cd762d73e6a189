/* Batch norm, activation, dropout and 2x2 max-pool as one pass over a tensor: the seam between
 * fused.c (plans, threads, sums) and kernel/fused_*.c (one task, compiled for each instruction
 * set).
 *
 * A task is some rows of one plane (n, c .. c + V-1), whose pixels are V channels each. Letters:
 * x -> z = scale x + shift -> f(z) -> dropout -> maximum of 2x2 -> y; or, with an add,
 * x -> z = factor (scale x + shift) + more -> f(z) = y. dz is the gradient of z. */
#ifndef BACKEND_CPU_FUSED_H
#define BACKEND_CPU_FUSED_H

#include "backend/backend.h"
#include "backend/cpu/isa.h"
#include "op/activation.h"

#include <stdint.h>

/* Per plane of V channels, V floats each; 0 in channels that are padding. */
enum fused_coef {
    COEF_SCALE, /* gamma / sigma */
    COEF_SHIFT, /* beta - mean gamma / sigma */
    COEF_REAL,  /* 1; 0 in padding */
    COEF_MEAN,
    COEF_BETA,
    COEF_INVERSE, /* 1 / sigma */
    COEF_DZ,      /* dx = DZ dz + X x + ONE */
    COEF_X,
    COEF_ONE,
    COEF_COUNT
};

struct fused_task {
    /* Pixels of V elements, float or bf16. */
    const void *x;    /* (H, W) */
    void *y;          /* (H/2, W/2) when pooled, else (H, W) */
    const void *dy;   /* like y */
    void *dx;         /* like x, may be x */
    const void *more; /* like x; dz too, written by sums_add */
    void *dz;
    const void *part[GROUP_MAX_PART]; /* like y: they add up to dy, for sums_add */
    int n_part;
    void *win; /* (H/2, W/2): forward keeps x of the winners here, sums_win makes it dz */
    /* Masks, a bit a channel (vword). */
    void *index;      /* (H/2, W/2, 2): low and high bit of the winner 0..3, row by row */
    const void *keep; /* (H, W), or one word when keep_step is 0; NULL = no dropout */
    int keep_step;
    float factor; /* 1 / (1 - p) of dropout; 0 or that of stochastic depth; else 1 */
    int H, W;
    int row0, row1;    /* rows of y when pooled, else of x */
    const float *coef; /* (COEF_COUNT, V) */
    float *sum;        /* (2, V), written */
};

typedef void fused_fn(const struct fused_task *t);

struct fused_kernels {
    /* Mean of x, and the sum of squares of what differs from it, over the rows. */
    fused_fn *moments;
    /* y; pooled, with index and win unless they are NULL. */
    fused_fn *forward[ACTIVATION_COUNT];
    fused_fn *forward_add[ACTIVATION_COUNT];
    fused_fn *forward_pool[ACTIVATION_COUNT], *forward_pool_dropped[ACTIVATION_COUNT];
    /* sum dz, and sum dz (x - mean). Not pooled: from x and dy. */
    fused_fn *sums[ACTIVATION_COUNT];
    /* With an add; dz is written. From x, the parts, and y or, where y does not tell f', more. */
    fused_fn *sums_add[ACTIVATION_COUNT];
    fused_fn *sums_win[ACTIVATION_COUNT]; /* from win and dy; win becomes dz */
    /* Those whose z is plain from y, else NULL. From y and dy, the second sum being
     * dz (z - beta); or, where gamma is nearly 0, from x at the winners. */
    fused_fn *sums_pool[ACTIVATION_COUNT], *sums_gather[ACTIVATION_COUNT];
    /* dx. Not pooled: from x and dy, or from y and dy without the terms in x and 1. */
    fused_fn *gradient[ACTIVATION_COUNT], *gradient_y[ACTIVATION_COUNT];
    /* Pooled: from y and dy, or identity's with dz for dy; [1] adds the terms in x and 1. */
    fused_fn *gradient_pool[ACTIVATION_COUNT][2];
};

/* Keep bits of `count` pixels of a plane whose lane l begins at element first + l * stride of the
 * stream: bit = word >> 8 >= threshold. */
struct fused_draw {
    uint32_t key[2], counter[4];
    uint64_t first, stride;
    uint32_t threshold;
    int count;
    void *keep; /* (count) vword */
};

#define FUSED_DECLARE(isa)                                                                     \
    extern const struct fused_kernels fused_f32_##isa;                                         \
    void fused_draw_##isa(const struct fused_draw *d);
FUSED_DECLARE(generic)
FUSED_DECLARE(avx2)
FUSED_DECLARE(avx512)
FUSED_DECLARE(avx512bf16)
extern const struct fused_kernels fused_bf16_avx512bf16;

#endif
