/* Every rule against torch.optim, in every instruction set; every schedule against torch. */
#include "optim/optimiser.h"
#include "optim/schedule.h"

#include "backend/cpu/isa.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "../../tests/golden/optim.inc"

enum { N = 8, STEPS = 12, BIG = 40000 /* more than two pieces */ };

/* A graph of one weight tensor, enough for an optimiser. */
struct world {
    struct node node;
    struct node *list[1];
    struct graph graph;
    struct weights weights;
    struct backend backend;
    float value[BIG], grad[BIG];
};

static void world_init(struct world *w, int n, const struct isa *isa, int n_thread)
{
    memset(w, 0, sizeof(*w));
    w->node.name = "w";
    w->node.n_weight = 1;
    w->node.weight[0] =
        (struct weight){.name = "weight", .shape = {1, {n}}, .trained = true, .decay = true};
    w->list[0] = &w->node;
    w->graph = (struct graph){.node = w->list, .n_node = 1, .n_value = (size_t)n};
    w->weights = (struct weights){.graph = &w->graph, .value = w->value, .grad = w->grad};
    w->backend = (struct backend){.n_thread = n_thread, .isa = isa};
    for (int i = 0; i < n; i++)
        w->value[i] = start[i % N];
}

static void set_options(const struct option *row, void *into, const char *given,
                        struct arena *a)
{
    struct err e = {0};
    struct option_table table = {row, into};
    assert_true(option_defaults(&table, 1, a, &e));
    char text[256];
    snprintf(text, sizeof(text), "%s", given);
    char *rest;
    for (char *at = strtok_r(text, " ", &rest); at; at = strtok_r(NULL, " ", &rest)) {
        char *value = strchr(at, '=');
        *value++ = '\0';
        if (!option_set(&table, 1, at, value, a, &e))
            fail_msg("%s", e.msg);
    }
}

static void config_of(struct optim_config *cfg, const char *rule, const char *given, double lr)
{
    struct arena a = {0};
    struct err e = {0};
    char all[256];
    snprintf(all, sizeof(all), "optimiser=%s lr=%.17g %s", rule, lr, given);
    set_options(optim_options, cfg, all, &a);
    if (!strstr(given, "weight_decay"))
        cfg->weight_decay = 0;
    if (!optim_resolve(cfg, &e))
        fail_msg("%s", e.msg);
    arena_release(&a);
}

static void take_steps(struct optimiser *o, struct world *w, int n, int from, int to, double lr)
{
    for (int t = from; t < to; t++) {
        for (int i = 0; i < n; i++)
            w->grad[i] = slope[i % N] * w->value[i] + (float)(0.1 * sin(t + i % N));
        optimiser_step(o, &w->weights, w->grad, lr, 1);
    }
}

static struct world world, other;

static void check_golden(const struct isa *isa)
{
    for (size_t k = 0; k < COUNT_OF(golden); k++) {
        struct err e = {0};
        struct optim_config cfg;
        config_of(&cfg, golden[k].rule, golden[k].set, golden[k].lr);
        world_init(&world, N, isa, 1);
        struct optimiser o;
        assert_true(optimiser_init(&o, &cfg, &world.backend, &world.graph, NULL, &e));
        take_steps(&o, &world, N, 0, STEPS, cfg.lr);
        for (int i = 0; i < N; i++)
            if (!(fabsf(world.value[i] - golden[k].w[i]) <= 2e-6f))
                fail_msg("%s %s (%s): w[%d] is %.9g, torch has %.9g", golden[k].rule,
                         golden[k].set, isa ? isa->name : "ref", i, (double)world.value[i],
                         (double)golden[k].w[i]);
        optimiser_release(&o);
    }
}

static void equals_torch(void **state)
{
    (void)state;
    check_golden(NULL);
    int checked = 1;
    for (int i = 0; i < ISA_COUNT; i++)
        if (isa_present(&isas[i])) {
            check_golden(&isas[i]);
            checked++;
        }
    print_message("%zu cases x %d instruction sets\n", COUNT_OF(golden), checked);
}

static void finds_the_bottom_of_a_bowl(void **state)
{
    (void)state;
    for (int k = 0; optims[k]; k++) {
        struct err e = {0};
        struct optim_config cfg;
        config_of(&cfg, optims[k]->name, "", strcmp(optims[k]->name, "adagrad") ? 0.02 : 0.5);
        assert_int_equal(cfg.kind, k); /* the choices stand in the order of the rows */
        world_init(&world, N, NULL, 1);
        struct optimiser o;
        assert_true(optimiser_init(&o, &cfg, &world.backend, &world.graph, NULL, &e));
        for (int t = 0; t < 2000; t++) {
            for (int i = 0; i < N; i++)
                world.grad[i] = slope[1] * (world.value[i] - 0.7f);
            optimiser_step(&o, &world.weights, world.grad, cfg.lr * (1 - t / 2000.0), 1);
        }
        for (int i = 0; i < N; i++)
            if (fabsf(world.value[i] - 0.7f) > 0.02f)
                fail_msg("%s: %g", optims[k]->name, (double)world.value[i]);
        optimiser_release(&o);
    }
}

