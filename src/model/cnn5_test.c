/* Plans on the reference: slopes against differences, and the five requests on cnn5. */
#include "graph/plan.h"

#include "backend/backend.h"
#include "base/rng.h"
#include "model/model.h"
#include "op/activation.h"
#include "op/params.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIDE = 32, BATCH = 3, CLASSES = 4 };

struct net {
    struct err e;
    struct backend *backend;
    struct graph *graph;
    struct weights *weights;
    float x[BATCH * 3 * SIDE * SIDE], target[BATCH * CLASSES];
};

static struct node *find(const struct net *t, const char *name)
{
    struct node *n = graph_find(t->graph, name);
    assert_non_null(n);
    return n;
}

static struct net *net_new(const char *backend, int activation, bool batch_norm, double dropout)
{
    static struct net t;
    memset(&t, 0, sizeof(t));
    struct model_config cfg = {.size = SIDE,
                               .dropout = dropout,
                               .label_smoothing = 0.1,
                               .cnn5 = {.filters = {5, {4, 5, 6, 7, 8}},
                                        .kernel = {1, {3}},
                                        .activation = activation,
                                        .dense_activation = ACTIVATION_relu,
                                        .dense = {1, {6}},
                                        .batch_norm = batch_norm,
                                        .dropout_where = DROPOUT_BOTH}};
    struct model_input in = {.n_class = CLASSES};
    struct model m;
    t.backend = backend_open(backend, 2, &t.e);
    t.graph = graph_new(&t.e);
    if (!t.backend || !t.graph || !model_build(&m, t.graph, &cfg, &in, &t.e))
        fail_msg("%s", t.e.msg);
    t.weights = weights_new(t.graph, &t.e);
    assert_non_null(t.weights);
    weights_init(t.weights, 7, NULL);
    struct rng r = rng_at(1, RNG_TEST, 0, 0);
    for (size_t i = 0; i < COUNT_OF(t.x); i++)
        t.x[i] = (float)rng_normal(&r);
    for (int n = 0; n < BATCH; n++)
        t.target[n * CLASSES + n] = 1;
    return &t;
}

static void net_free(struct net *t)
{
    weights_free(t->weights);
    graph_free(t->graph);
    backend_close(t->backend);
}

static struct plan *plan_for(struct net *t, struct plan_request r)
{
    r.graph = t->graph;
    r.max_n = BATCH;
    struct plan *p = plan_new(t->backend, &r, t->weights, &t->e);
    if (!p)
        fail_msg("%s", t->e.msg);
    return p;
}

static void feed(struct net *t, struct plan *p, const char *node, const float *data)
{
    if (!plan_feed(p, find(t, node), data, BATCH, &t->e))
        fail_msg("%s", t->e.msg);
}

static double loss_of(struct net *t, struct plan *p)
{
    float loss[BATCH];
    double sum = 0;
    if (!plan_forward(p, 1, &t->e) || !plan_read(p, find(t, "loss"), loss, &t->e))
        fail_msg("%s", t->e.msg);
    for (int i = 0; i < BATCH; i++)
        sum += (double)loss[i] / BATCH;
    return sum;
}

static void backward(struct net *t, struct plan *p, const char *from, const float *data,
                     float scale)
{
    if (!plan_seed(p, find(t, from), data, scale, &t->e) ||
        !plan_backward(p, NULL, NULL, &t->e))
        fail_msg("%s", t->e.msg);
}

