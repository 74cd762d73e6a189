/* Counts by hand: four classes, six pictures. */
#include "train/metrics.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-12;
}

static void counts_by_hand(void **state)
{
    (void)state;
    struct err e = {0};
    struct metrics m;
    assert_true(metrics_init(&m, 3, &e));
    const float logits[] = {2, 1, 0, /* 0: right */
                            0, 3, 0, /* 0 taken for 1 */
                            1, 1, 0, /* 1: a tie, the lower class is ahead */
                            0, 0, 5, /* 2: right */
                            0, 0, 4 /* 2: right */};
    const int label[] = {0, 0, 1, 2, 2};
    metrics_add(&m, logits, label, 3);
    metrics_add(&m, logits + 9, label + 3, 2);
    assert_true(near(metrics_top1(&m), 0.6));
    assert_true(near(metrics_top5(&m), 1)); /* of three classes */
    const int64_t want[9] = {1, 1, 0, 1, 0, 0, 0, 0, 2};
    assert_memory_equal(m.confusion, want, sizeof(want));
    struct class_metrics zero = metrics_class(&m, 0), one = metrics_class(&m, 1),
                         two = metrics_class(&m, 2);
    assert_true(near(zero.precision, 0.5) && near(zero.recall, 0.5) && near(zero.f1, 0.5));
    assert_true(near(one.precision, 0) && near(one.recall, 0) && near(one.f1, 0));
    assert_true(near(two.precision, 1) && near(two.recall, 1) && near(two.f1, 1));
    assert_int_equal(one.support, 1);
    double loss = -log(exp(2) / (exp(2) + exp(1) + 1)) + log(exp(3) + 2) + log(2 * exp(1) + 1) -
                  1 + log(exp(5) + 2) - 5 + log(exp(4) + 2) - 4;
    assert_true(near(metrics_loss(&m), loss / 5));
    metrics_clear(&m);
    assert_true(near(metrics_top1(&m), 0) && near(metrics_loss(&m), 0));
    metrics_release(&m);
}

/* Two bins: p = 0.9 of which half are right, p = 0.6 of which all are. */
static void calibration_by_hand(void **state)
{
    (void)state;
    struct err e = {0};
    struct metrics m;
    assert_true(metrics_init(&m, 2, &e));
    float sure = (float)log(9), half = (float)log(1.5);
    const float logits[] = {sure, 0, sure, 0, half, 0, half, 0};
    const int label[] = {0, 1, 0, 0};
    metrics_add(&m, logits, label, 4);
    assert_true(fabs(metrics_calibration_error(&m) - (0.4 * 2 + 0.4 * 2) / 4) < 1e-6);
    metrics_release(&m);
}

static void nan_is_wrong(void **state)
{
    (void)state;
    struct err e = {0};
    struct metrics m;
    assert_true(metrics_init(&m, 2, &e));
    const float logits[] = {NAN, 0, 1e30f, -1e30f};
    const int label[] = {0, 1};
    metrics_add(&m, logits, label, 1);
    assert_int_equal(m.top1, 0);
    assert_true(isinf(metrics_loss(&m)) != 0);
    metrics_clear(&m);
    metrics_add(&m, logits + 2, label + 1, 1);
    assert_true(fabs(metrics_loss(&m) / 2e30 - 1) < 1e-6); /* huge, but a number */
    metrics_release(&m);
}

static void writes_json(void **state)
{
    (void)state;
    struct err e = {0};
    struct metrics m;
    assert_true(metrics_init(&m, 2, &e));
    const float logits[] = {1, 0};
    metrics_add(&m, logits, &(int){0}, 1);
    struct json_writer w = {0};
    json_open(&w, NULL, '{');
    metrics_write_json(&m, (const char *const[]){"cat", "dog"}, &w);
    json_close(&w, '}');
    assert_true(json_done(&w, &e));
    struct arena a = {0};
    const struct json *v = json_parse(w.text, w.n, &a, &e);
    assert_non_null(v);
    assert_true(near(json_number(v, "top1", 0), 1));
    assert_string_equal(json_text(&json_get(v, "classes")->item[1], "name", ""), "dog");
    assert_int_equal(json_get(v, "confusion")->item[0].item[0].i, 1);
    arena_release(&a);
    json_writer_release(&w);
    metrics_release(&m);
}

static void survives_want_of_memory(void **state)
{
    (void)state;
    for (int i = 1; i <= 2; i++) {
        struct err e = {0};
        struct metrics m;
        mem_fail_at(i);
        assert_false(metrics_init(&m, 10, &e));
        assert_int_equal(e.kind, ERR_NOMEM);
    }
    mem_fail_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_by_hand),
        cmocka_unit_test(calibration_by_hand),
        cmocka_unit_test(nan_is_wrong),
        cmocka_unit_test(writes_json),
        cmocka_unit_test(survives_want_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
