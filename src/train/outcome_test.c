/* Runs written by hand, read back; the arithmetic of their difference. */
#include "train/outcome.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "outcome_test.XXXXXX";

static int enter(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int leave(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

static void put(const char *name, const char *text)
{
    struct err e = {0};
    char *path = run_path(folder, name, &e);
    struct file_part part = {text, strlen(text)};
    assert_non_null(path);
    assert_true(file_write_atomic(path, &part, 1, &e));
    mem_free(path);
}

/* Two epochs, the first of them better; the third is being written. */
static const char metrics[] =
    "{\"step\":1,\"epoch\":1,\"loss\":2.5}\n"
    "{\"step\":2,\"epoch\":1,\"train_loss\":2.3,\"train_accuracy\":0.2,\"val_loss\":2.25,"
    "\"val_top1\":0.25,\"val_top5\":null,\"best\":true}\n"
    "{\"step\":4,\"epoch\":2,\"train_loss\":2.2,\"train_accuracy\":0.3,\"val_loss\":2.5,"
    "\"val_top1\":0.125,\"val_top5\":null,\"best\":false}\n"
    "{\"step\":5,\"epoch\":3,\"train_lo";

static void write_run(void)
{
    struct err e = {0};
    struct arena a = {0};
    struct train_config cfg;
    struct option_table table[TRAIN_MAX_TABLES];
    struct run r;
    assert_true(option_defaults(table, train_tables(&cfg, table), &a, &e));
    assert_true(run_open(&r, folder, &e));
    assert_true(record_write_config(&r, &cfg, "/pets", NULL, &e));
    assert_true(record_write_size(&r, &(struct model_size){30, 10, 500}, &e));
    run_close(&r);
    put("environment.json",
        "{\"must_not_change\":{\"training pictures\":\"80\",\"validation pictures\":\"20\","
        "\"classes\":\"4\",\"data\":\"abc\",\"threads\":\"2\",\"instructions\":\"avx2\"},"
        "\"machine\":{\"processor\":\"P\",\"processors\":8}}");
    put("classes.json", "[\"a\"]");
    put("split.txt", "train\ta/1\n");
    put("metrics.jsonl", metrics);
    put("timing.jsonl", "{\"epoch\":1,\"seconds\":1.5}\n{\"epoch\":2,\"seconds\":2}\n");
    put("best.safetensors", "12345");
    arena_release(&a);
}

static void reads_a_run(void **state)
{
    struct err e = {0};
    struct arena a = {0};
    struct outcome o;
    (void)state;
    write_run();
    if (!outcome_read(&o, folder, &a, &e))
        fail_msg("%s", e.msg);
    assert_string_equal(o.data, "/pets");
    assert_int_equal(o.epochs, 2);
    assert_int_equal(o.best_epoch, 1);
    assert_true(o.validated && o.top1 == 0.25 && o.loss == 2.25 && isnan(o.top5));
    assert_true(o.seconds == 3.5);
    assert_int_equal(o.n_val, 20);
    assert_int_equal(o.size.trained, 10);
    assert_int_equal(o.file_bytes, 5);
    assert_string_equal(o.machine, "P, avx2, 2 threads of 8");
    arena_release(&a);
}

static void reads_what_there_is(void **state)
{
    struct err e = {0};
    struct arena a = {0};
    struct outcome o;
    (void)state;
    write_run();
    put("metrics.jsonl", "{\"step\":2,\"epoch\":1,\"train_loss\":2.3}\n");
    char command[128];
    snprintf(command, sizeof(command), "rm %s/model.json %s/best.safetensors", folder, folder);
    assert_int_equal(system(command), 0);
    assert_true(outcome_read(&o, folder, &a, &e));
    assert_false(o.validated);
    assert_int_equal(o.best_epoch, 1);
    assert_int_equal(o.size.parameters, -1);
    assert_int_equal(o.file_bytes, -1);
    arena_release(&a);
}

static void refuses_what_is_damaged(void **state)
{
    static const char *const name[] = {"metrics.jsonl", "timing.jsonl", "environment.json",
                                       "config.json", "model.json"};
    struct arena a = {0};
    struct outcome o;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(name); i++) {
        struct err e = {0};
        write_run();
        put(name[i], "{\"epoch\":\n");
        assert_false(outcome_read(&o, folder, &a, &e));
        assert_int_equal(e.kind, ERR_STORAGE);
        assert_non_null(strstr(e.msg, name[i]));
    }
    struct err e = {0};
    assert_false(outcome_read(&o, "/nowhere", &a, &e));
    assert_int_equal(e.kind, ERR_USAGE);
    arena_release(&a);
}

static void what_validated_the_same(void **state)
{
    const struct outcome a = {.classes = 1, .split = 2, .train_data = "x", .val_data = ""};
    struct outcome b = a;
    (void)state;
    assert_int_equal(outcome_likeness(&a, &b), SAME_PICTURES);
    b.split = 3;
    assert_int_equal(outcome_likeness(&a, &b), OTHER_SPLIT);
    b.train_data = "y";
    assert_int_equal(outcome_likeness(&a, &b), OTHER_DATA);
    b = a;
    b.classes = 2;
    assert_int_equal(outcome_likeness(&a, &b), OTHER_DATA);
    b = a;
    b.val_data = "v";
    assert_int_equal(outcome_likeness(&a, &b), OTHER_DATA);
    struct outcome c = b; /* a validation part of its own: what trained may differ */
    c.train_data = "y";
    assert_int_equal(outcome_likeness(&b, &c), SAME_PICTURES);
}

/* Worked by hand: 91 of 102 and 81 of 102 in place of 90 and 80 of 100. */
static void differences(void **state)
{
    struct difference d = outcome_difference(0.9, 100, 0.8, 100);
    (void)state;
    assert_true(fabs(d.share - 0.1) < 1e-12);
    assert_true(fabs(d.error - 0.050459) < 1e-6);
    assert_true(fabs(d.p - 0.0475) < 1e-4);
    assert_true(d.needed == 97);
    d = outcome_difference(0.8, 100, 0.9, 100);
    assert_true(d.share < 0 && fabs(d.p - 0.0475) < 1e-4 && d.needed == 97);
    d = outcome_difference(1, 10, 1, 10);
    assert_true(d.share == 0 && d.error > 0 && d.p == 1 && d.needed == 0);
    d = outcome_difference(1, 5, 0.6, 5); /* 5 of 5 beats 3 of 5 by nothing that counts */
    assert_true(d.p > 0.05);
    assert_true(outcome_difference(0.9, 10000, 0.8, 10000).p < 1e-10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_run),
        cmocka_unit_test(reads_what_there_is),
        cmocka_unit_test(refuses_what_is_damaged),
        cmocka_unit_test(what_validated_the_same),
        cmocka_unit_test(differences),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
