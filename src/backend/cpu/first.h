/* The first convolution of a network: few input channels (1 to 4) in a plain picture, 8-bit
 * (N, H, W, C), normalised as it is read, or float (N, C, H, W); blocked output. Kernels up to 7 x 7,
 * strides across of 1 and 2. Forward, and the gradient of weights and bias; none of the input. */
#ifndef BACKEND_CPU_FIRST_H
#define BACKEND_CPU_FIRST_H

#include "backend/backend.h"
#include "backend/cpu/isa.h"

#include <stddef.h>
#include <stdint.h>

enum {
    FIRST_MAX_C = 4,
    FIRST_MAX_KERNEL = 7,
    FIRST_BAND = 8, /* output rows of a task */
};

/* How the forward pass writes y: through the caches; the same with the lines fetched before they are
 * written; around the caches. The numbers are the same. */
enum first_stores { FIRST_THROUGH, FIRST_FETCHED, FIRST_AROUND };

struct first_conv {
    int n, c, k, h, w, oh, ow; /* oh x ow: output plane */
    int kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
    bool half;            /* y and dy are bf16 */
    const uint8_t *pixel; /* one of pixel and x */
    const float *x;
    float scale[FIRST_MAX_C], shift[FIRST_MAX_C]; /* of pixels: v * scale + shift */
    const float *weight, *bias;                   /* (k, c, kernel_h, kernel_w), (k) or NULL */
    float low, high;                              /* what y is cut to, when `clamped` */
    bool clamped;
    enum first_stores stores;
    /* Of y, forward (backend.h): first_parts() of them, or NULL. */
    float *moments, *count;
    void *y; /* forward; backward, where rows of dy are made, what they are made of */
    const void *dy;
    const struct gradient_rows *rows; /* in place of dy, or NULL */
    float *dweight, *dbias;           /* dbias may be NULL */
    void *scratch;                    /* scratch_bytes(), 64-byte aligned */
    int n_thread, n_shard;
};

static inline int first_parts(const struct first_conv *a)
{
    return a->n * ((a->oh + FIRST_BAND - 1) / FIRST_BAND);
}

struct first_ops {
    size_t (*scratch_bytes)(const struct first_conv *a);
    void (*forward)(const struct first_conv *a);
    void (*grad)(const struct first_conv *a);
};
const struct first_ops *first_ops(const struct isa *isa);
/* What is fastest on this processor for so many bytes of y. */
enum first_stores first_stores(size_t bytes, bool half);

#endif
