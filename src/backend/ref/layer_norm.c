/* y = gamma (x - mean) / sqrt(var + eps) + beta over each row's features, and layer scale. */
#include "backend/ref/ref.h"

#include <math.h>

struct row {
    double mean, inverse; /* inverse of the standard deviation */
};

static struct row measure(const struct rows *r, const float *x, size_t at, double eps)
{
    double mean = 0, var = 0;
    for (size_t d = 0; d < r->D; d++)
        mean += (double)x[at + d * r->step];
    mean /= (double)r->D;
    for (size_t d = 0; d < r->D; d++) {
        double v = (double)x[at + d * r->step] - mean;
        var += v * v;
    }
    return (struct row){mean, 1 / sqrt(var / (double)r->D + eps)};
}

static double eps_of(const struct group *g)
{
    const struct layer_norm_param *p = g->node[0]->param;
    return p->eps > 0 ? (double)p->eps : 1e-5;
}

static void forward(const struct group *g)
{
    struct rows r = rows_of(g, g->in[0]);
    const float *x = g->in[0]->data, *gamma = g->weight[0].value, *beta = g->weight[1].value;
    for (size_t n = 0; n < r.n; n++) {
        size_t at = row_at(&r, n);
        struct row m = measure(&r, x, at, eps_of(g));
        for (size_t d = 0; d < r.D; d++, at += r.step)
            ((float *)g->out->data)[at] =
                (float)((double)gamma[d] * ((double)x[at] - m.mean) * m.inverse +
                        (double)beta[d]);
    }
}

/* dx = (g - mean g - xhat mean (g xhat)) / sigma with g = dy gamma. */
static void input_gradient(const struct group *g)
{
    struct rows r = rows_of(g, g->in[0]);
    const float *x = g->in[0]->data, *gamma = g->weight[0].value, *dy = g->out->grad;
    for (size_t n = 0; n < r.n; n++) {
        size_t first = row_at(&r, n), at = first;
        struct row m = measure(&r, x, first, eps_of(g));
        double sum = 0, product = 0;
        for (size_t d = 0; d < r.D; d++, at += r.step) {
            double dxhat = (double)dy[at] * (double)gamma[d];
            sum += dxhat;
            product += dxhat * ((double)x[at] - m.mean) * m.inverse;
        }
        at = first;
        for (size_t d = 0; d < r.D; d++, at += r.step) {
            double xhat = ((double)x[at] - m.mean) * m.inverse;
            double inner = (sum + xhat * product) / (double)r.D;
            ((float *)g->in[0]->grad)[at] =
                (float)(((double)dy[at] * (double)gamma[d] - inner) * m.inverse);
        }
    }
}

static void weight_gradient(const struct group *g)
{
    struct rows r = rows_of(g, g->in[0]);
    const float *x = g->in[0]->data, *dy = g->out->grad;
    for (size_t d = 0; d < r.D; d++) {
        double sum = 0, product = 0;
        for (size_t n = 0; n < r.n; n++) {
            size_t first = row_at(&r, n), at = first + d * r.step;
            struct row m = measure(&r, x, first, eps_of(g));
            sum += (double)dy[at];
            product += (double)dy[at] * ((double)x[at] - m.mean) * m.inverse;
        }
        g->weight[0].grad[d] = (float)product;
        g->weight[1].grad[d] = (float)sum;
    }
}

static bool keep_input(struct group *g, struct err *e)
{
    (void)e;
    g->needs_in = true;
    return true;
}

static bool layer_norm_run(struct group *g, enum pass pass, struct err *e)
{
    (void)e;
    if (pass == PASS_FORWARD) {
        forward(g);
        return true;
    }
    if (g->want_dx[0])
        input_gradient(g);
    if (g->want_dw)
        weight_gradient(g);
    return true;
}

static bool layer_scale_run(struct group *g, enum pass pass, struct err *e)
{
    (void)e;
    struct rows r = rows_of(g, g->in[0]);
    const float *x = g->in[0]->data, *dy = g->out->grad, *scale = g->weight[0].value;
    for (size_t d = 0; d < r.D; d++) {
        double sum = 0;
        for (size_t n = 0; n < r.n; n++) {
            size_t at = row_at(&r, n) + d * r.step;
            if (pass == PASS_FORWARD) {
                ((float *)g->out->data)[at] = x[at] * scale[d];
                continue;
            }
            sum += (double)dy[at] * (double)x[at];
            if (g->want_dx[0])
                ((float *)g->in[0]->grad)[at] = dy[at] * scale[d];
        }
        if (pass == PASS_BACKWARD && g->want_dw)
            g->weight[0].grad[d] = (float)sum;
    }
    return true;
}

const struct kernel ref_layer_norm = {
    .name = "reference", .pattern = "layer_norm", .plan = keep_input, .run = layer_norm_run};
const struct kernel ref_layer_scale = {
    .name = "reference", .pattern = "layer_scale", .plan = keep_input, .run = layer_scale_run};
