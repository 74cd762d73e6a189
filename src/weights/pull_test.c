/* Pulls from a folder, with writes, memory and signals that fail; tests/pull/run has the network. */
#include "base/build.h"
#include "base/file.h"
#include "base/sha256.h"
#include "weights/pull.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { N = 300000 };

struct fixture {
    char folder[64], url[128], path[128], part[160], tag[160];
    char hash[SHA256_TEXT];
    uint8_t *data; /* (N) */
    struct pull_request r;
    struct pull_report report;
    struct err e;
    int said;
    int64_t stop_at; /* raises the signal once so many bytes are there */
    volatile sig_atomic_t signal;
};

static void on_progress(void *ctx, const char *what, int64_t done, int64_t all)
{
    struct fixture *f = ctx;
    assert_true(done >= 0 && all <= N + 5 && (all == 0 || done <= all));
    if (f->stop_at && strcmp(what, "fetching") == 0 && done >= f->stop_at)
        f->signal = SIGTERM;
}

static void on_line(void *ctx, const char *text)
{
    struct fixture *f = ctx;
    assert_null(strchr(text, '\n'));
    f->said++;
}

static void put(const char *path, const void *byte, size_t n)
{
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(byte, 1, n, out), n);
    assert_int_equal(fclose(out), 0);
}

static int64_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (int64_t)st.st_size : -1;
}

static void open_fixture(struct fixture *f)
{
    char source[160];
    struct sha256 hash;
    *f = (struct fixture){.folder = "/tmp/linnet_pull_XXXXXX"};
    assert_non_null(mkdtemp(f->folder));
    snprintf(source, sizeof(source), "%s/source", f->folder);
    snprintf(f->url, sizeof(f->url), "file://%s", source);
    snprintf(f->path, sizeof(f->path), "%s/cache/weights/toy", f->folder);
    snprintf(f->part, sizeof(f->part), "%s.part", f->path);
    snprintf(f->tag, sizeof(f->tag), "%s.part.tag", f->path);
    f->data = mem_new(N, 1, &f->e);
    assert_non_null(f->data);
    for (uint32_t i = 0; i < N; i++)
        f->data[i] = (uint8_t)(i * 2654435761u >> 24);
    put(source, f->data, N);
    sha256_init(&hash);
    sha256_add(&hash, f->data, N);
    sha256_text(&hash, f->hash);
    f->r = (struct pull_request){.url = f->url,
                                 .path = f->path,
                                 .hash = f->hash,
                                 .n_digit = 8,
                                 .timeout_s = 10,
                                 .stop = &f->signal,
                                 .events = {f, on_progress, on_line}};
}

static void close_fixture(struct fixture *f)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -r %s", f->folder);
    assert_int_equal(system(command), 0);
    mem_free(f->data);
}

static void assert_whole(struct fixture *f)
{
    uint8_t *byte;
    size_t n;
    assert_true(file_read(f->path, 0, ERR_STORAGE, &byte, &n, &f->e));
    assert_int_equal(n, N);
    assert_memory_equal(byte, f->data, N);
    mem_free(byte);
    assert_int_equal(size_of(f->part), -1);
    assert_int_equal(size_of(f->tag), -1);
}

static bool pulls(struct fixture *f)
{
    f->e = (struct err){0};
    return pull(&f->r, &f->report, &f->e);
}

static void fetches_once(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f);
    f.r.n_digit = 64;
    assert_true(pulls(&f));
    assert_false(f.report.was_here);
    assert_int_equal(f.report.bytes, N);
    assert_whole(&f);
    assert_true(pulls(&f));
    assert_true(f.report.was_here);
    assert_int_equal(f.report.bytes, N);
    close_fixture(&f);
}

static void goes_on_from_any_byte(void **state)
{
    static const size_t at[] = {1, 63, 64, 4096, 131072, N - 1, N};
    struct fixture f;
    (void)state;
    open_fixture(&f);
    assert_true(pulls(&f)); /* and there are folders */
    for (size_t i = 0; i < COUNT_OF(at); i++) {
        assert_int_equal(unlink(f.path), 0);
        put(f.part, f.data, at[i]);
        put(f.tag, "\"v1\"", 4);
        assert_true(pulls(&f));
        assert_whole(&f);
    }
    close_fixture(&f);
}

