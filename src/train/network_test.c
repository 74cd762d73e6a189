/* A network to a file and back; every write and allocation made to fail once. */
#include "train/network.h"
#include "train/run.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char path[] = "network_test.tmp.safetensors";
static const char *const classes[] = {"cat", "dog \"2\"", "\xc3\xa4pfel"};

static void make(struct network *n, uint64_t seed)
{
    struct err e = {0};
    struct arena a = {0};
    struct model_config model;
    struct option_table table[MODEL_MAX_TABLES];
    assert_true(option_defaults(table, model_tables(&model, table), &a, &e));
    model.size = 32;
    model.cnn5.filters = (struct int_list){.n = 1, .at = {4}};
    model.cnn5.filter_rule = FILTERS_SAME;
    assert_true(model_resolve(&model, &e));
    struct preprocess pre = {32, 37, {0.4, 0.5, 0.6}, {0.1, 0.2, 0.3}, RESIZE_BICUBIC};
    struct network_spec spec = {
        .config = &model, .pre = &pre, .n_class = 3, .class_name = classes};
    if (!network_init(n, &spec, seed, &e))
        fail_msg("%s", e.msg);
    for (size_t i = 0; i < n->graph->n_buffer; i++)
        n->weights->buffer[i] = (float)(seed + i % 7); /* whole: some are counters */
    arena_release(&a);
}

static void assert_same(const struct network *a, const struct network *b)
{
    assert_int_equal(a->graph->n_value, b->graph->n_value);
    assert_memory_equal(a->weights->value, b->weights->value,
                        a->graph->n_value * sizeof(float));
    assert_memory_equal(a->weights->buffer, b->weights->buffer,
                        a->graph->n_buffer * sizeof(float));
    assert_int_equal(a->pre.size_px, b->pre.size_px);
    assert_int_equal(a->pre.resize_px, b->pre.resize_px);
    assert_int_equal(a->pre.filter, b->pre.filter);
    assert_memory_equal(a->pre.mean, b->pre.mean, sizeof(a->pre.mean));
    assert_memory_equal(a->pre.std, b->pre.std, sizeof(a->pre.std));
    for (int i = 0; i < 3; i++)
        assert_string_equal(a->class_name[i], b->class_name[i]);
}

static void goes_to_a_file_and_back(void **state)
{
    (void)state;
    struct err e = {0};
    struct network n, back;
    make(&n, 1);
    if (!network_save(&n, n.weights, NULL, 0, path, &e) || !network_load(&back, path, &e))
        fail_msg("%s", e.msg);
    assert_same(&n, &back);
    network_release(&back);
    network_release(&n);
    unlink(path);
}

struct extra {
    int64_t step;
    double best[2];
    float slot[5];
};

static void list(struct extra *x, struct state_item item[3])
{
    item[0] = (struct state_item){"step", ST_I64, &x->step, 1};
    item[1] = (struct state_item){"best", ST_F64, x->best, 2};
    item[2] = (struct state_item){"slot", ST_F32, x->slot, 5};
}

static void keeps_training_state(void **state)
{
    (void)state;
    struct err e = {0};
    struct network n, other;
    struct extra x = {7, {INFINITY, 0.1}, {1, 2, 3, 4, 5}}, y = {0};
    struct state_item item[3];
    make(&n, 1);
    make(&other, 2);
    list(&x, item);
    assert_true(network_save(&n, n.weights, item, 3, path, &e));
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    size_t bytes = network_bytes(&n, item, 3);
    assert_true((size_t)st.st_size > bytes && (size_t)st.st_size < bytes + 16384);
    list(&y, item);
    assert_true(network_restore(&other, other.weights, item, 3, path, &e));
    assert_same(&n, &other);
    assert_int_equal(y.step, 7);
    assert_memory_equal(x.best, y.best, sizeof(x.best));
    assert_memory_equal(x.slot, y.slot, sizeof(x.slot));
    item[2].n = 4; /* another shape than the file's */
    assert_false(network_restore(&other, other.weights, item, 3, path, &e));
    assert_int_equal(e.kind, ERR_MODEL);
    item[2] = (struct state_item){"none", ST_F32, y.slot, 5};
    assert_false(network_restore(&other, other.weights, item, 3, path, &e));
    network_release(&n);
    network_release(&other);
    unlink(path);
}

