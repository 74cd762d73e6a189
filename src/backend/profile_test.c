/* A profile is written, read back, and obeyed by plans; tuning names kernels that ran. */
#include "backend/profile.h"

#include "op/params.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { N = 2, C = 16, SIDE = 12 };

static struct err e;

struct net {
    struct backend *backend;
    struct graph *graph;
    struct weights *weights;
    struct node *input, *conv, *keep[2];
    struct plan_request request;
    float x[N * C * SIDE * SIDE];
};

static void setup(struct net *t)
{
    memset(t, 0, sizeof(*t));
    struct input_param in = {.shape = {4, {1, C, SIDE, SIDE}}};
    struct conv2d_param conv = {.out = C, .kernel_h = 3, .kernel_w = 3, .pad_h = 1, .pad_w = 1};
    t->backend = backend_open("cpu", 2, &e);
    t->graph = graph_new(&e);
    t->input = graph_add(t->graph, &op_input, "input", &in, NULL, 0, &e);
    t->conv = graph_add(t->graph, &op_conv2d, "conv", &conv, &t->input, 1, &e);
    assert_non_null(t->conv);
    t->weights = weights_new(t->graph, &e);
    weights_init(t->weights, 1, NULL);
    t->keep[0] = t->conv;
    t->request = (struct plan_request){.graph = t->graph,
                                       .max_n = N,
                                       .mode = MODE_TRAIN,
                                       .want_weights = true,
                                       .keep = t->keep};
}

static void teardown(struct net *t)
{
    weights_free(t->weights);
    graph_free(t->graph);
    backend_close(t->backend);
}

static bool feed(void *ctx, struct plan *p, struct err *err)
{
    const struct net *t = ctx;
    return plan_feed(p, t->input, t->x, N, err);
}

static int told_count;

static void told(void *ctx, const char *node, const char *kernel, double step_s)
{
    (void)ctx, (void)kernel;
    assert_string_equal(node, "conv");
    assert_true(step_s > 0);
    told_count++;
}

static const char *kernel_of_conv(const struct plan *p)
{
    for (int i = 0; plan_describe(p, i); i++)
        if (strstr(plan_describe(p, i), "conv2d"))
            return plan_chosen(p, i).kernel;
    return "none";
}

static void tuned_then_obeyed(void **state)
{
    (void)state;
    struct net t;
    struct profile p = {0}, again = {0};
    char layer[256], path[] = "/tmp/linnet-profile-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && close(fd) == 0);
    setup(&t);
    struct tuning tuning = {.backend = t.backend,
                            .request = &t.request,
                            .weights = t.weights,
                            .loss = t.conv,
                            .feed = feed,
                            .told = told,
                            .ctx = &t};
    assert_true(profile_tune(&p, &tuning, &e));
    assert_int_equal(p.n, 1);
    assert_true(told_count >= 1);
    assert_true(profile_write(&p, path, &e) && profile_read(&again, path, &e));
    profile_layer(t.backend, &t.request, t.conv, layer, sizeof(layer));
    assert_string_equal(profile_find(&again, layer), p.row[0].kernel);

    assert_true(profile_set(&again, layer, "reference", &e)); /* whatever was measured */
    t.request.profile = &again;
    struct plan *plan = plan_new(t.backend, &t.request, t.weights, &e);
    assert_non_null(plan);
    assert_string_equal(kernel_of_conv(plan), "reference");
    plan_free(plan);
    profile_release(&p);
    profile_release(&again);
    teardown(&t);
    unlink(path);
}

static void damage_is_named(void **state)
{
    (void)state;
    struct profile p = {0};
    char path[] = "/tmp/linnet-profile-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, "[1]", 3) == 3 && close(fd) == 0);
    assert_false(profile_read(&p, path, &e));
    assert_non_null(strstr(e.msg, path));
    unlink(path);
    assert_true(profile_read(&p, path, &e)); /* none is an empty one */
    profile_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tuned_then_obeyed),
                                       cmocka_unit_test(damage_is_named)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
