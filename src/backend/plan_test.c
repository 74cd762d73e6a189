/* What a plan must do whatever the network: branches add up, dropout vanishes in evaluation, frozen
 * nodes keep their statistics, errors name what was asked. */
#include "graph/plan.h"

#include "backend/backend.h"
#include "base/rng.h"
#include "op/activation.h"
#include "op/params.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { N = 2, C = 3, H = 9, W = 7, K = 5 };

static struct err e;

static struct node *add(struct graph *g, const struct op *op, const char *name,
                        const void *param, struct node *in)
{
    struct node *n = graph_add(g, op, name, param, &in, in ? 1 : 0, &e);
    if (!n)
        fail_msg("%s", e.msg);
    return n;
}

static struct node *input(struct graph *g)
{
    return add(g, &op_input, "x", &(struct input_param){.shape = {4, {1, C, H, W}}}, NULL);
}

static struct node *conv(struct graph *g, const char *name, struct node *in)
{
    struct conv2d_param p = {.out = K, .kernel_h = 3, .kernel_w = 3, .pad_h = 1, .pad_w = 1};
    return add(g, &op_conv2d, name, &p, in);
}

static struct plan *plan_of(const struct backend *b, struct graph *g, struct weights *w,
                            struct plan_request r)
{
    r.graph = g;
    r.max_n = N;
    struct plan *p = plan_new(b, &r, w, &e);
    if (!p)
        fail_msg("%s", e.msg);
    return p;
}

static void fill(float *x, size_t n, uint64_t stream)
{
    struct rng r = rng_at(3, RNG_TEST, stream, 0);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)rng_normal(&r);
}

/* Two convolutions read relu(x); the gradient of x is that of the one that was seeded. */
static void branches_add_up(void **state)
{
    float x[N * C * H * W], seed[N * K * H * W], dx[2][N * C * H * W];
    fill(x, COUNT_OF(x), 1);
    fill(seed, COUNT_OF(seed), 2);
    struct backend *b = backend_open(*state, 2, &e);
    struct graph *g = graph_new(&e);
    struct node *in = input(g);
    struct node *pool =
        add(g, &op_max_pool, "pool", &(struct pool_param){.kernel_h = 1, .kernel_w = 1}, in);
    struct node *left = conv(g, "left", pool), *right = conv(g, "right", pool);
    struct weights *w = weights_new(g, &e);
    weights_init(w, 5, NULL);
    for (int both = 0; both < 2; both++) {
        struct node *keep[] = {left, both ? right : NULL, NULL};
        struct plan *p = plan_of(
            b, g, w, (struct plan_request){.keep = keep, .want = (struct node *[]){in, NULL}});
        assert_true(plan_feed(p, in, x, N, &e) && plan_forward(p, 0, &e));
        assert_true(plan_seed(p, left, seed, 1, &e));
        if (!plan_backward(p, NULL, NULL, &e) || !plan_read_grad(p, in, dx[both], &e))
            fail_msg("%s", e.msg);
        plan_free(p);
    }
    for (size_t i = 0; i < COUNT_OF(dx[0]); i++)
        assert_float_equal(dx[0][i], dx[1][i], 1e-6);
    assert_true(fabsf(dx[0][0]) > 0);
    weights_free(w);
    graph_free(g);
    backend_close(b);
}

/* A frozen batch norm in a training plan: running statistics stand, no gradient of its weights. */
static void frozen_nodes_stand(void **state)
{
    float x[N * C * H * W], first[N * K * H * W], frozen[N * K * H * W];
    fill(x, COUNT_OF(x), 1);
    struct backend *b = backend_open(*state, 2, &e);
    struct graph *g = graph_new(&e);
    struct node *in = input(g), *c = conv(g, "conv", in);
    struct node *bn = add(g, &op_batch_norm, "bn", NULL, c);
    struct node *drop = add(g, &op_dropout, "drop", &(struct dropout_param){0.5f}, bn);
    struct weights *w = weights_new(g, &e);
    weights_init(w, 5, NULL);
    struct node *keep[] = {drop, NULL};
    struct plan *eval = plan_of(b, g, w, (struct plan_request){.keep = keep});
    struct plan *train =
        plan_of(b, g, w,
                (struct plan_request){.keep = keep,
                                      .mode = MODE_TRAIN,
                                      .want_weights = true,
                                      .frozen = (struct node *[]){bn, drop, NULL}});
    for (int i = 0; i < 2; i++) {
        struct plan *p = i ? train : eval;
        assert_true(plan_feed(p, in, x, N, &e) && plan_forward(p, 0, &e));
        assert_true(plan_read(p, drop, i ? frozen : first, &e));
    }
    for (size_t i = 0; i < COUNT_OF(first); i++)
        assert_float_equal(first[i], frozen[i], 1e-5);
    for (size_t i = 0; i < g->n_value; i++)
        w->grad[i] = 77;
    assert_true(plan_seed(train, drop, NULL, 1, &e) && plan_backward(train, NULL, NULL, &e));
    assert_true(*weights_at(w, bn, 2) == 0 && *weights_at(w, bn, 3) == 1);
    assert_true(w->grad[bn->weight[0].offset] == 77); /* left alone */
    assert_true(w->grad[c->weight[0].offset] != 77);
    plan_free(eval);
    plan_free(train);
    weights_free(w);
    graph_free(g);
    backend_close(b);
}

static int count_forks(const struct plan *p)
{
    int n = 0;
    for (int i = 0; plan_describe(p, i); i++)
        n += strstr(plan_describe(p, i), "fork") != NULL;
    return n;
}

