/* A batch norm behind a convolution that takes its moments: training steps against ref; the same for
 * any number of threads where shards are asked for. */
#include "backend/cpu/isa.h"
#include "op/activation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "backend/cpu/against_ref.h"

/* Tiles cut off at both edges, several blocks of tiles, threads that share out channels (many weights,
 * few tiles), channels that do not fill vectors. */
static const struct moments_case {
    int n, c, k, h, w;
} cases[] = {
    {3, 16, 24, 9, 7},
    {2, 33, 17, 30, 26},
    {2, 64, 96, 8, 8},
    {5, 8, 40, 21, 12},
};

static void build(struct trial *t, const struct moments_case *c, enum dtype compute)
{
    struct err e = {0};
    struct shape in = {4, {c->n, c->c, c->h, c->w}};
    struct conv2d_param conv = trial_square(c->k, 3, 1);
    *t = (struct trial){.graph = graph_new(&e),
                        .n = c->n,
                        .mode = MODE_TRAIN,
                        .compute = compute,
                        .needs_bf16 = compute == DTYPE_BF16,
                        .row = "winograd"};
    t->in = trial_input(t->graph, &in);
    t->out = trial_add(t->graph, &op_conv2d, &conv, &t->in, 1);
    t->out = trial_add(t->graph, &op_batch_norm, &(struct batch_norm_param){.eps = 1e-3f},
                       &t->out, 1);
    t->out = trial_add(t->graph, &op_activation, &(struct activation_param){ACTIVATION_silu},
                       &t->out, 1);
}

static void near_ref(const struct trial *t, const struct outcome *ref, int threads,
                     double tolerance)
{
    struct outcome cpu;
    char text[512] = "";
    trial_run(t, "cpu", threads, &cpu, text);
    if (!strstr(text, t->row))
        fail_msg("not by %s: %s", t->row, text);
    trial_near(text, cpu.y, ref->y, ref->n_y, tolerance);
    trial_near(text, cpu.dx, ref->dx, ref->n_x, tolerance);
    trial_near(text, cpu.grad, ref->grad, t->graph->n_value, tolerance);
    trial_near(text, cpu.buffer, ref->buffer, t->graph->n_buffer, tolerance);
    outcome_release(&cpu);
}

static void check(enum dtype compute, double tolerance)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct trial t;
        struct outcome ref;
        build(&t, &cases[i], compute);
        trial_run(&t, "ref", 1, &ref, NULL);
        for (int k = 0; k < ISA_COUNT; k++) {
            if (!isa_present(&isas[k]) || (t.needs_bf16 && !isas[k].bf16))
                continue;
            setenv("LINNET_ISA", isas[k].name, 1);
            for (int threads = 1; threads <= 3; threads++)
                near_ref(&t, &ref, threads, tolerance);
        }
        unsetenv("LINNET_ISA");
        outcome_release(&ref);
        graph_free(t.graph);
    }
}

static void taken(void **state)
{
    (void)state;
    check(DTYPE_F32, 5e-5);
}

static void half_precision(void **state)
{
    (void)state;
    check(DTYPE_BF16, 1.2e-2);
}

static void shards(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct trial t;
        build(&t, &cases[i], DTYPE_F32);
        trial_check(&t, "shards", 5e-5);
        graph_free(t.graph);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taken), cmocka_unit_test(half_precision), cmocka_unit_test(shards)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
