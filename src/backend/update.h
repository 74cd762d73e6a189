/* Element-wise work on the canonical arenas: optimiser steps (the rules of update.def), sums of
 * squares, averages. One table a backend; n elements of flat fp32 arrays, no threads in here. */
#ifndef BACKEND_UPDATE_H
#define BACKEND_UPDATE_H

#include "backend/backend.h"

enum update_rule {
    UPDATE_SGD,
    UPDATE_ADAM,
    UPDATE_NADAM,
    UPDATE_RADAM,
    UPDATE_RMSPROP,
    UPDATE_ADAGRAD,
    UPDATE_LION,
    UPDATE_COUNT
};

enum { UPDATE_MAX_SLOT = 3 };

/* What a rule's formula calls its numbers; each rule reads some of them. */
struct update_coef {
    float scale;        /* of the gradient as it comes: clipping, accumulation */
    float l2;           /* weight decay added to the gradient */
    float shrink;       /* decoupled weight decay: w *= shrink; 1 = none */
    float rate;         /* step size, bias corrections included */
    float keep1, add1;  /* first moment or momentum: keep1 * s + add1 * g */
    float keep2, add2;  /* second moment */
    float eps, root;    /* s / (sqrt(v) * root + eps) */
    float mix_g, mix_s; /* shares of gradient and state where a rule mixes them */
};

struct update_args {
    float *w;
    const float *g;
    float *slot[UPDATE_MAX_SLOT];
    size_t n;
    struct update_coef coef;
};

struct update_kernels {
    void (*rule[UPDATE_COUNT])(const struct update_args *a);
    double (*sum_squares)(const float *x, size_t n); /* NaN and infinity pass through */
    void (*add_scaled)(float *y, const float *x, float a, size_t n); /* y += a x */
    void (*lerp)(float *y, const float *x, float a, size_t n);       /* y += a (x - y) */
};

/* Those of the backend's instruction set; plain C in double for ref (b->isa NULL). */
const struct update_kernels *update_kernels(const struct backend *b);

#endif
