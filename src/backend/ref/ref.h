/* The plain reference: one row an op, plain layouts, float in memory, double in sums. */
#ifndef BACKEND_REF_REF_H
#define BACKEND_REF_REF_H

#include "backend/backend.h"
#include "base/rng.h"
#include "op/params.h"

extern const struct backend_ops ref_backend;

extern const struct kernel ref_normalize, ref_conv2d, ref_linear, ref_max_pool, ref_avg_pool,
    ref_adaptive_avg_pool, ref_batch_norm, ref_activation, ref_dropout, ref_dropout2d,
    ref_flatten, ref_softmax, ref_cross_entropy, ref_layer_norm, ref_layer_scale,
    ref_stochastic_depth, ref_add, ref_concat, ref_mul, ref_tokens, ref_class_token,
    ref_position_embedding, ref_select_token, ref_attention;

/* A row an op; those of another backend's own kernels stand before them. */
#define REF_KERNELS                                                                            \
    &ref_normalize, &ref_conv2d, &ref_linear, &ref_max_pool, &ref_avg_pool,                    \
        &ref_adaptive_avg_pool, &ref_batch_norm, &ref_layer_norm, &ref_layer_scale,            \
        &ref_activation, &ref_dropout, &ref_dropout2d, &ref_stochastic_depth, &ref_add,        \
        &ref_concat, &ref_mul, &ref_flatten, &ref_tokens, &ref_class_token,                    \
        &ref_position_embedding, &ref_select_token, &ref_attention, &ref_softmax,              \
        &ref_cross_entropy

/* Dropout's factor of element i, 0 or 1 / (1 - p), a pure function of (seed, step, node, i): backward
 * draws it again. stream: rng_at(seed, RNG_DROPOUT, step, node id). */
float dropout_factor(const struct rng *stream, float p, size_t i);

/* The extents of a rank-4 tensor, and of a rank-2 one with H = W = 1. */
struct dims {
    int N, C, H, W;
};
static inline struct dims dims_of(const struct group *g, const struct value *v)
{
    const struct shape *s = &v->shape;
    return (struct dims){g->n, s->dim[1], s->rank > 2 ? s->dim[2] : 1,
                         s->rank > 3 ? s->dim[3] : 1};
}
static inline size_t at4(const struct dims *d, int n, int c, int h, int w)
{
    return (((size_t)n * (size_t)d->C + (size_t)c) * (size_t)d->H + (size_t)h) * (size_t)d->W +
           (size_t)w;
}
/* A tensor as vectors of features (op/infer.h): element d of row r lies at row_at(r) + d * step. */
struct rows {
    size_t n, D, step;
};
static inline struct rows rows_of(const struct group *g, const struct value *v)
{
    const struct shape *s = &v->shape;
    size_t n = (size_t)g->n, D = (size_t)s->dim[s->rank == 3 ? 2 : 1];
    size_t step = s->rank == 4 ? (size_t)s->dim[2] * (size_t)s->dim[3] : 1;
    return (struct rows){s->rank == 3 ? n * (size_t)s->dim[1] : n * step, D, step};
}
static inline size_t row_at(const struct rows *r, size_t row)
{
    return row / r->step * r->D * r->step + row % r->step;
}
/* Floats of n items. */
static inline size_t count_of(const struct group *g, const struct value *v)
{
    return shape_count(&v->shape) / (size_t)v->shape.dim[0] * (size_t)g->n;
}

#endif
