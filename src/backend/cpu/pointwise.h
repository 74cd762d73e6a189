/* Convolutions of 1x1, without padding: matrix products over the pixels of blocked fp32 activations
 * (N, ceil(C/V), H, W, V), zeros in the channels past C, read and written where they lie. Weights are
 * canonical (K, C). Every sum has one order, the same for any number of threads. */
#ifndef BACKEND_CPU_POINTWISE_H
#define BACKEND_CPU_POINTWISE_H

#include "backend/cpu/isa.h"

#include <stdbool.h>
#include <stddef.h>

/* Extents: n pictures of h x w, c channels in, k channels out. Of the input every stride-th pixel is read,
 * and side by side: gather() puts them so. */
struct pointwise_shape {
    int n, c, k, h, w, stride;
};

/* y = x w + bias on gathered x, or backward data: x = y's gradient, y = x's before it was gathered, by
 * weights transposed. */
struct pointwise_conv {
    struct pointwise_shape shape;
    bool back;
    const float *x, *w;
    float *y;
    const float *bias;      /* (k), or NULL */
    float *moments, *count; /* of y (backend.h), parts() of them; or NULL */
    void *scratch;          /* scratch() bytes, 64-byte aligned */
    int n_thread;
};

struct pointwise_grad {
    struct pointwise_shape shape;
    const float *x, *dy; /* x gathered */
    float *dw, *db;      /* (k, c), (k) or NULL */
    void *scratch;
    int n_thread;
};

struct pointwise_ops {
    size_t (*scratch)(const struct pointwise_shape *s, int n_thread);
    int (*parts)(const struct pointwise_shape *s); /* of y's moments */
    void (*gather)(const struct pointwise_shape *s, const float *x, float *to, int n_thread);
    void (*conv)(const struct pointwise_conv *a);
    void (*grad)(const struct pointwise_grad *a);
};
const struct pointwise_ops *pointwise_ops(const struct isa *isa);

#endif