static bool halve_matches(const struct node *n)
{
    return n->op == &op_activation;
}

static void halve(const float *x, const float *y, const float *dy, float *dx, size_t n)
{
    (void)x;
    (void)y;
    for (size_t i = 0; i < n; i++)
        dx[i] = dy[i] / 2;
}

/* relu(x + x) read twice: its gradient is taken in parts, unless it is read from outside or its rule
 * is replaced, which wants it whole. */
static void forks_where_the_sum_is_wanted(void **state)
{
    (void)state;
    float x[N * C * H * W], dx[N * C * H * W], dz[N * C * H * W];
    fill(x, COUNT_OF(x), 1);
    struct backend *b = backend_open("cpu", 2, &e);
    struct graph *g = graph_new(&e);
    struct node *in = input(g);
    struct node *sum = graph_add(g, &op_add, "sum", NULL, (struct node *[]){in, in}, 2, &e);
    struct node *z =
        add(g, &op_activation, "z", &(struct activation_param){ACTIVATION_relu}, sum);
    struct node *out = graph_add(g, &op_add, "out", NULL, (struct node *[]){z, z}, 2, &e);
    struct weights *w = weights_new(g, &e);
    const struct backward_rule rule = {
        .name = "halve", .matches = halve_matches, .apply = halve};
    for (int i = 0; i < 3; i++) {
        struct plan_request r = {
            .keep = (struct node *[]){out, NULL},
            .want = (struct node *[]){in, i == 1 ? z : NULL, NULL},
            .rule = (const struct backward_rule *[]){i == 2 ? &rule : NULL, NULL}};
        struct plan *p = plan_of(b, g, w, r);
        assert_int_equal(count_forks(p), i ? 2 : 1); /* in's, whoever reads it */
        assert_true(plan_feed(p, in, x, N, &e) && plan_forward(p, 0, &e) &&
                    plan_seed(p, out, NULL, 1, &e) && plan_backward(p, NULL, NULL, &e) &&
                    plan_read_grad(p, in, dx, &e));
        for (size_t k = 0; k < COUNT_OF(x); k++)
            assert_float_equal(dx[k], i == 2 ? 2 : x[k] > 0 ? 4 : 0, 0);
        if (i == 1) {
            assert_true(plan_read_grad(p, z, dz, &e));
            assert_float_equal(dz[0], 2, 0);
        }
        plan_free(p);
    }
    weights_free(w);
    graph_free(g);
    backend_close(b);
}

/* bn(conv(x)) + x is one group where x's gradient is wanted, which is the sum's. */
static void sum_has_a_place(void **state)
{
    (void)state;
    struct backend *b = backend_open("cpu", 1, &e);
    struct graph *g = graph_new(&e);
    struct node *in = input(g);
    struct conv2d_param p = {.out = C, .kernel_h = 1, .kernel_w = 1};
    struct node *c = add(g, &op_conv2d, "conv", &p, in);
    struct node *bn = add(g, &op_batch_norm, "bn", NULL, c);
    struct node *sum = graph_add(g, &op_add, "sum", NULL, (struct node *[]){bn, in}, 2, &e);
    struct weights *w = weights_new(g, &e);
    for (int wanted = 0; wanted < 2; wanted++) {
        struct plan *plan =
            plan_of(b, g, w,
                    (struct plan_request){.keep = (struct node *[]){sum, NULL},
                                          .want = (struct node *[]){wanted ? in : NULL, NULL},
                                          .want_weights = true,
                                          .mode = MODE_TRAIN});
        int n = 0;
        for (int i = 0; plan_describe(plan, i); i++)
            n += strstr(plan_describe(plan, i), "batch_norm+add") != NULL;
        assert_int_equal(n, wanted);
        plan_free(plan);
    }
    weights_free(w);
    graph_free(g);
    backend_close(b);
}

static void mistakes_are_named(void **state)
{
    struct backend *b = backend_open(*state, 1, &e);
    struct graph *g = graph_new(&e);
    struct node *in = input(g), *c = conv(g, "conv", in);
    struct weights *w = weights_new(g, &e);
    struct plan *p =
        plan_of(b, g, w, (struct plan_request){.keep = (struct node *[]){c, NULL}});
    float x[N * C * H * W] = {0};
    assert_false(plan_forward(p, 0, &e));
    assert_false(plan_feed(p, c, x, N, &e));
    assert_string_equal(e.msg, "conv is not fed in this plan");
    assert_false(plan_feed(p, in, x, N + 1, &e));
    assert_false(plan_seed(p, c, NULL, 1, &e));
    assert_false(plan_read_grad(p, in, x, &e));
    assert_null(graph_add(g, &op_softmax, "p", NULL, &c, 1, &e));
    assert_string_equal(e.msg, "p: softmax needs an input of 1 dimensions, conv gives 5x9x7");
    assert_null(backend_open("gpu9", 1, &e));
    plan_free(p);
    weights_free(w);
    graph_free(g);
    backend_close(b);
}

int main(void)
{
    static char ref[] = "ref", cpu[] = "cpu";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(branches_add_up, ref),
        cmocka_unit_test_prestate(branches_add_up, cpu),
        cmocka_unit_test_prestate(frozen_nodes_stand, ref),
        cmocka_unit_test_prestate(frozen_nodes_stand, cpu),
        cmocka_unit_test(forks_where_the_sum_is_wanted),
        cmocka_unit_test(sum_has_a_place),
        cmocka_unit_test_prestate(mistakes_are_named, ref),
        cmocka_unit_test_prestate(mistakes_are_named, cpu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
