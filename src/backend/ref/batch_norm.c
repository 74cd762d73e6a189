/* y = gamma (x - mean) / sqrt(var + eps) + beta over N, H, W; running statistics as PyTorch's, with
 * the unbiased variance. */
#include "backend/ref/ref.h"

#include <math.h>

enum { GAMMA, BETA, MEAN, VAR, COUNT }; /* weights, in the op's order */

struct channel {
    double mean, inverse; /* inverse of the standard deviation */
};

static size_t cell(const struct dims *d, int c, size_t i)
{
    size_t plane = (size_t)d->H * (size_t)d->W;
    return (i / plane * (size_t)d->C + (size_t)c) * plane + i % plane;
}

static struct channel measure(struct group *g, const struct dims *d, int c, double eps)
{
    const struct batch_norm_param *p = g->node[0]->param;
    const float *x = g->in[0]->data;
    size_t n = (size_t)d->N * (size_t)d->H * (size_t)d->W;
    double mean = 0, var = 0;
    for (size_t i = 0; i < n; i++)
        mean += (double)x[cell(d, c, i)];
    mean /= (double)n;
    for (size_t i = 0; i < n; i++) {
        double v = (double)x[cell(d, c, i)] - mean;
        var += v * v;
    }
    double momentum = p->momentum > 0 ? (double)p->momentum : 0.1;
    double unbiased = n > 1 ? var / (double)(n - 1) : 0;
    float *running[2] = {g->weight[MEAN].value + c, g->weight[VAR].value + c};
    *running[0] = (float)((1 - momentum) * (double)*running[0] + momentum * mean);
    *running[1] = (float)((1 - momentum) * (double)*running[1] + momentum * unbiased);
    return (struct channel){mean, 1 / sqrt(var / (double)n + eps)};
}

static void forward(struct group *g)
{
    const struct batch_norm_param *p = g->node[0]->param;
    struct dims d = dims_of(g, g->in[0]);
    struct channel *saved = g->saved;
    const float *x = g->in[0]->data;
    float *y = g->out->data;
    double eps = p->eps > 0 ? (double)p->eps : 1e-5;
    size_t n = (size_t)d.N * (size_t)d.H * (size_t)d.W;
    for (int c = 0; c < d.C; c++) {
        if (g->mode == MODE_TRAIN)
            saved[c] = measure(g, &d, c, eps);
        else
            saved[c] = (struct channel){(double)g->weight[MEAN].value[c],
                                        1 / sqrt((double)g->weight[VAR].value[c] + eps)};
        double gamma = (double)g->weight[GAMMA].value[c],
               beta = (double)g->weight[BETA].value[c];
        for (size_t i = 0; i < n; i++) {
            size_t at = cell(&d, c, i);
            y[at] = (float)(gamma * ((double)x[at] - saved[c].mean) * saved[c].inverse + beta);
        }
    }
    if (g->mode == MODE_TRAIN)
        g->weight[COUNT].value[0] += 1;
}

static void backward(struct group *g)
{
    struct dims d = dims_of(g, g->in[0]);
    const struct channel *saved = g->saved;
    const float *x = g->in[0]->data, *dy = g->out->grad;
    float *dx = g->in[0]->grad;
    size_t n = (size_t)d.N * (size_t)d.H * (size_t)d.W;
    for (int c = 0; c < d.C; c++) {
        double sum = 0, sum_xhat = 0, gamma = (double)g->weight[GAMMA].value[c];
        for (size_t i = 0; i < n; i++) {
            size_t at = cell(&d, c, i);
            sum += (double)dy[at];
            sum_xhat += (double)dy[at] * ((double)x[at] - saved[c].mean) * saved[c].inverse;
        }
        if (g->want_dw) {
            g->weight[GAMMA].grad[c] = (float)sum_xhat;
            g->weight[BETA].grad[c] = (float)sum;
        }
        bool train = g->mode == MODE_TRAIN;
        for (size_t i = 0; g->want_dx[0] && i < n; i++) {
            size_t at = cell(&d, c, i);
            double xhat = ((double)x[at] - saved[c].mean) * saved[c].inverse;
            double inner = train ? (sum + xhat * sum_xhat) / (double)n : 0;
            dx[at] = (float)(gamma * saved[c].inverse * ((double)dy[at] - inner));
        }
    }
}

static bool batch_norm_plan(struct group *g, struct err *e)
{
    (void)e;
    g->needs_in = true;
    g->saved_bytes = (size_t)g->in[0]->shape.dim[1] * sizeof(struct channel);
    return true;
}

static bool batch_norm_run(struct group *g, enum pass pass, struct err *e)
{
    (void)e;
    if (pass == PASS_FORWARD)
        forward(g);
    else
        backward(g);
    return true;
}

const struct kernel ref_batch_norm = {.name = "reference",
                                      .pattern = "batch_norm",
                                      .plan = batch_norm_plan,
                                      .run = batch_norm_run};
