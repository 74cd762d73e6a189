#include "cmd/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *printed(struct table *t)
{
    char *text = NULL;
    size_t n;
    struct err e;
    FILE *out = open_memstream(&text, &n);
    assert_true(table_print(t, out, &e));
    fclose(out);
    return text;
}

static void columns_line_up(void **state)
{
    (void)state;
    struct table t = {.align = "lrl", .indent = "  ", .head = true};
    table_cell(&t, "class");
    table_cell(&t, "n");
    table_cell(&t, "note");
    table_cell(&t, "b\xc3\xa4r"); /* four bytes, three columns */
    table_cell(&t, "%d", 12345);
    table_cell(&t, "x");
    table_cell(&t, "elephant");
    table_cell(&t, "%d", 7);
    table_cell(&t, "%s", "");
    table_cell(&t, "ant");
    char *text = printed(&t);
    assert_string_equal(text, "  class         n  note\n"
                              "  --------  -----  ----\n"
                              "  b\xc3\xa4r       12345  x\n"
                              "  elephant      7\n"
                              "  ant\n");
    free(text);
    assert_null(t.cell);
}

static void no_memory_is_said(void **state)
{
    (void)state;
    for (int n = 1; n <= 3; n++) {
        struct table t = {.align = "ll"};
        struct err e = {0};
        mem_fail_at(n);
        for (int i = 0; i < 4; i++)
            table_cell(&t, "%d", i);
        mem_fail_at(0);
        assert_false(table_print(&t, stdout, &e));
        assert_int_equal(e.kind, ERR_NOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_line_up),
        cmocka_unit_test(no_memory_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
