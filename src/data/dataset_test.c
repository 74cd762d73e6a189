/* Data sets as users have them: order, odd entries, loops, conflicts, the three kinds, the split. */
#include "data/fixture.h"
#include "data/source.h"

#include <setjmp.h>

#include <cmocka.h>

static struct dataset *open_part(const char *path, enum part part)
{
    struct err e = {0};
    struct dataset_config cfg = {.path = path};
    struct dataset *d = dataset_open(&cfg, part, &e);
    if (!d)
        fail_msg("%s", e.msg);
    return d;
}

static void expect_error(const struct dataset_config *cfg, enum part part, const char *word)
{
    struct err e = {0};
    struct dataset *d = dataset_open(cfg, part, &e);
    assert_null(d);
    assert_int_equal(e.kind, ERR_DATA);
    if (!strstr(e.msg, word))
        fail_msg("\"%s\" does not say \"%s\"", e.msg, word);
}

/* The issue at a path ending so, or NULL. */
static const struct dataset_issue *issue_at(const struct dataset *d, const char *end)
{
    for (int i = 0; i < d->n_issue; i++) {
        size_t n = strlen(d->issue[i].path), m = strlen(end);
        if (n >= m && !strcmp(d->issue[i].path + n - m, end))
            return d->issue + i;
    }
    return NULL;
}

static int tear_down(void **state)
{
    (void)state;
    return remove_tree(at("%s", ""));
}

static int set_up(void **state)
{
    (void)state;
    make_dir(at("%s", ""));
    return 0;
}

static void natural_order(void **state)
{
    (void)state;
    static const char *const ordered[] = {"",  "1",  "02",  "2",   "10",
                                          "a", "a1", "a2b", "a10", "b"};
    for (size_t i = 0; i < COUNT_OF(ordered); i++)
        for (size_t k = 0; k < COUNT_OF(ordered); k++) {
            int order = natural_compare(ordered[i], ordered[k]);
            assert_int_equal((order > 0) - (order < 0), (i > k) - (i < k));
        }
    static const char *const class[] = {"10", "2", "1"};
    for (int c = 0; c < 3; c++)
        for (int i = 9; i < 12; i++)
            make_file(at("%s/x%d.jpg", class[c], i), "x", 1);
    struct dataset *d = open_part(at("%s", ""), PART_TRAIN);
    assert_int_equal(d->n_class, 3);
    assert_string_equal(d->class_name[1], "2");
    assert_string_equal(d->class_name[2], "10");
    assert_int_equal(d->n_sample, 9);
    assert_string_equal(dataset_name(d, 0), "1/x9.jpg");
    assert_string_equal(dataset_name(d, 8), "10/x11.jpg");
    assert_int_equal(d->sample[8].label, 2);
    assert_int_equal(dataset_class(d, "10"), 2);
    assert_int_equal(dataset_class(d, "3"), -1);
    dataset_free(d);
}

static void odd_entries(void **state)
{
    (void)state;
    make_file(at("cat/a.jpg"), "x", 1);
    make_file(at("cat/sub/b.jpg"), "x", 1);
    make_file(at("cat/new\nline\xff.jpg"), "x", 1);
    make_file(at("dog/c.jpg"), "x", 1);
    make_file(at("dog/empty.jpg"), "", 0);
    make_file(at("dog/notes.txt"), "x", 1);
    make_file(at("dog/.DS_Store"), "x", 1);
    make_file(at(".ipynb_checkpoints/d.jpg"), "x", 1);
    make_file(at("readme"), "x", 1);
    make_dir(at("hollow"));
    assert_int_equal(mkfifo(at("dog/pipe.jpg"), 0666), 0);
    assert_int_equal(symlink("..", at("cat/loop")), 0);
    assert_int_equal(symlink("self", at("cat/self")), 0);
    assert_int_equal(symlink("cat", at("zcat")), 0);
    assert_int_equal(symlink("nowhere", at("dog/gone.jpg")), 0);
    assert_int_equal(link(at("cat/a.jpg"), at("dog/same.jpg")), 0);

    struct dataset *d = open_part(at("%s", ""), PART_TRAIN);
    assert_int_equal(d->n_class, 4);
    assert_int_equal(d->n_sample, 5);
    assert_string_equal(dataset_name(d, 1), "cat/new\nline\xff.jpg");
    static const struct {
        const char *path, *why;
        bool left_out, bad;
    } expected[] = {
        {"dog/empty.jpg", "empty file", true, true},
        {"dog/notes.txt", "by its name", true, false},
        {"dog/.DS_Store", "hidden", true, false},
        {"/.ipynb_checkpoints", "hidden", true, false},
        {"/readme", "beside the class", true, false},
        {"dog/pipe.jpg", "pipe", true, false},
        {"cat/loop", "loop", true, false},
        {"cat/self", "symbolic link to itself", true, false},
        {"zcat", "second way to the folder", true, false},
        {"dog/gone.jpg", "No such file", true, true},
        {"dog/same.jpg", "label conflict", false, false},
        {"hollow", "without pictures", false, false},
    };
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        const struct dataset_issue *at_path = issue_at(d, expected[i].path);
        if (!at_path || !strstr(at_path->why, expected[i].why))
            fail_msg("%s: %s", expected[i].path, at_path ? at_path->why : "not noted");
        assert_int_equal(at_path->left_out, expected[i].left_out);
        assert_int_equal(at_path->bad, expected[i].bad);
    }
    dataset_free(d);
}

