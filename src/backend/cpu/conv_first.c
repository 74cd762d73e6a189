/* The rows of the first convolution, on 8-bit pixels that "normalize" precedes or on plain floats of few
 * channels, and in evaluation with the batch norm and the clamp behind it. No gradient of the input. */
#include "backend/cpu/first.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/moments.h"
#include "backend/cpu/tail.h"
#include "op/params.h"

#include <math.h>

struct state {
    const struct first_ops *ops;
    struct tail tail;
    float *weight, *bias; /* with the batch norm in them, or NULL */
    uint64_t version;
    bool valid;
};

static const struct conv2d_param *param_of(const struct group *g)
{
    return tail_conv(g)->param;
}

static bool has_pixels(const struct group *g)
{
    return g->node[0]->op == &op_normalize;
}

static bool clamps(enum activation kind)
{
    return kind == ACTIVATION_relu || kind == ACTIVATION_relu6;
}

static bool fits(const struct group *g)
{
    const struct conv2d_param *p = param_of(g);
    const struct value *x = g->in[0];
    enum activation kind = tail_of(g).kind;
    return tail_fits(g) && (kind == ACTIVATION_identity || clamps(kind)) &&
           has_pixels(g) == (x->dtype == DTYPE_U8) && !x->block && !g->want_dx[0] &&
           x->shape.dim[1] <= FIRST_MAX_C && or_one(p->groups) == 1 &&
           p->kernel_h <= FIRST_MAX_KERNEL && p->kernel_w <= FIRST_MAX_KERNEL &&
           or_one(p->stride_w) <= 2 && or_one(p->dilation_h) == 1 && or_one(p->dilation_w) == 1;
}

static struct first_conv conv_of(const struct group *g, int n)
{
    const struct conv2d_param *p = param_of(g);
    const int *x = g->in[0]->shape.dim, *y = g->out->shape.dim;
    struct first_conv a = {.n = n,
                           .c = x[1],
                           .k = y[1],
                           .h = x[2],
                           .w = x[3],
                           .oh = y[2],
                           .ow = y[3],
                           .kernel_h = p->kernel_h,
                           .kernel_w = p->kernel_w,
                           .stride_h = or_one(p->stride_h),
                           .stride_w = or_one(p->stride_w),
                           .pad_h = p->pad_h,
                           .pad_w = p->pad_w,
                           .half = g->out->dtype == DTYPE_BF16,
                           .scratch = g->scratch,
                           .n_thread = g->n_thread,
                           .n_shard = g->n_shard};
    if (has_pixels(g)) {
        const struct normalize_param *norm = g->node[0]->param;
        a.pixel = g->in[0]->data;
        for (int c = 0; c < a.c; c++) {
            a.scale[c] = 1 / (255 * norm->std[c]);
            a.shift[c] = -norm->mean[c] / norm->std[c];
        }
    } else {
        a.x = g->in[0]->data;
    }
    return a;
}

static void set_moments(const struct group *g, struct first_conv *a)
{
    if (!g->out->moments)
        return;
    struct moments *m = g->out->moments;
    *m = moments_of(g, first_parts(a));
    a->moments = m->at;
    a->count = m->count;
}

static bool plan(struct group *g, struct err *e)
{
    struct state *s = g->state;
    s->ops = first_ops(g->backend->isa);
    s->tail = tail_of(g);
    size_t K = (size_t)g->out->shape.dim[1], n = shape_count(&g->weight[0].spec->shape);
    if (s->tail.norm && (!(s->weight = mem_new(n, sizeof(float), e)) ||
                         !(s->bias = mem_new(K, sizeof(float), e))))
        return false;
    struct first_conv a = conv_of(g, g->max_n);
    g->scratch_bytes = s->ops->scratch_bytes(&a);
    g->needs_in = g->want_dw;
    if (g->out->moments)
        g->saved_bytes = moments_bytes(g, first_parts(&a));
    return true;
}

/* Weights and bias as they are, or with the batch norm in them, renewed with the weights' version. */
static void set_weights(const struct group *g, struct first_conv *a)
{
    struct state *s = g->state;
    a->weight = g->weight[0].value;
    a->bias = tail_conv(g)->n_weight > 1 ? g->weight[1].value : NULL;
    if (!s->tail.norm)
        return;
    if (!s->valid || s->version != g->version)
        tail_fold(g, &s->tail, s->weight, s->bias);
    s->valid = true;
    s->version = g->version;
    a->weight = s->weight;
    a->bias = s->bias;
}

static bool run(struct group *g, enum pass pass, struct err *e)
{
    const struct state *s = g->state;
    struct first_conv a = conv_of(g, g->n);
    bool bias = g->n_weight > 1;
    (void)e;
    if (pass == PASS_FORWARD) {
        set_weights(g, &a);
        a.clamped = clamps(s->tail.kind);
        a.low = 0;
        a.high = s->tail.kind == ACTIVATION_relu6 ? 6 : INFINITY;
        a.y = g->out->data;
        set_moments(g, &a);
        a.stores = first_stores(g->out->bytes, a.half);
        s->ops->forward(&a);
    } else if (g->want_dw) {
        a.dy = g->out->grad;
        a.rows = g->out->rows;
        a.y = g->out->data;
        a.dweight = g->weight[0].grad;
        a.dbias = bias ? g->weight[1].grad : NULL;
        s->ops->grad(&a);
    }
    return true;
}

static void drop(struct group *g)
{
    struct state *s = g->state;
    mem_free(s->weight);
    mem_free(s->bias);
}

#define FIRST(id, text)                                                                        \
    const struct kernel cpu_##id = {                                                           \
        .name = "first_layer",                                                                 \
        .pattern = text,                                                                       \
        .in = LAYOUT_PLAIN,                                                                    \
        .out = LAYOUT_BLOCKED,                                                                 \
        .gives_moments = true,                                                                 \
        .takes_rows = true,                                                                    \
        .plan_size = sizeof(struct state),                                                     \
        .fits = fits,                                                                          \
        .plan = plan,                                                                          \
        .run = run,                                                                            \
        .drop = drop,                                                                          \
    }
FIRST(conv_norm_act_first_pixels, "normalize+conv2d+batch_norm+activation");
FIRST(conv_norm_act_first, "conv2d+batch_norm+activation");
FIRST(conv_act_first_pixels, "normalize+conv2d+activation");
FIRST(conv_act_first, "conv2d+activation");
FIRST(conv_first_pixels, "normalize+conv2d");
FIRST(conv_first, "conv2d");
