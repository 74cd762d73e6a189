/* conv2d of any kernel, stride, padding, dilation and groups by oneDNN: by its direct kernels on blocked
 * activations, or where these are slow by its matrix products on plain ones; and linear over the
 * channels of a picture, which is a convolution of 1x1. oneDNN picks the layouts of weights; they are
 * packed for each pass in training, else once a version, with the batch norm that follows in them.
 *
 * The primitives are made for the plan's largest batch. In a smaller one the pictures that are
 * missing are computed too, and set to zero where sums would see them. The gradient of weights is
 * made and run on as many threads as there are shards: its bits depend on that number alone. */
#include "backend/cpu/blocks.h"
#include "backend/cpu/depthwise.h"
#include "backend/cpu/dnnl.h"
#include "backend/cpu/isa.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/tail.h"
#include "op/params.h"

#include <string.h>

enum way { WAY_FORWARD, WAY_DATA, WAY_WEIGHTS, WAY_COUNT };

struct conv {
    struct dnnl_context context;
    struct dnnl_op op[WAY_COUNT];
    /* Weights into the op's layout; of WAY_WEIGHTS, out of it: blocks, or a reorder. */
    struct blocks blocks[WAY_COUNT];
    struct dnnl_op reorder[WAY_COUNT];
    void *packed[2]; /* kept weights: forward, data; NULL in training */
    uint64_t version[2];
    bool valid[2];
    struct tail tail;
    float *bias;       /* with the batch norm in it, or NULL */
    bool own_gradient; /* of depthwise weights */
};

enum { ARG_MORE = DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1 };

/* The descriptions while primitives are made. */
struct descs {
    struct md src, dst; /* blocked */
    struct md weights, any,
        grad;             /* canonical float; of any layout, in the plan's type and in float */
    struct md bias, more; /* more: what the tail adds */
    struct dnnl_conv_desc conv;
    dnnl_primitive_desc_t forward;
};

/* linear as the convolution that it is on a picture. */
static struct conv2d_param param_of(const struct group *g)
{
    if (g->node[0]->op == &op_conv2d)
        return *(const struct conv2d_param *)g->node[0]->param;
    const struct linear_param *l = g->node[0]->param;
    return (struct conv2d_param){
        .out = l->out, .kernel_h = 1, .kernel_w = 1, .no_bias = l->no_bias};
}

/* How oneDNN calls an activation. */
struct eltwise {
    dnnl_alg_kind_t f; /* 0: it has none */
    float alpha, beta;
};
static const struct eltwise eltwises[ACTIVATION_COUNT] = {
    [ACTIVATION_relu] = {dnnl_eltwise_relu, 0, 0},
    [ACTIVATION_leaky_relu] = {dnnl_eltwise_relu, 0.01f, 0},
    [ACTIVATION_elu] = {dnnl_eltwise_elu, 1, 0},
    [ACTIVATION_gelu] = {dnnl_eltwise_gelu_erf, 0, 0},
    [ACTIVATION_gelu_tanh] = {dnnl_eltwise_gelu_tanh, 0, 0},
    [ACTIVATION_silu] = {dnnl_eltwise_swish, 1, 0},
    [ACTIVATION_mish] = {dnnl_eltwise_mish, 0, 0},
    /* oneDNN 3 asks for the slope and offset that 2 has built in */
    [ACTIVATION_hardswish] = {dnnl_eltwise_hardswish, 1.0f / 6, 0.5f},
    [ACTIVATION_relu6] = {dnnl_eltwise_clip, 0, 6},
    [ACTIVATION_sigmoid] = {dnnl_eltwise_logistic, 0, 0},
    [ACTIVATION_tanh] = {dnnl_eltwise_tanh, 0, 0},
};

/* The direct kernels want whole vectors of input channels in each group, but for 1x1 and depthwise
 * ones; what they do not take oneDNN computes cell by cell. */
static bool direct(const struct group *g)
{
    struct conv2d_param p = param_of(g);
    int G = or_one(p.groups), C = g->in[0]->shape.dim[1] / G, V = g->backend->isa->lanes;
    bool dot = p.kernel_h == 1 && p.kernel_w == 1 && or_one(p.stride_h) == 1 &&
               or_one(p.stride_w) == 1;
    if (G == 1)
        return C >= V || dot;
    return is_depthwise(g) || (C % V == 0 && p.out / G % V == 0);
}