static void parts(void **state)
{
    (void)state;
    static const char *const part[] = {"train", "val"};
    struct dataset_config cfg = {.path = at("%s", "")};
    for (int p = 0; p < 2; p++)
        for (int c = 0; c < 2; c++)
            make_file(at("%s/c%d/%d.jpg", part[p], c, p), "x", 1);
    assert_false(dataset_has(&cfg, PART_VAL));
    struct dataset *d = open_part(at("%s", ""), PART_TEST);
    assert_string_equal(dataset_name(d, 0), "c0/1.jpg");
    dataset_free(d);
    make_file(at("test/c1/2.jpg"), "x", 1);
    assert_true(dataset_has(&cfg, PART_VAL));
    static const char *const classes[] = {"c0", "c1", NULL};
    struct err e;
    cfg.classes = classes;
    d = dataset_open(&cfg, PART_TEST, &e);
    assert_non_null(d); /* one class of those given is enough, and keeps its label */
    assert_int_equal(d->n_class, 2);
    assert_int_equal(d->sample[0].label, 1);
    dataset_free(d);
    cfg.test = "val";
    assert_false(dataset_has(&cfg, PART_VAL));
    make_file(at("val/other/2.jpg"), "x", 1);
    expect_error(&cfg, PART_TEST, "\"other\" is not one of the 2 classes");
}

static void refused(void **state)
{
    (void)state;
    expect_error(&(struct dataset_config){.path = "/no/such"}, PART_TRAIN, "/no/such");
    struct dataset_config cfg = {.path = at("%s", "")};
    expect_error(&cfg, PART_TRAIN, "no class folders");
    make_file(at("a.jpg"), "x", 1);
    expect_error(&cfg, PART_TRAIN, "not the pictures themselves");
    make_dir(at("cat"));
    make_dir(at("dog"));
    expect_error(&cfg, PART_TRAIN, "no pictures");
    make_file(at("cat/a.jpg"), "x", 1);
    expect_error(&cfg, PART_TRAIN, "one class only (cat)");
    make_file(at("dog/a.jpg"), "x", 1);
    expect_error(&cfg, PART_TEST, "--test");
    cfg.test = "nowhere";
    expect_error(&cfg, PART_TEST, "no such folder");
}

static void csv(void **state)
{
    (void)state;
    make_file(at("p/1.jpg"), "x", 1);
    make_file(at("p/a,\"b\".jpg"), "x", 1);
    make_file(at("p/2.jpg"), "x", 1);
    static const char text[] = "\xef\xbb\xbfid,Label,Path\r\n7,dog,p/1.jpg\r\n"
                               "8,\"small\ncat\",\"p/a,\"\"b\"\".jpg\"\n\n9,dog,p/2.jpg\n"
                               "10,dog,p/3.jpg";
    make_file(at("t.csv"), text, sizeof(text) - 1);
    struct dataset *d = open_part(at("t.csv"), PART_TRAIN);
    assert_int_equal(d->n_sample, 3);
    assert_int_equal(d->n_class, 2);
    assert_string_equal(d->class_name[1], "small\ncat");
    assert_string_equal(dataset_name(d, 2), "p/a,\"b\".jpg");
    assert_true(issue_at(d, "p/3.jpg")->bad);
    dataset_free(d);
    struct dataset_config cfg = {.path = at("bad.csv")};
    make_file(at("bad.csv"), "p/1.jpg,dog\np/2.jpg\n", 20);
    expect_error(&cfg, PART_TRAIN, "bad.csv:2");
    expect_error(&cfg, PART_TEST, "--test");
}

