/* The first convolution: its forward pass writes the same numbers through and around the caches, and a
 * training step with batch norm behind it, for which it takes the moments, is ref's. */
#include "backend/cpu/first.h"
#include "backend/cpu/isa.h"
#include "base/mem.h"
#include "base/rng.h"
#include "op/activation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/cpu/against_ref.h"

static void *block(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
    assert_non_null(p);
    memset(p, 0xff, bytes);
    return p;
}

/* k, kernel, stride, side: two vectors and one; as many fetches a kernel row as outputs, and few; even and
 * odd rows. */
static const int cases[][4] = {{32, 3, 1, 37}, {40, 7, 2, 37}, {16, 1, 1, 36},
                               {48, 3, 2, 37}, {32, 3, 1, 46}, {16, 5, 1, 8}};
enum { N = 2, C = 3, THREADS = 2 };

static void check(const struct isa *isa, const int c[4], bool half)
{
    struct rng r = rng_at(1, RNG_TEST, 0, 0);
    int side = (c[3] + 2 * (c[1] / 2) - c[1]) / c[2] + 1;
    size_t weights = (size_t)(c[0] * C * c[1] * c[1]);
    size_t cells = (size_t)(N * side * side) * (size_t)((c[0] + isa->lanes - 1) / isa->lanes);
    size_t bytes = cells * (size_t)isa->lanes * (half ? sizeof(uint16_t) : sizeof(float));
    uint8_t *pixel = block((size_t)(N * c[3] * c[3] * C));
    float *weight = block(weights * sizeof(float));
    uint16_t *y[3];
    for (size_t i = 0; i < (size_t)(N * c[3] * c[3] * C); i++)
        pixel[i] = (uint8_t)rng_below(&r, 256);
    for (size_t i = 0; i < weights; i++)
        weight[i] = (float)rng_range(&r, -1, 1);
    struct first_conv a = {.n = N,
                           .c = C,
                           .k = c[0],
                           .h = c[3],
                           .w = c[3],
                           .oh = side,
                           .ow = side,
                           .kernel_h = c[1],
                           .kernel_w = c[1],
                           .stride_h = c[2],
                           .stride_w = c[2],
                           .pad_h = c[1] / 2,
                           .pad_w = c[1] / 2,
                           .half = half,
                           .pixel = pixel,
                           .scale = {1, 1, 1},
                           .weight = weight,
                           .n_thread = THREADS,
                           .n_shard = 1};
    a.scratch = block(first_ops(isa)->scratch_bytes(&a));
    for (int i = 0; i < 3; i++) {
        a.stores = (enum first_stores)i;
        a.y = y[i] = block(bytes);
        first_ops(isa)->forward(&a);
        assert_memory_equal(y[0], y[i], bytes);
    }
    assert_true(y[0][0] != 0xffff || y[0][1] != 0xffff); /* written */
    for (int i = 0; i < 3; i++)
        free(y[i]);
    free(a.scratch);
    free(weight);
    free(pixel);
}

static void every_way(void **state)
{
    (void)state;
    for (int i = 0; i < ISA_COUNT; i++)
        for (size_t k = 0; isa_present(&isas[i]) && k < COUNT_OF(cases); k++)
            for (int half = 0; half < (isas[i].bf16 ? 2 : 1); half++)
                check(&isas[i], cases[k], half);
}

/* What fits the caches stays in them; bf16 goes around them where fp32 does, and is never fetched. */
static void small_stays(void **state)
{
    (void)state;
    assert_int_equal(first_stores(1 << 20, false), FIRST_THROUGH);
    assert_int_equal(first_stores(1 << 20, true), FIRST_THROUGH);
    assert_int_not_equal(first_stores((size_t)1 << 30, false), FIRST_THROUGH);
    bool around = first_stores((size_t)1 << 30, false) == FIRST_AROUND;
    assert_int_equal(first_stores((size_t)1 << 30, true),
                     around ? FIRST_AROUND : FIRST_THROUGH);
}

/* Rows: a last band of fewer; columns: a last group of pixels that overlaps, and fewer than a group;
 * a batch norm's odd count of vectors. */
static const struct step_case {
    int k, kernel, stride, h, w;
    bool pool;
    enum activation kind;
} steps[] = {
    {32, 3, 1, 22, 30, true, ACTIVATION_relu},  {40, 7, 2, 37, 41, true, ACTIVATION_silu},
    {17, 3, 2, 18, 19, false, ACTIVATION_relu}, {24, 5, 1, 9, 10, true, ACTIVATION_gelu},
    {64, 3, 1, 33, 28, false, ACTIVATION_mish}, {144, 3, 1, 19, 12, true, ACTIVATION_relu},
};

static void check_step(const struct step_case *c, enum dtype compute, double tolerance)
{
    struct err e = {0};
    struct trial t = {.graph = graph_new(&e),
                      .n = 3,
                      .mode = MODE_TRAIN,
                      .compute = compute,
                      .needs_bf16 = compute == DTYPE_BF16,
                      .row = "first_layer"};
    enum activation kind = compute == DTYPE_F32 ? c->kind : ACTIVATION_silu;
    struct input_param in = {.shape = {4, {1, C, c->h, c->w}}, .u8 = true};
    struct normalize_param norm = {{0.4f, 0.5f, 0.6f}, {0.2f, 0.25f, 0.3f}};
    struct conv2d_param conv = trial_square(c->k, c->kernel, c->stride);
    t.in = t.out = trial_add(t.graph, &op_input, &in, NULL, 0);
    t.out = trial_add(t.graph, &op_normalize, &norm, &t.out, 1);
    t.out = trial_add(t.graph, &op_conv2d, &conv, &t.out, 1);
    t.out =
        trial_add(t.graph, &op_batch_norm, &(struct batch_norm_param){.eps = 1e-3f}, &t.out, 1);
    t.out =
        trial_add(t.graph, &op_activation, &(struct activation_param){(int)kind}, &t.out, 1);
    if (c->pool && compute == DTYPE_F32)
        t.out = trial_add(t.graph, &op_max_pool,
                          &(struct pool_param){.kernel_h = 2, .kernel_w = 2}, &t.out, 1);
    uint8_t *pixel = block((size_t)(4 * C * c->h * c->w));
    struct rng r = rng_at(1, RNG_TEST, 0, 0);
    for (int i = 0; i < 4 * C * c->h * c->w; i++)
        pixel[i] = (uint8_t)rng_below(&r, 256);
    t.x = pixel;
    char what[96];
    snprintf(what, sizeof(what), "%d of %d x %d, stride %d, %s", c->k, c->kernel, c->kernel,
             c->stride, activation_name[kind]);
    trial_check(&t, what, tolerance);
    free(pixel);
    graph_free(t.graph);
}

static void every_step(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(steps); i++)
        check_step(&steps[i], DTYPE_F32, 2e-5);
}

/* Smooth and without the pool: rounding changes signs and winners. */
static void half_precision(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(steps); i++)
        check_step(&steps[i], DTYPE_BF16, 1.2e-2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way), cmocka_unit_test(small_stays),
        cmocka_unit_test(every_step), cmocka_unit_test(half_precision)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