static void refuses_what_is_not_finite(void **state)
{
    (void)state;
    struct err e = {0};
    struct network n, back;
    struct extra x = {7, {0, 0}, {1, 2, NAN, 4, 5}};
    struct state_item item[3];
    make(&n, 1);
    list(&x, item);
    assert_true(network_save(&n, n.weights, NULL, 0, path, &e));
    assert_false(network_save(&n, n.weights, item, 3, path, &e));
    assert_int_equal(e.kind, ERR_DIVERGED);
    assert_non_null(strstr(e.msg, "train.slot holds NaN at element 2"));
    n.weights->value[3] = INFINITY;
    assert_false(network_save(&n, n.weights, NULL, 0, path, &e));
    assert_true(network_load(&back, path, &e)); /* the first file stands */
    network_release(&back);
    network_release(&n);
    unlink(path);
}

/* A write that fails leaves what stood there, and nothing else. */
static void survives_failing_writes(void **state)
{
    (void)state;
    const int errors[] = {ENOSPC, EIO, EDQUOT, EROFS, EMFILE};
    struct network n, newer, back;
    int faults = 0;
    make(&n, 1);
    make(&newer, 2);
    for (size_t k = 0; k < COUNT_OF(errors); k++) {
        struct err e = {0};
        assert_true(network_save(&n, n.weights, NULL, 0, path, &e));
        for (int at = 1;; at++) {
            file_fail_at(at, errors[k]);
            bool ok = network_save(&newer, newer.weights, NULL, 0, path, &e);
            file_fail_at(0, 0);
            if (ok)
                break;
            faults++;
            assert_int_equal(e.kind, ERR_STORAGE);
            assert_non_null(strstr(e.msg, path) ? path
                                                : strstr(e.msg, ".:")); /* or its folder */
            assert_true(network_load(&back, path, &e));
            network_release(&back);
        }
        assert_true(network_load(&back, path, &e));
        assert_same(&newer, &back);
        network_release(&back);
    }
    print_message("%d failing writes\n", faults);
    assert_true(faults > 50);
    network_release(&n);
    network_release(&newer);
    unlink(path);
}

static void survives_want_of_memory(void **state)
{
    (void)state;
    struct err e = {0};
    struct network n, back;
    int faults = 0;
    make(&n, 1);
    for (int at = 1;; at++) {
        mem_fail_at(at);
        bool ok = network_save(&n, n.weights, NULL, 0, path, &e);
        mem_fail_at(0);
        if (ok)
            break;
        faults++;
        assert_int_equal(e.kind, ERR_NOMEM);
    }
    for (int at = 1;; at++) {
        mem_fail_at(at);
        bool ok = network_load(&back, path, &e);
        mem_fail_at(0);
        if (ok)
            break;
        faults++;
        assert_int_equal(e.kind, ERR_NOMEM);
    }
    network_release(&back);
    network_release(&n);
    unlink(path);
    print_message("%d failing allocations\n", faults);
    assert_true(faults > 20);
}

static void refuses_foreign_files(void **state)
{
    (void)state;
    struct err e = {0};
    struct network n;
    assert_false(network_load(&n, "no-such-file", &e));
    assert_int_equal(e.kind, ERR_MODEL);
    struct file_part part = {"GIF89a", 6};
    assert_true(file_write_atomic(path, &part, 1, &e));
    assert_false(network_load(&n, path, &e));
    assert_int_equal(e.kind, ERR_MODEL);
    const float w[2] = {1, 2};
    const struct st_tensor t = {"fc.weight", ST_F32, 1, {2}, w, sizeof(w)};
    const struct st_note note = {"format", "pt"};
    assert_true(seal_write(path, &t, 1, &note, 1, &e));
    assert_false(network_load(&n, path, &e)); /* sealed, but no model */
    assert_int_equal(e.kind, ERR_MODEL);
    size_t size;
    char *header = safetensors_header(&t, 1, &note, 1, &size, &e);
    assert_true(safetensors_write(path, header, size, &t, 1, &e));
    mem_free(header);
    assert_false(network_load(&n, path, &e)); /* another program's */
    assert_non_null(strstr(e.msg, "not written by linnet"));
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_to_a_file_and_back),    cmocka_unit_test(keeps_training_state),
        cmocka_unit_test(refuses_what_is_not_finite), cmocka_unit_test(survives_failing_writes),
        cmocka_unit_test(survives_want_of_memory),    cmocka_unit_test(refuses_foreign_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
