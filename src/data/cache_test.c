/* The cache: the same bytes with and without it, nothing decoded twice, damage found and mended,
 * full disks survived, two processes at once; bad files found before the first epoch. */
#include "data/cache.h"

#include "base/file.h"
#include "data/fixture.h"
#include "data/loader.h"
#include "data/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <math.h>
#include <setjmp.h>
#include <sys/wait.h>

#include <cmocka.h>

enum { N_CLASS = 2, PER_CLASS = 10, N = N_CLASS * PER_CLASS, SIZE = 24, SIDE = 28 };

static uint32_t all[N];

static void make_set(void)
{
    for (int c = 0; c < N_CLASS; c++)
        for (int i = 0; i < PER_CLASS; i++)
            make_jpeg(at("set/c%d/%d.jpg", c, i), (uint32_t)(c * 100 + i), 30 + 3 * i,
                      40 - 2 * i);
    for (uint32_t i = 0; i < N; i++)
        all[i] = i;
}

static int set_up(void **state)
{
    (void)state;
    make_set();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return remove_tree(at("%s", ""));
}

static struct dataset *open_set(void)
{
    struct err e = {0};
    struct dataset *d =
        dataset_open(&(struct dataset_config){.path = at("set")}, PART_TRAIN, &e);
    if (!d)
        fail_msg("%s", e.msg);
    return d;
}

static struct cache *open_cache(int64_t limit)
{
    struct err e = {0};
    struct cache_config cfg = {
        .dir = at("cache"), .root = at("set"), .rule = {.side_px = SIDE}, .limit = limit};
    struct cache *c = cache_open(&cfg, &e);
    if (!c)
        fail_msg("%s", e.msg);
    return c;
}

/* Hash of two epochs. */
static uint64_t digest(const struct dataset *d, struct cache *cache)
{
    static const struct augment_config augment = {
        .crop = AUGMENT_CROP_RANDOM, .crop_padding = 4, .hflip = 0.5, .brightness = 0.3};
    struct err e = {0};
    struct loader_config cfg = {.index = all,
                                .n_index = d->n_sample,
                                .batch = 8,
                                .size_px = SIZE,
                                .n_class = N_CLASS,
                                .order = ORDER_SHUFFLED,
                                .n_thread = 2,
                                .augment = &augment,
                                .cache = cache};
    struct loader *l = loader_new(d, &cfg, &e);
    if (!l)
        fail_msg("%s", e.msg);
    uint64_t h = 0;
    for (int i = 0; i < 2 * (loader_batches(l) + 1); i++) {
        const struct batch *b;
        if (!loader_next(l, &b, &e))
            fail_msg("%s", e.msg);
        if (b)
            h = hash64(b->pixel, (size_t)(b->n * b->h * b->w * b->channels), h);
    }
    loader_free(l);
    return h;
}

static void same_bytes_and_no_second_decode(void **state)
{
    (void)state;
    struct dataset *d = open_set();
    uint64_t off = digest(d, NULL);

    struct cache *c = open_cache(0);
    assert_int_equal(digest(d, c), off);
    assert_int_equal(cache_stats(c).added, N);
    assert_int_equal(digest(d, c), off);
    assert_int_equal(cache_stats(c).added, N);
    cache_close(c);

    c = open_cache(0); /* another run */
    struct verify_report report;
    struct verify_config verify = {.cache = c, .rule = cache_rule(c), .max_bad = 0.01};
    struct err e = {0};
    assert_true(dataset_verify(d, &verify, &report, &e));
    assert_int_equal(report.n_decoded, 0);
    assert_int_equal(digest(d, c), off);
    assert_int_equal(cache_stats(c).added, 0);
    assert_true(cache_stats(c).hits >= 2 * N);
    cache_close(c);

    assert_int_equal(remove_tree(at("cache")), 0); /* evicted, and room for some only */
    c = open_cache(5 * SIDE * SIDE * 4);
    assert_int_equal(digest(d, c), off);
    assert_in_range(cache_stats(c).added, 1, 7);
    assert_true(cache_stats(c).full);
    assert_non_null(strstr(cache_note(c), "full"));
    assert_null(cache_note(c));
    cache_close(c);
    dataset_free(d);
}

