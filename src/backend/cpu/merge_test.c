/* Sums, products and what is built on them, over odd shapes and layouts, against ref. */
#include "backend/cpu/isa.h"
#include "op/activation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "backend/cpu/against_ref.h"

static struct err e;

/* The op on inputs of these shapes, whose dim[0] is the batch; then an activation. */
static void check(const struct op *op, const void *param, const struct shape *shape, int n_in,
                  int kind, const char *row, enum dtype compute)
{
    struct node *in[TRIAL_MAX_MORE + 1] = {0};
    struct trial t = {.graph = graph_new(&e),
                      .n = shape->dim[0],
                      .mode = MODE_TRAIN,
                      .compute = compute,
                      .needs_bf16 = compute == DTYPE_BF16,
                      .row = row};
    for (int i = 0; i < n_in; i++)
        in[i] = trial_input(t.graph, &shape[i]);
    t.in = in[0];
    for (int i = 1; i < n_in; i++)
        t.more[i - 1] = in[i];
    t.out = trial_add(t.graph, op, param, in, n_in);
    if (kind != ACTIVATION_identity)
        t.out = trial_add(t.graph, &op_activation, &(struct activation_param){kind}, &t.out, 1);
    char what[128], text[64];
    snprintf(what, sizeof(what), "%s of %s, %d pictures, %s", op->name,
             shape_text(shape, text, sizeof(text)), shape->dim[0], activation_name[kind]);
    trial_check(&t, what, compute == DTYPE_BF16 ? 1.2e-2 : 3e-6);
    graph_free(t.graph);
}

static const struct shape shapes[] = {
    {4, {2, 5, 7, 9}},  {4, {1, 1, 1, 1}},   {4, {3, 16, 4, 6}},
    {4, {2, 33, 5, 3}}, {4, {5, 40, 17, 2}}, {3, {2, 5, 7}},
    {3, {4, 16, 32}},   {2, {3, 1}},         {2, {2, 37}},
};

static void sums(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        const struct shape two[2] = {shapes[i], shapes[i]};
        for (int half = 0; half < 2; half++) {
            enum dtype compute = half && shapes[i].rank == 4 ? DTYPE_BF16 : DTYPE_F32;
            check(&op_add, NULL, two, 2, ACTIVATION_identity, ": add, merge", compute);
            check(&op_add, NULL, two, 2, ACTIVATION_relu, ": add+activation, merge", compute);
        }
    }
}

static void every_activation(void **state)
{
    (void)state;
    const struct shape picture[2] = {{4, {2, 5, 7, 9}}, {4, {2, 5, 7, 9}}};
    const struct shape plain[2] = {{2, {3, 77}}, {2, {3, 77}}};
    for (int kind = 1; kind < ACTIVATION_COUNT; kind++) {
        bool zero = kind != ACTIVATION_sigmoid && kind != ACTIVATION_hardsigmoid;
        const char *row = zero ? ": add+activation, merge" : ": add, merge";
        check(&op_add, NULL, picture, 2, kind, row, DTYPE_F32);
        check(&op_add, NULL, picture, 2, kind, row, DTYPE_BF16);
        check(&op_add, NULL, plain, 2, kind, ": add+activation, merge", DTYPE_F32);
        check(&op_activation, &(struct activation_param){kind}, plain, 1, ACTIVATION_identity,
              ": activation, merge", DTYPE_F32);
    }
}

static void products(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(shapes); i++)
        for (int half = 0; half < 2; half++) {
            const struct shape equal[2] = {shapes[i], shapes[i]};
            enum dtype compute = half && shapes[i].rank == 4 ? DTYPE_BF16 : DTYPE_F32;
            check(&op_mul, NULL, equal, 2, ACTIVATION_identity, ": mul, merge", compute);
            if (shapes[i].rank != 4)
                continue;
            const struct shape gated[2] = {shapes[i],
                                           {4, {shapes[i].dim[0], shapes[i].dim[1], 1, 1}}};
            check(&op_mul, NULL, gated, 2, ACTIVATION_identity, ": mul, merge", compute);
            check(&op_layer_scale, &(struct layer_scale_param){0.5f}, &shapes[i], 1,
                  ACTIVATION_identity, ": layer_scale, merge", compute);
            check(&op_stochastic_depth, &(struct dropout_param){0.4f}, &shapes[i], 1,
                  ACTIVATION_identity, ": stochastic_depth, merge", compute);
        }
}

