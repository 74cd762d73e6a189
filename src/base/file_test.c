#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/linnet_file_XXXXXX";

static int enter(void **state)
{
    (void)state;
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int leave(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof(command), "rm -r %s", folder);
    return chdir("/") == 0 ? system(command) : -1;
}

static bool write_text(const char *path, const char *text, struct err *e)
{
    size_t half = strlen(text) / 2;
    struct file_part part[] = {{text, half}, {"", 0}, {text + half, strlen(text) - half}};
    return file_write_atomic(path, part, 3, e);
}

static void assert_holds(const char *path, const char *text)
{
    struct err e = {0};
    uint8_t *byte;
    size_t n;
    assert_true(file_read(path, 0, ERR_STORAGE, &byte, &n, &e));
    assert_int_equal(n, strlen(text));
    assert_string_equal((char *)byte, text); /* a NUL stands behind */
    mem_free(byte);
}

static int entries(void)
{
    DIR *d = opendir(".");
    int n = 0;
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2; /* not . and .. */
}

static void reads_and_maps_what_was_written(void **state)
{
    (void)state;
    struct err e = {0};
    struct file_map m;
    assert_true(write_text("a", "one two", &e));
    assert_holds("a", "one two");
    assert_true(file_map("a", ERR_MODEL, &m, &e));
    assert_true(m.n == 7 && memcmp(m.byte, "one two", 7) == 0);
    file_unmap(&m);
    file_unmap(&m);
    assert_true(write_text("a", "", &e));
    assert_holds("a", "");
    assert_true(file_map("a", ERR_MODEL, &m, &e));
    assert_int_equal(m.n, 0);
    file_unmap(&m);
    assert_int_equal(entries(), 1); /* no temporary file is left */
    unlink("a");
}

static void refuses_what_is_no_file(void **state)
{
    (void)state;
    struct err e = {0};
    struct file_map m;
    uint8_t *byte;
    size_t n;
    assert_int_equal(mkfifo("fifo", 0600), 0);
    assert_int_equal(symlink("loop", "loop"), 0);
    static const char *const bad[] = {"fifo", ".", "loop", "absent", "/dev/zero"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(file_read(bad[i], 0, ERR_MODEL, &byte, &n, &e));
        assert_int_equal(e.kind, ERR_MODEL);
        assert_ptr_equal(strstr(e.msg, bad[i]), e.msg);
        assert_false(file_map(bad[i], ERR_DATA, &m, &e));
        assert_int_equal(e.kind, ERR_DATA);
    }
    assert_true(write_text("a", "12345", &e));
    assert_false(file_read("a", 4, ERR_DATA, &byte, &n, &e));
    assert_string_equal(e.msg, "a: 5 bytes, over the limit of 4");
    assert_true(file_read("a", 5, ERR_DATA, &byte, &n, &e));
    mem_free(byte);
    assert_true(file_read("/proc/self/stat", 0, ERR_DATA, &byte, &n, &e)); /* states 0 bytes */
    assert_true(n > 10 && byte[n] == 0);
    mem_free(byte);
    assert_false(file_read("/proc/self/stat", 10, ERR_DATA, &byte, &n, &e));
    unlink("a");
    unlink("fifo");
    unlink("loop");
}

/* Whichever call fails, the old file stands or (behind the rename) the new one does. */
static void a_failed_write_loses_nothing(void **state)
{
    (void)state;
    static const int error[] = {ENOSPC, EIO, EDQUOT};
    struct err e = {0};
    for (size_t i = 0; i < COUNT_OF(error); i++) {
        int n = 0;
        for (bool ok = false; !ok; n++) {
            assert_true(write_text("a", "the old text", &e));
            file_fail_at(n + 1, error[i]);
            ok = write_text("a", "the new text", &e);
            file_fail_at(0, 0);
            /* write, write, fsync and rename come before the folder's fsync */
            assert_holds("a", n < 4 ? "the old text" : "the new text");
            assert_int_equal(entries(), 1);
            assert_true(ok || (e.kind == ERR_STORAGE && strstr(e.msg, strerror(error[i]))));
        }
        assert_int_equal(n, 6);
    }
    unlink("a");
    assert_false(write_text("no/such/folder", "x", &e));
    assert_int_equal(e.kind, ERR_STORAGE);
}