static bool fits(const struct group *g)
{
    enum activation kind = tail_of(g).kind;
    return g->in[0]->shape.rank == 4 && direct(g) && tail_fits(g) &&
           (g->compute == DTYPE_F32 || g->backend->isa->bf16) &&
           (kind == ACTIVATION_identity || eltwises[kind].f);
}

static bool activation_desc(struct md *m, const struct value *v, struct err *e)
{
    const int *dim = v->shape.dim;
    return dnnl_ok(md_init(m, 4, (dnnl_dims_t){dim[0], dim[1], dim[2], dim[3]},
                           v->dtype == DTYPE_BF16 ? dnnl_bf16 : dnnl_f32,
                           v->block == 16  ? dnnl_nChw16c
                           : v->block == 8 ? dnnl_nChw8c
                                           : dnnl_nchw),
                   "activations", e);
}

/* Weights are (K, C, R, S), or (G, K/G, C/G, R, S). */
static bool weight_descs(struct descs *d, const struct group *g, struct err *e)
{
    struct conv2d_param p = param_of(g);
    int G = or_one(p.groups), C = g->in[0]->shape.dim[1];
    const dnnl_dims_t grouped = {G, p.out / G, C / G, p.kernel_h, p.kernel_w};
    const dnnl_dims_t whole = {p.out, C, p.kernel_h, p.kernel_w};
    const dnnl_dim_t *dims = G > 1 ? grouped : whole;
    int rank = G > 1 ? 5 : 4;
    dnnl_data_type_t type = g->out->dtype == DTYPE_BF16 ? dnnl_bf16 : dnnl_f32;
    return dnnl_ok(md_init(&d->weights, rank, dims, dnnl_f32, G > 1 ? dnnl_goihw : dnnl_oihw),
                   "weights", e) &&
           dnnl_ok(md_init(&d->any, rank, dims, type, dnnl_format_tag_any), "weights", e) &&
           dnnl_ok(md_init(&d->grad, rank, dims, dnnl_f32, dnnl_format_tag_any), "gradient",
                   e) &&
           dnnl_ok(md_init(&d->bias, 1, (dnnl_dims_t){p.out}, dnnl_f32, dnnl_x), "bias", e);
}

static bool has_bias(const struct group *g)
{
    return g->node[0]->n_weight > 1;
}

static bool descs_init(struct descs *d, const struct group *g, struct err *e)
{
    const struct conv2d_param p = param_of(g);
    const struct tail *tail = &((const struct conv *)g->state)->tail;
    if (!activation_desc(&d->src, g->in[0], e) || !activation_desc(&d->dst, g->out, e) ||
        !weight_descs(d, g, e) || (tail->more && !activation_desc(&d->more, tail->more, e)))
        return false;
    d->conv = (struct dnnl_conv_desc){
        .src = &d->src,
        .weights = &d->any,
        .bias = has_bias(g) || tail->norm ? &d->bias : NULL,
        .dst = &d->dst,
        .strides = {or_one(p.stride_h), or_one(p.stride_w)},
        .dilates = {or_one(p.dilation_h) - 1, or_one(p.dilation_w) - 1},
        .pad = {p.pad_h, p.pad_w},
    };
    return true;
}

static void descs_release(struct descs *d)
{
    struct md *all[] = {&d->src, &d->dst, &d->weights, &d->any, &d->grad, &d->bias, &d->more};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        md_release(all[i]);
    if (d->forward)
        dnnl_primitive_desc_destroy(d->forward);
}

static bool add_tail(const struct tail *t, const struct descs *d, dnnl_post_ops_t post,
                     struct err *e)
{
    const struct eltwise *f = &eltwises[t->kind];
    return (!t->more || dnnl_ok(post_add(post, &d->more), "sum", e)) &&
           (!f->f || dnnl_ok(post_activation(post, f->f, f->alpha, f->beta), "activation", e));
}

