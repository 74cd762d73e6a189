#include "demo/demo.h"

#include "base/file.h"
#include "base/mem.h"
#include "demo/picture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { N_TRAIN = 3, N_TEST = 2, SIDE = 48 };

struct folder {
    char path[64];
};

static struct folder folder_new(void)
{
    struct folder f = {"/tmp/linnet-demo-XXXXXX"};
    assert_non_null(mkdtemp(f.path));
    return f;
}

static void folder_remove(const struct folder *f)
{
    char line[96];
    snprintf(line, sizeof(line), "rm -r %s", f->path);
    assert_int_equal(system(line), 0);
}

static struct demo_config config(const struct folder *f)
{
    return (struct demo_config){.dir = f->path,
                                .size_px = SIDE,
                                .n_train = N_TRAIN,
                                .n_test = N_TEST,
                                .seed = 5,
                                .n_thread = 1};
}

/* One number for a picture's bytes. */
static uint64_t sum_of(const struct folder *f, const char *part, int class, int number)
{
    char path[160];
    uint8_t *byte;
    size_t n;
    struct err e = {0};
    snprintf(path, sizeof(path), "%s/%s/%s/%05d.jpg", f->path, part, creatures[class]->name,
             number);
    if (!file_read(path, 0, ERR_DATA, &byte, &n, &e))
        fail_msg("%s", e.msg);
    uint64_t sum = hash64(byte, n, 0);
    mem_free(byte);
    return sum;
}

static void write_set(const struct demo_config *cfg)
{
    struct err e = {0};
    if (!demo_write(cfg, &e))
        fail_msg("%s", e.msg);
}

/* Neither the threads nor the other part's size change a picture; the seed does. */
static void test_depends_on_seed_alone(void **state)
{
    (void)state;
    struct folder a = folder_new(), b = folder_new(), c = folder_new();
    struct demo_config one = config(&a), other = config(&b), third = config(&c);
    other.n_thread = 3;
    other.n_train = 1;
    third.seed = 6;
    write_set(&one);
    write_set(&other);
    write_set(&third);
    for (int class = 0; class < N_CREATURE; class ++) {
        for (int i = 0; i < N_TEST; i++)
            assert_true(sum_of(&a, "test", class, i) == sum_of(&b, "test", class, i));
        assert_true(sum_of(&a, "train", class, 0) == sum_of(&b, "train", class, 0));
        assert_true(sum_of(&a, "train", class, 0) != sum_of(&c, "train", class, 0));
        assert_true(sum_of(&a, "train", class, 0) != sum_of(&a, "train", class, 1));
        assert_true(sum_of(&a, "train", class, 0) != sum_of(&a, "test", class, 0));
    }
    folder_remove(&a);
    folder_remove(&b);
    folder_remove(&c);
}

static void test_spares_what_is_there(void **state)
{
    (void)state;
    struct folder f = folder_new();
    struct demo_config cfg = config(&f);
    struct err e = {0};
    char path[96];
    snprintf(path, sizeof(path), "%s/mine.txt", f.path);
    assert_true(file_write_plain(path, "hello", 5, &e));
    assert_false(demo_write(&cfg, &e));
    assert_int_equal(e.kind, ERR_USAGE);
    assert_non_null(strstr(e.msg, "not empty"));
    cfg.force = true;
    write_set(&cfg);
    assert_int_equal(access(path, F_OK), 0);
    folder_remove(&f);
}

static void test_full_disk(void **state)
{
    (void)state;
    struct folder f = folder_new();
    struct demo_config cfg = config(&f);
    struct err e = {0};
    file_fail_at(7, ENOSPC);
    assert_false(demo_write(&cfg, &e));
    file_fail_at(0, 0);
    assert_int_equal(e.kind, ERR_STORAGE);
    assert_non_null(strstr(e.msg, ".jpg: No space left on device"));
    folder_remove(&f);
}

static void count(void *ctx, int n_done, int n_all)
{
    int *last = ctx;
    assert_true(n_done > *last && n_done <= n_all);
    *last = n_done;
}

static void test_progress(void **state)
{
    (void)state;
    struct folder f = folder_new();
    struct demo_config cfg = config(&f);
    int last = 0;
    cfg.n_train = 30;
    cfg.size_px = 16;
    cfg.progress = count;
    cfg.ctx = &last;
    write_set(&cfg);
    assert_int_equal(last, N_CREATURE * (30 + N_TEST));
    folder_remove(&f);
}

/* Every creature at any size: something is drawn, in its own place each time. */
static void test_sizes(void **state)
{
    (void)state;
    static const int size[] = {DEMO_MIN_PX, 37, 200};
    for (size_t k = 0; k < sizeof(size) / sizeof(*size); k++)
        for (int class = 0; class < N_CREATURE; class ++) {
            struct easel s;
            struct image im;
            struct err e = {0};
            int n_figure = 0;
            assert_true(easel_init(&s, size[k], &e));
            assert_true(image_init(&im, size[k], size[k], &e));
            picture_draw(&s, 1, class, 0, &im);
            for (int i = 0; i < size[k] * size[k]; i++)
                n_figure += s.figure.rgba[4 * i + 3] > 0.5f;
            assert_in_range(n_figure, size[k] * size[k] / 100, size[k] * size[k] / 2);
            easel_release(&s);
            image_release(&im);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_depends_on_seed_alone),
        cmocka_unit_test(test_spares_what_is_there),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
