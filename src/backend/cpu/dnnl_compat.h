/* Where the C API of oneDNN 3.x differs from that of 2.x: memory descriptions are handles instead of
 * structs, and primitive descriptions are made in one call. struct md is a description that we own,
 * md_ref one that is lent. */
#ifndef BACKEND_CPU_DNNL_COMPAT_H
#define BACKEND_CPU_DNNL_COMPAT_H

#include <oneapi/dnnl/dnnl.h>

#include <stddef.h>

struct md {
    dnnl_memory_desc_t desc;
};

/* dst = f(dst), and dst += another tensor, behind a primitive. */
static inline dnnl_status_t post_activation(dnnl_post_ops_t ops, dnnl_alg_kind_t f, float alpha,
                                            float beta)
{
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_post_ops_append_eltwise(ops, f, alpha, beta);
#else
    return dnnl_post_ops_append_eltwise(ops, 1, f, alpha, beta);
#endif
}
static inline dnnl_status_t post_add(dnnl_post_ops_t ops, const struct md *what)
{
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_post_ops_append_binary(ops, dnnl_binary_add, what->desc);
#else
    return dnnl_post_ops_append_binary(ops, dnnl_binary_add, &what->desc);
#endif
}

/* A convolution on descriptions of its tensors; bias NULL = none. In backward they are those of the
 * gradients. */
struct dnnl_conv_desc {
    const struct md *src, *weights, *bias, *dst;
    dnnl_dims_t strides, dilates, pad;
};

#if DNNL_VERSION_MAJOR >= 3

typedef const_dnnl_memory_desc_t md_ref;

static inline dnnl_status_t md_init(struct md *m, int rank, const dnnl_dims_t dims,
                                    dnnl_data_type_t type, dnnl_format_tag_t tag)
{
    return dnnl_memory_desc_create_with_tag(&m->desc, rank, dims, type, tag);
}
static inline void md_release(struct md *m)
{
    if (m->desc)
        dnnl_memory_desc_destroy(m->desc);
    m->desc = NULL;
}
static inline md_ref md_of(const struct md *m)
{
    return m ? m->desc : NULL;
}
static inline dnnl_status_t conv_forward_desc(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                              const struct dnnl_conv_desc *c,
                                              const_dnnl_primitive_attr_t attr)
{
    return dnnl_convolution_forward_primitive_desc_create(
        pd, engine, dnnl_forward_training, dnnl_convolution_direct, md_of(c->src),
        md_of(c->weights), md_of(c->bias), md_of(c->dst), c->strides, c->dilates, c->pad,
        c->pad, attr);
}
static inline dnnl_status_t conv_data_desc(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                           const struct dnnl_conv_desc *c,
                                           const_dnnl_primitive_attr_t attr,
                                           const_dnnl_primitive_desc_t forward)
{
    return dnnl_convolution_backward_data_primitive_desc_create(
        pd, engine, dnnl_convolution_direct, md_of(c->src), md_of(c->weights), md_of(c->dst),
        c->strides, c->dilates, c->pad, c->pad, forward, attr);
}
static inline dnnl_status_t conv_weights_desc(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                              const struct dnnl_conv_desc *c,
                                              const_dnnl_primitive_attr_t attr,
                                              const_dnnl_primitive_desc_t forward)
{
    return dnnl_convolution_backward_weights_primitive_desc_create(
        pd, engine, dnnl_convolution_direct, md_of(c->src), md_of(c->weights), md_of(c->bias),
        md_of(c->dst), c->strides, c->dilates, c->pad, c->pad, forward, attr);
}

#else

typedef const dnnl_memory_desc_t *md_ref;

static inline dnnl_status_t md_init(struct md *m, int rank, const dnnl_dims_t dims,
                                    dnnl_data_type_t type, dnnl_format_tag_t tag)
{
    return dnnl_memory_desc_init_by_tag(&m->desc, rank, dims, type, tag);
}
static inline void md_release(struct md *m)
{
    (void)m;
}
static inline md_ref md_of(const struct md *m)
{
    return m ? &m->desc : NULL;
}
static inline dnnl_status_t conv_forward_desc(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                              const struct dnnl_conv_desc *c,
                                              const_dnnl_primitive_attr_t attr)
{
    dnnl_convolution_desc_t d;
    dnnl_status_t s = dnnl_dilated_convolution_forward_desc_init(
        &d, dnnl_forward_training, dnnl_convolution_direct, md_of(c->src), md_of(c->weights),
        md_of(c->bias), md_of(c->dst), c->strides, c->dilates, c->pad, c->pad);
    return s == dnnl_success ? dnnl_primitive_desc_create(pd, &d, attr, engine, NULL) : s;
}
static inline dnnl_status_t conv_data_desc(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                           const struct dnnl_conv_desc *c,
                                           const_dnnl_primitive_attr_t attr,
                                           const_dnnl_primitive_desc_t forward)
{
    dnnl_convolution_desc_t d;
    dnnl_status_t s = dnnl_dilated_convolution_backward_data_desc_init(
        &d, dnnl_convolution_direct, md_of(c->src), md_of(c->weights), md_of(c->dst),
        c->strides, c->dilates, c->pad, c->pad);
    return s == dnnl_success ? dnnl_primitive_desc_create(pd, &d, attr, engine, forward) : s;
}
static inline dnnl_status_t conv_weights_desc(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                              const struct dnnl_conv_desc *c,
                                              const_dnnl_primitive_attr_t attr,
                                              const_dnnl_primitive_desc_t forward)
{
    dnnl_convolution_desc_t d;
    dnnl_status_t s = dnnl_dilated_convolution_backward_weights_desc_init(
        &d, dnnl_convolution_direct, md_of(c->src), md_of(c->weights), md_of(c->bias),
        md_of(c->dst), c->strides, c->dilates, c->pad, c->pad);
    return s == dnnl_success ? dnnl_primitive_desc_create(pd, &d, attr, engine, forward) : s;
}

#endif
#endif
