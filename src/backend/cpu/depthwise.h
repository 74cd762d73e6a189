/* The gradient of a depthwise convolution's weights on blocked tensors: the seam between
 * conv_depthwise.c and kernel/depthwise_*.c (one plane of V channels, for each instruction set). */
#ifndef BACKEND_CPU_DEPTHWISE_H
#define BACKEND_CPU_DEPTHWISE_H

#include "backend/backend.h"
#include "backend/cpu/isa.h"

/* Pixels of V elements, float or bf16. */
struct depthwise_task {
    const void *x, *dy; /* (H, W), (OH, OW) */
    float *sum;         /* (R * S + 1, V), written: of each weight, then of the bias */
    int H, W, OH, OW, R, S, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
};

typedef void depthwise_fn(const struct depthwise_task *t);
#define DEPTHWISE_DECLARE(isa) void depthwise_f32_##isa(const struct depthwise_task *t);
DEPTHWISE_DECLARE(generic)
DEPTHWISE_DECLARE(avx2)
DEPTHWISE_DECLARE(avx512)
DEPTHWISE_DECLARE(avx512bf16)
void depthwise_bf16_avx512bf16(const struct depthwise_task *t);

/* A filter a channel. */
bool is_depthwise(const struct group *g);
size_t depthwise_scratch(const struct group *g); /* bytes */
/* weight[0].grad, and the bias's, of a whole batch; each is one sum in one order. */
void depthwise_gradient(const struct group *g);

#endif
