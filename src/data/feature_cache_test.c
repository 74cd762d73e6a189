/* Kept features: the same bytes again, by this process and another; damage, cuts, full disks and limits
 * survived. */
#include "data/feature_cache.h"

#include "base/file.h"
#include "data/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <sys/wait.h>

#include <cmocka.h>

enum { BYTES = 100, HEAD = 64, STRIDE = 64 + 128, KEY = 7 };

static int tear_down(void **state)
{
    (void)state;
    return remove_tree(at("%s", ""));
}

static const char *path_of(uint64_t key)
{
    return at("features/net-%016llx.features", (unsigned long long)key);
}

static struct feature_cache *open_cache(uint64_t key, int64_t limit)
{
    struct err e = {0};
    struct feature_cache_config cfg = {
        .dir = at("%s", ""), .name = "net", .key = key, .bytes = BYTES, .limit = limit};
    struct feature_cache *c = feature_cache_open(&cfg, &e);
    if (!c)
        fail_msg("%s", e.msg);
    return c;
}

static struct feature_key key_of(int i)
{
    return (struct feature_key){1, (uint64_t)i, 10, 20, 3};
}

static const uint8_t *data_of(int i)
{
    static uint8_t byte[BYTES];
    for (int k = 0; k < BYTES; k++)
        byte[k] = (uint8_t)(i * 31 + k);
    return byte;
}

static bool put(struct feature_cache *c, int i, struct err *e)
{
    struct feature_key key = key_of(i);
    return feature_cache_put(c, &key, data_of(i), e);
}

static const void *get(struct feature_cache *c, int i)
{
    struct feature_key key = key_of(i);
    return feature_cache_get(c, &key);
}

static void keeps_what_was_put(void **state)
{
    (void)state;
    struct err e = {0};
    struct feature_cache *c = open_cache(KEY, 0);
    for (int i = 0; i < 3000; i++)
        assert_true(put(c, i, &e));
    assert_null(get(c, 3000));
    for (int turn = 0; turn < 2; turn++) {
        for (int i = 0; i < 3000; i++)
            assert_memory_equal(get(c, i), data_of(i), BYTES);
        feature_cache_close(c);
        c = open_cache(KEY, 0);
    }
    struct feature_key other = key_of(5);
    other.view++;
    assert_null(feature_cache_get(c, &other));
    other = key_of(5);
    other.mtime_ns++;
    assert_null(feature_cache_get(c, &other));
    feature_cache_close(c);
    c = open_cache(KEY + 1, 0); /* other weights */
    assert_null(get(c, 5));
    feature_cache_close(c);
}

static void damage(const char *path, off_t where)
{
    int fd = open(path, O_RDWR);
    uint8_t byte = 0;
    assert_true(fd >= 0 && pread(fd, &byte, 1, where) == 1);
    byte ^= 4;
    assert_true(pwrite(fd, &byte, 1, where) == 1);
    close(fd);
}

static void mends_damage_and_cuts(void **state)
{
    (void)state;
    struct err e = {0};
    struct feature_cache *c = open_cache(KEY + 2, 0);
    for (int i = 0; i < 4; i++)
        assert_true(put(c, i, &e));
    feature_cache_close(c);
    damage(path_of(KEY + 2), HEAD + 1 * STRIDE + 64 + 9); /* data of record 1 */
    damage(path_of(KEY + 2), HEAD + 2 * STRIDE + 9);      /* head of record 2 */
    assert_int_equal(truncate(path_of(KEY + 2), HEAD + 4 * STRIDE - 30), 0);
    c = open_cache(KEY + 2, 0);
    assert_memory_equal(get(c, 0), data_of(0), BYTES);
    for (int i = 1; i < 4; i++)
        assert_null(get(c, i));
    for (int i = 1; i < 4; i++)
        assert_true(put(c, i, &e));
    for (int i = 0; i < 4; i++)
        assert_memory_equal(get(c, i), data_of(i), BYTES);
    feature_cache_close(c);
    damage(path_of(KEY + 2), 9); /* the header: all of it is made anew */
    c = open_cache(KEY + 2, 0);
    assert_null(get(c, 0));
    feature_cache_close(c);
}

