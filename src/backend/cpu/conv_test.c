/* Each convolution row of cpu, in every instruction set, against ref: output and all gradients of
 * one node through a plan, on a full and on a shorter batch, in training and with fixed weights. */
#include "backend/backend.h"
#include "backend/cpu/isa.h"
#include "base/rng.h"
#include "graph/plan.h"
#include "op/params.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct shape_case {
    const char *row; /* that the plan must choose */
    int n, c, k, h, w;
    int kernel, stride, pad;
    bool no_bias, picture; /* picture: 8-bit input, normalised */
    bool want_dx;
};

static const struct shape_case cases[] = {
    {"winograd", 3, 8, 8, 9, 7, 3, 1, 1, false, false, true},
    {"winograd", 2, 33, 18, 16, 12, 3, 1, 1, true, false, true},
    {"winograd", 4, 16, 48, 7, 7, 3, 1, 1, false, false, false},
    {"first_layer", 3, 3, 32, 21, 18, 3, 1, 1, false, true, false},
    {"first_layer", 4, 3, 40, 17, 30, 3, 1, 1, true, false, false},
    {"first_layer", 1, 1, 8, 9, 5, 5, 1, 2, false, true, false},
    {"first_layer", 2, 3, 64, 31, 37, 7, 2, 3, true, true, false},
    {"first_layer", 3, 4, 20, 12, 16, 3, 2, 1, false, false, false},
    {"first_layer", 2, 2, 16, 10, 33, 4, 2, 0, false, false, false},
    {"first_layer", 2, 4, 17, 8, 20, 2, 1, 1, false, true, false},
};

enum { MAX_N = 4 };
static struct err e;

struct net {
    struct graph *graph;
    struct weights *weights;
    struct node *input, *in, *conv, *out; /* in: what conv reads; out: its output, flat */
};

static struct node *add(struct net *t, const struct op *op, const char *name, const void *param,
                        struct node *in)
{
    struct node *n = graph_add(t->graph, op, name, param, &in, in ? 1 : 0, &e);
    if (!n)
        fail_msg("%s", e.msg);
    return n;
}

static struct net net_new(const struct shape_case *c)
{
    struct net t = {.graph = graph_new(&e)};
    assert_non_null(t.graph);
    struct input_param in = {.shape = {4, {1, c->c, c->h, c->w}}, .u8 = c->picture};
    struct normalize_param norm = {{0.4f, 0.5f, 0.6f, 0.5f}, {0.2f, 0.25f, 0.3f, 0.2f}};
    struct conv2d_param p = {.out = c->k,
                             .kernel_h = c->kernel,
                             .kernel_w = c->kernel,
                             .stride_h = c->stride,
                             .stride_w = c->stride,
                             .pad_h = c->pad,
                             .pad_w = c->pad,
                             .no_bias = c->no_bias};
    t.input = t.in = add(&t, &op_input, "x", &in, NULL);
    if (c->picture)
        t.in = add(&t, &op_normalize, "norm", &norm, t.input);
    t.conv = add(&t, &op_conv2d, "conv", &p, t.in);
    t.out = add(&t, &op_flatten, "flat", NULL, t.conv);
    t.weights = weights_new(t.graph, &e);
    assert_non_null(t.weights);
    return t;
}

static void net_free(struct net *t)
{
    weights_free(t->weights);
    graph_free(t->graph);
}

static void fill(float *x, size_t n, uint64_t stream)
{
    struct rng r = rng_at(5, RNG_TEST, stream, 0);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)rng_range(&r, -1, 1);
}

struct outcome {
    size_t n_y, n_x, n_w;
    float *y, *dx, *dw;
};

static struct outcome outcome_new(const struct net *t, int n)
{
    struct outcome o = {.n_y = shape_count(&t->conv->out) * (size_t)n,
                        .n_x = shape_count(&t->in->out) * (size_t)n,
                        .n_w = t->graph->n_value};
    o.y = mem_new(o.n_y, sizeof(float), &e);
    o.dx = mem_new(o.n_x, sizeof(float), &e);
    o.dw = mem_new(o.n_w, sizeof(float), &e);
    assert_true(o.y && o.dx && o.dw);
    return o;
}

static void outcome_free(struct outcome *o)
{
    mem_free(o->y);
    mem_free(o->dx);
    mem_free(o->dw);
}

static struct plan *plan_of(const struct net *t, const struct shape_case *c,
                            const struct backend *b, enum mode mode, enum dtype compute)
{
    struct node *keep[] = {t->out, NULL}, *want[] = {t->in, NULL};
    struct plan *p = plan_new(b,
                              &(struct plan_request){.graph = t->graph,
                                                     .max_n = MAX_N,
                                                     .mode = mode,
                                                     .compute = compute,
                                                     .keep = keep,
                                                     .want_weights = mode == MODE_TRAIN,
                                                     .want = c->want_dx ? want : NULL,
                                                     .n_shard = 2},
                              t->weights, &e);
    if (!p)
        fail_msg("%s", e.msg);
    return p;
}

