/* attention: the projections as products over all tokens, then a task for each head of each item. With
 * a backward pass P = softmax(q k' / sqrt(d)) of every head is kept; else each thread has one of its
 * own. */
#include "backend/cpu/isa.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/layer_norm.h"
#include "backend/cpu/product.h"
#include "base/parallel.h"
#include "op/params.h"

#include <math.h>

enum { IN_WEIGHT, IN_BIAS, OUT_WEIGHT, OUT_BIAS }; /* weights, in the op's order */

struct attention {
    const struct softmax_kernels *softmax;
    const struct product_kernels *product;
    int T, D, heads, d;
    size_t context_at, p_at; /* floats, behind qkv: in saved, or in scratch without backward */
    size_t dcontext_at, dp_at; /* floats, behind dqkv in scratch */
    size_t pack_at;            /* floats, behind all of scratch */
};

/* Floats of n_p matrices (T, T). */
static size_t scores(const struct attention *a, size_t n_p)
{
    return n_p * (size_t)a->T * (size_t)a->T;
}

static bool plan(struct group *g, struct err *e)
{
    static const struct softmax_kernels *const rows[ISA_COUNT] = ISA_BUILDS(softmax);
    struct attention *a = g->state;
    const struct attention_param *p = g->node[0]->param;
    const int *dim = g->out->shape.dim;
    (void)e;
    a->softmax = rows[g->backend->isa->id];
    a->product = product_of(g);
    a->T = dim[1];
    a->D = dim[2];
    a->heads = p->heads;
    a->d = a->D / a->heads;
    size_t tokens = (size_t)g->max_n * (size_t)a->T, D = (size_t)a->D;
    a->context_at = a->dcontext_at = tokens * 3 * D;
    a->p_at = a->dp_at = tokens * 4 * D;
    a->pack_at = (a->p_at + scores(a, (size_t)g->n_thread) + 15) / 16 * 16;
    g->needs_in = g->want_dw;
    g->dx_over_in = true; /* the gradient of weights comes first */
    g->scratch_bytes = a->pack_at * sizeof(float) + (size_t)g->n_thread * PRODUCT_PACK;
    if (g->backward)
        g->saved_bytes =
            (a->p_at + scores(a, (size_t)g->max_n * (size_t)a->heads)) * sizeof(float);
    return true;
}

/* PRODUCT_PACK bytes a thread. */
static char *packs(const struct group *g)
{
    return (char *)((float *)g->scratch + ((const struct attention *)g->state)->pack_at);
}

/* The matrices of one head. q, k, v lie in rows of 3D, contexts in rows of D. */
struct head {
    const float *q, *k, *v;
    float *context, *p;
};

static float *forward_data(const struct group *g)
{
    return g->backward ? g->saved : g->scratch;
}

/* First float of head h of item n, in rows of `width`. */
static size_t head_at(const struct attention *a, int task, int width)
{
    return (size_t)(task / a->heads) * (size_t)a->T * (size_t)width +
           (size_t)(task % a->heads) * (size_t)a->d;
}

static struct head head_of(const struct group *g, int task, int thread)
{
    const struct attention *a = g->state;
    float *base = forward_data(g), *q = base + head_at(a, task, 3 * a->D);
    return (struct head){q, q + a->D, q + 2 * a->D,
                         base + a->context_at + head_at(a, task, a->D),
                         base + a->p_at + scores(a, (size_t)(g->backward ? task : thread))};
}

static void head_forward(void *ctx, int task, int thread)
{
    const struct group *g = ctx;
    const struct attention *a = g->state;
    struct head h = head_of(g, task, thread);
    char *pack = packs(g) + (size_t)thread * PRODUCT_PACK;
    int ld = 3 * a->D, T = a->T;
    a->product->one(&(struct product){.M = T,
                                      .N = T,
                                      .K = a->d,
                                      .turn_b = true,
                                      .a = h.q,
                                      .ld_a = ld,
                                      .b = h.k,
                                      .ld_b = ld,
                                      .c = h.p,
                                      .ld_c = T,
                                      .scale = 1 / sqrtf((float)a->d)},
                    pack);
    for (int t = 0; t < T; t++)
        a->softmax->forward(h.p + (size_t)t * (size_t)T, T);
    a->product->one(&(struct product){.M = T,
                                      .N = a->d,
                                      .K = T,
                                      .a = h.p,
                                      .ld_a = T,
                                      .b = h.v,
                                      .ld_b = ld,
                                      .c = h.context,
                                      .ld_c = a->D},
                    pack);
}

