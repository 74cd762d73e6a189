/* The rows of the first convolution: "normalize+conv2d" on 8-bit pixels, "conv2d" on plain floats of
 * few channels. No gradient of the input. */
#include "backend/cpu/first.h"
#include "backend/cpu/kernels.h"
#include "op/params.h"

struct state {
    const struct first_ops *ops;
};

static const struct conv2d_param *param_of(const struct group *g)
{
    return g->node[g->n_node - 1]->param;
}

static int or_one(int value)
{
    return value ? value : 1;
}

static bool fits(const struct group *g)
{
    const struct conv2d_param *p = param_of(g);
    const struct value *x = g->in[0];
    return (g->n_node == 2) == (x->dtype == DTYPE_U8) && !x->block && !g->want_dx[0] &&
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
    if (g->n_node == 2) {
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

static bool plan(struct group *g, struct err *e)
{
    struct state *s = g->state;
    (void)e;
    s->ops = first_ops(g->backend->isa);
    struct first_conv a = conv_of(g, g->max_n);
    g->scratch_bytes = s->ops->scratch_bytes(&a);
    g->needs_in = g->want_dw;
    return true;
}

static bool run(struct group *g, enum pass pass, struct err *e)
{
    const struct state *s = g->state;
    struct first_conv a = conv_of(g, g->n);
    bool bias = g->n_weight > 1;
    (void)e;
    if (pass == PASS_FORWARD) {
        a.weight = g->weight[0].value;
        a.bias = bias ? g->weight[1].value : NULL;
        a.y = g->out->data;
        s->ops->forward(&a);
    } else if (g->want_dw) {
        a.dy = g->out->grad;
        a.dweight = g->weight[0].grad;
        a.dbias = bias ? g->weight[1].grad : NULL;
        s->ops->grad(&a);
    }
    return true;
}

const struct kernel cpu_conv_first_pixels = {.name = "first_layer",
                                             .pattern = "normalize+conv2d",
                                             .in = LAYOUT_PLAIN,
                                             .out = LAYOUT_BLOCKED,
                                             .plan_size = sizeof(struct state),
                                             .fits = fits,
                                             .plan = plan,
                                             .run = run};
const struct kernel cpu_conv_first = {.name = "first_layer",
                                      .pattern = "conv2d",
                                      .in = LAYOUT_PLAIN,
                                      .out = LAYOUT_BLOCKED,
                                      .plan_size = sizeof(struct state),
                                      .fits = fits,
                                      .plan = plan,
                                      .run = run};
