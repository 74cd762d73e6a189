/* conv2d of any kernel, stride, padding, dilation and groups by oneDNN's direct kernels, on blocked
 * activations. oneDNN picks the layouts of weights; they are packed for each pass in training, else
 * once a version.
 *
 * The primitives are made for the plan's largest batch. In a smaller one the pictures that are
 * missing are computed too, and set to zero where sums would see them. The gradient of weights is
 * made and run on as many threads as there are shards: its bits depend on that number alone. */
#include "backend/cpu/dnnl.h"
#include "backend/cpu/isa.h"
#include "backend/cpu/kernels.h"
#include "op/params.h"

#include <string.h>

enum way { WAY_FORWARD, WAY_DATA, WAY_WEIGHTS, WAY_COUNT };

struct conv {
    struct dnnl_context context;
    struct dnnl_op op[WAY_COUNT];
    struct dnnl_op
        pack[WAY_COUNT]; /* weights into the op's layout; of WAY_WEIGHTS, out of it */
    void *packed[2];     /* kept weights: forward, data; NULL in training */
    uint64_t version[2];
    bool valid[2];
};

/* The descriptions while primitives are made. */
struct descs {
    struct md src, dst; /* blocked */
    struct md weights, any,
        grad; /* canonical float; of any layout, in the plan's type and in float */
    struct md bias;
    struct dnnl_conv_desc conv;
    dnnl_primitive_desc_t forward;
};

static int or_one(int x)
{
    return x ? x : 1;
}

static bool fits(const struct group *g)
{
    return g->compute == DTYPE_F32 || g->backend->isa->bf16;
}

static bool activation_desc(struct md *m, const struct value *v, struct err *e)
{
    const int *dim = v->shape.dim;
    return dnnl_ok(md_init(m, 4, (dnnl_dims_t){dim[0], dim[1], dim[2], dim[3]},
                           v->dtype == DTYPE_BF16 ? dnnl_bf16 : dnnl_f32,
                           v->block == 16 ? dnnl_nChw16c : dnnl_nChw8c),
                   "activations", e);
}

/* Weights are (K, C, R, S), or (G, K/G, C/G, R, S). */
static bool weight_descs(struct descs *d, const struct group *g, struct err *e)
{
    const struct conv2d_param *p = g->node[0]->param;
    int G = or_one(p->groups), C = g->in[0]->shape.dim[1];
    const dnnl_dims_t grouped = {G, p->out / G, C / G, p->kernel_h, p->kernel_w};
    const dnnl_dims_t whole = {p->out, C, p->kernel_h, p->kernel_w};
    const dnnl_dim_t *dims = G > 1 ? grouped : whole;
    int rank = G > 1 ? 5 : 4;
    dnnl_data_type_t type = g->compute == DTYPE_BF16 ? dnnl_bf16 : dnnl_f32;
    return dnnl_ok(md_init(&d->weights, rank, dims, dnnl_f32, G > 1 ? dnnl_goihw : dnnl_oihw),
                   "weights", e) &&
           dnnl_ok(md_init(&d->any, rank, dims, type, dnnl_format_tag_any), "weights", e) &&
           dnnl_ok(md_init(&d->grad, rank, dims, dnnl_f32, dnnl_format_tag_any), "gradient",
                   e) &&
           dnnl_ok(md_init(&d->bias, 1, (dnnl_dims_t){p->out}, dnnl_f32, dnnl_x), "bias", e);
}

static bool descs_init(struct descs *d, const struct group *g, struct err *e)
{
    const struct conv2d_param *p = g->node[0]->param;
    if (!activation_desc(&d->src, g->in[0], e) || !activation_desc(&d->dst, g->out, e) ||
        !weight_descs(d, g, e))
        return false;
    d->conv = (struct dnnl_conv_desc){
        .src = &d->src,
        .weights = &d->any,
        .bias = g->n_weight > 1 ? &d->bias : NULL,
        .dst = &d->dst,
        .strides = {or_one(p->stride_h), or_one(p->stride_w)},
        .dilates = {or_one(p->dilation_h) - 1, or_one(p->dilation_w) - 1},
        .pad = {p->pad_h, p->pad_w},
    };
    return true;
}

static void descs_release(struct descs *d)
{
    struct md *all[] = {&d->src, &d->dst, &d->weights, &d->any, &d->grad, &d->bias};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        md_release(all[i]);
    if (d->forward)
        dnnl_primitive_desc_destroy(d->forward);
}

/* The op and its pack, from a description that is consumed. */
static bool open_way(struct conv *c, enum way way, const struct descs *d,
                     dnnl_primitive_desc_t pd, struct err *e)
{
    static const int arg[WAY_COUNT][4] = {
        {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_BIAS},
        {DNNL_ARG_DIFF_DST, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_SRC},
        {DNNL_ARG_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_BIAS}};
    int n = way == WAY_DATA || !d->conv.bias ? 3 : 4;
    bool ok = dnnl_op_open(&c->op[way], &c->context, pd, arg[way], n, e);
    if (pd != d->forward)
        dnnl_primitive_desc_destroy(pd);
    md_ref desc;
    if (!ok ||
        !dnnl_op_md(&c->op[way], way == WAY_WEIGHTS ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS,
                    &desc, e))
        return false;
    md_ref canonical = md_of(&d->weights);
    return dnnl_op_open_reorder(&c->pack[way], &c->context,
                                way == WAY_WEIGHTS ? desc : canonical,
                                way == WAY_WEIGHTS ? canonical : desc, e);
}

