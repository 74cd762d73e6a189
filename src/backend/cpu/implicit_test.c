/* Convolutions by implicit matrix products, against ref: with a bias, with a batch norm that takes the
 * moments of what they write; the same for any number of threads. */
#include "op/activation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "backend/cpu/against_ref.h"

/* Channels that do not fill vectors or panels, more than a task's or a chunk's; pixels of several blocks
 * and parts, of less than a group; planes that a stride does not divide; taps with nothing under them. */
static const struct implicit_case {
    int n, c, k, h, w, kernel, stride, pad;
} cases[] = {
    {3, 16, 32, 9, 7, 1, 1, 0},   {2, 33, 17, 30, 26, 1, 1, 0}, {2, 8, 150, 1, 2, 1, 1, 0},
    {2, 144, 40, 5, 12, 1, 1, 0}, {2, 24, 48, 13, 10, 1, 2, 0}, {1, 16, 16, 7, 8, 1, 3, 0},
    {1, 20, 64, 44, 41, 1, 2, 0}, {3, 300, 450, 3, 3, 1, 1, 0}, {3, 40, 33, 14, 14, 3, 2, 1},
    {1, 17, 40, 57, 30, 3, 2, 1}, {2, 32, 20, 9, 30, 3, 2, 0},  {2, 130, 150, 8, 6, 3, 2, 1},
    {4, 16, 16, 2, 1, 3, 2, 1},   {2, 18, 20, 17, 16, 5, 1, 2}, {1, 24, 16, 11, 9, 3, 3, 1},
    {2, 16, 40, 6, 7, 4, 2, 1},
};

static void check(bool norm)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct implicit_case *c = &cases[i];
        struct err e = {0};
        struct shape in = {4, {c->n, c->c, c->h, c->w}};
        struct conv2d_param conv = trial_square(c->k, c->kernel, c->stride);
        struct trial t = {.graph = graph_new(&e),
                          .n = c->n,
                          .mode = MODE_TRAIN,
                          .row = "implicit_gemm",
                          .avoid = (const char *[]){"onednn", NULL}};
        conv.no_bias = norm;
        conv.pad_h = conv.pad_w = c->pad;
        t.in = trial_input(t.graph, &in);
        t.out = trial_add(t.graph, &op_conv2d, &conv, &t.in, 1);
        if (norm)
            t.out = trial_add(t.graph, &op_batch_norm, &(struct batch_norm_param){.eps = 1e-3f},
                              &t.out, 1);
        char text[96];
        snprintf(text, sizeof(text), "%d to %d, %d x %d, kernel %d, stride %d%s", c->c, c->k,
                 c->h, c->w, c->kernel, c->stride, norm ? ", batch norm" : "");
        trial_check(&t, text, 5e-5);
        graph_free(t.graph);
    }
}

static void with_bias(void **state)
{
    (void)state;
    check(false);
}

static void with_moments(void **state)
{
    (void)state;
    check(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(with_bias),
                                       cmocka_unit_test(with_moments)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
