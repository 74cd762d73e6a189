#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void grows_outward(void **state)
{
    (void)state;
    struct err e = {0};
    assert_false(err_set(&e, ERR_DATA, "not a JPEG (starts %02x %02x)", 0x89, 0x50));
    assert_false(err_in(&e, "%s", "cat/0017.jpg"));
    assert_false(err_in(&e, "train: dataset %s", "pets"));
    assert_string_equal(e.msg, "train: dataset pets: cat/0017.jpg: not a JPEG (starts 89 50)");
    assert_int_equal(e.kind, ERR_DATA);
    errno = ENOSPC;
    assert_false(err_errno(&e, "/a/b"));
    assert_string_equal(e.msg, "/a/b: No space left on device");
    assert_int_equal(e.kind, ERR_STORAGE);
}

static void stays_one_line(void **state)
{
    (void)state;
    struct err e = {0};
    err_set(&e, ERR_DATA, "%s", "a\nb\x1b[31m\x7f \xc3\xa9");
    assert_string_equal(e.msg, "a\\x0ab\\x1b[31m\\x7f \xc3\xa9");
    err_in(&e, "x\ty");
    assert_string_equal(e.msg, "x\\x09y: a\\x0ab\\x1b[31m\\x7f \xc3\xa9");
}

static void long_ones_are_cut(void **state)
{
    (void)state;
    struct err e = {0};
    char text[2000];
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    err_set(&e, ERR_DATA, "%s", text);
    assert_true(strlen(e.msg) < sizeof(e.msg) && strlen(e.msg) > sizeof(e.msg) - 8);
    memset(text, '\n', sizeof(text) - 1); /* four characters each */
    err_set(&e, ERR_DATA, "%s", text);
    assert_true(strlen(e.msg) < sizeof(e.msg) && strlen(e.msg) > sizeof(e.msg) - 8);
    err_in(&e, "%s", text);
    assert_true(strlen(e.msg) < sizeof(e.msg));
}

static void states_are_documented(void **state)
{
    (void)state;
    static const struct {
        enum err_kind kind;
        int status;
    } want[] = {{ERR_NONE, 0},    {ERR_INTERNAL, 1}, {ERR_NOMEM, 1}, {ERR_USAGE, 2},
                {ERR_SHAPE, 2},   {ERR_DEVICE, 2},   {ERR_DATA, 3},  {ERR_MODEL, 4},
                {ERR_STORAGE, 5}, {ERR_DIVERGED, 6}, {ERR_LEAK, 7},  {ERR_INTERRUPTED, 130}};
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        struct err e = {.kind = want[i].kind, .signal = 2};
        assert_int_equal(err_status(&e), want[i].status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_outward),
        cmocka_unit_test(stays_one_line),
        cmocka_unit_test(long_ones_are_cut),
        cmocka_unit_test(states_are_documented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
