/* Batch norm, an add and perhaps an activation as one group, whatever reads it and whatever is added,
 * over odd shapes, against ref. */
#include "backend/cpu/isa.h"
#include "op/activation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "backend/cpu/against_ref.h"

enum added { ADD_INPUT, ADD_FIRST, ADD_NORM, ADD_SELF, ADD_COUNT };
static const char *const added_name[] = {"another input", "another input first",
                                         "another batch norm", "its own input"};

struct block {
    enum added added;
    int kind, n_reader;
    int dim[4];
};

static struct err e;

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

static struct node *input(struct graph *g, const int dim[4])
{
    struct input_param in = {.shape = {4, {1, dim[1], dim[2], dim[3]}}};
    return add(g, &op_input, &in, NULL, 0);
}

/* The block, then as many readers, each with another gradient. */
static struct trial build(const struct block *b)
{
    struct trial t = {.graph = graph_new(&e), .n = b->dim[0]};
    struct node *in[2] = {input(t.graph, b->dim), input(t.graph, b->dim)}, *from[2];
    t.in = in[0];
    t.more[0] = b->added == ADD_SELF && b->n_reader == 1 ? NULL : in[1]; /* what is read */
    from[1] = in[b->added != ADD_SELF];
    if (b->added == ADD_NORM)
        from[1] = add(t.graph, &op_batch_norm, NULL, &in[1], 1);
    from[0] = add(t.graph, &op_batch_norm, NULL, &in[0], 1);
    if (b->added == ADD_FIRST)
        t.out = add(t.graph, &op_add, NULL, (struct node *[]){from[1], from[0]}, 2);
    else
        t.out = add(t.graph, &op_add, NULL, from, 2);
    if (b->kind != ACTIVATION_identity)
        t.out = add(t.graph, &op_activation, &(struct activation_param){b->kind}, &t.out, 1);
    struct node *y = t.out;
    for (int i = 1; i < b->n_reader; i++) {
        struct node *p = add(t.graph, &op_mul, NULL, (struct node *[]){y, in[i % 2]}, 2);
        t.out = add(t.graph, &op_add, NULL, (struct node *[]){t.out, p}, 2);
    }
    t.row = b->kind == ACTIVATION_identity ? ": batch_norm+add, fused"
                                           : ": batch_norm+add+activation, fused";
    return t;
}

static void check(const struct block *b, enum mode mode, enum dtype compute, double tolerance)
{
    struct trial t = build(b);
    t.mode = mode;
    t.forward = mode == MODE_EVAL; /* with gradients its nodes are groups of their own */
    t.compute = compute;
    t.needs_bf16 = compute == DTYPE_BF16;
    char what[192];
    snprintf(what, sizeof(what), "%s of %dx%dx%dx%d and %s, %d readers, %s",
             activation_name[b->kind], b->dim[0], b->dim[1], b->dim[2], b->dim[3],
             added_name[b->added], b->n_reader, mode == MODE_TRAIN ? "train" : "eval");
    trial_check(&t, what, tolerance);
    graph_free(t.graph);
}

static void every_activation(void **state)
{
    (void)state;
    for (int kind = 0; kind < ACTIVATION_COUNT; kind++)
        for (int n_reader = 1; n_reader <= 3; n_reader++) {
            struct block b = {ADD_INPUT, kind, n_reader, {2, 5, 7, 9}};
            check(&b, MODE_TRAIN, DTYPE_F32, 3e-6);
            check(&b, MODE_TRAIN, DTYPE_BF16, 1.5e-2);
            check(&b, MODE_EVAL, DTYPE_F32, 3e-6);
        }
}

static void every_shape(void **state)
{
    (void)state;
    static const int kinds[] = {ACTIVATION_identity, ACTIVATION_relu, ACTIVATION_silu};
    static const int dims[][4] = {{1, 2, 1, 2},    {3, 16, 4, 6},  {2, 17, 5, 2},
                                  {1, 33, 3, 11},  {5, 8, 8, 8},   {2, 9, 13, 700},
                                  {1, 3, 2, 4100}, {4, 31, 16, 16}};
    for (size_t d = 0; d < COUNT_OF(dims); d++)
        for (size_t k = 0; k < COUNT_OF(kinds); k++) {
            struct block b = {ADD_INPUT, kinds[k], 2, {0}};
            memcpy(b.dim, dims[d], sizeof(b.dim));
            check(&b, MODE_TRAIN, DTYPE_F32, 1e-5);
            check(&b, MODE_TRAIN, DTYPE_BF16, 2e-2);
        }
}

/* Which tensors are added, and more readers than are added up on the way. */
static void every_neighbour(void **state)
{
    (void)state;
    for (int added = 0; added < ADD_COUNT; added++)
        for (int n_reader = 1; n_reader <= 6; n_reader++) {
            struct block b = {(enum added)added, ACTIVATION_relu, n_reader, {3, 18, 9, 6}};
            check(&b, MODE_TRAIN, DTYPE_F32, 3e-6);
            check(&b, MODE_TRAIN, DTYPE_BF16, 2e-2);
            check(&b, MODE_EVAL, DTYPE_F32, 3e-6);
            b.kind = ACTIVATION_gelu;
            check(&b, MODE_TRAIN, DTYPE_F32, 3e-6);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_activation),
        cmocka_unit_test(every_shape),
        cmocka_unit_test(every_neighbour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
