/* The moments that a convolution takes of its output for the batch norm behind it, in bf16 of the sums
 * before they are rounded: counts and then parts, in what its group saves. */
#ifndef BACKEND_CPU_MOMENTS_H
#define BACKEND_CPU_MOMENTS_H

#include "backend/backend.h"

static inline size_t moments_counts(int n_part)
{
    return ((size_t)n_part + 15) / 16 * 16;
}

static inline size_t moments_bytes(const struct group *g, int n_part)
{
    size_t V = (size_t)g->out->block, C = (size_t)g->out->shape.dim[1];
    return (moments_counts(n_part) + (size_t)n_part * ((C + V - 1) / V) * 2 * V) *
           sizeof(float);
}

/* Where n_part of them go. */
static inline struct moments moments_of(const struct group *g, int n_part)
{
    float *count = g->saved;
    return (struct moments){n_part, count, count + moments_counts(n_part)};
}

#endif
