/* Every activation, with and without batch norm, dropout and pooling, in training and evaluation,
 * over odd shapes, against ref. */
#include "backend/cpu/isa.h"
#include "op/activation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "backend/cpu/against_ref.h"

struct form {
    const char *name;
    bool norm, act, drop, drop2d, pool;
};
static const struct form forms[] = {
    {"norm+act+pool", true, true, false, false, true},
    {"norm+act", true, true, false, false, false},
    {"act+pool", false, true, false, false, true},
    {"act", false, true, false, false, false},
    {"norm+act+drop+pool", true, true, true, false, true},
    {"norm+act+drop2d+pool", true, true, false, true, true},
    {"act+drop+pool", false, true, true, false, true},
    {"norm+act+drop", true, true, true, false, false},
    {"act+drop2d", false, true, false, true, false},
    {"norm", true, false, false, false, false},
    {"pool", false, false, false, false, true},
    {"norm+pool", true, false, false, false, true},
    {"drop", false, false, true, false, false},
    {"drop2d", false, false, false, true, false},
};

static struct err e;

static struct node *add(struct graph *g, const struct op *op, const void *param,
                        struct node *in)
{
    char name[32];
    snprintf(name, sizeof(name), "%s%d", op->name, g->n_node);
    struct node *n = graph_add(g, op, name, param, &in, in ? 1 : 0, &e);
    if (!n)
        fail_msg("%s", e.msg);
    return n;
}

static struct trial build(const struct form *f, int kind, const int dim[4])
{
    struct trial t = {.graph = graph_new(&e), .row = "fused", .n = dim[0]};
    struct input_param in = {.shape = {4, {1, dim[1], dim[2], dim[3]}}};
    t.in = t.out = add(t.graph, &op_input, &in, NULL);
    if (f->norm)
        t.out = add(t.graph, &op_batch_norm, NULL, t.out);
    if (f->act)
        t.out = add(t.graph, &op_activation, &(struct activation_param){kind}, t.out);
    if (f->drop)
        t.out = add(t.graph, &op_dropout, &(struct dropout_param){0.3f}, t.out);
    if (f->drop2d)
        t.out = add(t.graph, &op_dropout2d, &(struct dropout_param){0.4f}, t.out);
    if (f->pool)
        t.out = t.pool = add(t.graph, &op_max_pool,
                             &(struct pool_param){.kernel_h = 2, .kernel_w = 2}, t.out);
    return t;
}

static const char *label_of(const struct form *f, int kind, const int dim[4], enum mode mode)
{
    static char text[128];
    snprintf(text, sizeof(text), "%s of %s, %dx%dx%dx%d, %s", f->name, activation_name[kind],
             dim[0], dim[1], dim[2], dim[3], mode == MODE_TRAIN ? "train" : "eval");
    return text;
}

static void check(const struct form *f, int kind, const int dim[4], enum dtype compute,
                  double tolerance)
{
    for (int mode = MODE_EVAL; mode <= MODE_TRAIN; mode++) {
        if (mode == MODE_EVAL && (f->drop || f->drop2d))
            continue; /* pruned: another form */
        struct trial t = build(f, kind, dim);
        t.mode = (enum mode)mode;
        t.compute = compute;
        t.needs_bf16 = compute == DTYPE_BF16;
        trial_check(&t, label_of(f, kind, dim, t.mode), tolerance);
        graph_free(t.graph);
    }
}

static void every_activation(void **state)
{
    (void)state;
    const int dim[4] = {2, 5, 7, 9};
    for (int kind = 0; kind < ACTIVATION_COUNT; kind++)
        for (size_t f = 0; f < COUNT_OF(forms); f++)
            if (forms[f].act || kind == 0)
                check(&forms[f], kind, dim, DTYPE_F32, 3e-6);
}

