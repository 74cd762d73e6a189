/* The closed formulas against the network itself, at four (m, k, n). */
#include "model/cnn5_formula.h"

#include "model/model.h"
#include "op/activation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void formulas_count_the_network(void **state)
{
    (void)state;
    static const struct cnn5_formula cases[] = {{32, 3, 64, 256, 256, 10},
                                                {16, 5, 128, 256, 256, 10},
                                                {7, 1, 33, 256, 256, 10},
                                                {24, 7, 10, 128, 128, 37}};
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (int batch_norm = 0; batch_norm < 2; batch_norm++) {
            const struct cnn5_formula *f = &cases[i];
            struct err e = {0};
            struct model_config cfg = {.size = f->H,
                                       .cnn5 = {.filters = {1, {f->m}},
                                                .filter_rule = FILTERS_SAME,
                                                .kernel = {1, {f->k}},
                                                .dense = {1, {f->n}},
                                                .batch_norm = batch_norm}};
            struct model_input in = {.n_class = (int)f->K, .u8 = true};
            struct model m;
            struct graph *g = graph_new(&e);
            assert_non_null(g);
            assert_true(model_build(&m, g, &cfg, &in, &e));
            assert_int_equal(g->n_value, formula_parameters(f) + formula_conv_biases(f) +
                                             (batch_norm ? formula_batch_norm(f) : 0));
            assert_int_equal(graph_macs(g), formula_macs(f));
            graph_free(g);
        }
}

static void small_inputs_are_refused(void **state)
{
    (void)state;
    struct err e = {0};
    struct model_config cfg = {.size = 31, .cnn5 = {.filters = {1, {4}}, .kernel = {1, {3}}}};
    struct model_input in = {.n_class = 2};
    struct model m;
    struct graph *g = graph_new(&e);
    assert_non_null(g);
    assert_false(model_build(&m, g, &cfg, &in, &e));
    assert_int_equal(e.kind, ERR_SHAPE);
    assert_string_equal(e.msg, "an input of 31 px is too small for cnn5; at least 32");
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(formulas_count_the_network),
                                       cmocka_unit_test(small_inputs_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