/* Stopped after 7 steps, its state copied into a new optimiser: the same bits; and with other
 * numbers of threads. */
static void resumes_bit_for_bit(void **state)
{
    (void)state;
    struct err e = {0};
    for (int k = 0; optims[k]; k++) {
        struct optim_config cfg;
        config_of(&cfg, optims[k]->name, "", 0.01);
        struct optimiser o, half, rest;
        world_init(&world, BIG, isa_choose(&e), 1);
        assert_true(optimiser_init(&o, &cfg, &world.backend, &world.graph, NULL, &e));
        take_steps(&o, &world, BIG, 0, STEPS, cfg.lr);
        world_init(&other, BIG, isa_choose(&e), 2);
        assert_true(optimiser_init(&half, &cfg, &other.backend, &other.graph, NULL, &e));
        take_steps(&half, &other, BIG, 0, 7, cfg.lr);
        assert_true(optimiser_init(&rest, &cfg, &other.backend, &other.graph, NULL, &e));
        rest.step = half.step;
        rest.product = half.product;
        for (int s = 0; s < UPDATE_MAX_SLOT && half.slot[s]; s++)
            memcpy(rest.slot[s], half.slot[s], BIG * sizeof(float));
        take_steps(&rest, &other, BIG, 7, STEPS, cfg.lr);
        assert_memory_equal(world.value, other.value, sizeof(world.value));
        double norm = optimiser_norm(&o, world.grad), again = optimiser_norm(&rest, world.grad);
        assert_memory_equal(&norm, &again, sizeof(norm));
        optimiser_release(&o);
        optimiser_release(&half);
        optimiser_release(&rest);
    }
}

static void norm_sees_what_is_not_finite(void **state)
{
    (void)state;
    struct err e = {0};
    struct optim_config cfg;
    config_of(&cfg, "sgd", "", 0.01);
    world_init(&world, BIG, isa_choose(&e), 2);
    struct optimiser o;
    assert_true(optimiser_init(&o, &cfg, &world.backend, &world.graph, NULL, &e));
    for (int i = 0; i < BIG; i++)
        world.grad[i] = 3e37f; /* a square that is no float */
    assert_true(fabs(optimiser_norm(&o, world.grad) / (3e37 * 200) - 1) < 1e-6);
    float bad[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < BIG; i += 997) {
        world.grad[i] = bad[i % 3];
        assert_true(!isfinite(optimiser_norm(&o, world.grad)));
        world.grad[i] = 0;
    }
    optimiser_release(&o);
}

static void exempts_norms_and_frozen_nodes(void **state)
{
    (void)state;
    struct err e = {0};
    struct optim_config cfg;
    config_of(&cfg, "adamw", "weight_decay=0.5", 0.1);
    const double frozen[] = {0};
    for (int k = 0; k < 3; k++) {
        world_init(&world, N, NULL, 1);
        world.node.weight[0].decay = false;
        cfg.decay_all = k == 1;
        struct optimiser o;
        assert_true(
            optimiser_init(&o, &cfg, &world.backend, &world.graph, k == 2 ? frozen : NULL, &e));
        memset(world.grad, 0, sizeof(world.grad)); /* only decay can move the weights */
        optimiser_step(&o, &world.weights, world.grad, cfg.lr, 1);
        for (int i = 0; i < N; i++)
            assert_float_equal(world.value[i], start[i] * (k == 1 ? 0.95f : 1), 1e-6);
        optimiser_release(&o);
    }
}

/* A factor on a node is a learning rate of its own, in every rule. */
static void rates_are_learning_rates(void **state)
{
    (void)state;
    for (int k = 0; optims[k]; k++) {
        struct err e = {0};
        struct optim_config cfg;
        float moved[2][N];
        const double half = 0.5;
        config_of(&cfg, optims[k]->name, "", 0.1);
        for (int turn = 0; turn < 2; turn++) {
            world_init(&world, N, NULL, 1);
            struct optimiser o;
            assert_true(optimiser_init(&o, &cfg, &world.backend, &world.graph,
                                       turn ? &half : NULL, &e));
            for (int step = 0; step < 8; step++) {
                for (int i = 0; i < N; i++)
                    world.grad[i] = (float)(i + 1) * world.value[i] + 0.1f;
                optimiser_step(&o, &world.weights, world.grad, turn ? 0.1 : 0.05, 1);
            }
            memcpy(moved[turn], world.value, sizeof(moved[turn]));
            optimiser_release(&o);
        }
        assert_memory_equal(moved[0], moved[1], sizeof(moved[0]));
    }
}

