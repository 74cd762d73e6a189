#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static bool zeroed(const unsigned char *byte, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (byte[i])
            return false;
    return true;
}

static void blocks_are_aligned_and_zero(void **state)
{
    (void)state;
    struct err e = {0};
    for (size_t n = 0; n < 300; n++) {
        unsigned char *block = mem_new(n, 3, &e);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % 64, 0);
        assert_true(zeroed(block, 3 * n));
        memset(block, 0xff, 3 * n); /* so that the next one must be cleared */
        mem_free(block);
    }
    mem_free(NULL);
}

static void refuses_what_cannot_be(void **state)
{
    (void)state;
    static const size_t bad[][2] = {
        {SIZE_MAX, 2}, {SIZE_MAX / 2 + 1, 2}, {SIZE_MAX, 1}, {SIZE_MAX - 63, 1}};
    struct arena a = {0};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct err e = {0};
        assert_null(mem_new(bad[i][0], bad[i][1], &e));
        assert_int_equal(e.kind, ERR_NOMEM);
        e.kind = ERR_NONE;
        assert_null(arena_new(&a, bad[i][0], bad[i][1], &e));
        assert_int_equal(e.kind, ERR_NOMEM);
    }
    arena_release(&a);
}

static void growing_keeps_and_clears(void **state)
{
    (void)state;
    struct err e = {0};
    unsigned char *block = mem_new(100, 1, &e);
    memset(block, 7, 100);
    block = mem_grow(block, 100, 1000, 1, &e);
    assert_non_null(block);
    assert_true(block[0] == 7 && block[99] == 7 && zeroed(block + 100, 900));
    mem_fail_at(1);
    assert_null(mem_grow(block, 1000, 2000, 1, &e));
    assert_true(block[99] == 7); /* the old block stands */
    block = mem_grow(block, 1000, 10, 1, &e);
    assert_true(block && block[9] == 7);
    mem_free(block);
}

static void the_nth_fails(void **state)
{
    (void)state;
    struct err e = {0};
    mem_fail_at(3);
    for (int i = 1; i <= 5; i++) {
        void *block = mem_new(1, 1, &e);
        assert_true((block == NULL) == (i == 3));
        mem_free(block);
    }
    mem_fail_at(1);
    mem_fail_at(0);
    void *block = mem_new(1, 1, &e);
    assert_non_null(block);
    mem_free(block);
}

static void texts_are_copies(void **state)
{
    (void)state;
    struct err e = {0};
    char *text = mem_printf(&e, "%d-%s", 42, "x");
    char *copy = mem_text(text, &e);
    text[0] = '!';
    assert_string_equal(copy, "42-x");
    mem_free(text);
    mem_free(copy);
}

static void an_arena_dies_at_once(void **state)
{
    (void)state;
    struct err e = {0};
    struct arena a = {0};
    char *first = arena_text(&a, "first", &e);
    for (size_t n = 1; n < 5000; n += 7) {
        unsigned char *at = arena_new(&a, n, 1, &e);
        assert_true(at && (uintptr_t)at % 16 == 0 && zeroed(at, n));
        memset(at, 0xff, n);
    }
    unsigned char *large = arena_new(&a, 1 << 20, 1, &e);
    assert_true(large && zeroed(large, 1 << 20));
    assert_string_equal(first, "first");
    arena_release(&a);
    assert_null(a.block);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_aligned_and_zero),
        cmocka_unit_test(refuses_what_cannot_be),
        cmocka_unit_test(growing_keeps_and_clears),
        cmocka_unit_test(the_nth_fails),
        cmocka_unit_test(texts_are_copies),
        cmocka_unit_test(an_arena_dies_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
