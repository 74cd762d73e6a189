/* A vision transformer's sequence: tokens from a plane, the class token before them, positions added,
 * and the first token out again. */
#include "backend/ref/ref.h"

#include <string.h>

/* (D, T) to (T, D) of each item, and back. */
static bool tokens_run(struct group *g, enum pass pass, struct err *e)
{
    (void)e;
    size_t T = (size_t)g->out->shape.dim[1], D = (size_t)g->out->shape.dim[2];
    for (size_t n = 0; n < (size_t)g->n; n++)
        for (size_t t = 0; t < T; t++)
            for (size_t d = 0; d < D; d++) {
                size_t plane = (n * D + d) * T + t, token = (n * T + t) * D + d;
                if (pass == PASS_FORWARD)
                    ((float *)g->out->data)[token] = ((const float *)g->in[0]->data)[plane];
                else
                    ((float *)g->in[0]->grad)[plane] = ((const float *)g->out->grad)[token];
            }
    return true;
}

/* dw[i] = the sum over the batch of dy at i, of items `step` floats apart. */
static void sum_items(const struct group *g, size_t count, size_t step)
{
    for (size_t i = 0; g->weight[0].grad && i < count; i++) {
        double sum = 0;
        for (size_t n = 0; n < (size_t)g->n; n++)
            sum += (double)((const float *)g->out->grad)[n * step + i];
        g->weight[0].grad[i] = (float)sum;
    }
}

static bool class_token_run(struct group *g, enum pass pass, struct err *e)
{
    (void)e;
    size_t D = (size_t)g->out->shape.dim[2], in = (size_t)g->in[0]->shape.dim[1] * D;
    for (size_t n = 0; n < (size_t)g->n; n++) {
        size_t at = n * (in + D);
        if (pass == PASS_FORWARD) {
            memcpy((float *)g->out->data + at, g->weight[0].value, D * sizeof(float));
            memcpy((float *)g->out->data + at + D, (const float *)g->in[0]->data + n * in,
                   in * sizeof(float));
        } else if (g->want_dx[0]) {
            memcpy((float *)g->in[0]->grad + n * in, (const float *)g->out->grad + at + D,
                   in * sizeof(float));
        }
    }
    if (pass == PASS_BACKWARD)
        sum_items(g, D, in + D);
    return true;
}

static bool position_run(struct group *g, enum pass pass, struct err *e)
{
    (void)e;
    size_t n = count_of(g, g->out), item = n / (size_t)g->n;
    const float *x = g->in[0]->data;
    for (size_t i = 0; i < n && pass == PASS_FORWARD; i++)
        ((float *)g->out->data)[i] = x[i] + g->weight[0].value[i % item];
    if (pass == PASS_BACKWARD && g->want_dx[0])
        memcpy(g->in[0]->grad, g->out->grad, n * sizeof(float));
    if (pass == PASS_BACKWARD)
        sum_items(g, item, item);
    return true;
}

static bool select_run(struct group *g, enum pass pass, struct err *e)
{
    (void)e;
    size_t D = (size_t)g->out->shape.dim[1], in = (size_t)g->in[0]->shape.dim[1] * D;
    if (pass == PASS_BACKWARD)
        memset(g->in[0]->grad, 0, count_of(g, g->in[0]) * sizeof(float));
    for (size_t n = 0; n < (size_t)g->n; n++) {
        if (pass == PASS_FORWARD)
            memcpy((float *)g->out->data + n * D, (const float *)g->in[0]->data + n * in,
                   D * sizeof(float));
        else
            memcpy((float *)g->in[0]->grad + n * in, (const float *)g->out->grad + n * D,
                   D * sizeof(float));
    }
    return true;
}

const struct kernel ref_tokens = {.name = "reference", .pattern = "tokens", .run = tokens_run};
const struct kernel ref_class_token = {
    .name = "reference", .pattern = "class_token", .run = class_token_run};
const struct kernel ref_position_embedding = {
    .name = "reference", .pattern = "position_embedding", .run = position_run};
const struct kernel ref_select_token = {
    .name = "reference", .pattern = "select_token", .run = select_run};