static void begins_anew(void **state)
{
    (void)state;
    struct err e = {0};
    struct optim_config cfg;
    float first[N];
    config_of(&cfg, "nadam", "", 0.1);
    world_init(&world, N, NULL, 1);
    struct optimiser o;
    assert_true(optimiser_init(&o, &cfg, &world.backend, &world.graph, NULL, &e));
    for (int turn = 0; turn < 2; turn++) {
        memcpy(world.value, start, N * sizeof(float));
        for (int i = 0; i < N; i++)
            world.grad[i] = (float)(i + 1);
        for (int step = 0; step < 3; step++)
            optimiser_step(&o, &world.weights, world.grad, 0.1, 1);
        if (turn == 0)
            memcpy(first, world.value, sizeof(first));
        assert_true(optimiser_restart(&o, &world.graph, NULL, &e));
    }
    assert_memory_equal(first, world.value, sizeof(first));
    optimiser_release(&o);
}

static void refuses_what_a_rule_does_not_read(void **state)
{
    (void)state;
    struct arena a = {0};
    struct err e = {0};
    struct optim_config cfg;
    set_options(optim_options, &cfg, "optimiser=adam momentum=0.9", &a);
    assert_false(optim_resolve(&cfg, &e));
    assert_string_equal(e.msg, "--momentum 0.9: the optimiser adam has no such number");
    set_options(optim_options, &cfg, "optimiser=sgd nesterov=true", &a);
    assert_false(optim_resolve(&cfg, &e));
    set_options(optim_options, &cfg, "optimiser=adamw", &a);
    assert_true(optim_resolve(&cfg, &e));
    assert_true(
        optim_resolve(&cfg, &e)); /* what is resolved stays so: configurations are reread */
    arena_release(&a);
}

static void schedules_equal_torch(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT_OF(golden_rate); k++) {
        struct arena a = {0};
        struct schedule_config cfg;
        char all[256];
        snprintf(all, sizeof(all), "schedule=%s %s", golden_rate[k].kind, golden_rate[k].set);
        set_options(schedule_options, &cfg, all, &a);
        assert_string_equal(schedules[cfg.kind].name, golden_rate[k].kind);
        struct schedule s;
        schedule_init(&s, &cfg, 20, 4);
        for (int i = 0; i < 20; i++)
            if (fabs(schedule_factor(&s, i) - golden_rate[k].rate[i]) > 1e-9)
                fail_msg("%s at %d: %.12g, torch has %.12g", golden_rate[k].kind, i,
                         schedule_factor(&s, i), golden_rate[k].rate[i]);
        arena_release(&a);
    }
}

static void warms_up_every_schedule(void **state)
{
    (void)state;
    for (int k = 0; schedules[k].name; k++) {
        struct arena a = {0};
        struct schedule_config cfg;
        char all[64];
        snprintf(all, sizeof(all), "schedule=%s warmup=2", schedules[k].name);
        set_options(schedule_options, &cfg, all, &a);
        struct schedule s;
        schedule_init(&s, &cfg, 100, 10);
        double top = schedule_factor(&s, 20);
        assert_true(top > 0 && top <= 1);
        for (int i = 0; i < 20; i++)
            assert_true(fabs(schedule_factor(&s, i) - top * (i + 1) / 20) < 1e-9);
        for (int i = 0; i < 100; i++)
            assert_true(schedule_factor(&s, i) >= 0 && schedule_factor(&s, i) <= 1);
        arena_release(&a);
    }
}

static void plateau_drops_after_patience(void **state)
{
    (void)state;
    struct arena a = {0};
    struct schedule_config cfg;
    set_options(schedule_options, &cfg, "schedule=plateau patience=2 gamma=0.5", &a);
    struct schedule s;
    schedule_init(&s, &cfg, 100, 10);
    double loss[] = {1, 0.9, 0.9, 0.9, 0.9, 0.8, 0.8, 0.8, (double)NAN, 0.9};
    double want[] = {1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25};
    for (int i = 0; i < 10; i++) {
        schedule_validated(&s, loss[i]);
        assert_true(fabs(schedule_factor(&s, 50) - want[i]) < 1e-12);
    }
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_torch),
        cmocka_unit_test(finds_the_bottom_of_a_bowl),
        cmocka_unit_test(resumes_bit_for_bit),
        cmocka_unit_test(norm_sees_what_is_not_finite),
        cmocka_unit_test(exempts_norms_and_frozen_nodes),
        cmocka_unit_test(rates_are_learning_rates),
        cmocka_unit_test(begins_anew),
        cmocka_unit_test(refuses_what_a_rule_does_not_read),
        cmocka_unit_test(schedules_equal_torch),
        cmocka_unit_test(warms_up_every_schedule),
        cmocka_unit_test(plateau_drops_after_patience),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
