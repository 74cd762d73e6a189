/* Self-attention. Of each item and head, with queries, keys and values q, k, v (T, d):
 * P = softmax(q k' / sqrt(d)), (T, T); context P v; the contexts side by side go through out_proj. */
#include "backend/ref/ref.h"

#include <math.h>

enum { IN_WEIGHT, IN_BIAS, OUT_WEIGHT, OUT_BIAS }; /* weights, in the op's order */

struct attention {
    size_t N, T, D, heads, d;
    float *qkv, *context, *p;    /* saved: (N, T, 3D), (N, T, D), (N, heads, T, T) */
    float *dqkv, *dcontext, *dp; /* scratch: (N, T, 3D), (N, T, D), (T, T) */
};

static struct attention attention_of(const struct group *g)
{
    const struct attention_param *param = g->node[0]->param;
    const struct shape *s = &g->out->shape;
    struct attention a = {.N = (size_t)g->max_n,
                          .T = (size_t)s->dim[1],
                          .D = (size_t)s->dim[2],
                          .heads = (size_t)param->heads};
    size_t rows = a.N * a.T;
    a.d = a.D / a.heads;
    if (g->saved) {
        a.qkv = g->saved;
        a.context = a.qkv + rows * 3 * a.D;
        a.p = a.context + rows * a.D;
    }
    if (g->scratch) {
        a.dqkv = g->scratch;
        a.dcontext = a.dqkv + rows * 3 * a.D;
        a.dp = a.dcontext + rows * a.D;
    }
    a.N = (size_t)g->n;
    return a;
}

/* Element (i, j) lies at at[i * row + j * column]. */
struct matrix {
    const float *at;
    size_t row, column;
};

/* c (I, J), rows ldc apart, = scale a b + bias, with a (I, P), b (P, J); bias NULL = 0. */
static void product(float *c, size_t ldc, const size_t size[3], double scale, struct matrix a,
                    struct matrix b, const float *bias)
{
    for (size_t i = 0; i < size[0]; i++)
        for (size_t j = 0; j < size[1]; j++) {
            double sum = 0;
            for (size_t p = 0; p < size[2]; p++)
                sum += (double)a.at[i * a.row + p * a.column] *
                       (double)b.at[p * b.row + j * b.column];
            c[i * ldc + j] = (float)(scale * sum + (bias ? (double)bias[j] : 0));
        }
}

static void softmax(float *row, size_t T)
{
    double top = (double)row[0], sum = 0;
    for (size_t t = 1; t < T; t++)
        top = fmax(top, (double)row[t]);
    for (size_t t = 0; t < T; t++)
        sum += exp((double)row[t] - top);
    for (size_t t = 0; t < T; t++)
        row[t] = (float)(exp((double)row[t] - top) / sum);
}

/* Where item n's head h begins: q; k and v are D and 2D further. */
static size_t head_at(const struct attention *a, size_t n, size_t h)
{
    return n * a->T * 3 * a->D + h * a->d;
}

static void head_forward(const struct attention *a, size_t n, size_t h)
{
    const float *q = a->qkv + head_at(a, n, h), *k = q + a->D, *v = k + a->D;
    float *p = a->p + (n * a->heads + h) * a->T * a->T;
    size_t ld = 3 * a->D;
    product(p, a->T, (size_t[]){a->T, a->T, a->d}, 1 / sqrt((double)a->d),
            (struct matrix){q, ld, 1}, (struct matrix){k, 1, ld}, NULL);
    for (size_t t = 0; t < a->T; t++)
        softmax(p + t * a->T, a->T);
    product(a->context + n * a->T * a->D + h * a->d, a->D, (size_t[]){a->T, a->d, a->T}, 1,
            (struct matrix){p, a->T, 1}, (struct matrix){v, ld, 1}, NULL);
}

static void forward(const struct group *g, const struct attention *a)
{
    size_t rows = a->N * a->T;
    product(a->qkv, 3 * a->D, (size_t[]){rows, 3 * a->D, a->D}, 1,
            (struct matrix){g->in[0]->data, a->D, 1},
            (struct matrix){g->weight[IN_WEIGHT].value, 1, a->D}, g->weight[IN_BIAS].value);
    for (size_t n = 0; n < a->N; n++)
        for (size_t h = 0; h < a->heads; h++)
            head_forward(a, n, h);
    product(g->out->data, a->D, (size_t[]){rows, a->D, a->D}, 1,
            (struct matrix){a->context, a->D, 1},
            (struct matrix){g->weight[OUT_WEIGHT].value, 1, a->D}, g->weight[OUT_BIAS].value);
}