static bool describe_forward(struct conv *c, struct descs *d, struct err *e)
{
    dnnl_post_ops_t post = NULL;
    dnnl_primitive_attr_t attr = NULL;
    bool ok = dnnl_ok(dnnl_post_ops_create(&post), "sum", e) &&
              dnnl_ok(dnnl_primitive_attr_clone(&attr, c->context.attr), "attributes", e) &&
              add_tail(&c->tail, d, post, e) &&
              dnnl_ok(dnnl_primitive_attr_set_post_ops(attr, post), "activation", e) &&
              dnnl_ok(conv_forward_desc(&d->forward, c->context.engine, &d->conv, attr),
                      "convolution", e);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    if (post)
        dnnl_post_ops_destroy(post);
    return ok;
}

/* The op and its pack, from a description that is consumed. */
static bool open_way(struct group *g, enum way way, const struct descs *d,
                     dnnl_primitive_desc_t pd, struct err *e)
{
    struct conv *c = g->state;
    const struct conv2d_param p = param_of(g);
    static const int args[WAY_COUNT][3] = {
        {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST},
        {DNNL_ARG_DIFF_DST, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_SRC},
        {DNNL_ARG_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_WEIGHTS}};
    int arg[5], n = 3;
    memcpy(arg, args[way], 3 * sizeof(*arg));
    if (d->conv.bias && way != WAY_DATA)
        arg[n++] = way == WAY_FORWARD ? DNNL_ARG_BIAS : DNNL_ARG_DIFF_BIAS;
    if (c->tail.more)
        arg[n++] = ARG_MORE;
    bool ok = dnnl_op_open(&c->op[way], &c->context, pd, arg, n, e);
    if (pd != d->forward)
        dnnl_primitive_desc_destroy(pd);
    md_ref desc;
    if (!ok ||
        !dnnl_op_md(&c->op[way], way == WAY_WEIGHTS ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS,
                    &desc, e))
        return false;
    md_ref canonical = md_of(&d->weights);
    if (p.kernel_h == 1 && p.kernel_w == 1 && or_one(p.groups) == 1)
        c->blocks[way] =
            blocks_of_weights(g->backend->isa, p.out, g->in[0]->shape.dim[1], desc);
    if (c->blocks[way].order)
        return true;
    return dnnl_op_open_reorder(&c->reorder[way], &c->context,
                                way == WAY_WEIGHTS ? desc : canonical,
                                way == WAY_WEIGHTS ? canonical : desc, e);
}

static bool open_ways(struct group *g, struct descs *d, struct err *e)
{
    struct conv *c = g->state;
    dnnl_engine_t engine = c->context.engine;
    dnnl_primitive_desc_t pd;
    if (!describe_forward(c, d, e) || !open_way(g, WAY_FORWARD, d, d->forward, e))
        return false;
    if (g->backward && g->want_dx[0] &&
        (!dnnl_ok(conv_data_desc(&pd, engine, &d->conv, c->context.attr, d->forward),
                  "convolution's gradient of data", e) ||
         !open_way(g, WAY_DATA, d, pd, e)))
        return false;
    if (!g->backward || !g->want_dw || c->own_gradient)
        return true;
    d->conv.weights = &d->grad;
    dnnl_use_threads(g->n_shard);
    bool ok = dnnl_ok(conv_weights_desc(&pd, engine, &d->conv, c->context.attr, d->forward),
                      "convolution's gradient of weights", e) &&
              open_way(g, WAY_WEIGHTS, d, pd, e);
    dnnl_use_threads(g->n_thread);
    return ok;
}

