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

/* ADD_OLDER: y itself is then added to what is older than it, whose gradient is y's, and which is still
 * to be read when y's has been. */
enum added { ADD_INPUT, ADD_FIRST, ADD_NORM, ADD_SELF, ADD_OLDER, ADD_DEPTH, ADD_COUNT };
static const char *const added_name[] = {"another input",
                                         "another input first",
                                         "another batch norm",
                                         "its own input",
                                         "another input, then something older",
                                         "another input at random"};

struct block {
    enum added added;
    int kind, n_reader;
    struct shape shape;
};

/* The block, then as many readers, each with another gradient. */
static struct trial build(const struct block *b)
{
    struct trial t = {.graph = graph_new(&(struct err){0}), .n = b->shape.dim[0]};
    struct node *in[2] = {trial_input(t.graph, &b->shape), trial_input(t.graph, &b->shape)},
                *from[2];
    t.in = in[0];
    t.more[0] = b->added == ADD_SELF && b->n_reader == 1 ? NULL : in[1]; /* what is read */
    from[1] = in[b->added != ADD_SELF];
    struct node *old = NULL;
    if (b->added == ADD_OLDER)
        old = trial_add(t.graph, &op_activation, &(struct activation_param){ACTIVATION_silu},
                        &in[1], 1);
    if (b->added == ADD_NORM)
        from[1] = trial_add(t.graph, &op_batch_norm, NULL, &in[1], 1);
    from[0] = trial_add(t.graph, &op_batch_norm, NULL, &in[0], 1);
    if (b->added == ADD_DEPTH)
        from[0] =
            trial_add(t.graph, &op_stochastic_depth, &(struct dropout_param){0.4f}, from, 1);
    if (b->added == ADD_FIRST)
        t.out = trial_add(t.graph, &op_add, NULL, (struct node *[]){from[1], from[0]}, 2);
    else
        t.out = trial_add(t.graph, &op_add, NULL, from, 2);
    if (b->kind != ACTIVATION_identity)
        t.out =
            trial_add(t.graph, &op_activation, &(struct activation_param){b->kind}, &t.out, 1);
    t.out = trial_readers(t.graph, t.out, in, b->n_reader);
    if (old)
        t.out = trial_add(t.graph, &op_add, NULL, (struct node *[]){t.out, old}, 2);
    t.row = b->kind == ACTIVATION_identity ? ": batch_norm+add, fused"
                                           : ": batch_norm+add+activation, fused";
    return t;
}

static void check(const struct block *b, enum mode mode, enum dtype compute, double tolerance)
{
    struct trial t = build(b);
    t.mode = mode;
    if (b->added == ADD_DEPTH && mode == MODE_TRAIN)
        t.row = ": batch_norm+stochastic_depth+add, fused";
    t.forward = mode == MODE_EVAL;
    t.compute = compute;
    t.needs_bf16 = compute == DTYPE_BF16;
    char what[192], text[64];
    snprintf(what, sizeof(what), "%s of %s and %s, %d pictures, %d readers, %s",
             activation_name[b->kind], shape_text(&b->shape, text, sizeof(text)),
             added_name[b->added], t.n, b->n_reader, mode == MODE_TRAIN ? "train" : "eval");
    trial_check(&t, what, tolerance);
    if (t.forward) { /* a backward pass through running statistics takes other groups */
        t.forward = false;
        t.row = ": batch_norm, fused";
        trial_check(&t, what, tolerance);
    }
    graph_free(t.graph);
}

static void every_activation(void **state)
{
    (void)state;
    for (int kind = 0; kind < ACTIVATION_COUNT; kind++)
        for (int n_reader = 1; n_reader <= 3; n_reader++) {
            struct block b = {ADD_INPUT, kind, n_reader, {4, {2, 5, 7, 9}}};
            check(&b, MODE_TRAIN, DTYPE_F32, 3e-6);
            check(&b, MODE_TRAIN, DTYPE_BF16, 1.5e-2);
            check(&b, MODE_EVAL, DTYPE_F32, 3e-6);
        }
}

static void every_shape(void **state)
{
    (void)state;
    static const int kinds[] = {ACTIVATION_identity, ACTIVATION_relu, ACTIVATION_silu};
    static const struct shape shapes[] = {
        {4, {1, 2, 1, 2}}, {4, {3, 16, 4, 6}},   {4, {2, 17, 5, 2}},   {4, {1, 33, 3, 11}},
        {4, {5, 8, 8, 8}}, {4, {2, 9, 13, 700}}, {4, {1, 3, 2, 4100}}, {4, {4, 31, 16, 16}},
    };
    for (size_t d = 0; d < COUNT_OF(shapes); d++)
        for (size_t k = 0; k < COUNT_OF(kinds); k++) {
            struct block b = {ADD_INPUT, kinds[k], 2, shapes[d]};
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
            struct block b = {(enum added)added, ACTIVATION_relu, n_reader, {4, {3, 18, 9, 6}}};
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
