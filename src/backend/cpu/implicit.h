/* Convolutions as matrix products over the pixels of blocked fp32 activations (N, ceil(C/V), H, W, V),
 * zeros in the channels past C, read and written where they lie: im2col whose matrix is never stored.
 * Weights are canonical (K, C, R, S). Every sum has one order, the same for any number of threads. */
#ifndef BACKEND_CPU_IMPLICIT_H
#define BACKEND_CPU_IMPLICIT_H

#include "backend/cpu/isa.h"

#include <stdbool.h>
#include <stddef.h>

/* Taps of a kernel at most. */
enum { IMPLICIT_MAX_TAPS = 25 };

/* n pictures of h x w, c channels in; oh x ow, k channels out. */
struct implicit_shape {
    int n, c, h, w, k, oh, ow;
    int kernel_h, kernel_w, stride, pad_h, pad_w;
};

/* y = x * w + bias; or backward data: x = y's gradient, y = x's. */
struct implicit_conv {
    struct implicit_shape shape;
    bool back;
    const float *x, *w;
    float *y;
    const float *bias;      /* (k), or NULL */
    float *moments, *count; /* of y (backend.h), parts() of them; or NULL */
    void *scratch;          /* scratch() bytes, 64-byte aligned */
    int n_thread;
};

struct implicit_grad {
    struct implicit_shape shape;
    const float *x, *dy;
    float *dw, *db; /* (k, c, taps), (k) or NULL */
    void *scratch;
    int n_thread;
};

struct implicit_ops {
    size_t (*scratch)(const struct implicit_shape *s, int n_thread);
    int (*parts)(const struct implicit_shape *s); /* of y's moments */
    void (*conv)(const struct implicit_conv *a);
    void (*grad)(const struct implicit_grad *a);
};
const struct implicit_ops *implicit_ops(const struct isa *isa);

#endif