static void every_shape(void **state)
{
    (void)state;
    static const int dims[][4] = {{1, 1, 2, 2},    {3, 16, 4, 6},  {2, 17, 5, 2},
                                  {1, 33, 3, 11},  {5, 8, 8, 8},   {2, 9, 13, 700},
                                  {1, 3, 2, 4100}, {4, 31, 16, 16}};
    for (size_t d = 0; d < COUNT_OF(dims); d++)
        for (size_t f = 0; f < COUNT_OF(forms); f++) {
            check(&forms[f], ACTIVATION_relu, dims[d], DTYPE_F32, 1e-5);
            if (d < 3)
                check(&forms[f], ACTIVATION_silu, dims[d], DTYPE_F32, 1e-5);
        }
}

static void half_precision(void **state)
{
    (void)state;
    const int dim[4] = {3, 18, 9, 6};
    for (int kind = 0; kind < ACTIVATION_COUNT; kind++)
        for (size_t f = 0; f < COUNT_OF(forms); f++)
            if (forms[f].act || kind == 0)
                check(&forms[f], kind, dim, DTYPE_BF16, 1.2e-2);
}

/* x cannot be told from y where gamma is 0 or beta much larger; and no gradient of weights. */
static void small_gamma(void **state)
{
    (void)state;
    const int dim[4] = {2, 20, 6, 8};
    float value[40];
    for (int c = 0; c < 20; c++) {
        value[c] = c % 3 == 0 ? 0 : c % 3 == 1 ? 1e-4f : -1;
        value[20 + c] = 0.5f;
    }
    for (int kind = 0; kind < ACTIVATION_COUNT; kind++)
        for (int frozen = 0; frozen < 2; frozen++) {
            struct trial t = build(&forms[0], kind, dim);
            t.mode = MODE_TRAIN;
            t.value = value;
            t.frozen = frozen;
            t.pool = NULL; /* ties in float where gamma is tiny */
            trial_check(&t, label_of(&forms[0], kind, dim, MODE_TRAIN), 1e-4);
            graph_free(t.graph);
        }
}

/* Equal values, NaN and infinities in a window: the first largest wins, NaN beats all. */
static void ties_and_nan(void **state)
{
    (void)state;
    const int dim[4] = {1, 9, 4, 12};
    float x[9 * 4 * 12];
    struct rng r = rng_at(1, RNG_TEST, 0, 0);
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        uint32_t k = rng_below(&r, 7);
        x[i] = k == 0 ? NAN : k == 1 ? -INFINITY : k == 2 ? INFINITY : (float)k - 5;
    }
    const int kinds[] = {ACTIVATION_identity, ACTIVATION_relu, ACTIVATION_leaky_relu};
    struct outcome o;
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        for (int isa = 0; isa < ISA_COUNT; isa++) {
            if (!isa_present(&isas[isa]))
                continue;
            setenv("LINNET_ISA", isas[isa].name, 1);
            struct trial t = build(&forms[2], kinds[i], dim);
            t.mode = MODE_TRAIN;
            t.x = x;
            trial_run(&t, "cpu", 1, &o, NULL);
            for (int at = 0; at < 9 * 2 * 6; at++) {
                const float *plane = x + at / 12 * 48;
                int first = at % 12 / 6 * 24 + at % 6 * 2, best = first;
                for (int k = 1; k < 4; k++) {
                    float v = plane[first + k / 2 * 12 + k % 2], b = plane[best];
                    if (kinds[i] == ACTIVATION_relu) {
                        v = v < 0 ? 0 : v;
                        b = b < 0 ? 0 : b;
                    }
                    if (v > b || isnan(v))
                        best = first + k / 2 * 12 + k % 2;
                }
                assert_int_equal(o.winner[at], best);
                assert_true(isnan(plane[best]) == isnan(o.y[at]));
            }
            outcome_release(&o);
            graph_free(t.graph);
        }
    unsetenv("LINNET_ISA");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_activation), cmocka_unit_test(every_shape),
        cmocka_unit_test(half_precision),   cmocka_unit_test(small_gamma),
        cmocka_unit_test(ties_and_nan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
