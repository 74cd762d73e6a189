/* linear over odd shapes, against ref. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "backend/cpu/against_ref.h"

static void every_shape(void **state)
{
    (void)state;
    static const int dims[][3] = {{1, 1, 1},     {2, 7, 3},     {5, 16, 10},  {4, 33, 17},
                                  {16, 100, 64}, {3, 2049, 19}, {7, 1300, 5}, {13, 515, 33}};
    struct err e;
    for (size_t i = 0; i < COUNT_OF(dims); i++)
        for (int frozen = 0; frozen < 2; frozen++) {
            struct trial t = {.graph = graph_new(&e),
                              .row = "rows",
                              .n = dims[i][0],
                              .mode = MODE_TRAIN,
                              .frozen = frozen};
            struct input_param in = {.shape = {2, {1, dims[i][1]}}};
            struct linear_param p = {.out = dims[i][2], .no_bias = i == 3};
            t.in = graph_add(t.graph, &op_input, "x", &in, NULL, 0, &e);
            t.out = graph_add(t.graph, &op_linear, "fc", &p, &t.in, 1, &e);
            char label[64];
            snprintf(label, sizeof(label), "%d pictures, %d to %d", dims[i][0], dims[i][1],
                     dims[i][2]);
            trial_check(&t, label, 3e-6);
            graph_free(t.graph);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_shape)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
