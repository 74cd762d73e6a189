/* Position embeddings of another grid; tests/parity/test_models.py has them against torchvision. */
#include "model/adapt.h"

#include "op/params.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { D = 2 };

struct tokens {
    struct err e;
    struct graph *graph;
    const struct node *node;
};

/* A position embedding over a class token and side x side tokens of D numbers. */
static void open_tokens(struct tokens *t, int side)
{
    *t = (struct tokens){.graph = graph_new(&t->e)};
    struct input_param p = {.shape = {.rank = 3, .dim = {1, side * side + 1, D}}};
    struct node *x = graph_add(t->graph, &op_input, "x", &p, NULL, 0, &t->e);
    assert_non_null(x);
    t->node = graph_add(t->graph, &op_position_embedding, "pos", NULL, &x, 1, &t->e);
    assert_non_null(t->node);
}

static void resamples_the_grid(void **state)
{
    (void)state;
    struct tokens t;
    open_tokens(&t, 3);
    /* class token; then a corner of each side */
    float from[5 * D] = {9, -9, 1, 10, 2, 20, 3, 30, 4, 40}, to[10 * D];
    struct shape shape = {.rank = 3, .dim = {1, 5, D}};
    if (!model_adapt(t.node, 0, from, &shape, to, &t.e))
        fail_msg("%s", t.e.msg);
    static const float expected[] = {9, 1, 1.5F, 2, 2, 2.5F, 3, 3, 3.5F, 4};
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        assert_float_equal(to[D * i], expected[i], 1e-5);
        float second = i ? 10 * expected[i] : -9;
        assert_float_equal(to[D * i + 1], second, 1e-4);
    }
    graph_free(t.graph);
}

static void refuses_other_shapes(void **state)
{
    (void)state;
    static const struct shape odd[] = {{3, {1, 6, D}}, {3, {1, 5, D + 1}}, {2, {5, D}}};
    static const char *const said[] = {"pos is 1x6x2, expected 1x10x2",
                                       "pos is 1x5x3, expected 1x10x2",
                                       "pos is 5x2, expected 1x10x2"};
    float from[64] = {0}, to[10 * D];
    struct tokens t;
    open_tokens(&t, 3);
    for (size_t i = 0; i < COUNT_OF(odd); i++) {
        assert_false(model_adapt(t.node, 0, from, &odd[i], to, &t.e));
        assert_int_equal(t.e.kind, ERR_MODEL);
        assert_string_equal(t.e.msg, said[i]);
    }
    graph_free(t.graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(resamples_the_grid),
                                       cmocka_unit_test(refuses_other_shapes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
