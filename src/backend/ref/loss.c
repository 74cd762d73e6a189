/* Softmax, and the cross-entropy of logits with soft targets; shifted by the largest logit. */
#include "backend/ref/ref.h"

#include <math.h>

/* log of the sum of exp(x): shifted, so that nothing overflows. */
static double log_sum_exp(const float *x, int K)
{
    double top = (double)x[0], sum = 0;
    for (int k = 1; k < K; k++)
        top = fmax(top, (double)x[k]);
    for (int k = 0; k < K; k++)
        sum += exp((double)x[k] - top);
    return top + log(sum);
}

static bool softmax_plan(struct group *g, struct err *e)
{
    (void)e;
    g->needs_out = true;
    return true;
}

static bool softmax_run(struct group *g, enum pass pass, struct err *e)
{
    (void)e;
    int K = g->out->shape.dim[1];
    for (int n = 0; n < g->n; n++) {
        size_t at = (size_t)n * (size_t)K;
        float *y = (float *)g->out->data + at;
        if (pass == PASS_FORWARD) {
            const float *x = (const float *)g->in[0]->data + at;
            double lse = log_sum_exp(x, K);
            for (int k = 0; k < K; k++)
                y[k] = (float)exp((double)x[k] - lse);
            continue;
        }
        const float *dy = (const float *)g->out->grad + at;
        float *dx = (float *)g->in[0]->grad + at;
        double dot = 0;
        for (int k = 0; k < K; k++)
            dot += (double)dy[k] * (double)y[k];
        for (int k = 0; k < K; k++)
            dx[k] = (float)((double)y[k] * ((double)dy[k] - dot));
    }
    return true;
}

/* w_k t'_k: the smoothed, weighted target. */
static double target_of(const struct cross_entropy_param *p, const float *t, int k, int K)
{
    double s = (double)p->label_smoothing;
    return ((1 - s) * (double)t[k] + s / K) *
           (p->class_weight ? (double)p->class_weight[k] : 1);
}

static bool cross_entropy_run(struct group *g, enum pass pass, struct err *e)
{
    (void)e;
    const struct cross_entropy_param *p = g->node[0]->param;
    int K = g->in[0]->shape.dim[1];
    for (int n = 0; n < g->n; n++) {
        size_t at = (size_t)n * (size_t)K;
        const float *x = (const float *)g->in[0]->data + at,
                    *t = (const float *)g->in[1]->data + at;
        double lse = log_sum_exp(x, K), loss = 0, mass = 0;
        for (int k = 0; k < K; k++) {
            loss -= target_of(p, t, k, K) * ((double)x[k] - lse);
            mass += target_of(p, t, k, K);
        }
        if (pass == PASS_FORWARD) {
            ((float *)g->out->data)[n] = (float)loss;
            continue;
        }
        double dy = (double)((const float *)g->out->grad)[n];
        float *dx = (float *)g->in[0]->grad + at;
        for (int k = 0; k < K; k++)
            dx[k] = (float)(dy * (mass * exp((double)x[k] - lse) - target_of(p, t, k, K)));
    }
    return true;
}

static bool cross_entropy_plan(struct group *g, struct err *e)
{
    g->needs_in = true;
    return !g->want_dx[1] || err_set(e, ERR_INTERNAL, "no gradient of the targets");
}

const struct kernel ref_softmax = {
    .name = "reference", .pattern = "softmax", .plan = softmax_plan, .run = softmax_run};
const struct kernel ref_cross_entropy = {.name = "reference",
                                         .pattern = "cross_entropy",
                                         .plan = cross_entropy_plan,
                                         .run = cross_entropy_run};
