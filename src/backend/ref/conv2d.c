/* Convolution by its definition: N pictures, K output and C input channels, an R x S kernel. */
#include "backend/ref/ref.h"
#include "op/infer.h"

#include <string.h>

struct conv {
    struct dims x, y;
    int R, S, groups, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
    const float *w;
};

static struct conv conv_of(const struct group *g)
{
    const struct conv2d_param *p = g->node[0]->param;
    return (struct conv){.x = dims_of(g, g->in[0]),
                         .y = dims_of(g, g->out),
                         .R = p->kernel_h,
                         .S = p->kernel_w,
                         .groups = or_one(p->groups),
                         .stride_h = or_one(p->stride_h),
                         .stride_w = or_one(p->stride_w),
                         .pad_h = p->pad_h,
                         .pad_w = p->pad_w,
                         .dilation_h = or_one(p->dilation_h),
                         .dilation_w = or_one(p->dilation_w),
                         .w = g->weight[0].value};
}

/* Calls visit for each (x, w, y) triple of indices that meet in output channel k of picture n. */
typedef void visit_fn(void *ctx, size_t x, size_t w, size_t y);

static void visit_window(const struct conv *c, int n, int k, int oh, int ow, visit_fn *visit,
                         void *ctx)
{
    int Cg = c->x.C / c->groups, first = k / (c->y.C / c->groups) * Cg;
    for (int ci = 0; ci < Cg; ci++)
        for (int r = 0; r < c->R; r++)
            for (int s = 0; s < c->S; s++) {
                int h = oh * c->stride_h - c->pad_h + r * c->dilation_h;
                int w = ow * c->stride_w - c->pad_w + s * c->dilation_w;
                if (h < 0 || h >= c->x.H || w < 0 || w >= c->x.W)
                    continue;
                size_t wi = (((size_t)k * (size_t)Cg + (size_t)ci) * (size_t)c->R + (size_t)r) *
                                (size_t)c->S +
                            (size_t)s;
                visit(ctx, at4(&c->x, n, first + ci, h, w), wi, at4(&c->y, n, k, oh, ow));
            }
}

static void visit_all(const struct conv *c, visit_fn *visit, void *ctx)
{
    for (int n = 0; n < c->y.N; n++)
        for (int k = 0; k < c->y.C; k++)
            for (int oh = 0; oh < c->y.H; oh++)
                for (int ow = 0; ow < c->y.W; ow++)
                    visit_window(c, n, k, oh, ow, visit, ctx);
}

/* Sums are kept in double beside the tensors they end in. */
struct sums {
    const float *x, *w, *dy;
    double *y, *dx, *dw;
};

static void add_forward(void *ctx, size_t x, size_t w, size_t y)
{
    const struct sums *s = ctx;
    s->y[y] += (double)s->x[x] * (double)s->w[w];
}

static void add_backward(void *ctx, size_t x, size_t w, size_t y)
{
    const struct sums *s = ctx;
    if (s->dx)
        s->dx[x] += (double)s->w[w] * (double)s->dy[y];
    if (s->dw)
        s->dw[w] += (double)s->x[x] * (double)s->dy[y];
}

static void round_to(float *out, const double *sum, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (float)sum[i];
}

static void forward(struct group *g, const struct conv *c)
{
    const float *bias = g->n_weight > 1 ? g->weight[1].value : NULL;
    struct sums s = {.x = g->in[0]->data, .w = c->w, .y = g->scratch};
    size_t n = count_of(g, g->out), plane = (size_t)c->y.H * (size_t)c->y.W;
    for (size_t i = 0; i < n; i++)
        s.y[i] = bias ? (double)bias[i / plane % (size_t)c->y.C] : 0;
    visit_all(c, add_forward, &s);
    round_to(g->out->data, s.y, n);
}

static void bias_gradient(const struct group *g, const struct conv *c, const float *dy)
{
    for (int k = 0; k < c->y.C; k++) {
        double sum = 0;
        for (int n = 0; n < c->y.N; n++)
            for (int i = 0; i < c->y.H * c->y.W; i++)
                sum += (double)dy[at4(&c->y, n, k, 0, 0) + (size_t)i];
        g->weight[1].grad[k] = (float)sum;
    }
}

static void backward(struct group *g, const struct conv *c)
{
    size_t n_x = count_of(g, g->in[0]), n_w = shape_count(&g->weight[0].spec->shape);
    double *sum = g->scratch;
    memset(sum, 0, (n_x + n_w) * sizeof(double));
    struct sums s = {.x = g->in[0]->data,
                     .w = c->w,
                     .dy = g->out->grad,
                     .dx = g->want_dx[0] ? sum : NULL,
                     .dw = g->want_dw ? sum + n_x : NULL};
    visit_all(c, add_backward, &s);
    if (s.dx)
        round_to(g->in[0]->grad, s.dx, n_x);
    if (s.dw)
        round_to(g->weight[0].grad, s.dw, n_w);
    if (s.dw && g->n_weight > 1)
        bias_gradient(g, c, s.dy);
}

static bool conv2d_plan(struct group *g, struct err *e)
{
    (void)e;
    size_t forward_n = shape_count(&g->out->shape);
    size_t backward_n = shape_count(&g->in[0]->shape) + shape_count(&g->weight[0].spec->shape);
    g->needs_in = true;
    g->scratch_bytes =
        sizeof(double) * (g->backward && backward_n > forward_n ? backward_n : forward_n);
    return true;
}

static bool conv2d_run(struct group *g, enum pass pass, struct err *e)
{
    (void)e;
    struct conv c = conv_of(g);
    if (pass == PASS_FORWARD)
        forward(g, &c);
    else
        backward(g, &c);
    return true;
}

const struct kernel ref_conv2d = {
    .name = "reference", .pattern = "conv2d", .plan = conv2d_plan, .run = conv2d_run};
