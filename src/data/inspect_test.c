/* `check`'s eyes: planted copies, edits of metadata, resized and recompressed copies are found,
 * distinct photographs are not taken for each other. */
#include "data/inspect.h"

#include "base/file.h"
#include "data/fixture.h"
#include "image/resize.h"

#include <setjmp.h>

#include <cmocka.h>

static const char photos[] = "../shared/data/imagenet_samples";

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

struct set {
    struct dataset *part[2];
    struct inspection in;
};

static void look(struct set *s)
{
    struct err e = {0};
    static const enum part part[] = {PART_TRAIN, PART_TEST};
    struct dataset_config cfg = {.path = at("%s", ""), .lenient = true};
    for (int p = 0; p < 2; p++)
        if (!(s->part[p] = dataset_open(&cfg, part[p], &e)))
            fail_msg("%s", e.msg);
    if (!inspect((const struct dataset *const *)s->part, part, 2, 2, NULL, NULL, &s->in, &e))
        fail_msg("%s", e.msg);
}

static void forget(struct set *s)
{
    inspection_release(&s->in);
    for (int p = 0; p < 2; p++)
        dataset_free(s->part[p]);
}

/* The finding whose second picture's path ends so, NULL = none. */
static const struct finding *found(const struct set *s, const char *end)
{
    for (int i = 0; i < s->in.n_finding; i++) {
        const struct inspected *b = s->in.at + s->in.finding[i].b;
        const char *path = b->d->sample[b->sample].path;
        if (!strcmp(path + strlen(path) - strlen(end), end))
            return s->in.finding + i;
    }
    return NULL;
}

/* Copies a file; with a comment, as an editor of metadata would leave it. */
static void copy(const char *from, const char *to, bool comment)
{
    struct err e;
    uint8_t *byte;
    size_t n;
    static const uint8_t remark[] = {0xff, 0xfe, 0, 7, 'h', 'e', 'l', 'l', 'o'};
    if (!file_read(from, 0, ERR_DATA, &byte, &n, &e))
        fail_msg("%s", e.msg);
    uint8_t *out = malloc(n + sizeof(remark));
    assert_non_null(out);
    size_t head = comment ? 2 : 0, more = comment ? sizeof(remark) : 0; /* behind the SOI */
    memcpy(out, byte, head);
    memcpy(out + head, remark, more);
    memcpy(out + head + more, byte + head, n - head);
    make_file(to, out, n + more);
    free(out);
    mem_free(byte);
}

static void planted(void **state)
{
    (void)state;
    struct set s = {0};
    for (int i = 0; i < 12; i++)
        make_jpeg(at("train/%s/%d.jpg", i % 2 ? "odd" : "even", i), (uint32_t)i, 64, 48);
    make_jpeg(at("test/odd/alone.jpg"), 99, 64, 48);
    copy(at("train/odd/1.jpg"), at("test/odd/bytes.jpg"), false);
    copy(at("train/even/2.jpg"), at("test/odd/conflict.jpg"), false);
    copy(at("train/odd/3.jpg"), at("test/odd/comment.jpg"), true);
    copy(at("train/odd/5.jpg"), at("train/odd/twin.jpg"), true);
    make_file(at("test/odd/bad.jpg"), "x", 1);
    look(&s);
    assert_int_equal(s.in.n, 18);
    assert_int_equal(s.in.n_bad, 1);
    assert_int_equal(s.in.n_finding, 4);
    static const struct {
        const char *path;
        enum finding_kind kind;
        bool leak, conflict;
    } expected[] = {
        {"odd/bytes.jpg", SAME_BYTES, true, false},
        {"odd/conflict.jpg", SAME_BYTES, true, true},
        {"odd/comment.jpg", SAME_PIXELS, true, false},
        {"odd/twin.jpg", SAME_PIXELS, false, false},
    };
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        const struct finding *f = found(&s, expected[i].path);
        assert_non_null(f);
        assert_int_equal(f->kind, expected[i].kind);
        assert_int_equal(f->leak, expected[i].leak);
        assert_int_equal(f->conflict, expected[i].conflict);
    }
    forget(&s);
}

/* 1,000 photographs in train/, 50 of them again in test/, smaller and at quality 85. */
static void near_duplicates(void **state)
{
    (void)state;
    struct err e;
    struct stat st;
    struct set s = {0};
    if (stat(photos, &st) != 0) {
        print_message("skipped: %s is not here\n", photos);
        skip();
    }
    make_dir(at("train"));
    char real[4096];
    assert_non_null(realpath(photos, real));
    assert_int_equal(symlink(real, at("train/photo")), 0);
    struct dataset *d = dataset_open(
        &(struct dataset_config){.path = at("train"), .lenient = true}, PART_TRAIN, &e);
    assert_non_null(d);
    make_dir(at("test/photo"));
    for (int i = 0; i < 50; i++) {
        struct image im, small;
        assert_true(decode_file(d->sample[i * 20].path, 1, &im, NULL, &e));
        assert_true(resize(&im, im.w * 2 / 3, im.h * 2 / 3, RESIZE_BICUBIC, &small, &e));
        write_jpeg(at("test/photo/%d.jpg", i), small.pixel, small.w, small.h, 85);
        image_release(&im);
        image_release(&small);
    }
    look(&s);
    int n_right = 0, n_wrong = 0;
    for (int i = 0; i < s.in.n_finding; i++) {
        const struct finding *f = s.in.finding + i;
        const struct inspected *b = s.in.at + f->b;
        int copied =
            b->part == PART_TEST ? atoi(strrchr(b->d->sample[b->sample].path, '/') + 1) : -1;
        bool right = copied >= 0 && s.in.at[f->a].sample == copied * 20;
        n_right += right;
        n_wrong += !right;
    }
    print_message("near duplicates: %d of 50 found, %d others of %d\n", n_right, n_wrong,
                  s.in.n);
    assert_in_range(n_right, 48, 50);
    assert_in_range(n_wrong, 0, 1);
    forget(&s);
    dataset_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(planted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(near_duplicates, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("inspect", tests, NULL, NULL);
}
