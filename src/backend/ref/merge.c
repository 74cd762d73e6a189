/* add, mul and concat. */
#include "backend/ref/ref.h"

#include <string.h>

static bool add_run(struct group *g, enum pass pass, struct err *e)
{
    (void)e;
    size_t n = count_of(g, g->out);
    const float *a = g->in[0]->data, *b = g->in[1]->data;
    float *y = g->out->data;
    for (size_t i = 0; i < n && pass == PASS_FORWARD; i++)
        y[i] = a[i] + b[i];
    for (int k = 0; k < 2 && pass == PASS_BACKWARD; k++)
        if (g->want_dx[k])
            memcpy(g->in[k]->grad, g->out->grad, n * sizeof(float));
    return true;
}

/* -- mul: the second input holds one factor for each `span` elements of the first -- */

static size_t span_of(const struct group *g)
{
    return count_of(g, g->in[0]) / count_of(g, g->in[1]);
}

static void mul_backward(const struct group *g)
{
    const float *x = g->in[0]->data, *factor = g->in[1]->data, *dy = g->out->grad;
    size_t span = span_of(g), n = count_of(g, g->in[1]);
    for (size_t k = 0; k < n; k++) {
        double sum = 0;
        for (size_t i = k * span; i < (k + 1) * span; i++) {
            sum += (double)dy[i] * (double)x[i];
            if (g->want_dx[0])
                ((float *)g->in[0]->grad)[i] = dy[i] * factor[k];
        }
        if (g->want_dx[1])
            ((float *)g->in[1]->grad)[k] = (float)sum;
    }
}

static bool mul_run(struct group *g, enum pass pass, struct err *e)
{
    (void)e;
    const float *x = g->in[0]->data, *factor = g->in[1]->data;
    size_t span = span_of(g), n = count_of(g, g->out);
    if (pass == PASS_BACKWARD)
        mul_backward(g);
    else
        for (size_t i = 0; i < n; i++)
            ((float *)g->out->data)[i] = x[i] * factor[i / span];
    return true;
}

static bool mul_plan(struct group *g, struct err *e)
{
    (void)e;
    g->needs_in = true;
    return true;
}

static bool concat_run(struct group *g, enum pass pass, struct err *e)
{
    (void)e;
    size_t whole = count_of(g, g->out) / (size_t)g->n, at = 0;
    for (int k = 0; k < g->n_in; k++) {
        size_t part = count_of(g, g->in[k]) / (size_t)g->n;
        for (size_t n = 0; n < (size_t)g->n; n++) {
            if (pass == PASS_FORWARD)
                memcpy((float *)g->out->data + n * whole + at,
                       (const float *)g->in[k]->data + n * part, part * sizeof(float));
            else if (g->want_dx[k])
                memcpy((float *)g->in[k]->grad + n * part,
                       (const float *)g->out->grad + n * whole + at, part * sizeof(float));
        }
        at += part;
    }
    return true;
}

const struct kernel ref_add = {.name = "reference", .pattern = "add", .run = add_run};
const struct kernel ref_mul = {
    .name = "reference", .pattern = "mul", .plan = mul_plan, .run = mul_run};
const struct kernel ref_concat = {.name = "reference", .pattern = "concat", .run = concat_run};
