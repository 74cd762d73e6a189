/* What a transformer is made of, over odd shapes, against ref: attention, layer norm of rows and of
 * channels, linear and the tokens of a picture; in fp32 and bf16, with frozen weights, forward alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "backend/cpu/against_ref.h"

static const struct attention_param one_head = {.heads = 1}, five_heads = {.heads = 5};
static const struct layer_norm_param fine = {.eps = 1e-6f}, usual = {0};
static const struct linear_param wide = {.out = 70}, narrow = {.out = 3, .no_bias = true};

static const struct {
    const struct op *op;
    const void *param;
    const char *row;
    int n;
    struct shape x;
} cases[] = {
    {&op_attention, &one_head, "heads", 2, {3, {1, 1, 3}}},
    {&op_attention, &five_heads, "heads", 3, {3, {1, 17, 40}}},
    {&op_attention, &one_head, "heads", 1, {3, {1, 40, 37}}},
    {&op_attention, &five_heads, "heads", 2, {3, {1, 350, 10}}},
    {&op_layer_norm, &usual, "rows", 2, {3, {1, 131, 37}}},
    {&op_layer_norm, &fine, "rows", 3, {3, {1, 5, 768}}},
    {&op_layer_norm, &fine, "rows", 2, {4, {1, 33, 12, 13}}},
    {&op_layer_norm, &usual, "rows", 3, {4, {1, 7, 3, 2}}},
    {&op_layer_norm, &usual, "rows", 5, {2, {1, 70}}},
    {&op_linear, &wide, "products", 3, {3, {1, 20, 37}}},
    {&op_linear, &narrow, "products", 2, {3, {1, 200, 515}}},
    {&op_tokens, NULL, "pictures", 3, {4, {1, 19, 5, 6}}},
    {&op_tokens, NULL, "pictures", 2, {4, {1, 64, 3, 3}}},
};

/* Small enough that a softmax is not one of ones and zeros. */
static float *weights_of(const struct graph *g)
{
    float *w = trial_new(g->n_value + 1);
    trial_fill(w, g->n_value, 5, DTYPE_F32);
    for (size_t i = 0; i < g->n_value; i++)
        w[i] *= 0.25f;
    return w;
}

static void check(size_t i, enum dtype compute, enum mode mode, bool frozen, double tolerance)
{
    struct err e = {0};
    char label[96];
    struct trial t = {.graph = graph_new(&e),
                      .row = cases[i].row,
                      .n = cases[i].n,
                      .mode = mode,
                      .compute = compute,
                      .needs_bf16 = compute == DTYPE_BF16,
                      .frozen = frozen,
                      .forward = mode == MODE_EVAL};
    struct input_param in = {.shape = cases[i].x};
    t.in = graph_add(t.graph, &op_input, "x", &in, NULL, 0, &e);
    t.out = graph_add(t.graph, cases[i].op, "y", cases[i].param, &t.in, 1, &e);
    if (!t.out)
        fail_msg("%s", e.msg);
    float *w = weights_of(t.graph);
    t.value = w;
    snprintf(label, sizeof(label), "case %zu, %s", i, compute == DTYPE_BF16 ? "bf16" : "fp32");
    trial_check(&t, label, tolerance);
    mem_free(w);
    graph_free(t.graph);
}

static void every_case(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        check(i, DTYPE_F32, MODE_TRAIN, false, 1e-5);
        check(i, DTYPE_F32, MODE_TRAIN, true, 1e-5);
        check(i, DTYPE_F32, MODE_EVAL, true, 1e-5);
    }
}

static void half_precision(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        check(i, DTYPE_BF16, MODE_TRAIN, false, 3e-2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_case),
                                       cmocka_unit_test(half_precision)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