/* Differences along the gradient itself: loss(w + h g) - loss(w - h g) = 2 h |g|^2. */
static void check_slope(int activation, bool batch_norm, double dropout)
{
    struct net *t = net_new("ref", activation, batch_norm, dropout);
    struct plan *p =
        plan_for(t, (struct plan_request){.mode = MODE_TRAIN,
                                          .want_weights = true,
                                          .keep = (struct node *[]){find(t, "loss"), NULL}});
    feed(t, p, "input", t->x);
    feed(t, p, "target", t->target);
    loss_of(t, p);
    backward(t, p, "loss", NULL, 1.0f / BATCH);
    size_t n = t->graph->n_value;
    double norm = 0;
    for (size_t i = 0; i < n; i++)
        norm += (double)t->weights->grad[i] * (double)t->weights->grad[i];
    assert_true(norm > 1e-4);
    double loss[2], h = 2e-4 / sqrt(norm);
    for (int side = 0; side < 2; side++) {
        double step = side ? 2 * h : -h; /* first to -h, then from there to +h */
        for (size_t i = 0; i < n; i++)
            t->weights->value[i] += (float)(step * (double)t->weights->grad[i]);
        weights_changed(t->weights);
        loss[side] = loss_of(t, p);
    }
    double slope = (loss[1] - loss[0]) / (2 * h);
    if (fabs(slope - norm) > 0.02 * norm)
        fail_msg("%s: difference %g, gradient %g", activation_name[activation], slope, norm);
    plan_free(p);
    net_free(t);
}

static void slopes_match_differences(void **state)
{
    (void)state;
    for (int a = 0; a < ACTIVATION_COUNT; a++) {
        check_slope(a, true, 0);
        check_slope(a, false, 0);
    }
    check_slope(ACTIVATION_silu, true, 0.3);
}

static bool is_activation(const struct node *n)
{
    return n->op == &op_activation;
}

/* Springenberg et al., 2015: only positive gradients through positive activations. */
static void guided(const float *x, const float *y, const float *dy, float *dx, size_t count)
{
    (void)y;
    for (size_t i = 0; i < count; i++)
        dx[i] = x[i] > 0 && dy[i] > 0 ? dy[i] : 0;
}

static const struct backward_rule guided_rule = {"guided", is_activation, guided};

/* Request 4: a frozen prefix whose output feeds the tail gives the bits of the whole; tapped: the logits of a
 * plan that keeps an inner tensor too. */
static void prefix_feeds_tail(struct net *t, const float *tapped)
{
    static float cut[BATCH * 6 * (SIDE / 8) * (SIDE / 8)];
    float logits[BATCH * CLASSES], again[BATCH * CLASSES];
    struct plan *whole =
        plan_for(t, (struct plan_request){.keep = (struct node *[]){find(t, "out"), NULL}});
    feed(t, whole, "input", t->x);
    assert_true(plan_forward(whole, 0, &t->e));
    assert_true(plan_read(whole, find(t, "out"), logits, &t->e));
    for (size_t i = 0; i < COUNT_OF(logits); i++) /* a kept tensor may change the rounding */
        assert_float_equal(tapped[i], logits[i], 1e-5);

    struct plan *prefix =
        plan_for(t, (struct plan_request){.keep = (struct node *[]){find(t, "pool3"), NULL}});
    struct plan *tail =
        plan_for(t, (struct plan_request){.from = (struct node *[]){find(t, "pool3"), NULL},
                                          .keep = (struct node *[]){find(t, "out"), NULL}});
    feed(t, prefix, "input", t->x);
    assert_true(plan_forward(prefix, 0, &t->e));
    assert_true(plan_read(prefix, find(t, "pool3"), cut, &t->e));
    feed(t, tail, "pool3", cut);
    assert_true(plan_forward(tail, 0, &t->e));
    assert_true(plan_read(tail, find(t, "out"), again, &t->e));
    assert_memory_equal(logits, again, sizeof(logits));
    struct plan *all[] = {whole, prefix, tail};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        plan_free(all[i]);
}

/* Requests 1 to 4: a filter's map, an inner tensor, an input's gradient by a replaced rule, and a
 * frozen prefix whose output feeds the tail. */