static void idx(void **state)
{
    (void)state;
    static const uint8_t image[16 + 8] = {0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 1,
                                          0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8};
    static const uint8_t label[8 + 4] = {0, 0, 8, 1, 0, 0, 0, 4, 1, 0, 1, 0};
    make_file(at("train-images-idx3-ubyte"), image, sizeof(image));
    make_file(at("train-labels-idx1-ubyte"), label, sizeof(label));
    struct dataset *d = open_part(at("%s", ""), PART_TRAIN);
    assert_int_equal(d->n_sample, 4);
    assert_int_equal(d->raw_w, 2);
    static const uint8_t grouped[] = {3, 4, 7, 8, 1, 2, 5, 6};
    assert_memory_equal(d->raw, grouped, 8);
    assert_string_equal(dataset_name(d, 0), "train-images-idx3-ubyte#1");
    dataset_free(d);
    struct dataset_config cfg = {.path = at("%s", "")};
    make_file(at("train-labels-idx1-ubyte"), label, sizeof(label) - 1);
    expect_error(&cfg, PART_TRAIN, "promises 12");
    expect_error(&cfg, PART_TEST, "t10k-images");
}

static void split(void **state)
{
    (void)state;
    struct err e;
    uint8_t in_val[64], again[64];
    for (int i = 0; i < 13; i++)
        make_file(at("a/%d\\\n%d.jpg", i, i), "x", 1);
    for (int i = 0; i < 27; i++)
        make_file(at("b/%d.jpg", i), "x", 1);
    make_file(at("c/1.jpg"), "x", 1);
    struct dataset *d = open_part(at("%s", ""), PART_TRAIN);
    assert_true(split_stratified(d, 0.2, 7, in_val, &e));
    int n_val[3] = {0};
    for (int i = 0; i < d->n_sample; i++)
        n_val[d->sample[i].label] += in_val[i];
    assert_int_equal(n_val[0], 3); /* 2.6 */
    assert_int_equal(n_val[1], 5); /* 5.4 */
    assert_int_equal(n_val[2], 0);
    assert_true(split_stratified(d, 0.2, 7, again, &e));
    assert_memory_equal(in_val, again, (size_t)d->n_sample);
    assert_true(split_stratified(d, 0.2, 8, again, &e));
    assert_memory_not_equal(in_val, again, (size_t)d->n_sample);
    assert_true(split_stratified(d, 0.99, 7, again, &e));
    assert_int_equal(again[0] + again[d->n_sample - 1], 1); /* c keeps its only picture */
    assert_false(split_stratified(d, 1, 7, again, &e));

    make_dir(at("run"));
    assert_true(split_write(d, in_val, at("run/split.tsv"), &e));
    memset(again, 9, sizeof(again));
    if (!split_read(d, at("run/split.tsv"), again, &e))
        fail_msg("%s", e.msg);
    assert_memory_equal(in_val, again, (size_t)d->n_sample);
    char missing[300];
    snprintf(missing, sizeof(missing), "%s", d->sample[20].path);
    d->sample[20].path = "new.jpg";
    assert_false(split_read(d, at("run/split.tsv"), again, &e));
    assert_non_null(strstr(e.msg, "not in the data set any more"));
    assert_non_null(strstr(e.msg, strrchr(missing, '/')));
    d->sample[20] = d->sample[--d->n_sample];
    dataset_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(natural_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(odd_entries, set_up, tear_down),
        cmocka_unit_test_setup_teardown(parts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(csv, set_up, tear_down),
        cmocka_unit_test_setup_teardown(idx, set_up, tear_down),
        cmocka_unit_test_setup_teardown(split, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("dataset", tests, NULL, NULL);
}
