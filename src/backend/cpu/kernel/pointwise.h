/* What the parts of the 1x1 convolution share. */
#ifndef BACKEND_CPU_KERNEL_POINTWISE_H
#define BACKEND_CPU_KERNEL_POINTWISE_H

#include "backend/cpu/kernel/gemm.h"
#include "backend/cpu/pointwise.h"

/* Planes of x and of y: h x w, and every stride-th pixel of it. */
struct planes {
    int w, stride, oh, ow;
    size_t in, out; /* floats of a block of channels */
};

static inline struct planes planes_of(const struct pointwise_shape *s)
{
    struct planes p = {.w = s->w, .stride = s->stride};
    p.oh = blocks_of(s->h, s->stride);
    p.ow = blocks_of(s->w, s->stride);
    p.in = (size_t)s->h * (size_t)s->w * V;
    p.out = (size_t)p.oh * (size_t)p.ow * V;
    return p;
}

int ISA_NAME(pointwise_parts)(const struct pointwise_shape *s);
void ISA_NAME(pointwise_gather)(const struct pointwise_shape *s, const float *x, float *to,
                                int n_thread);
void ISA_NAME(pointwise_conv)(const struct pointwise_conv *a);
size_t ISA_NAME(pointwise_scratch_conv)(const struct pointwise_shape *s);
void ISA_NAME(pointwise_grad)(const struct pointwise_grad *a);
size_t ISA_NAME(pointwise_scratch_grad)(const struct pointwise_shape *s, int n_thread);

extern const struct pointwise_ops ISA_NAME(pointwise);

#endif