/* Forward and, with dy, backward on the first n pictures. */
static struct outcome step(const struct net *t, const struct shape_case *c, struct plan *p,
                           const void *x, const float *dy, int n, bool train)
{
    struct outcome o = outcome_new(t, n);
    assert_true(plan_feed(p, t->input, x, n, &e) && plan_forward(p, 0, &e));
    assert_true(plan_read(p, t->out, o.y, &e));
    if (!plan_seed(p, t->out, dy, 0.5f, &e) || !plan_backward(p, NULL, NULL, &e))
        fail_msg("%s", e.msg);
    if (c->want_dx)
        assert_true(plan_read_grad(p, t->in, o.dx, &e));
    if (train)
        memcpy(o.dw, t->weights->grad, o.n_w * sizeof(float));
    return o;
}

static void near(const char *what, const char *isa, const struct shape_case *c, double bound,
                 const float *got, const float *want, size_t n)
{
    double worst = 0, most = 1e-6;
    for (size_t i = 0; i < n; i++) {
        double gap = fabs((double)got[i] - (double)want[i]);
        worst = gap > worst || isnan(gap) ? gap : worst;
        most = fmax(most, fabs((double)want[i]));
    }
    if (!(worst <= bound * most))
        fail_msg("%s, %s: %s of %dx%d, %dx%d, n %d: off by %g of %g", isa, c->row, what, c->c,
                 c->k, c->h, c->w, c->n, worst, most);
}

/* The row on one instruction set against what ref gave; then with changed weights. */
static void compare(struct net *t, const struct shape_case *c, const char *isa, const void *x,
                    const float *dy, enum mode mode, enum dtype compute)
{
    bool train = mode == MODE_TRAIN;
    assert_true(train || c->want_dx);
    setenv("LINNET_ISA", isa, 1);
    struct backend *cpu = backend_open("cpu", 2, &e), *ref = backend_open("ref", 2, &e);
    assert_true(cpu && ref);
    struct plan *p = plan_of(t, c, cpu, mode, compute);
    struct plan *oracle = plan_of(t, c, ref, mode, DTYPE_F32);
    double bound = compute == DTYPE_BF16 ? 1.0 / 128 : 1e-5; /* rounded in, rounded out */
    bool chosen = false;
    for (int i = 0; plan_describe(p, i); i++)
        chosen |= strstr(plan_describe(p, i), c->row) != NULL;
    if (!chosen)
        fail_msg("%s: the plan has no %s: %s", isa, c->row, plan_describe(p, 0));
    for (int round = 0; round < 2; round++) {
        int n = round ? c->n : MAX_N;
        fill(t->weights->value, t->graph->n_value, (uint64_t)round);
        weights_changed(t->weights);
        struct outcome want = step(t, c, oracle, x, dy, n, train);
        memset(t->weights->grad, 0xff, t->graph->n_value * sizeof(float));
        struct outcome got = step(t, c, p, x, dy, n, train);
        near("y", isa, c, bound, got.y, want.y, want.n_y);
        near("dx", isa, c, bound, got.dx, want.dx, want.n_x);
        near("dw and db", isa, c, bound, got.dw, want.dw, train ? want.n_w : 0);
        outcome_free(&got);
        outcome_free(&want);
    }
    plan_free(p);
    plan_free(oracle);
    backend_close(cpu);
    backend_close(ref);
    unsetenv("LINNET_ISA");
}

static void rows_match_ref(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct net t = net_new(&cases[i]);
        size_t n_x = shape_count(&t.in->out) * MAX_N, n_y = shape_count(&t.conv->out) * MAX_N;
        float *x = mem_new(n_x, sizeof(float), &e), *dy = mem_new(n_y, sizeof(float), &e);
        uint8_t *pixel = mem_new(n_x, 1, &e);
        assert_true(x && dy && pixel);
        fill(x, n_x, 10);
        fill(dy, n_y, 11);
        for (size_t k = 0; k < n_x; k++)
            pixel[k] = (uint8_t)(127.5f * (x[k] + 1));
        const void *fed = cases[i].picture ? (const void *)pixel : x;
        for (int k = 0; k < ISA_COUNT; k++)
            if (isa_present(&isas[k])) {
                compare(&t, &cases[i], isas[k].name, fed, dy, MODE_TRAIN, DTYPE_F32);
                if (isas[k].bf16)
                    compare(&t, &cases[i], isas[k].name, fed, dy, MODE_TRAIN, DTYPE_BF16);
                if (cases[i].want_dx)
                    compare(&t, &cases[i], isas[k].name, fed, dy, MODE_EVAL, DTYPE_F32);
            }
        mem_free(x);
        mem_free(dy);
        mem_free(pixel);
        net_free(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows_match_ref)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