static void stops_at_limit_and_full_disk(void **state)
{
    (void)state;
    struct err e = {0};
    struct feature_cache *c = open_cache(KEY + 3, 0);
    file_fail_at(1, ENOSPC);
    assert_false(put(c, 0, &e));
    assert_int_equal(e.kind, ERR_STORAGE);
    assert_true(put(c, 0, &e)); /* there is room again */
    assert_memory_equal(get(c, 0), data_of(0), BYTES);
    feature_cache_close(c);
    assert_int_equal(remove_tree(at("features")), 0);
    c = open_cache(KEY + 3, HEAD + 3 * STRIDE);
    for (int i = 0; i < 3; i++)
        assert_true(put(c, i, &e));
    assert_false(put(c, 3, &e));
    assert_non_null(strstr(e.msg, "--cache-limit"));
    assert_memory_equal(get(c, 2), data_of(2), BYTES);
    feature_cache_close(c);
}

/* Of three files, the one in use stays, and of the others the newer. */
static void makes_room(void **state)
{
    (void)state;
    struct err e = {0};
    assert_int_equal(remove_tree(at("features")), 0);
    struct feature_cache *used = NULL;
    for (uint64_t key = 1; key <= 3; key++) {
        struct feature_cache *c = open_cache(key, 0);
        for (int i = 0; i < 100; i++)
            assert_true(put(c, i, &e));
        if (key == 1)
            used = c;
        else
            feature_cache_close(c);
        struct timespec age[2] = {{.tv_sec = (time_t)(1000 * key)}, {.tv_nsec = UTIME_OMIT}};
        assert_int_equal(utimensat(AT_FDCWD, path_of(key), age, 0), 0);
    }
    struct feature_cache_config cfg = {.dir = at("%s", ""),
                                       .name = "net",
                                       .key = 4,
                                       .bytes = BYTES,
                                       .limit = 350 * STRIDE,
                                       .n_expected = 100};
    struct feature_cache *c = feature_cache_open(&cfg, &e);
    assert_non_null(c);
    assert_int_equal(access(path_of(1), F_OK), 0);
    assert_int_not_equal(access(path_of(2), F_OK), 0);
    assert_int_equal(access(path_of(3), F_OK), 0);
    feature_cache_close(c);
    feature_cache_close(used);
}

/* Each of two processes puts the same records and its own, and sees all in the end. */
static void is_shared_by_processes(void **state)
{
    (void)state;
    enum { COMMON = 300, OWN = 300 };
    pid_t pid[2];
    for (int p = 0; p < 2; p++) {
        pid[p] = fork();
        if (pid[p] == 0) {
            struct err e = {0};
            struct feature_cache *c = open_cache(KEY + 5, 0);
            bool ok = true;
            for (int i = 0; ok && i < COMMON; i++)
                ok = put(c, i, &e) && put(c, 1000 * (p + 1) + i, &e);
            feature_cache_close(c);
            _exit(ok ? 0 : 1);
        }
    }
    for (int p = 0; p < 2; p++) {
        int status;
        waitpid(pid[p], &status, 0);
        assert_int_equal(status, 0);
    }
    struct feature_cache *c = open_cache(KEY + 5, 0);
    for (int i = 0; i < COMMON; i++) {
        assert_memory_equal(get(c, i), data_of(i), BYTES);
        assert_memory_equal(get(c, 1000 + i), data_of(1000 + i), BYTES);
        assert_memory_equal(get(c, 2000 + i), data_of(2000 + i), BYTES);
    }
    feature_cache_close(c);
    struct stat st;
    assert_int_equal(stat(path_of(KEY + 5), &st), 0);
    assert_int_equal(st.st_size, HEAD + (COMMON + 2 * OWN) * STRIDE); /* none twice */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_was_put),           cmocka_unit_test(mends_damage_and_cuts),
        cmocka_unit_test(stops_at_limit_and_full_disk), cmocka_unit_test(makes_room),
        cmocka_unit_test(is_shared_by_processes),
    };
    return cmocka_run_group_tests(tests, NULL, tear_down);
}