/* dq, dk, dv of a head from the gradient of its context. */
static void head_backward(void *ctx, int task, int thread)
{
    const struct group *g = ctx;
    const struct attention *a = g->state;
    struct head h = head_of(g, task, thread);
    char *pack = packs(g) + (size_t)thread * PRODUCT_PACK;
    int ld = 3 * a->D, T = a->T;
    float *base = g->scratch, *dq = base + head_at(a, task, ld);
    float *dp = base + a->dp_at + scores(a, (size_t)thread);
    struct product p = {.M = T, /* dv = P' dcontext */
                        .N = a->d,
                        .K = T,
                        .turn_a = true,
                        .a = h.p,
                        .ld_a = T,
                        .b = base + a->dcontext_at + head_at(a, task, a->D),
                        .ld_b = a->D,
                        .c = dq + 2 * a->D,
                        .ld_c = ld};
    a->product->one(&p, pack);
    p = (struct product){.M = T, /* dP = dcontext v' */
                         .N = T,
                         .K = a->d,
                         .turn_b = true,
                         .a = p.b,
                         .ld_a = a->D,
                         .b = h.v,
                         .ld_b = ld,
                         .c = dp,
                         .ld_c = T};
    a->product->one(&p, pack);
    for (int t = 0; t < T; t++) {
        size_t row = (size_t)t * (size_t)T;
        a->softmax->backward(h.p + row, dp + row, T);
    }
    p = (struct product){.M = T, /* dq = dS k / sqrt(d), dk = dS' q / sqrt(d) */
                         .N = a->d,
                         .K = T,
                         .a = dp,
                         .ld_a = T,
                         .b = h.k,
                         .ld_b = ld,
                         .c = dq,
                         .ld_c = ld,
                         .scale = 1 / sqrtf((float)a->d)};
    a->product->one(&p, pack);
    p.turn_a = true;
    p.b = h.q;
    p.c = dq + a->D;
    a->product->one(&p, pack);
}

/* y = x w' + bias of all tokens: x (tokens, D), w (K, D). */
static void project(const struct group *g, const float *x, const struct weight_ref *w, float *y)
{
    const struct attention *a = g->state;
    int K = w[0].spec->shape.dim[0];
    product_run(g,
                &(struct product){.M = g->n * a->T,
                                  .N = K,
                                  .K = a->D,
                                  .turn_b = true,
                                  .a = x,
                                  .ld_a = a->D,
                                  .b = w[0].value,
                                  .ld_b = a->D,
                                  .c = y,
                                  .ld_c = K,
                                  .bias = w[1].value},
                packs(g));
}

/* The gradient of a projection's x, unless dx is NULL, and of its weights, where wanted. */
static void project_back(const struct group *g, const float *x, const float *dy,
                         const struct weight_ref *w, float *dx)
{
    const struct attention *a = g->state;
    int K = w[0].spec->shape.dim[0], tokens = g->n * a->T;
    const struct product to_dx = {.M = tokens,
                                  .N = a->D,
                                  .K = K,
                                  .a = dy,
                                  .ld_a = K,
                                  .b = w[0].value,
                                  .ld_b = a->D,
                                  .c = dx,
                                  .ld_c = a->D};
    const struct product to_dw = {.M = K,
                                  .N = a->D,
                                  .K = tokens,
                                  .turn_a = true,
                                  .a = dy,
                                  .ld_a = K,
                                  .b = x,
                                  .ld_b = a->D,
                                  .c = w[0].grad,
                                  .ld_c = a->D};
    if (w[1].grad)
        column_sums(g, dy, tokens, K, w[1].grad);
    if (w[0].grad)
        product_run(g, &to_dw, packs(g));
    if (dx)
        product_run(g, &to_dx, packs(g));
}

static bool run(struct group *g, enum pass pass, struct err *e)
{
    const struct attention *a = g->state;
    const struct weight_ref *in = &g->weight[IN_WEIGHT], *out = &g->weight[OUT_WEIGHT];
    float *qkv = forward_data(g), *context = qkv + a->context_at, *dqkv = g->scratch;
    int heads = g->n * a->heads;
    (void)e;
    if (pass == PASS_FORWARD) {
        project(g, g->in[0]->data, in, qkv);
        parallel_for(g->n_thread, heads, head_forward, g);
        project(g, context, out, g->out->data);
        return true;
    }
    project_back(g, context, g->out->grad, out, dqkv + a->dcontext_at);
    parallel_for(g->n_thread, heads, head_backward, g);
    project_back(g, g->in[0]->data, dqkv, in, g->want_dx[0] ? g->in[0]->grad : NULL);
    return true;
}

const struct kernel cpu_attention = {.name = "heads",
                                     .pattern = "attention",
                                     .in = LAYOUT_PLAIN,
                                     .out = LAYOUT_PLAIN,
                                     .plan_size = sizeof(struct attention),
                                     .plan = plan,
                                     .run = run};