/* Changes a byte of the only file that matches, or cuts it there. */
static void damage(const char *pattern, long offset, bool cut)
{
    glob_t g;
    assert_int_equal(glob(at("cache/%s", pattern), 0, NULL, &g), 0);
    assert_int_equal(g.gl_pathc, 1);
    if (cut) {
        assert_int_equal(truncate(g.gl_pathv[0], offset), 0);
    } else {
        FILE *f = fopen(g.gl_pathv[0], "r+b");
        assert_non_null(f);
        assert_int_equal(fseek(f, offset, SEEK_SET), 0);
        int byte = fgetc(f);
        assert_int_equal(fseek(f, offset, SEEK_SET), 0);
        fputc(byte ^ 1, f);
        fclose(f);
    }
    globfree(&g);
}

static void damage_is_mended(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        long offset;
        bool cut;
    } harm[] = {
        {"*.pack", 5000, false}, {"*.pack", 20000, true},      {"*.pack", 0, true},
        {"*.index", 3, false},   {"*.index", 128 + 77, false}, {"*.index", 1000, true},
        {"*.index", 50, true},   {"*.index", 0, true},         {"*.index", 128 * 3 + 40, false},
    };
    struct dataset *d = open_set();
    uint64_t off = digest(d, NULL);
    for (size_t i = 0; i < COUNT_OF(harm); i++) {
        struct cache *c = open_cache(0);
        assert_int_equal(digest(d, c), off);
        cache_close(c);
        damage(harm[i].file, harm[i].offset, harm[i].cut);
        c = open_cache(0);
        assert_int_equal(digest(d, c), off);
        assert_in_range(cache_stats(c).added, 1, N);
        cache_close(c);
        c = open_cache(0); /* whole again */
        assert_int_equal(digest(d, c), off);
        assert_int_equal(cache_stats(c).added, 0);
        cache_close(c);
    }
    dataset_free(d);
}

static void full_disk(void **state)
{
    (void)state;
    struct dataset *d = open_set();
    uint64_t off = digest(d, NULL);
    for (int n = 1; n < 12; n++) {
        struct err e = {0};
        struct cache_config cfg = {
            .dir = at("cache%d", n), .root = at("set"), .rule = {.side_px = SIDE}};
        file_fail_at(n, ENOSPC);
        struct cache *c = cache_open(&cfg, &e);
        if (!c) {
            assert_int_equal(e.kind, ERR_STORAGE);
            file_fail_at(0, 0);
            continue;
        }
        assert_int_equal(digest(d, c), off);
        file_fail_at(0, 0);
        assert_true(cache_stats(c).full);
        assert_non_null(strstr(cache_note(c), "No space left"));
        cache_close(c);
        c = cache_open(&cfg, &e); /* with room again it goes on */
        assert_non_null(c);
        assert_int_equal(digest(d, c), off);
        assert_false(cache_stats(c).full);
        assert_int_equal(cache_stats(c).damaged, 0);
        cache_close(c);
    }
    dataset_free(d);
}

static void two_processes(void **state)
{
    (void)state;
    struct dataset *d = open_set();
    uint64_t off = digest(d, NULL);
    pid_t child[4];
    for (int i = 0; i < 4; i++) {
        child[i] = fork();
        if (child[i] == 0) {
            struct cache *c = open_cache(0);
            bool same = digest(d, c) == off && cache_stats(c).damaged == 0;
            cache_close(c);
            _exit(same ? 0 : 1);
        }
    }
    for (int i = 0; i < 4; i++) {
        int status;
        assert_int_equal(waitpid(child[i], &status, 0), child[i]);
        assert_int_equal(status, 0);
    }
    struct cache *c = open_cache(0);
    assert_int_equal(digest(d, c), off);
    assert_int_equal(cache_stats(c).added, 0);
    cache_close(c);
    glob_t g; /* nothing was stored twice */
    assert_int_equal(glob(at("cache/*.index"), 0, NULL, &g), 0);
    struct stat st;
    assert_int_equal(stat(g.gl_pathv[0], &st), 0);
    assert_int_equal(st.st_size, 128 * (N + 1));
    globfree(&g);
    dataset_free(d);
}

