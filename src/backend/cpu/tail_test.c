/* Convolutions with what follows them in evaluation, by each row that takes it in, against ref; and the
 * same again after the weights have changed. */
#include "backend/cpu/isa.h"
#include "op/activation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "backend/cpu/against_ref.h"

static struct err e;

struct tail_case {
    const char *row; /* that must be chosen */
    int n, c, k, side, kernel, stride, groups;
};
static const struct tail_case cases[] = {
    {"winograd", 3, 16, 24, 9, 3, 1, 1}, {"winograd", 2, 33, 17, 12, 3, 1, 1},
    {"onednn", 3, 24, 40, 7, 1, 1, 1},   {"onednn", 2, 32, 48, 11, 3, 2, 1},
    {"onednn", 2, 40, 40, 9, 3, 1, 40},  {"onednn", 3, 17, 17, 8, 5, 2, 17},
};
static const struct tail_case first_cases[] = {
    {"first_layer", 3, 3, 24, 9, 3, 2, 1},
    {"first_layer", 2, 4, 40, 16, 7, 2, 1},
    {"first_layer", 2, 1, 16, 11, 3, 1, 1},
};

static struct node *add(struct graph *g, const struct op *op, const void *param,
                        struct node *const *in, int n_in)
{
    char name[32];
    snprintf(name, sizeof(name), "%s%d", op->name, g->n_node);
    struct node *n = graph_add(g, op, name, param, in, n_in, &e);
    if (!n)
        fail_msg("%s", e.msg);
    return n;
}

/* One that adds adds its input, brought to the output's shape by a convolution of its own. */
static struct node *shortcut(struct graph *g, const struct tail_case *c, struct node *in)
{
    struct conv2d_param p = trial_square(c->k, c->kernel, c->stride);
    p.groups = c->groups;
    return add(g, &op_conv2d, &p, &in, 1);
}

static void check(const struct tail_case *c, bool norm, bool more, int kind, enum dtype compute)
{
    struct conv2d_param p = trial_square(c->k, c->kernel, c->stride);
    p.groups = c->groups;
    p.no_bias = kind % 2 == 1;
    struct input_param in = {.shape = {4, {1, c->c, c->side, c->side + 1}}};
    struct trial t = {.graph = graph_new(&e),
                      .n = c->n,
                      .mode = MODE_EVAL,
                      .forward = true,
                      .compute = compute,
                      .needs_bf16 = compute == DTYPE_BF16};
    t.in = add(t.graph, &op_input, &in, NULL, 0);
    struct node *pair[2] = {NULL, more ? shortcut(t.graph, c, t.in) : NULL};
    pair[0] = add(t.graph, &op_conv2d, &p, &t.in, 1);
    if (norm)
        pair[0] =
            add(t.graph, &op_batch_norm, &(struct batch_norm_param){.eps = 1e-3f}, pair, 1);
    if (more)
        pair[0] = add(t.graph, &op_add, NULL, pair, 2);
    if (kind != ACTIVATION_identity)
        pair[0] = add(t.graph, &op_activation, &(struct activation_param){kind}, pair, 1);
    t.out = pair[0];
    char row[128], what[160];
    snprintf(row, sizeof(row), ": conv2d%s%s%s, %s", norm ? "+batch_norm" : "",
             more ? "+add" : "", kind != ACTIVATION_identity ? "+activation" : "", c->row);
    t.row = row;
    snprintf(what, sizeof(what), "%s of %s, %d to %d, %dx%d, stride %d", row,
             activation_name[kind], c->c, c->k, c->kernel, c->kernel, c->stride);
    trial_check(&t, what, compute == DTYPE_BF16 ? 4e-2 : 2e-5);
    graph_free(t.graph);
}

static void every_tail(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (int half = 0; half < 2; half++) {
            enum dtype compute = half ? DTYPE_BF16 : DTYPE_F32;
            check(&cases[i], true, true, ACTIVATION_relu, compute);
            check(&cases[i], true, true, ACTIVATION_identity, compute);
            check(&cases[i], true, false, ACTIVATION_silu, compute);
            check(&cases[i], true, false, ACTIVATION_identity, compute);
            check(&cases[i], false, false, ACTIVATION_relu, compute);
        }
}

/* The first convolution takes in what clamps. */
static void every_first(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(first_cases); i++)
        for (int half = 0; half < 2; half++) {
            enum dtype compute = half ? DTYPE_BF16 : DTYPE_F32;
            check(&first_cases[i], true, false, ACTIVATION_relu, compute);
            check(&first_cases[i], true, false, ACTIVATION_relu6, compute);
            check(&first_cases[i], false, false, ACTIVATION_relu, compute);
            check(&first_cases[i], false, false, ACTIVATION_relu6, compute);
        }
}

/* Channels that fill no vector: what is padding stays zero whatever f(0) is. */
static void every_activation(void **state)
{
    (void)state;
    for (int kind = 0; kind < ACTIVATION_COUNT; kind++) {
        if (kind == ACTIVATION_hardsigmoid || kind == ACTIVATION_identity)
            continue; /* oneDNN 2 has no hard sigmoid */
        check(&cases[5], true, false, kind, DTYPE_F32);
        check(&cases[5], true, true, kind, DTYPE_F32);
        check(&cases[5], true, false, kind, DTYPE_BF16);
    }
}

/* Folded weights are renewed with the weights' version. */
static void weights_change(void **state)
{
    (void)state;
    struct backend *b = backend_open("cpu", 2, &e);
    const struct tail_case *all[] = {&cases[0], &cases[2], &cases[4], &first_cases[0]};
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        struct graph *g = graph_new(&e);
        struct input_param in = {.shape = {4, {1, all[i]->c, 6, 6}}};
        struct node *x = add(g, &op_input, &in, NULL, 0), *y = shortcut(g, all[i], x);
        y = add(g, &op_batch_norm, NULL, &y, 1);
        y = add(g, &op_activation, &(struct activation_param){ACTIVATION_relu}, &y, 1);
        struct weights *w = weights_new(g, &e);
        struct plan *p = plan_new(
            b,
            &(struct plan_request){.graph = g, .max_n = 1, .keep = (struct node *[]){y, NULL}},
            w, &e);
        size_t n = shape_count(&y->out);
        float *data = trial_new(shape_count(&x->out)), *first = trial_new(n),
              *second = trial_new(n);
        weights_init(w, 4, NULL);
        trial_fill(data, shape_count(&x->out), 1, DTYPE_F32);
        assert_true(plan_feed(p, x, data, 1, &e) && plan_forward(p, 0, &e) &&
                    plan_read(p, y, first, &e));
        for (int c = 0; c < y->out.dim[1]; c++)
            weights_at(w, y->in[0], 0)[c] *= 2;
        assert_true(plan_forward(p, 0, &e) && plan_read(p, y, second, &e));
        assert_memory_equal(first, second, n * sizeof(float));
        weights_changed(w);
        assert_true(plan_forward(p, 0, &e) && plan_read(p, y, second, &e));
        for (size_t k = 0; k < n; k++)
            first[k] *= 2;
        trial_near("changed weights", second, first, n, 1e-5);
        mem_free(data);
        mem_free(first);
        mem_free(second);
        plan_free(p);
        weights_free(w);
        graph_free(g);
    }
    backend_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_tail),
        cmocka_unit_test(every_first),
        cmocka_unit_test(every_activation),
        cmocka_unit_test(weights_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