static bool open_ways(struct group *g, struct descs *d, struct err *e)
{
    struct conv *c = g->state;
    dnnl_engine_t engine = c->context.engine;
    dnnl_primitive_desc_t pd;
    if (!dnnl_ok(conv_forward_desc(&d->forward, engine, &d->conv, c->context.attr),
                 "convolution", e) ||
        !open_way(c, WAY_FORWARD, d, d->forward, e))
        return false;
    if (g->backward && g->want_dx[0] &&
        (!dnnl_ok(conv_data_desc(&pd, engine, &d->conv, c->context.attr, d->forward),
                  "convolution's gradient of data", e) ||
         !open_way(c, WAY_DATA, d, pd, e)))
        return false;
    if (!g->backward || !g->want_dw)
        return true;
    d->conv.weights = &d->grad;
    dnnl_use_threads(g->n_shard);
    bool ok = dnnl_ok(conv_weights_desc(&pd, engine, &d->conv, c->context.attr, d->forward),
                      "convolution's gradient of weights", e) &&
              open_way(c, WAY_WEIGHTS, d, pd, e);
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

static bool conv_plan(struct group *g, struct err *e)
{
    struct conv *c = g->state;
    struct descs d = {0};
    dnnl_use_threads(g->n_thread);
    bool ok = dnnl_context_open(&c->context, e) && descs_init(&d, g, e) && open_ways(g, &d, e);
    descs_release(&d);
    if (!ok)
        return false;
    g->needs_in = g->want_dw;
    g->dx_over_in = true; /* the gradient of weights comes first */
    for (enum way way = WAY_FORWARD; way < WAY_COUNT; way++) {
        bool kept = way != WAY_WEIGHTS && !g->want_dw && c->op[way].primitive;
        if (kept && !(c->packed[way] = mem_new(packed_bytes(c, way), 1, e)))
            return false;
        size_t pads[] = {dnnl_op_bytes(&c->op[way], DNNL_ARG_SCRATCHPAD),
                         dnnl_op_bytes(&c->pack[way], DNNL_ARG_SCRATCHPAD)};
        size_t bytes =
            (kept ? 0 : packed_bytes(c, way)) + (pads[0] > pads[1] ? pads[0] : pads[1]);
        if (bytes > g->scratch_bytes)
            g->scratch_bytes = bytes;
    }
    return true;
}

static bool pack(struct group *g, enum way way, void *from, void *to, void *pad, struct err *e)
{
    struct conv *c = g->state;
    struct dnnl_op *op = &c->pack[way];
    return dnnl_op_bind(op, DNNL_ARG_FROM, from, e) && dnnl_op_bind(op, DNNL_ARG_TO, to, e) &&
           dnnl_op_bind(op, DNNL_ARG_SCRATCHPAD, pad, e) && dnnl_op_run(op, &c->context, e);
}

/* Forward, or the gradient of data. */
static bool convolve(struct group *g, enum way way, struct err *e)
{
    struct conv *c = g->state;
    struct dnnl_op *op = &c->op[way];
    bool kept = c->packed[way];
    void *packed = kept ? c->packed[way] : g->scratch;
    void *pad = kept ? g->scratch : (char *)g->scratch + packed_bytes(c, way);
    if (!kept || !c->valid[way] || c->version[way] != g->version) {
        if (!pack(g, way, g->weight[0].value, packed, pad, e))
            return false;
        c->valid[way] = true;
        c->version[way] = g->version;
    }
    bool back = way == WAY_DATA;
    return dnnl_op_bind(op, back ? DNNL_ARG_DIFF_DST : DNNL_ARG_SRC,
                        back ? g->out->grad : g->in[0]->data, e) &&
           dnnl_op_bind(op, back ? DNNL_ARG_DIFF_SRC : DNNL_ARG_DST,
                        back ? g->in[0]->grad : g->out->data, e) &&
           dnnl_op_bind(op, DNNL_ARG_WEIGHTS, packed, e) &&
           dnnl_op_bind(op, DNNL_ARG_BIAS, g->n_weight > 1 ? g->weight[1].value : NULL, e) &&
           dnnl_op_bind(op, DNNL_ARG_SCRATCHPAD, pad, e) && dnnl_op_run(op, &c->context, e);
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
    clear_missing(g, g->in[0], g->in[0]->data);
    clear_missing(g, g->out, g->out->grad);
    dnnl_use_threads(g->n_shard);
    bool ok =
        dnnl_op_bind(op, DNNL_ARG_SRC, g->in[0]->data, e) &&
        dnnl_op_bind(op, DNNL_ARG_DIFF_DST, g->out->grad, e) &&
        dnnl_op_bind(op, DNNL_ARG_DIFF_WEIGHTS, g->scratch, e) &&
        dnnl_op_bind(op, DNNL_ARG_DIFF_BIAS, g->n_weight > 1 ? g->weight[1].grad : NULL, e) &&
        dnnl_op_bind(op, DNNL_ARG_SCRATCHPAD, pad, e) && dnnl_op_run(op, &c->context, e) &&
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
        dnnl_op_close(&c->pack[way]);
    }
    mem_free(c->packed[0]);
    mem_free(c->packed[1]);
    dnnl_context_close(&c->context);
}

const struct kernel cpu_conv_dnnl = {.name = "onednn",
                                     .pattern = "conv2d",
                                     .in = LAYOUT_BLOCKED,
                                     .out = LAYOUT_BLOCKED,
                                     .plan_size = sizeof(struct conv),
                                     .fits = fits,
                                     .plan = conv_plan,
                                     .run = conv_run,
                                     .drop = conv_drop};
