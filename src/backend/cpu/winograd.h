/* Winograd F(4x4,3x3): convolutions of 3x3, stride 1, padding 1, in a quarter of the multiplications
 * (Lavin and Gray, arXiv:1509.09308). Activations are blocked (N, ceil(C/V), H, W, V) with zeros in
 * the channels past C; weights are canonical (K, C, 3, 3) fp32. One row of functions for each
 * instruction set; everything is computed in tiles small enough for the caches, so no transformed
 * tensor is ever stored but the packed weights. */
#ifndef BACKEND_CPU_WINOGRAD_H
#define BACKEND_CPU_WINOGRAD_H

#include "backend/cpu/isa.h"
#include "op/activation.h"

#include <stddef.h>

/* Extents of one convolution: n pictures of h x w, c channels in, k channels out. half: activations
 * are bf16; they are transformed, multiplied and summed in fp32. */
struct wino_shape {
    int n, c, k, h, w;
    bool half;
};

/* y = f(x * w + bias + more). For dX = dY * W, c and k are swapped and the weights `transposed`. */
struct wino_conv {
    struct wino_shape shape;
    const void *x;  /* (n, c, h, w) blocked */
    void *y;        /* (n, k, h, w) blocked, channels past k written as zeros */
    const void *u;  /* packed weights, or NULL: packed from w, on the threads that use them */
    const float *w; /* as in pack() */
    bool transposed;
    const float *bias;      /* (k), or NULL */
    const void *more;       /* like y, or NULL */
    enum activation kind;   /* of f: identity, relu or silu */
    float *moments, *count; /* of y (backend.h), parts() of them; or NULL */
    void *scratch;          /* scratch_conv() bytes, 64-byte aligned */
    int n_thread;
};

/* dw = the gradient of (k, c, 3, 3), summed over n_shard parts of the batch in a fixed tree. */
struct wino_grad {
    struct wino_shape shape;
    const void *x, *dy; /* blocked */
    float *dw, *db;     /* db (k), or NULL */
    void *scratch;      /* scratch_grad() bytes, 64-byte aligned */
    int n_thread, n_shard;
};

struct wino_ops {
    size_t (*packed_bytes)(const struct wino_shape *s);
    /* w is (k, c, 3, 3), or with transposed (c, k, 3, 3), turned by 180 degrees: backward data. */
    void (*pack)(const struct wino_shape *s, const float *w, bool transposed, void *u,
                 int n_thread);
    /* packs: room for packed weights too */
    size_t (*scratch_conv)(const struct wino_shape *s, int n_thread, bool packs);
    void (*conv)(const struct wino_conv *a);
    int (*parts)(const struct wino_shape *s, int n_thread); /* of y's moments */
    int (*grad_tasks)(const struct wino_shape *s);          /* of each shard */
    size_t (*scratch_grad)(const struct wino_shape *s, int n_thread, int n_shard);
    void (*grad)(const struct wino_grad *a);
};
const struct wino_ops *wino_ops(const struct isa *isa);

/* Parts of the batch for grad(): one where there are tasks enough without them, else n_shard. */
static inline int wino_shards(const struct wino_ops *ops, const struct wino_shape *s,
                              int n_thread, int n_shard)
{
    return ops->grad_tasks(s) < 2 * n_thread ? n_shard : 1;
}

#endif
