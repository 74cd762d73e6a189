/* y = x W' + b, with x (N, D), W (K, D), b (K). */
#include "backend/ref/ref.h"

struct linear {
    size_t N, D, K;
    const float *x, *w, *b, *dy;
};

static struct linear linear_of(const struct group *g)
{
    return (struct linear){(size_t)g->n,
                           (size_t)g->in[0]->shape.dim[1],
                           (size_t)g->out->shape.dim[1],
                           g->in[0]->data,
                           g->weight[0].value,
                           g->n_weight > 1 ? g->weight[1].value : NULL,
                           g->out->grad};
}

static void forward(const struct linear *l, float *y)
{
    for (size_t n = 0; n < l->N; n++)
        for (size_t k = 0; k < l->K; k++) {
            double sum = l->b ? (double)l->b[k] : 0;
            for (size_t d = 0; d < l->D; d++)
                sum += (double)l->x[n * l->D + d] * (double)l->w[k * l->D + d];
            y[n * l->K + k] = (float)sum;
        }
}

static void input_gradient(const struct linear *l, float *dx)
{
    for (size_t n = 0; n < l->N; n++)
        for (size_t d = 0; d < l->D; d++) {
            double sum = 0;
            for (size_t k = 0; k < l->K; k++)
                sum += (double)l->dy[n * l->K + k] * (double)l->w[k * l->D + d];
            dx[n * l->D + d] = (float)sum;
        }
}

static void weight_gradient(const struct linear *l, float *dw, float *db)
{
    for (size_t k = 0; k < l->K; k++) {
        double bias = 0;
        for (size_t n = 0; n < l->N; n++)
            bias += (double)l->dy[n * l->K + k];
        if (db)
            db[k] = (float)bias;
        for (size_t d = 0; d < l->D; d++) {
            double sum = 0;
            for (size_t n = 0; n < l->N; n++)
                sum += (double)l->dy[n * l->K + k] * (double)l->x[n * l->D + d];
            dw[k * l->D + d] = (float)sum;
        }
    }
}

static bool linear_plan(struct group *g, struct err *e)
{
    (void)e;
    g->needs_in = true;
    return true;
}

static bool linear_run(struct group *g, enum pass pass, struct err *e)
{
    (void)e;
    struct linear l = linear_of(g);
    if (pass == PASS_FORWARD) {
        forward(&l, g->out->data);
        return true;
    }
    if (g->want_dx[0])
        input_gradient(&l, g->in[0]->grad);
    if (g->want_dw)
        weight_gradient(&l, g->weight[0].grad, g->n_weight > 1 ? g->weight[1].grad : NULL);
    return true;
}

const struct kernel ref_linear = {
    .name = "reference", .pattern = "linear", .plan = linear_plan, .run = linear_run};