static bool draft_text(const char *path, struct err *e)
{
    struct file_draft d;
    bool ok = file_draft_open(&d, path, e) && file_draft_add(&d, "?? piece", 8, e) &&
              file_draft_add(&d, " by piece", 9, e) && file_draft_head(&d, "by", 2, e) &&
              file_draft_add(&d, "!", 1, e);
    if (ok)
        assert_int_equal(entries(), 2); /* the old file stands until the new one is whole */
    ok = ok && file_draft_publish(&d, e);
    file_draft_close(&d);
    file_draft_close(&d);
    return ok;
}

static void a_draft_is_whole_or_nothing(void **state)
{
    (void)state;
    struct err e = {0};
    struct file_draft d;
    int n = 0;
    for (bool ok = false; !ok; n++) {
        assert_true(write_text("a", "old", &e));
        file_fail_at(n + 1, ENOSPC);
        ok = draft_text("a", &e);
        file_fail_at(0, 0);
        /* four writes, fsync and rename come before the folder's fsync */
        assert_holds("a", n < 6 ? "old" : "by piece by piece!");
        assert_int_equal(entries(), 1);
        assert_true(ok || (e.kind == ERR_STORAGE && strstr(e.msg, strerror(ENOSPC))));
    }
    assert_int_equal(n, 8);
    unlink("a");
    assert_false(file_draft_open(&d, "no/such/folder", &e));
    assert_int_equal(e.kind, ERR_STORAGE);
    file_draft_close(&d);
    mem_fail_at(1);
    assert_false(file_draft_open(&d, "a", &e));
    assert_int_equal(e.kind, ERR_NOMEM);
    assert_int_equal(entries(), 0);
}

static void no_memory_loses_nothing(void **state)
{
    (void)state;
    struct err e = {0};
    assert_true(write_text("a", "old", &e));
    for (int n = 1; n <= 2; n++) {
        mem_fail_at(n);
        assert_false(write_text("a", "new", &e));
        assert_int_equal(e.kind, ERR_NOMEM);
        assert_holds("a", "old");
    }
    mem_fail_at(0);
    uint8_t *byte;
    size_t n;
    mem_fail_at(1);
    assert_false(file_read("a", 0, ERR_DATA, &byte, &n, &e));
    assert_int_equal(e.kind, ERR_NOMEM);
    assert_int_equal(entries(), 1);
    unlink("a");
}

static void appends_whole_or_not(void **state)
{
    (void)state;
    struct err e = {0};
    int fd = open("log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_true(file_append(fd, "log", "one\n", 4, &e));
    file_fail_at(1, ENOSPC);
    assert_false(file_append(fd, "log", "lost\n", 5, &e));
    assert_string_equal(e.msg, "log: No space left on device");
    assert_true(file_append(fd, "log", "two\n", 4, &e));
    close(fd);
    assert_holds("log", "one\ntwo\n");
    unlink("log");
}

/* A real full device, where there is one. */
static void a_full_device_is_named(void **state)
{
    (void)state;
    struct err e = {0};
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        print_message("skip: no /dev/full here\n");
        skip();
    }
    assert_false(file_append(fd, "/dev/full", "x", 1, &e));
    assert_string_equal(e.msg, "/dev/full: No space left on device");
    close(fd);
}

static void makes_folders(void **state)
{
    (void)state;
    struct err e = {0};
    assert_true(dir_make("x//y/z/", &e));
    assert_true(dir_make("x/y/z", &e));
    assert_true(dir_make(".", &e) && dir_make("/", &e));
    assert_true(dir_sync("x/y", &e));
    assert_true(write_text("x/file", "", &e));
    assert_false(dir_make("x/file", &e));
    assert_string_equal(e.msg, "x/file: Not a directory");
    assert_false(dir_make("x/file/y", &e));
    assert_int_equal(e.kind, ERR_STORAGE);
    assert_false(dir_make("", &e));
    assert_false(dir_sync("x/file", &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_maps_what_was_written),
        cmocka_unit_test(refuses_what_is_no_file),
        cmocka_unit_test(a_failed_write_loses_nothing),
        cmocka_unit_test(a_draft_is_whole_or_nothing),
        cmocka_unit_test(no_memory_loses_nothing),
        cmocka_unit_test(appends_whole_or_not),
        cmocka_unit_test(a_full_device_is_named),
        cmocka_unit_test(makes_folders),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
