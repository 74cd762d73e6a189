/* conv2d of 1x1 in fp32 training, by matrix products on the blocked activations themselves; it gives the
 * moments of what it writes. With a stride the pixels that are read are kept for the backward pass. */
#include "backend/cpu/kernels.h"
#include "backend/cpu/moments.h"
#include "backend/cpu/pointwise.h"
#include "op/params.h"

static int or_one(int value)
{
    return value ? value : 1;
}

static bool fits(const struct group *g)
{
    const struct conv2d_param *p = g->node[0]->param;
    const struct shape *x = &g->in[0]->shape;
    return g->compute == DTYPE_F32 && g->want_dw && x->rank == 4 && p->kernel_h == 1 &&
           p->kernel_w == 1 && p->pad_h == 0 && p->pad_w == 0 && or_one(p->groups) == 1 &&
           or_one(p->stride_h) == or_one(p->stride_w);
}

/* With vectors of 8 oneDNN is faster (147 against 100 GFLOP/s, Cascade Lake): there this row stands behind. */
static bool fits_wide(const struct group *g)
{
    return fits(g) && g->backend->isa->lanes == 16;
}

static struct pointwise_shape shape_of(const struct group *g, int n)
{
    const int *x = g->in[0]->shape.dim, *y = g->out->shape.dim;
    const struct conv2d_param *p = g->node[0]->param;
    return (struct pointwise_shape){
        .n = n, .c = x[1], .k = y[1], .h = x[2], .w = x[3], .stride = or_one(p->stride_h)};
}

static const struct pointwise_ops *ops_of(const struct group *g)
{
    return pointwise_ops(g->backend->isa);
}

/* In what the group saves: moments, then gathered pixels. */
static size_t gathered_at(const struct group *g)
{
    struct pointwise_shape s = shape_of(g, g->max_n);
    return moments_wanted(g) ? (moments_bytes(g, ops_of(g)->parts(&s)) + 63) / 64 * 64 : 0;
}

static size_t gathered_bytes(const struct group *g)
{
    const struct value *x = g->in[0];
    const int *from = x->shape.dim, *to = g->out->shape.dim;
    return x->bytes / (size_t)(from[2] * from[3]) * (size_t)(to[2] * to[3]);
}

static float *gathered(const struct group *g)
{
    bool strided = shape_of(g, g->n).stride > 1;
    return strided ? (float *)g->saved + gathered_at(g) / sizeof(float) : g->in[0]->data;
}

static bool plan(struct group *g, struct err *e)
{
    struct pointwise_shape s = shape_of(g, g->max_n);
    (void)e;
    g->needs_in = s.stride == 1;
    g->dx_over_in = true; /* the gradient of weights comes first */
    g->scratch_bytes = ops_of(g)->scratch(&s, g->n_thread);
    g->saved_bytes = gathered_at(g);
    if (s.stride > 1)
        g->saved_bytes += gathered_bytes(g);
    return true;
}

static void convolve(struct group *g, bool back)
{
    struct pointwise_conv a = {.shape = shape_of(g, g->n),
                               .back = back,
                               .x = back ? g->out->grad : gathered(g),
                               .y = back ? g->in[0]->grad : g->out->data,
                               .w = g->weight[0].value,
                               .bias = !back && g->n_weight > 1 ? g->weight[1].value : NULL,
                               .scratch = g->scratch,
                               .n_thread = g->n_thread};
    if (!back && moments_wanted(g)) {
        struct moments *m = g->out->moments;
        *m = moments_of(g, ops_of(g)->parts(&a.shape));
        a.moments = m->at;
        a.count = m->count;
    }
    ops_of(g)->conv(&a);
}

static bool run(struct group *g, enum pass pass, struct err *e)
{
    (void)e;
    if (pass == PASS_FORWARD) {
        struct pointwise_shape s = shape_of(g, g->n);
        if (s.stride > 1)
            ops_of(g)->gather(&s, g->in[0]->data, gathered(g), g->n_thread);
        convolve(g, false);
        return true;
    }
    struct pointwise_grad a = {.shape = shape_of(g, g->n),
                               .x = gathered(g),
                               .dy = g->out->grad,
                               .dw = g->weight[0].grad,
                               .db = g->n_weight > 1 ? g->weight[1].grad : NULL,
                               .scratch = g->scratch,
                               .n_thread = g->n_thread};
    ops_of(g)->grad(&a);
    if (g->want_dx[0])
        convolve(g, true);
    return true;
}

#define POINTWISE(id, fits_fn)                                                                 \
    const struct kernel cpu_##id = {                                                           \
        .name = "pointwise",                                                                   \
        .pattern = "conv2d",                                                                   \
        .in = LAYOUT_BLOCKED,                                                                  \
        .out = LAYOUT_BLOCKED,                                                                 \
        .gives_moments = true,                                                                 \
        .fits = fits_fn,                                                                       \
        .plan = plan,                                                                          \
        .run = run,                                                                            \
    }
POINTWISE(conv_pointwise_wide, fits_wide);
POINTWISE(conv_pointwise, fits);