/* Over dp, the gradient of P: that of the scores before softmax. */
static void softmax_backward(const float *p, float *dp, size_t T)
{
    double sum = 0;
    for (size_t t = 0; t < T; t++)
        sum += (double)p[t] * (double)dp[t];
    for (size_t t = 0; t < T; t++)
        dp[t] = (float)((double)p[t] * ((double)dp[t] - sum));
}

static void head_backward(const struct attention *a, size_t n, size_t h)
{
    size_t at = head_at(a, n, h), ld = 3 * a->D, T = a->T;
    const float *q = a->qkv + at, *k = q + a->D, *v = k + a->D;
    const float *p = a->p + (n * a->heads + h) * T * T;
    const float *dcontext = a->dcontext + n * T * a->D + h * a->d;
    float *dq = a->dqkv + at, *dk = dq + a->D, *dv = dk + a->D;
    double scale = 1 / sqrt((double)a->d);
    product(dv, ld, (size_t[]){T, a->d, T}, 1, (struct matrix){p, 1, T},
            (struct matrix){dcontext, a->D, 1}, NULL);
    product(a->dp, T, (size_t[]){T, T, a->d}, 1, (struct matrix){dcontext, a->D, 1},
            (struct matrix){v, 1, ld}, NULL);
    for (size_t t = 0; t < T; t++)
        softmax_backward(p + t * T, a->dp + t * T, T);
    product(dq, ld, (size_t[]){T, a->d, T}, scale, (struct matrix){a->dp, T, 1},
            (struct matrix){k, ld, 1}, NULL);
    product(dk, ld, (size_t[]){T, a->d, T}, scale, (struct matrix){a->dp, 1, T},
            (struct matrix){q, ld, 1}, NULL);
}

/* dw (K, D) and db (K) of one projection, from its input (rows, D) and gradient (rows, K). */
static void projection_gradient(const struct weight_ref *w, size_t rows, size_t K, size_t D,
                                const float *x, const float *dy)
{
    static const float one = 1;
    product(w[0].grad, D, (size_t[]){K, D, rows}, 1, (struct matrix){dy, 1, K},
            (struct matrix){x, D, 1}, NULL);
    product(w[1].grad, K, (size_t[]){1, K, rows}, 1, (struct matrix){&one, 0, 0},
            (struct matrix){dy, K, 1}, NULL);
}

static void backward(const struct group *g, const struct attention *a)
{
    size_t rows = a->N * a->T;
    const float *dy = g->out->grad;
    product(a->dcontext, a->D, (size_t[]){rows, a->D, a->D}, 1, (struct matrix){dy, a->D, 1},
            (struct matrix){g->weight[OUT_WEIGHT].value, a->D, 1}, NULL);
    for (size_t n = 0; n < a->N; n++)
        for (size_t h = 0; h < a->heads; h++)
            head_backward(a, n, h);
    if (g->want_dx[0])
        product(g->in[0]->grad, a->D, (size_t[]){rows, a->D, 3 * a->D}, 1,
                (struct matrix){a->dqkv, 3 * a->D, 1},
                (struct matrix){g->weight[IN_WEIGHT].value, a->D, 1}, NULL);
    if (!g->want_dw)
        return;
    projection_gradient(&g->weight[IN_WEIGHT], rows, 3 * a->D, a->D, g->in[0]->data, a->dqkv);
    projection_gradient(&g->weight[OUT_WEIGHT], rows, a->D, a->D, a->context, dy);
}

static bool attention_plan(struct group *g, struct err *e)
{
    (void)e;
    struct attention a = attention_of(g);
    size_t rows = (size_t)g->max_n * a.T, T = a.T;
    g->needs_in = true;
    g->saved_bytes = (4 * rows * a.D + (size_t)g->max_n * a.heads * T * T) * sizeof(float);
    g->scratch_bytes = g->backward ? (4 * rows * a.D + T * T) * sizeof(float) : 0;
    return true;
}

static bool attention_run(struct group *g, enum pass pass, struct err *e)
{
    (void)e;
    struct attention a = attention_of(g);
    if (pass == PASS_FORWARD)
        forward(g, &a);
    else
        backward(g, &a);
    return true;
}

const struct kernel ref_attention = {
    .name = "reference", .pattern = "attention", .plan = attention_plan, .run = attention_run};
