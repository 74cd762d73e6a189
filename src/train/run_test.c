/* A run directory: held by one, cut back on resume, and nothing lost on a full disk. */
#include "train/record.h"
#include "train/run.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "run_test.XXXXXX";

static int enter(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int leave(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

static void read_all(const char *name, char *text, size_t size)
{
    struct err e = {0};
    uint8_t *byte;
    size_t n;
    char *path = run_path(dir, name, &e);
    if (!file_read(path, 0, ERR_STORAGE, &byte, &n, &e))
        fail_msg("%s", e.msg);
    snprintf(text, size, "%s", (char *)byte);
    mem_free(byte);
    mem_free(path);
}

static void is_held_by_one(void **state)
{
    (void)state;
    struct err e = {0};
    struct run one, two;
    char pid[64];
    assert_true(run_open(&one, dir, &e));
    assert_false(run_open(&two, dir, &e));
    assert_int_equal(e.kind, ERR_USAGE);
    snprintf(pid, sizeof(pid), "in use by process %ld;", (long)getpid());
    assert_non_null(strstr(e.msg, pid));
    run_close(&one);
    assert_true(run_open(&two, dir, &e));
    run_close(&two);
}

static void removes_torn_writes(void **state)
{
    (void)state;
    struct err e = {0};
    struct run r;
    char *torn = run_path(dir, "last.safetensors.tmp.123", &e);
    struct file_part part = {"x", 1};
    assert_true(file_write_atomic(torn, &part, 1, &e));
    assert_true(run_open(&r, dir, &e));
    assert_false(run_has(&r, "last.safetensors.tmp.123"));
    run_close(&r);
    mem_free(torn);
}

static void journals_lose_nothing(void **state)
{
    (void)state;
    struct err e = {0};
    struct run r;
    char text[64];
    assert_true(run_open(&r, dir, &e));
    assert_true(journal_add(&r.metrics, "one\n", 4, &e));
    file_fail_at(1, ENOSPC);
    assert_true(journal_add(&r.metrics, "two\n", 4, &e)); /* waits */
    file_fail_at(0, 0);
    read_all("metrics.jsonl", text, sizeof(text));
    assert_string_equal(text, "one\n");
    file_fail_at(1, ENOSPC);
    assert_false(journal_sync(&r.metrics, &e)); /* a checkpoint may not count on it yet */
    assert_int_equal(e.kind, ERR_STORAGE);
    file_fail_at(0, 0);
    assert_true(journal_add(&r.metrics, "three\n", 6, &e));
    assert_true(journal_sync(&r.metrics, &e));
    read_all("metrics.jsonl", text, sizeof(text));
    assert_string_equal(text, "one\ntwo\nthree\n");
    assert_int_equal(r.metrics.bytes, 14);
    file_fail_at(1,
                 EIO); /* the fsync: what the disk holds is not known, so it is written anew */
    assert_false(journal_sync(&r.metrics, &e));
    file_fail_at(0, 0);
    assert_true(journal_sync(&r.metrics, &e));
    assert_true(journal_add(&r.metrics, "four\n", 5, &e));
    read_all("metrics.jsonl", text, sizeof(text));
    assert_string_equal(text, "one\ntwo\nthree\nfour\n");
    assert_true(journal_cut(&r.metrics, 8, &e));
    assert_false(journal_cut(&r.metrics, 9, &e)); /* more than there is */
    assert_int_equal(e.kind, ERR_STORAGE);
    read_all("metrics.jsonl", text, sizeof(text));
    assert_string_equal(text, "one\ntwo\n");
    run_close(&r);
}

static void keeps_the_one_before(void **state)
{
    (void)state;
    struct err e = {0};
    struct run r;
    char text[16];
    assert_true(run_open(&r, dir, &e));
    assert_true(run_keep(&r, "a", "b", &e)); /* nothing to keep */
    assert_true(run_write(&r, "a", "1", 1, &e));
    assert_true(run_keep(&r, "a", "b", &e));
    assert_true(run_keep(&r, "a", "b", &e)); /* both are one file by now */
    assert_true(run_write(&r, "a", "2", 1, &e));
    read_all("a", text, sizeof(text));
    assert_string_equal(text, "2");
    read_all("b", text, sizeof(text));
    assert_string_equal(text, "1");
    file_fail_at(1, EIO);
    assert_false(run_keep(&r, "a", "b", &e));
    file_fail_at(0, 0);
    read_all("b", text, sizeof(text));
    assert_string_equal(text, "1");
    run_close(&r);
}

static void asks_for_room_first(void **state)
{
    (void)state;
    struct err e = {0};
    struct run r;
    assert_true(run_open(&r, dir, &e));
    assert_true(run_need_space(&r, 1, &e));
    assert_false(run_need_space(&r, (size_t)1 << 60, &e));
    assert_int_equal(e.kind, ERR_STORAGE);
    run_close(&r);
    assert_false(run_open(&r, "/proc/no/such/place", &e));
    assert_int_equal(e.kind, ERR_STORAGE);
}

static void defaults(struct train_config *cfg, struct arena *a)
{
    struct err e = {0};
    struct option_table table[TRAIN_MAX_TABLES];
    int n = train_tables(cfg, table);
    assert_true(n <= TRAIN_MAX_TABLES);
    if (!option_defaults(table, n, a, &e) || !train_resolve(cfg, &e))
        fail_msg("%s", e.msg);
}

/* Configuration to a file and back; each changed row is found, whatever its type. */
static void sees_every_change(void **state)
{
    (void)state;
    struct err e = {0};
    struct arena a = {0};
    struct run r;
    struct train_config was, is;
    struct changes none = {0};
    const char *data;
    memset(&was, 0, sizeof(was));
    memset(&is, 0, sizeof(is));
    defaults(&was, &a);
    was.optim.lr = 0.1 + 0.2; /* all 17 digits */
    assert_true(run_open(&r, dir, &e));
    assert_true(record_write_config(&r, &was, "/some/where", NULL, &e));
    if (!record_read_config(dir, &is, &data, &a, &e))
        fail_msg("%s", e.msg);
    assert_string_equal(data, "/some/where");
    record_compare_config(&is, &was, &none);
    assert_int_equal(none.n, 0);
    struct option_table table[TRAIN_MAX_TABLES];
    int n = train_tables(&is, table), seen = 0;
    for (int t = 0; t < n; t++)
        for (const struct option *row = table[t].row; row->name; row++) {
            char before[1024];
            struct changes c = {0};
            option_text(row, table[t].into, before, sizeof(before));
            const char *text = row->type == OPTION_BOOL ? strcmp(before, "yes") ? "yes" : "no"
                               : row->type == OPTION_CHOICE
                                   ? row->choice[strcmp(before, row->choice[0]) == 0]
                               : row->type == OPTION_STRING ? "other"
                               : strcmp(before, "1") == 0   ? "2"
                                                            : "1";
            if (!option_set(&table[t], 1, row->name, text, &a, &e))
                continue; /* out of its range: the row below 1 or 2 */
            record_compare_config(&is, &was, &c);
            assert_int_equal(c.n, !train_option_is_free(row->name));
            seen += c.n;
            if (!option_set(&table[t], 1, row->name, before[0] ? before : "x", &a, &e) ||
                row->type == OPTION_STRING)
                assert_true(record_read_config(dir, &is, &data, &a, &e));
        }
    print_message("%d single changes seen\n", seen);
    assert_true(seen > 60);
    run_close(&r);
    arena_release(&a);
}

static void compares_facts(void **state)
{
    (void)state;
    struct err e = {0};
    struct run r;
    struct facts f = {0};
    struct changes c = {0};
    assert_true(run_open(&r, dir, &e));
    facts_add(&f, "threads", "%d", 2);
    facts_add(&f, "data", "%x", 0xabc);
    assert_true(record_write_facts(&r, &f, &e));
    assert_true(record_compare_facts(&r, &f, &c, &e));
    assert_true(record_unchanged(dir, &c, &e));
    snprintf(f.at[0].text, sizeof(f.at[0].text), "3");
    assert_true(record_compare_facts(&r, &f, &c, &e));
    assert_false(record_unchanged(dir, &c, &e));
    assert_int_equal(e.kind, ERR_USAGE);
    assert_non_null(strstr(e.msg, "threads was 2, is 3"));
    run_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_held_by_one),        cmocka_unit_test(removes_torn_writes),
        cmocka_unit_test(journals_lose_nothing), cmocka_unit_test(keeps_the_one_before),
        cmocka_unit_test(asks_for_room_first),   cmocka_unit_test(sees_every_change),
        cmocka_unit_test(compares_facts),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