static void five_requests(void **state)
{
    const char *backend = *state;
    struct net *t = net_new(backend, ACTIVATION_relu, true, 0);
    static float map[BATCH * 4 * SIDE * SIDE], dx[BATCH * 3 * SIDE * SIDE];
    float tapped[BATCH * CLASSES], seed[BATCH * CLASSES] = {1, 0, 0, 0, 1};

    struct plan *tap =
        plan_for(t, (struct plan_request){
                        .keep = (struct node *[]){find(t, "conv1"), find(t, "out"), NULL}});
    feed(t, tap, "input", t->x);
    assert_true(plan_forward(tap, 0, &t->e));
    assert_true(plan_read(tap, find(t, "conv1"), map, &t->e));
    assert_true(plan_read(tap, find(t, "out"), tapped, &t->e));
    const float *w = weights_at(t->weights, find(t, "conv1"), 0),
                *b = weights_at(t->weights, find(t, "conv1"), 1);
    double corner = (double)b[0];
    for (int c = 0; c < 3; c++)
        for (int r = 1; r < 3; r++)
            for (int s = 1; s < 3; s++)
                corner += (double)w[(c * 3 + r) * 3 + s] *
                          (double)t->x[(c * SIDE + r - 1) * SIDE + s - 1];
    assert_float_equal(map[0], corner, 1e-5);

    struct plan *guide = plan_for(
        t, (struct plan_request){.keep = (struct node *[]){find(t, "out"), NULL},
                                 .want = (struct node *[]){find(t, "input"), NULL},
                                 .rule = (const struct backward_rule *[]){&guided_rule, NULL}});
    feed(t, guide, "input", t->x);
    assert_true(plan_forward(guide, 0, &t->e));
    backward(t, guide, "out", seed, 1);
    assert_true(plan_read_grad(guide, find(t, "input"), dx, &t->e));
    double mass = 0;
    for (size_t i = 0; i < COUNT_OF(dx); i++)
        mass += fabs((double)dx[i]);
    assert_true(mass > 0 && isfinite(mass));
    for (size_t i = 2 * COUNT_OF(dx) / 3; i < COUNT_OF(dx); i++)
        assert_true(dx[i] == 0); /* the third picture had no seed */

    prefix_feeds_tail(t, tapped);
    struct plan *all[] = {tap, guide};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        plan_free(all[i]);
    net_free(t);
}

/* The fifth: training. The CPU's gradients against the reference's. */
static void cpu_equals_ref(void **state)
{
    (void)state;
    static float grad[2][8192];
    size_t n = 0;
    for (int i = 0; i < 2; i++) {
        struct net *t = net_new(i ? "cpu" : "ref", ACTIVATION_silu, true, 0.2);
        struct plan *p = plan_for(
            t, (struct plan_request){.mode = MODE_TRAIN,
                                     .want_weights = true,
                                     .keep = (struct node *[]){find(t, "loss"), NULL}});
        feed(t, p, "input", t->x);
        feed(t, p, "target", t->target);
        loss_of(t, p);
        backward(t, p, "loss", NULL, 1.0f / BATCH);
        n = t->graph->n_value;
        assert_true(n <= COUNT_OF(grad[i]));
        memcpy(grad[i], t->weights->grad, n * sizeof(float));
        plan_free(p);
        net_free(t);
    }
    float top = 0;
    for (size_t i = 0; i < n; i++)
        top = fmaxf(top, fabsf(grad[0][i]));
    for (size_t i = 0; i < n; i++)
        assert_float_equal(grad[0][i], grad[1][i], 1e-4f * top);
}

static void too_large_names_the_batch(void **state)
{
    (void)state;
    struct net *t = net_new("ref", ACTIVATION_relu, true, 0);
    struct plan_request r = {.graph = t->graph,
                             .max_n = 1000,
                             .mode = MODE_TRAIN,
                             .want_weights = true,
                             .memory_limit = 16 << 20,
                             .keep = (struct node *[]){find(t, "loss"), NULL}};
    assert_null(plan_new(t->backend, &r, t->weights, &t->e));
    assert_int_equal(t->e.kind, ERR_USAGE);
    const char *said = strstr(t->e.msg, "the largest that fits is ");
    assert_non_null(said);
    r.max_n = atoi(said + strlen("the largest that fits is "));
    struct plan *p = plan_new(t->backend, &r, t->weights, &t->e);
    assert_non_null(p);
    assert_true(plan_bytes(p) <= 16 << 20);
    plan_free(p);
    net_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slopes_match_differences),
        cmocka_unit_test_prestate(five_requests, "ref"),
        cmocka_unit_test_prestate(five_requests, "cpu"),
        cmocka_unit_test(cpu_equals_ref),
        cmocka_unit_test(too_large_names_the_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
