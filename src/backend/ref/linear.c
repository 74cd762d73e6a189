/* y = x W' + b of each row, with W (K, D), b (K). */
#include "backend/ref/ref.h"

struct linear {
    struct rows x, y;
    const float *w, *b;
};

static struct linear linear_of(const struct group *g)
{
    return (struct linear){rows_of(g, g->in[0]), rows_of(g, g->out), g->weight[0].value,
                           g->n_weight > 1 ? g->weight[1].value : NULL};
}

static void forward(const struct linear *l, const float *x, float *y)
{
    for (size_t n = 0; n < l->x.n; n++)
        for (size_t k = 0; k < l->y.D; k++) {
            double sum = l->b ? (double)l->b[k] : 0;
            for (size_t d = 0; d < l->x.D; d++)
                sum +=
                    (double)x[row_at(&l->x, n) + d * l->x.step] * (double)l->w[k * l->x.D + d];
            y[row_at(&l->y, n) + k * l->y.step] = (float)sum;
        }
}

static void input_gradient(const struct linear *l, const float *dy, float *dx)
{
    for (size_t n = 0; n < l->x.n; n++)
        for (size_t d = 0; d < l->x.D; d++) {
            double sum = 0;
            for (size_t k = 0; k < l->y.D; k++)
                sum +=
                    (double)dy[row_at(&l->y, n) + k * l->y.step] * (double)l->w[k * l->x.D + d];
            dx[row_at(&l->x, n) + d * l->x.step] = (float)sum;
        }
}

static void weight_gradient(const struct linear *l, const float *x, const float *dy, float *dw,
                            float *db)
{
    for (size_t k = 0; k < l->y.D; k++) {
        double bias = 0;
        for (size_t n = 0; n < l->x.n; n++)
            bias += (double)dy[row_at(&l->y, n) + k * l->y.step];
        if (db)
            db[k] = (float)bias;
        for (size_t d = 0; d < l->x.D; d++) {
            double sum = 0;
            for (size_t n = 0; n < l->x.n; n++)
                sum += (double)dy[row_at(&l->y, n) + k * l->y.step] *
                       (double)x[row_at(&l->x, n) + d * l->x.step];
            dw[k * l->x.D + d] = (float)sum;
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
        forward(&l, g->in[0]->data, g->out->data);
        return true;
    }
    if (g->want_dx[0])
        input_gradient(&l, g->out->grad, g->in[0]->grad);
    if (g->want_dw)
        weight_gradient(&l, g->in[0]->data, g->out->grad, g->weight[0].grad,
                        g->n_weight > 1 ? g->weight[1].grad : NULL);
    return true;
}

const struct kernel ref_linear = {
    .name = "reference", .pattern = "linear", .plan = linear_plan, .run = linear_run};