static void starts_anew_where_the_part_is_of_another_file(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f);
    assert_true(pulls(&f));
    for (int longer = 0; longer < 2; longer++) {
        f.data[0] ^= 1;
        assert_int_equal(unlink(f.path), 0);
        put(f.part, f.data, longer ? N : 1000);
        f.data[0] ^= 1;
        if (longer) { /* than the file itself */
            FILE *out = fopen(f.part, "ab");
            assert_non_null(out);
            assert_int_equal(fputs("more", out) >= 0 && fclose(out) == 0, 1);
        }
        f.said = 0;
        f.r.retries = 1;
        assert_true(pulls(&f));
        assert_true(f.said > 0);
        assert_whole(&f);
    }
    close_fixture(&f);
}

static void refuses_another_file(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f);
    f.hash[7] = f.hash[7] == '0' ? '1' : '0';
    assert_false(pulls(&f));
    assert_int_equal(f.e.kind, ERR_MODEL);
    assert_true(f.report.server_fault);
    assert_int_equal(size_of(f.path), -1);
    assert_int_equal(size_of(f.part), -1);
    f.r.max_bytes = N - 1;
    assert_false(pulls(&f));
    assert_int_equal(f.e.kind, ERR_MODEL);
    assert_non_null(strstr(f.e.msg, "another file"));
    assert_int_equal(size_of(f.part), -1);
    close_fixture(&f);
}

static void tells_of_what_is_not_there(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f);
    strcat(f.url, ".not");
    assert_false(pulls(&f));
    assert_int_equal(f.e.kind, ERR_STORAGE);
    assert_true(f.report.server_fault);
    assert_int_equal(size_of(f.part), -1);
    close_fixture(&f);
}

static void stops_and_keeps_what_came(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f);
    f.stop_at = 100000;
    assert_false(pulls(&f));
    assert_int_equal(f.e.kind, ERR_INTERRUPTED);
    assert_int_equal(err_status(&f.e), 128 + SIGTERM);
    assert_true(size_of(f.part) >= 100000);
    assert_int_equal(size_of(f.path), -1);
    f.stop_at = f.signal = 0;
    assert_true(pulls(&f));
    assert_whole(&f);
    close_fixture(&f);
}

/* Each write, fsync and rename fails once, as on a full disk: no wrong file ever stands there, and
 * the next pull brings it. */
static void survives_a_full_disk(void **state)
{
    struct fixture f;
    int failed = 0;
    (void)state;
    open_fixture(&f);
    for (int n = 1; n < 100; n++) {
        file_fail_at(n, ENOSPC);
        bool ok = pulls(&f);
        file_fail_at(0, 0);
        if (!ok) {
            failed++;
            assert_int_equal(f.e.kind, ERR_STORAGE);
            assert_false(f.report.server_fault);
            assert_non_null(strstr(f.e.msg, "No space left on device"));
            assert_true(pulls(&f));
        }
        assert_whole(&f);
        assert_int_equal(unlink(f.path), 0);
        if (ok)
            break;
    }
    assert_true(failed >= 4 && failed < 90); /* a write, the syncs, the rename */
    close_fixture(&f);
}

static void survives_without_memory(void **state)
{
    struct fixture f;
    int failed = 0;
    (void)state;
    open_fixture(&f);
    for (bool ok = false; !ok; unlink(f.path)) {
        mem_fail_at(failed + 1);
        ok = pulls(&f);
        mem_fail_at(0);
        failed += !ok;
        if (!ok) {
            assert_int_equal(f.e.kind, ERR_NOMEM);
            assert_true(pulls(&f));
        }
        assert_whole(&f);
    }
    assert_true(failed >= 3);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fetches_once),
        cmocka_unit_test(goes_on_from_any_byte),
        cmocka_unit_test(starts_anew_where_the_part_is_of_another_file),
        cmocka_unit_test(refuses_another_file),
        cmocka_unit_test(tells_of_what_is_not_there),
        cmocka_unit_test(stops_and_keeps_what_came),
        cmocka_unit_test(survives_a_full_disk),
        cmocka_unit_test(survives_without_memory),
    };
    if (!WITH_CURL) {
        puts("skip: built without libcurl");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
