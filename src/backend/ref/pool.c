/* Max, average and adaptive average pooling by their definitions. Of equal values the first in row
 * order wins, and NaN beats every number, as in PyTorch. */
#include "backend/ref/ref.h"

#include <math.h>
#include <string.h>

/* The cells of one window: [h0, h1) x [w0, w1). */
struct cells {
    int h0, h1, w0, w1, divisor;
};

static int least(int a, int b)
{
    return a < b ? a : b;
}

static struct cells window_cells(const struct pool_param *p, const struct dims *x, int oh,
                                 int ow)
{
    int h = oh * (p->stride_h ? p->stride_h : p->kernel_h) - p->pad_h;
    int w = ow * (p->stride_w ? p->stride_w : p->kernel_w) - p->pad_w;
    /* PyTorch divides by the window's size inside the padded picture. */
    int h_end = least(h + p->kernel_h, x->H + p->pad_h);
    int w_end = least(w + p->kernel_w, x->W + p->pad_w);
    struct cells c = {h < 0 ? 0 : h, least(h_end, x->H), w < 0 ? 0 : w, least(w_end, x->W),
                      (h_end - h) * (w_end - w)};
    if (p->exclude_pad)
        c.divisor = (c.h1 - c.h0) * (c.w1 - c.w0);
    return c;
}

static struct cells adaptive_cells(const struct dims *x, const struct dims *y, int oh, int ow)
{
    struct cells c = {oh * x->H / y->H, ((oh + 1) * x->H + y->H - 1) / y->H, ow * x->W / y->W,
                      ((ow + 1) * x->W + y->W - 1) / y->W, 0};
    c.divisor = (c.h1 - c.h0) * (c.w1 - c.w0);
    return c;
}

static int32_t winner_of(const float *plane, const struct dims *x, const struct cells *c)
{
    int32_t best = c->h0 * x->W + c->w0;
    for (int h = c->h0; h < c->h1; h++)
        for (int w = c->w0; w < c->w1; w++) {
            float v = plane[h * x->W + w];
            if (v > plane[best] || isnan(v))
                best = h * x->W + w;
        }
    return best;
}

static bool max_plan(struct group *g, struct err *e)
{
    (void)e;
    g->saved_bytes = shape_count(&g->out->shape) * sizeof(int32_t);
    return true;
}

static bool max_run(struct group *g, enum pass pass, struct err *e)
{
    (void)e;
    struct dims x = dims_of(g, g->in[0]), y = dims_of(g, g->out);
    int32_t *winner = g->saved;
    size_t plane = (size_t)x.H * (size_t)x.W;
    if (pass == PASS_BACKWARD)
        memset(g->in[0]->grad, 0, count_of(g, g->in[0]) * sizeof(float));
    for (int n = 0; n < y.N; n++)
        for (int c = 0; c < y.C; c++)
            for (int oh = 0; oh < y.H; oh++)
                for (int ow = 0; ow < y.W; ow++) {
                    size_t i = at4(&y, n, c, oh, ow);
                    size_t at = ((size_t)n * (size_t)x.C + (size_t)c) * plane;
                    if (pass == PASS_FORWARD) {
                        const float *in = (const float *)g->in[0]->data + at;
                        struct cells w = window_cells(g->node[0]->param, &x, oh, ow);
                        winner[i] = winner_of(in, &x, &w);
                        ((float *)g->out->data)[i] = in[winner[i]];
                    } else {
                        ((float *)g->in[0]->grad)[at + (size_t)winner[i]] +=
                            ((const float *)g->out->grad)[i];
                    }
                }
    return true;
}

static bool max_decisions(const struct group *g, int32_t *winner)
{
    memcpy(winner, g->saved, count_of(g, g->out) * sizeof(*winner));
    return true;
}

static void average_forward(const float *in, const struct dims *x, const struct cells *c,
                            float *out)
{
    double sum = 0;
    for (int h = c->h0; h < c->h1; h++)
        for (int w = c->w0; w < c->w1; w++)
            sum += (double)in[h * x->W + w];
    *out = (float)(sum / c->divisor);
}

static void average_backward(float *dx, const struct dims *x, const struct cells *c, float dy)
{
    for (int h = c->h0; h < c->h1; h++)
        for (int w = c->w0; w < c->w1; w++)
            dx[h * x->W + w] += dy / (float)c->divisor;
}

static bool average_run(struct group *g, enum pass pass, struct err *e)
{
    (void)e;
    struct dims x = dims_of(g, g->in[0]), y = dims_of(g, g->out);
    bool adaptive = g->node[0]->op == &op_adaptive_avg_pool;
    if (pass == PASS_BACKWARD)
        memset(g->in[0]->grad, 0, count_of(g, g->in[0]) * sizeof(float));
    for (int n = 0; n < y.N; n++)
        for (int c = 0; c < y.C; c++)
            for (int oh = 0; oh < y.H; oh++)
                for (int ow = 0; ow < y.W; ow++) {
                    size_t i = at4(&y, n, c, oh, ow), at = at4(&x, n, c, 0, 0);
                    struct cells w = adaptive ? adaptive_cells(&x, &y, oh, ow)
                                              : window_cells(g->node[0]->param, &x, oh, ow);
                    if (pass == PASS_FORWARD)
                        average_forward((const float *)g->in[0]->data + at, &x, &w,
                                        (float *)g->out->data + i);
                    else
                        average_backward((float *)g->in[0]->grad + at, &x, &w,
                                         ((const float *)g->out->grad)[i]);
                }
    return true;
}

const struct kernel ref_max_pool = {.name = "reference",
                                    .pattern = "max_pool",
                                    .plan = max_plan,
                                    .run = max_run,
                                    .decisions = max_decisions};
const struct kernel ref_avg_pool = {
    .name = "reference", .pattern = "avg_pool", .run = average_run};
const struct kernel ref_adaptive_avg_pool = {
    .name = "reference", .pattern = "adaptive_avg_pool", .run = average_run};