static size_t rounded(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* Bytes of the weights in a way's layout. */
static size_t packed_bytes(const struct conv *c, enum way way)
{
    return rounded(dnnl_op_bytes(&c->op[way], way == WAY_WEIGHTS ? DNNL_ARG_DIFF_WEIGHTS
                                                                 : DNNL_ARG_WEIGHTS));
}

/* Bytes of the weights as they are, with the batch norm in them. */
static size_t folded_bytes(const struct group *g)
{
    const struct conv *c = g->state;
    return c->tail.norm ? rounded(shape_count(&g->weight[0].spec->shape) * sizeof(float)) : 0;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* The scratch is a way's weights, unless they are kept; weights with batch norm in them; and what
 * oneDNN asks for. */
static bool plan_memory(struct group *g, struct err *e)
{
    struct conv *c = g->state;
    if (c->tail.norm && !(c->bias = mem_new((size_t)g->out->shape.dim[1], sizeof(float), e)))
        return false;
    if (c->own_gradient && g->want_dw)
        g->scratch_bytes = depthwise_scratch(g);
    for (enum way way = WAY_FORWARD; way < WAY_COUNT; way++) {
        bool kept = way != WAY_WEIGHTS && !g->want_dw && c->op[way].primitive;
        if (kept && !(c->packed[way] = mem_new(packed_bytes(c, way), 1, e)))
            return false;
        size_t pad = larger(dnnl_op_bytes(&c->op[way], DNNL_ARG_SCRATCHPAD),
                            dnnl_op_bytes(&c->reorder[way], DNNL_ARG_SCRATCHPAD));
        size_t bytes = (kept ? 0 : packed_bytes(c, way)) + folded_bytes(g) + pad;
        g->scratch_bytes = larger(g->scratch_bytes, bytes);
    }
    return true;
}

static bool conv_plan(struct group *g, struct err *e)
{
    struct conv *c = g->state;
    const struct conv2d_param p = param_of(g);
    struct descs d = {0};
    c->tail = tail_of(g);
    c->own_gradient = g->out->block && is_depthwise(g) && (p.kernel_h != 3 || p.kernel_w != 3);
    dnnl_use_threads(g->n_thread);
    bool ok = dnnl_context_open(&c->context, e) && descs_init(&d, g, e) && open_ways(g, &d, e);
    descs_release(&d);
    g->needs_in = g->want_dw;
    g->dx_over_in = true; /* the gradient of weights comes first */
    return ok && plan_memory(g, e);
}

static bool pack(struct group *g, enum way way, void *from, void *to, void *pad, struct err *e)
{
    struct conv *c = g->state;
    const struct blocks *b = &c->blocks[way];
    struct dnnl_op *op = &c->reorder[way];
    if (b->order) {
        if (way == WAY_WEIGHTS)
            blocks_unpack(b, from, to, g->n_thread);
        else
            blocks_pack(b, from, to, g->n_thread);
        return true;
    }
    return dnnl_op_bind(op, DNNL_ARG_FROM, from, e) && dnnl_op_bind(op, DNNL_ARG_TO, to, e) &&
           dnnl_op_bind(op, DNNL_ARG_SCRATCHPAD, pad, e) && dnnl_op_run(op, &c->context, e);
}

/* The weights for a way, from the canonical ones, into its layout; pad: scratch beside it. */
static bool renew(struct group *g, enum way way, void *packed, void *pad, struct err *e)
{
    struct conv *c = g->state;
    float *weights = g->weight[0].value;
    if (c->tail.norm) {
        weights = pad;
        tail_fold(g, &c->tail, weights, c->bias);
    }
    c->valid[way] = true;
    c->version[way] = g->version;
    return pack(g, way, weights, packed, (char *)pad + folded_bytes(g), e);
}

/* Forward, or the gradient of data. */
static bool convolve(struct group *g, enum way way, struct err *e)
{
    struct conv *c = g->state;
    struct dnnl_op *op = &c->op[way];
    bool kept = c->packed[way], back = way == WAY_DATA;
    void *packed = kept ? c->packed[way] : g->scratch;
    char *pad = (char *)g->scratch + (kept ? 0 : packed_bytes(c, way));
    if ((!kept || !c->valid[way] || c->version[way] != g->version) &&
        !renew(g, way, packed, pad, e))
        return false;
    float *bias = c->bias ? c->bias : has_bias(g) ? g->weight[1].value : NULL;
    return dnnl_op_bind(op, back ? DNNL_ARG_DIFF_DST : DNNL_ARG_SRC,
                        back ? g->out->grad : g->in[0]->data, e) &&
           dnnl_op_bind(op, back ? DNNL_ARG_DIFF_SRC : DNNL_ARG_DST,
                        back ? g->in[0]->grad : g->out->data, e) &&
           dnnl_op_bind(op, DNNL_ARG_WEIGHTS, packed, e) &&
           dnnl_op_bind(op, DNNL_ARG_BIAS, bias, e) &&
           dnnl_op_bind(op, ARG_MORE, c->tail.more ? c->tail.more->data : NULL, e) &&
           dnnl_op_bind(op, DNNL_ARG_SCRATCHPAD, pad + folded_bytes(g), e) &&
           dnnl_op_run(op, &c->context, e);
}

/* Pictures past the batch's last: of x because zero times NaN is NaN. */
static void clear_missing(const struct group *g, const struct value *v, void *data)
{
    size_t picture = v->bytes / (size_t)v->shape.dim[0];
    memset((char *)data + picture * (size_t)g->n, 0, picture * (size_t)(g->max_n - g->n));
}

static bool weight_gradient(struct group *g, struct err *e)
{
    struct conv *c = g->state;
    struct dnnl_op *op = &c->op[WAY_WEIGHTS];
    char *pad = (char *)g->scratch + packed_bytes(c, WAY_WEIGHTS);
    if (c->own_gradient) {
        depthwise_gradient(g);
        return true;
    }
    clear_missing(g, g->in[0], g->in[0]->data);
    clear_missing(g, g->out, g->out->grad);
    dnnl_use_threads(g->n_shard);
    bool ok = dnnl_op_bind(op, DNNL_ARG_SRC, g->in[0]->data, e) &&
              dnnl_op_bind(op, DNNL_ARG_DIFF_DST, g->out->grad, e) &&
              dnnl_op_bind(op, DNNL_ARG_DIFF_WEIGHTS, g->scratch, e) &&
              dnnl_op_bind(op, DNNL_ARG_DIFF_BIAS, has_bias(g) ? g->weight[1].grad : NULL, e) &&
              dnnl_op_bind(op, DNNL_ARG_SCRATCHPAD, pad, e) &&
              dnnl_op_run(op, &c->context, e) &&
              pack(g, WAY_WEIGHTS, g->scratch, g->weight[0].grad, pad, e);
    dnnl_use_threads(g->n_thread);
    return ok;
}

static bool conv_run(struct group *g, enum pass pass, struct err *e)
{
    dnnl_use_threads(g->n_thread);
    if (pass == PASS_FORWARD)
        return convolve(g, WAY_FORWARD, e);
    return (!g->want_dw || weight_gradient(g, e)) &&
           (!g->want_dx[0] || convolve(g, WAY_DATA, e));
}

static void conv_drop(struct group *g)
{
    struct conv *c = g->state;
    for (enum way way = WAY_FORWARD; way < WAY_COUNT; way++) {
        dnnl_op_close(&c->op[way]);
        dnnl_op_close(&c->reorder[way]);
    }
    mem_free(c->packed[0]);
    mem_free(c->packed[1]);
    mem_free(c->bias);
    dnnl_context_close(&c->context);
}

#define CONV(id, text, title, layout, fits_fn)                                                 \
    const struct kernel cpu_##id = {                                                           \
        .name = title,                                                                         \
        .pattern = text,                                                                       \
        .in = layout,                                                                          \
        .out = layout,                                                                         \
        .plan_size = sizeof(struct conv),                                                      \
        .fits = fits_fn,                                                                       \
        .plan = conv_plan,                                                                     \
        .run = conv_run,                                                                       \
        .drop = conv_drop,                                                                     \
    }
CONV(conv_norm_add_act_dnnl, "conv2d+batch_norm+add+activation", "onednn", LAYOUT_BLOCKED,
     fits);
CONV(conv_norm_add_dnnl, "conv2d+batch_norm+add", "onednn", LAYOUT_BLOCKED, fits);
CONV(conv_norm_act_dnnl, "conv2d+batch_norm+activation", "onednn", LAYOUT_BLOCKED, fits);
CONV(conv_norm_dnnl, "conv2d+batch_norm", "onednn", LAYOUT_BLOCKED, fits);
CONV(conv_act_dnnl, "conv2d+activation", "onednn", LAYOUT_BLOCKED, fits);
CONV(conv_dnnl, "conv2d", "onednn", LAYOUT_BLOCKED, fits);
CONV(linear_map_dnnl, "linear", "onednn", LAYOUT_BLOCKED, fits);
CONV(conv_plain_dnnl, "conv2d", "onednn_plain", LAYOUT_PLAIN, NULL);
