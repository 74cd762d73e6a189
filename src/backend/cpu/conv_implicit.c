/* conv2d in fp32 training by matrix products on the blocked activations themselves; it gives the moments of
 * what it writes. */
#include "backend/cpu/implicit.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/moments.h"
#include "op/params.h"

static bool fits(const struct group *g)
{
    const struct conv2d_param *p = g->node[0]->param;
    const struct shape *x = &g->in[0]->shape;
    int taps = p->kernel_h * p->kernel_w, stride = or_one(p->stride_h);
    return g->compute == DTYPE_F32 && g->want_dw && x->rank == 4 && or_one(p->groups) == 1 &&
           or_one(p->dilation_h) == 1 && or_one(p->dilation_w) == 1 &&
           or_one(p->stride_w) == stride && taps <= IMPLICIT_MAX_TAPS &&
           (taps == 1 || x->dim[1] >= g->backend->isa->lanes);
}

/* Where it is faster than oneDNN (Cascade Lake: with vectors of 8, 100 against 147 GFLOP/s; 3x3 with a
 * stride 11 % faster from 64 channels on, 1x7 without one 15 % slower). Elsewhere this row stands behind. */
static bool fits_wide(const struct group *g)
{
    const struct conv2d_param *p = g->node[0]->param;
    bool small = p->kernel_h * p->kernel_w == 1;
    return fits(g) && g->backend->isa->lanes == 16 &&
           (small || (or_one(p->stride_h) > 1 && g->in[0]->shape.dim[1] >= 64));
}

static struct implicit_shape shape_of(const struct group *g, int n)
{
    const int *x = g->in[0]->shape.dim, *y = g->out->shape.dim;
    const struct conv2d_param *p = g->node[0]->param;
    return (struct implicit_shape){.n = n,
                                   .c = x[1],
                                   .h = x[2],
                                   .w = x[3],
                                   .k = y[1],
                                   .oh = y[2],
                                   .ow = y[3],
                                   .kernel_h = p->kernel_h,
                                   .kernel_w = p->kernel_w,
                                   .stride = or_one(p->stride_h),
                                   .pad_h = p->pad_h,
                                   .pad_w = p->pad_w};
}

static const struct implicit_ops *ops_of(const struct group *g)
{
    return implicit_ops(g->backend->isa);
}

static bool plan(struct group *g, struct err *e)
{
    struct implicit_shape s = shape_of(g, g->max_n);
    (void)e;
    g->needs_in = true;
    g->dx_over_in = true; /* the gradient of weights comes first */
    g->scratch_bytes = ops_of(g)->scratch(&s, g->n_thread);
    if (g->out->moments)
        g->saved_bytes = moments_bytes(g, ops_of(g)->parts(&s));
    return true;
}

static void convolve(struct group *g, bool back)
{
    struct implicit_conv a = {.shape = shape_of(g, g->n),
                              .back = back,
                              .x = back ? g->out->grad : g->in[0]->data,
                              .y = back ? g->in[0]->grad : g->out->data,
                              .w = g->weight[0].value,
                              .bias = !back && g->n_weight > 1 ? g->weight[1].value : NULL,
                              .scratch = g->scratch,
                              .n_thread = g->n_thread};
    if (!back && g->out->moments) {
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
        convolve(g, false);
        return true;
    }
    struct implicit_grad a = {.shape = shape_of(g, g->n),
                              .x = g->in[0]->data,
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

#define IMPLICIT(id, fits_fn)                                                                  \
    const struct kernel cpu_##id = {                                                           \
        .name = "implicit_gemm",                                                               \
        .pattern = "conv2d",                                                                   \
        .in = LAYOUT_BLOCKED,                                                                  \
        .out = LAYOUT_BLOCKED,                                                                 \
        .gives_moments = true,                                                                 \
        .fits = fits_fn,                                                                       \
        .plan = plan,                                                                          \
        .run = run,                                                                            \
    }
IMPLICIT(conv_implicit_wide, fits_wide);
IMPLICIT(conv_implicit, fits);