/* Channels that divide by the vector, that do not, and that are fewer. */
static void concats(void **state)
{
    (void)state;
    static const int channels[][4] = {{16, 32, 48, 16}, {8, 24, 8, 40}, {16, 5, 11, 7},
                                      {5, 33, 2, 64},   {1, 1, 1, 1},   {3, 30, 16, 1}};
    for (size_t i = 0; i < COUNT_OF(channels); i++)
        for (int n_in = 1; n_in <= 4; n_in++) {
            struct shape shape[4];
            for (int k = 0; k < n_in; k++)
                shape[k] = (struct shape){4, {3, channels[i][k], 5, 7}};
            check(&op_concat, NULL, shape, n_in, ACTIVATION_identity, ": concat, blocks",
                  DTYPE_F32);
            check(&op_concat, NULL, shape, n_in, ACTIVATION_identity, ": concat, blocks",
                  DTYPE_BF16);
        }
}

/* x is read by four nodes, one of which gives its gradient on as it is: relu(s + x) + s, s = x + x. */
static void shared_gradients(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(shapes); i++)
        for (int half = 0; half < 2; half++) {
            struct trial t = {.graph = graph_new(&e),
                              .n = shapes[i].dim[0],
                              .mode = MODE_TRAIN,
                              .compute = half && shapes[i].rank == 4 ? DTYPE_BF16 : DTYPE_F32,
                              .row = ": add+activation, merge"};
            t.needs_bf16 = t.compute == DTYPE_BF16;
            t.in = trial_input(t.graph, &shapes[i]);
            struct node *s =
                trial_add(t.graph, &op_add, NULL, (struct node *[]){t.in, t.in}, 2);
            struct node *z = trial_add(t.graph, &op_add, NULL, (struct node *[]){s, t.in}, 2);
            z = trial_add(t.graph, &op_activation, &(struct activation_param){ACTIVATION_relu},
                          &z, 1);
            t.out = trial_add(t.graph, &op_add, NULL, (struct node *[]){z, s}, 2);
            trial_check(&t, "shared gradients", half ? 1.2e-2 : 3e-6);
            graph_free(t.graph);
        }
}

/* f(a + b) is read by one add as it is, and by others through products: each reader has another
 * gradient, and those of more than a few are added up by a fork. */
static void check_readers(const struct shape *shape, int kind, int n_reader, enum dtype compute)
{
    struct trial t = {.graph = graph_new(&e),
                      .n = shape->dim[0],
                      .mode = MODE_TRAIN,
                      .compute = compute,
                      .needs_bf16 = compute == DTYPE_BF16,
                      .row = kind == ACTIVATION_identity ? ": add, merge"
                                                         : ": add+activation, merge"};
    struct node *in[2] = {trial_input(t.graph, shape), trial_input(t.graph, shape)};
    t.in = in[0];
    t.more[0] = in[1];
    struct node *z = trial_add(t.graph, &op_add, NULL, in, 2);
    if (kind != ACTIVATION_identity)
        z = trial_add(t.graph, &op_activation, &(struct activation_param){kind}, &z, 1);
    t.out = trial_readers(t.graph, z, in, n_reader);
    char what[128], text[64];
    snprintf(what, sizeof(what), "%s of %s read %d times", activation_name[kind],
             shape_text(shape, text, sizeof(text)), n_reader);
    trial_check(&t, what, compute == DTYPE_BF16 ? 2e-2 : 3e-6);
    graph_free(t.graph);
}

static void many_readers(void **state)
{
    (void)state;
    static const int kinds[] = {ACTIVATION_identity, ACTIVATION_relu, ACTIVATION_silu};
    for (size_t i = 0; i < COUNT_OF(shapes); i++)
        for (size_t k = 0; k < COUNT_OF(kinds); k++)
            for (int n_reader = 1; n_reader <= 6; n_reader++) {
                check_readers(&shapes[i], kinds[k], n_reader, DTYPE_F32);
                if (shapes[i].rank == 4)
                    check_readers(&shapes[i], kinds[k], n_reader, DTYPE_BF16);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums),
        cmocka_unit_test(every_activation),
        cmocka_unit_test(products),
        cmocka_unit_test(concats),
        cmocka_unit_test(shared_gradients),
        cmocka_unit_test(many_readers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