static void least_recently_used_goes(void **state)
{
    (void)state;
    struct err e = {0};
    struct dataset *d = open_set();
    struct image im;
    assert_true(picture_read(d, 0, (struct picture_rule){.side_px = SIDE}, &im, NULL, &e));
    const char *root[3] = {"first", "second", "third"};
    for (int i = 0; i < 3; i++) {
        /* the third one is expected to need what two pictures of the others take */
        struct cache_config cfg = {.dir = at("cache"),
                                   .root = at("%s", root[i]),
                                   .rule = {.side_px = SIDE},
                                   .limit = 24000,
                                   .n_expected = i == 2 ? 4 : 1};
        struct cache *c = cache_open(&cfg, &e);
        assert_non_null(c);
        for (int k = 0; k < 2; k++)
            cache_put(c, d->sample + k, &im);
        assert_int_equal(cache_stats(c).added, 2);
        cache_close(c);
    }
    glob_t g;
    assert_int_equal(glob(at("cache/*.pack"), 0, NULL, &g), 0);
    assert_int_equal(g.gl_pathc, 2);
    assert_null(strstr(g.gl_pathv[0], "first"));
    globfree(&g);
    image_release(&im);
    dataset_free(d);
}

static void bad_files(void **state)
{
    (void)state;
    struct err e = {0};
    struct verify_report report;
    make_file(at("set/c0/3.jpg"), "not a picture", 13);
    make_file(at("set/c1/0.jpg"), "", 0);
    int fd = open(at("set/c1/7.jpg"), O_RDONLY);
    assert_int_equal(truncate(at("set/c1/7.jpg"), lseek(fd, 0, SEEK_END) / 2), 0);
    close(fd);
    struct cache *c = open_cache(0);
    struct verify_config cfg = {.cache = c, .rule = cache_rule(c), .max_bad = 0.2};
    struct dataset *d = open_set();
    assert_true(dataset_verify(d, &cfg, &report, &e));
    assert_int_equal(report.n_bad, 3);
    assert_int_equal(report.n_decoded, N - 1);
    assert_int_equal(d->n_sample, N - 3);
    digest(d, c); /* reads all that is left without an error */
    int n_bad = 0;
    for (int i = 0; i < d->n_issue; i++)
        n_bad += d->issue[i].bad &&
                 (strstr(d->issue[i].path, "c0/3.jpg") ||
                  strstr(d->issue[i].path, "c1/0.jpg") || strstr(d->issue[i].path, "c1/7.jpg"));
    assert_int_equal(n_bad, 3);
    for (int i = 0; i < d->n_sample; i++)
        assert_null(strstr(d->sample[i].path, "c1/7.jpg"));
    dataset_free(d);
    cfg.max_bad = 0.14; /* 3 of 20 are more */
    d = open_set();
    assert_false(dataset_verify(d, &cfg, &report, &e));
    assert_int_equal(e.kind, ERR_DATA);
    assert_non_null(strstr(e.msg, "3 of 20"));
    dataset_free(d);
    cfg.max_bad = 1;
    cfg.fail = true;
    d = open_set();
    assert_false(dataset_verify(d, &cfg, &report, &e));
    assert_non_null(strstr(e.msg, "--bad fail"));
    dataset_free(d);
    cache_close(c);
}

static void statistics(void **state)
{
    (void)state;
    struct err e = {0};
    struct dataset *d = open_set();
    struct verify_config cfg = {.rule = {.side_px = SIDE}, .n_thread = 1};
    float mean[2][3], std[2][3];
    double n = 0, sum = 0, square = 0;
    for (int i = 0; i < N / 2; i++) {
        struct image im;
        assert_true(picture_read(d, i, cfg.rule, &im, NULL, &e));
        for (int k = 0; k < im.w * im.h; k++, n++) {
            double v = im.pixel[3 * k + 1] / 255.0;
            sum += v;
            square += v * v;
        }
        image_release(&im);
    }
    assert_true(dataset_statistics(d, all, N / 2, &cfg, mean[0], std[0], &e));
    assert_true(fabs(mean[0][1] - sum / n) < 1e-6);
    assert_true(fabs(std[0][1] - sqrt(square / n - sum / n * sum / n)) < 1e-6);
    cfg.cache = open_cache(0);
    cfg.n_thread = 3;
    digest(d, cfg.cache);
    assert_true(dataset_statistics(d, all, N / 2, &cfg, mean[1], std[1], &e));
    assert_memory_equal(mean[0], mean[1], sizeof(mean[0]));
    assert_memory_equal(std[0], std[1], sizeof(std[0]));
    cache_close(cfg.cache);
    dataset_free(d);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(same_bytes_and_no_second_decode),
        ROW(damage_is_mended),
        ROW(full_disk),
        ROW(two_processes),
        ROW(least_recently_used_goes),
        ROW(bad_files),
        ROW(statistics),
    };
    return cmocka_run_group_tests_name("cache", tests, NULL, NULL);
}
