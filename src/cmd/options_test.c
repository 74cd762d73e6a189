/* What every row of every command must keep to. */
int program_main(int argc, char **argv);
#define main program_main /* main.c is the table of commands */
#include "cmd/main.c"     /* NOLINT(bugprone-suspicious-include) */
#undef main
#include "cmd/help.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct bound {
    struct arena arena;
    struct common_options common;
    struct option_table table[COMMAND_MAX_TABLES];
    int n;
};

static void bind(struct bound *b, const struct command *c)
{
    struct err e;
    *b = (struct bound){.n = 0};
    void *config = arena_new(&b->arena, 1, c->config_size + 1, &e);
    assert_non_null(config);
    b->n = command_tables(c, config, &b->common, b->table);
    assert_true(b->n <= COMMAND_MAX_TABLES - 1);
}

/* A name means one thing, '-' or '_': finding a row by its name finds that row. */
static void names_are_unique_and_usual(void **state)
{
    (void)state;
    for (int i = 0; commands[i]; i++) {
        struct bound b;
        bind(&b, commands[i]);
        for (int t = 0; t < b.n; t++)
            for (const struct option *row = b.table[t].row; row->name; row++) {
                void *into;
                if (option_find(b.table, b.n, row->name, &into) != row)
                    fail_msg("%s: two rows are named %s", commands[i]->name, row->name);
                if (row->name[strspn(row->name, "abcdefghijklmnopqrstuvwxyz0123456789_-")] ||
                    strncmp(row->name, "no-", 3) == 0 || strncmp(row->name, "no_", 3) == 0)
                    fail_msg("%s: odd name %s", commands[i]->name, row->name);
            }
        arena_release(&b.arena);
    }
}

static void every_row_is_explained(void **state)
{
    (void)state;
    for (int i = 0; commands[i]; i++) {
        struct bound b;
        bind(&b, commands[i]);
        for (int t = 0; t < b.n; t++)
            for (const struct option *row = b.table[t].row; row->name; row++) {
                if (!row->help || !*row->help || row->help[strlen(row->help) - 1] == '.')
                    fail_msg("%s --%s: one line of help without a full stop", commands[i]->name,
                             row->name);
                if ((row->type == OPTION_CHOICE) != (row->choice != NULL))
                    fail_msg("%s --%s: choices and type do not agree", commands[i]->name,
                             row->name);
            }
        const char *summary = commands[i]->summary;
        assert_true(summary && *summary && summary[strlen(summary) - 1] != '.');
        assert_int_equal(
            strncmp(commands[i]->synopsis, commands[i]->name, strlen(commands[i]->name)), 0);
        arena_release(&b.arena);
    }
}

/* The default may be typed: it is in range, and a choice is a known one. */
static void defaults_may_be_typed(void **state)
{
    (void)state;
    for (int i = 0; commands[i]; i++) {
        struct bound b;
        struct err e = {0};
        bind(&b, commands[i]);
        if (!option_defaults(b.table, b.n, &b.arena, &e))
            fail_msg("%s: %s", commands[i]->name, e.msg);
        for (int t = 0; t < b.n; t++)
            for (const struct option *row = b.table[t].row; row->name; row++) {
                char text[1024];
                option_fallback_text(row, text, sizeof(text));
                if (*text && !option_set(b.table, b.n, row->name, text, &b.arena, &e))
                    fail_msg("%s: the default of %s", commands[i]->name, e.msg);
            }
        arena_release(&b.arena);
    }
}

/* What a run stores brings back the same configuration. */
static void records_bring_back_the_same(void **state)
{
    (void)state;
    for (int i = 0; commands[i]; i++) {
        struct bound a, b;
        struct err e = {0};
        struct json_writer first = {0}, second = {0};
        bind(&a, commands[i]);
        bind(&b, commands[i]);
        assert_true(option_defaults(a.table, a.n, &a.arena, &e));
        json_open(&first, NULL, '{');
        assert_true(option_write_json(a.table, a.n, &first, &e));
        json_close(&first, '}');
        const struct json *v = json_parse(first.text, first.n, &b.arena, &e);
        if (!v || !option_read_json(b.table, b.n, v, &b.arena, &e))
            fail_msg("%s: %s", commands[i]->name, e.msg);
        json_open(&second, NULL, '{');
        assert_true(option_write_json(b.table, b.n, &second, &e));
        json_close(&second, '}');
        assert_string_equal(first.text, second.text);
        json_writer_release(&first);
        json_writer_release(&second);
        arena_release(&a.arena);
        arena_release(&b.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_unique_and_usual),
        cmocka_unit_test(every_row_is_explained),
        cmocka_unit_test(defaults_may_be_typed),
        cmocka_unit_test(records_bring_back_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
