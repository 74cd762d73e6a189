/* Pools of any window, over odd shapes, against ref: outputs, gradients and which cell won. */
#include "backend/cpu/isa.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "backend/cpu/against_ref.h"

static struct err e;

static const struct shape shapes[] = {
    {4, {3, 5, 9, 7}},
    {4, {1, 1, 5, 5}},
    {4, {2, 17, 14, 15}},
    {4, {2, 32, 8, 6}},
};
/* kernel, stride, padding; ceil_mode, exclude_pad */
static const struct pool_param windows[] = {
    {3, 3, 2, 2, 0, 0, true, false},  {3, 3, 2, 2, 1, 1, false, false},
    {3, 3, 1, 1, 1, 1, false, true},  {3, 3, 1, 1, 1, 1, true, false},
    {2, 3, 2, 1, 0, 1, false, false}, {3, 2, 3, 2, 1, 1, true, true},
    {5, 5, 3, 3, 2, 2, true, false},  {1, 1, 1, 1, 0, 0, false, false},
    {2, 2, 3, 3, 0, 0, true, false},  {5, 1, 4, 1, 0, 0, false, false},
};

static void check(const struct op *op, const void *param, const struct shape *shape,
                  enum mode mode, enum dtype compute)
{
    struct input_param in = {.shape = *shape};
    in.shape.dim[0] = 1;
    struct trial t = {.graph = graph_new(&e),
                      .n = shape->dim[0],
                      .mode = mode,
                      .compute = compute,
                      .needs_bf16 = compute == DTYPE_BF16,
                      .row = "windows"};
    t.in = graph_add(t.graph, &op_input, "x", &in, NULL, 0, &e);
    t.out = graph_add(t.graph, op, "y", param, &t.in, 1, &e);
    if (!t.out)
        fail_msg("%s", e.msg);
    t.pool = op == &op_max_pool ? t.out : NULL;
    char what[160], a[64], b[64];
    snprintf(what, sizeof(what), "%s of %dx%s to %s", op->name, t.n,
             shape_text(shape, a, sizeof(a)), shape_text(&t.out->out, b, sizeof(b)));
    trial_check(&t, what, compute == DTYPE_BF16 ? 1.2e-2 : 3e-6);
    graph_free(t.graph);
}

static void slides(void **state)
{
    (void)state;
    const struct op *const ops_here[] = {&op_max_pool, &op_avg_pool};
    for (size_t s = 0; s < COUNT_OF(shapes); s++)
        for (size_t w = 0; w < COUNT_OF(windows); w++)
            for (size_t o = 0; o < COUNT_OF(ops_here); o++) {
                check(ops_here[o], &windows[w], &shapes[s], MODE_TRAIN, DTYPE_F32);
                check(ops_here[o], &windows[w], &shapes[s], MODE_EVAL, DTYPE_F32);
                check(ops_here[o], &windows[w], &shapes[s], MODE_TRAIN, DTYPE_BF16);
            }
}

static void adaptive(void **state)
{
    (void)state;
    static const struct adaptive_pool_param outs[] = {{1, 1}, {3, 2}, {5, 5}, {7, 4}};
    for (size_t s = 0; s < COUNT_OF(shapes); s++)
        for (size_t o = 0; o < COUNT_OF(outs); o++) {
            check(&op_adaptive_avg_pool, &outs[o], &shapes[s], MODE_TRAIN, DTYPE_F32);
            check(&op_adaptive_avg_pool, &outs[o], &shapes[s], MODE_TRAIN, DTYPE_BF16);
        }
}

/* Equal values and NaN in overlapping windows: the first largest wins, NaN beats all. */
static void ties_and_nan(void **state)
{
    (void)state;
    float x[9 * 6 * 7];
    struct rng r = rng_at(1, RNG_TEST, 0, 0);
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        uint32_t k = rng_below(&r, 6);
        x[i] = k == 0 ? NAN : k == 1 ? -INFINITY : (float)k - 4;
    }
    struct outcome ref, o;
    for (int i = 0; i < ISA_COUNT; i++) {
        if (!isa_present(&isas[i]))
            continue;
        struct trial t = {.graph = graph_new(&e), .n = 1, .mode = MODE_TRAIN, .x = x};
        t.in = graph_add(t.graph, &op_input, "x",
                         &(struct input_param){.shape = {4, {1, 9, 6, 7}}}, NULL, 0, &e);
        t.out = t.pool = graph_add(t.graph, &op_max_pool, "y", &windows[1], &t.in, 1, &e);
        setenv("LINNET_ISA", isas[i].name, 1);
        trial_run(&t, "ref", 1, &ref, NULL);
        trial_run(&t, "cpu", 1, &o, NULL);
        unsetenv("LINNET_ISA");
        assert_memory_equal(o.winner, ref.winner, ref.n_winner * sizeof(int32_t));
        for (size_t k = 0; k < ref.n_y; k++)
            assert_true(isnan(ref.y[k]) ? isnan(o.y[k]) : ref.y[k] == o.y[k]);
        outcome_release(&ref);
        outcome_release(&o);
        graph_free(t.graph);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slides),
        cmocka_unit_test(adaptive),
        cmocka_unit_test(ties_and_nan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
