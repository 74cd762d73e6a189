/* A part between two processes: flock() is this file's, so that the other one acts just before it. */
#include "weights/part.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

static void (*other_process)(void); /* called once */

int flock(int fd, int operation)
{
    void (*act)(void) = other_process;
    other_process = NULL;
    if (act)
        act();
    return (int)syscall(SYS_flock, fd, operation);
}

static bool watch(void *ctx, int64_t done, int64_t all, struct err *e)
{
    (void)ctx, (void)done, (void)all, (void)e;
    return true;
}

static void assert_holds(const char *path, const char *text)
{
    struct err e = {0};
    uint8_t *byte;
    size_t n;
    assert_true(file_read(path, 0, ERR_STORAGE, &byte, &n, &e));
    assert_string_equal((char *)byte, text);
    mem_free(byte);
}

static void publish(void)
{
    assert_int_equal(rename("toy.part", "toy"), 0);
}

static void publish_and_begin_another(void)
{
    struct err e = {0};
    publish();
    assert_true(file_write_plain("toy.part", "new", 3, &e));
}

/* It was opened while the other process filled it, and locked when that one had given it its name: what
 * was opened is the finished file, and no byte may be added to it. */
static void a_lost_race_begins_anew(void **state)
{
    static const struct {
        void (*other)(void);
        const char *left;
    } cases[] = {{publish, ""}, {publish_and_begin_another, "new"}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err e = {0};
        struct part p;
        assert_true(file_write_plain("toy.part", "whole", 5, &e));
        other_process = cases[i].other;
        assert_true(part_open(&p, "toy", watch, NULL, &e));
        assert_null(other_process);
        assert_int_equal(p.n, strlen(cases[i].left));
        assert_true(part_append(&p, "more", 4, &e));
        part_close(&p);
        assert_holds("toy", "whole");
        assert_int_equal(unlink("toy"), 0);
        assert_int_equal(unlink("toy.part"), 0);
    }
}

static void a_held_part_is_left_alone(void **state)
{
    struct err e = {0};
    struct part first, second;
    (void)state;
    assert_true(part_open(&first, "toy", watch, NULL, &e));
    assert_true(part_append(&first, "some", 4, &e));
    assert_false(part_open(&second, "toy", watch, NULL, &e));
    assert_int_equal(e.kind, ERR_USAGE);
    assert_non_null(strstr(e.msg, "in use by another"));
    part_close(&second);
    part_close(&first);
    assert_holds("toy.part", "some");
    assert_int_equal(unlink("toy.part"), 0);
}

int main(void)
{
    char folder[] = "/tmp/linnet_part_XXXXXX";
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_lost_race_begins_anew),
                                       cmocka_unit_test(a_held_part_is_left_alone)};
    if (!mkdtemp(folder) || chdir(folder) != 0)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return chdir("/") != 0 || rmdir(folder) != 0 || failed;
}
