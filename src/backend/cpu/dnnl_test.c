/* Convolutions by oneDNN, which no own kernel covers: kernels, strides, dilations and groups, against
 * ref; a batch smaller than the plan's; the same gradients for any number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "backend/cpu/against_ref.h"

struct shape_case {
    int n, c, h, w;
    struct conv2d_param p;
};
static const struct shape_case cases[] = {
    {3, 5, 9, 11, {.out = 7, .kernel_h = 3, .kernel_w = 3, .pad_h = 1, .pad_w = 1}},
    {2, 16, 8, 8, {.out = 32, .kernel_h = 1, .kernel_w = 1, .no_bias = true}},
    {2,
     3,
     17,
     15,
     {.out = 24,
      .kernel_h = 7,
      .kernel_w = 7,
      .pad_h = 3,
      .pad_w = 3,
      .stride_h = 2,
      .stride_w = 2}},
    {4,
     20,
     7,
     12,
     {.out = 17,
      .kernel_h = 5,
      .kernel_w = 3,
      .pad_h = 2,
      .pad_w = 0,
      .stride_h = 1,
      .stride_w = 3}},
    {1,
     33,
     10,
     10,
     {.out = 16,
      .kernel_h = 3,
      .kernel_w = 3,
      .pad_h = 2,
      .pad_w = 2,
      .dilation_h = 2,
      .dilation_w = 2}},
    {2,
     32,
     9,
     9,
     {.out = 64, .kernel_h = 3, .kernel_w = 3, .pad_h = 1, .pad_w = 1, .groups = 2}},
    {2,
     24,
     8,
     9,
     {.out = 24, .kernel_h = 3, .kernel_w = 3, .pad_h = 1, .pad_w = 1, .groups = 24}},
    {2, 12, 8, 8, {.out = 18, .kernel_h = 3, .kernel_w = 3, .groups = 3, .no_bias = true}},
};

static void check(const struct shape_case *c, enum mode mode, enum dtype compute, bool frozen,
                  double tolerance)
{
    struct err e;
    char label[96];
    struct trial t = {.graph = graph_new(&e),
                      .row = "onednn",
                      .n = c->n,
                      .mode = mode,
                      .compute = compute,
                      .needs_bf16 = compute == DTYPE_BF16,
                      .frozen = frozen,
                      .avoid =
                          (const char *[]){"winograd", "first_layer", "implicit_gemm", NULL}};
    struct input_param in = {.shape = {4, {1, c->c, c->h, c->w}}};
    t.in = graph_add(t.graph, &op_input, "x", &in, NULL, 0, &e);
    t.out = graph_add(t.graph, &op_conv2d, "conv", &c->p, &t.in, 1, &e);
    if (!t.out)
        fail_msg("%s", e.msg);
    snprintf(label, sizeof(label), "%d pictures %dx%dx%d, %dx%d to %d, %s", c->n, c->c, c->h,
             c->w, c->p.kernel_h, c->p.kernel_w, c->p.out,
             compute == DTYPE_BF16 ? "bf16" : "fp32");
    trial_check(&t, label, tolerance);
    graph_free(t.graph);
}

static void every_shape(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        check(&cases[i], MODE_TRAIN, DTYPE_F32, false, 1e-5);
        check(&cases[i], MODE_TRAIN, DTYPE_F32, true, 1e-5);
        check(&cases[i], MODE_EVAL, DTYPE_F32, true, 1e-5);
    }
}

static void half_precision(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        check(&cases[i], MODE_TRAIN, DTYPE_BF16, false, 1.5e-2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_shape),
                                       cmocka_unit_test(half_precision)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
