#include "base/build.h"
#include "base/option.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct knobs {
    bool norm, quiet;
    int64_t epochs;
    double lr, any;
    int schedule;
    const char *name, *place;
    struct int_list filters;
    struct real_list steps;
};
struct more {
    int64_t depth;
};

static const char *const schedules[] = {"constant", "cosine", "one_cycle", NULL};
static const struct option knob_rows[] = {
    {.name = "batch_norm", .offset = offsetof(struct knobs, norm), .fallback.b = true},
    {.name = "quiet", .offset = offsetof(struct knobs, quiet), .help = "says less"},
    {.name = "epochs",
     .type = OPTION_INT,
     .offset = offsetof(struct knobs, epochs),
     .min.i = 1,
     .max.i = 1000,
     .fallback.i = 10},
    {.name = "learning_rate",
     .type = OPTION_REAL,
     .offset = offsetof(struct knobs, lr),
     .min.r = 0,
     .max.r = 10,
     .fallback.r = 1e-3},
    {.name = "any", .type = OPTION_REAL, .offset = offsetof(struct knobs, any)},
    {.name = "schedule",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct knobs, schedule),
     .choice = schedules,
     .fallback.s = "cosine"},
    {.name = "name", .type = OPTION_STRING, .offset = offsetof(struct knobs, name)},
    {.name = "place",
     .type = OPTION_STRING,
     .offset = offsetof(struct knobs, place),
     .fallback.s = "here"},
    {.name = "filters",
     .type = OPTION_INT_LIST,
     .offset = offsetof(struct knobs, filters),
     .min.i = 1,
     .max.i = INT64_MAX,
     .fallback.s = "32,64"},
    {.name = "steps", .type = OPTION_REAL_LIST, .offset = offsetof(struct knobs, steps)},
    {.name = NULL},
};
static const struct option more_rows[] = {
    {.name = "depth", .type = OPTION_INT, .offset = offsetof(struct more, depth)},
    {.name = NULL},
};

struct fixture {
    struct knobs k;
    struct more m;
    struct option_table table[2];
    struct arena a;
    struct err e;
};

static void begin(struct fixture *f)
{
    *f = (struct fixture){0};
    f->table[0] = (struct option_table){knob_rows, &f->k};
    f->table[1] = (struct option_table){more_rows, &f->m};
    assert_true(option_defaults(f->table, 2, &f->a, &f->e));
}

static bool set(struct fixture *f, const char *name, const char *text)
{
    return option_set(f->table, 2, name, text, &f->a, &f->e);
}

static void defaults_are_the_rows(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    assert_true(f.k.norm && !f.k.quiet && f.k.epochs == 10 && f.k.lr == 1e-3);
    assert_int_equal(f.k.schedule, 1);
    assert_null(f.k.name);
    assert_string_equal(f.k.place, "here");
    assert_true(f.k.filters.n == 2 && f.k.filters.at[1] == 64 && f.k.steps.n == 0);
    arena_release(&f.a);
}

static void reads_flags_and_operands(void **state)
{
    (void)state;
    struct fixture f;
    const char *const *operand;
    char *argv[] = {"dir", "--no-batch-norm", "--learning-rate", "1e-4", "--epochs=7", "--one",
                    NULL};
    begin(&f);
    argv[5] = "--filters=[1, 2,3]";
    assert_true(option_parse(f.table, 2, 6, argv, &operand, &f.a, &f.e));
    assert_string_equal(operand[0], "dir");
    assert_null(operand[1]);
    assert_true(!f.k.norm && f.k.lr == 1e-4 && f.k.epochs == 7);
    assert_true(f.k.filters.n == 3 && f.k.filters.at[2] == 3);
    char *dashes[] = {"-", "--any", "-1", "--depth=-2", "--quiet=no", "--", "--odd.jpg", NULL};
    assert_true(option_parse(f.table, 2, 7, dashes, &operand, &f.a, &f.e));
    assert_string_equal(operand[0], "-");
    assert_string_equal(operand[1], "--odd.jpg");
    assert_true(f.k.any == -1 && f.m.depth == -2 && !f.k.quiet);
    arena_release(&f.a);
}

static void refuses_bad_values(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text, *says;
    } bad[] = {
        {"epochs", "0", "--epochs: expected a whole number, 1 .. 1000, not \"0\""},
        {"epochs", "1001", "1 .. 1000"},
        {"epochs", "7.5", "whole number"},
        {"epochs", "9223372036854775808", "whole number"},
        {"epochs", "", "whole number"},
        {"epochs", " 7", "whole number"},
        {"epochs", "0x7", "whole number"},
        {"learning_rate", "nan", "--learning-rate: expected a number, 0 .. 10, not \"nan\""},
        {"learning_rate", "inf", "a number"},
        {"learning_rate", "-1e-9", "0 .. 10"},
        {"any", "1e309", "--any: expected a number, not \"1e309\""},
        {"any", "1,5", "a number"},
        {"schedule", "cosin", "did you mean cosine?; known are constant, cosine, one_cycle"},
        {"batch_norm", "maybe", "--batch-norm: expected yes or no, not \"maybe\""},
        {"filters", "32,,64", "item 2"},
        {"filters", "32,64,", "a list such as"},
        {"filters", "32 64", "item 1"},
        {"filters", "0", "at least 1"},
        {"filters", "", "a list such as"},
        {"filters", "a", "item 1 of \"a\""},
        {"steps", "[0.1,nan]", "item 2"},
        {"learning_rat", "1", "unknown option --learning_rat; did you mean --learning-rate?"},
        {"epoch", "1", "did you mean --epochs?"},
        {"zzz", "1", "unknown option --zzz"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct fixture f;
        begin(&f);
        struct knobs before = f.k;
        assert_false(set(&f, bad[i].name, bad[i].text));
        assert_int_equal(f.e.kind, ERR_USAGE);
        if (!strstr(f.e.msg, bad[i].says))
            fail_msg("\"%s\" does not say \"%s\"", f.e.msg, bad[i].says);
        assert_memory_equal(&before, &f.k, sizeof(before)); /* nothing half set */
        arena_release(&f.a);
    }
}

static void refuses_bad_command_lines(void **state)
{
    (void)state;
    static const struct {
        const char *argv[3], *says;
    } bad[] = {
        {{"--epochs=1", "--epochs=2"}, "--epochs stands twice"},
        {{"--quiet", "--no-quiet"}, "--quiet stands twice"},
        {{"--batch-norm", "--batch_norm"}, "--batch-norm stands twice"},
        {{"--epochs"}, "--epochs needs a value"},
        {{"--epochs", "--quiet"}, "--epochs needs a value"},
        {{"--no-epochs"}, "unknown option --no-epochs"},
        {{"--no-quiet=yes"}, "--no-quiet takes no value"},
        {{"--epohcs=3"}, "did you mean --epochs?"},
        {{"-q"}, "unknown option -q"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct fixture f;
        const char *const *operand;
        char *argv[3];
        int argc = 0;
        begin(&f);
        for (; argc < 3 && bad[i].argv[argc]; argc++)
            argv[argc] = (char *)(uintptr_t)bad[i].argv[argc];
        assert_false(option_parse(f.table, 2, argc, argv, &operand, &f.a, &f.e));
        assert_int_equal(f.e.kind, ERR_USAGE);
        if (!strstr(f.e.msg, bad[i].says))
            fail_msg("\"%s\" does not say \"%s\"", f.e.msg, bad[i].says);
        arena_release(&f.a);
    }
}

static void json_brings_back_the_same(void **state)
{
    (void)state;
    struct fixture f, g;
    struct json_writer w = {0};
    begin(&f);
    begin(&g);
    assert_true(set(&f, "learning-rate", "0.1") && set(&f, "name", "a\"b") &&
                set(&f, "filters", "5,6,7") && set(&f, "steps", "0.3,1e-7") &&
                set(&f, "schedule", "one-cycle") && set(&f, "batch_norm", "off") &&
                set(&f, "depth", "-9"));
    json_open(&w, NULL, '{');
    assert_true(option_write_json(f.table, 2, &w, &f.e));
    json_close(&w, '}');
    const struct json *v = json_parse(w.text, w.n, &g.a, &g.e);
    assert_non_null(v);
    assert_true(option_read_json(g.table, 2, v, &g.a, &g.e));
    assert_true(!g.k.norm && g.k.lr == 0.1 && g.k.schedule == 2 && g.m.depth == -9);
    assert_string_equal(g.k.name, "a\"b");
    assert_memory_equal(&f.k.filters, &g.k.filters, sizeof(f.k.filters));
    assert_memory_equal(&f.k.steps, &g.k.steps, sizeof(f.k.steps));
    static const char *const bad[] = {"{\"epochs\":{}}",    "{\"epoch\":1}",
                                      "{\"epochs\":\"x\"}", "{\"filters\":[1,null]}",
                                      "{\"epochs\":null}",  "[]"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        v = json_parse(bad[i], strlen(bad[i]), &g.a, &g.e);
        assert_non_null(v);
        assert_false(option_read_json(g.table, 2, v, &g.a, &g.e));
        assert_int_equal(g.e.kind, ERR_USAGE);
    }
    json_writer_release(&w);
    arena_release(&f.a);
    arena_release(&g.a);
}

static bool yaml(struct fixture *f, const char *text)
{
    char path[] = "/tmp/linnet_option_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_true(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    bool ok = option_read_yaml(f->table, 2, path, &f->a, &f->e);
    if (!ok && f->e.kind != ERR_NOMEM)
        assert_non_null(strstr(f->e.msg, path));
    unlink(path);
    return ok;
}

static void reads_yaml(void **state)
{
    (void)state;
    if (!WITH_YAML) {
        print_message("skip: built without libyaml\n");
        skip();
    }
    struct fixture f;
    begin(&f);
    assert_true(yaml(&f,
                     "# a comment\nlearning-rate: 1e-4\nbatch_norm: off\nfilters: [1, 2]\n"
                     "steps:\n  - 0.5\n  - 1e-3\nname: 'two words'\nschedule: one_cycle\n"));
    assert_true(f.k.lr == 1e-4 && !f.k.norm && f.k.filters.at[1] == 2);
    assert_true(f.k.steps.n == 2 && f.k.steps.at[1] == 1e-3 && f.k.schedule == 2);
    assert_string_equal(f.k.name, "two words");
    assert_true(yaml(&f, "")); /* empty: nothing to set */
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"epochs: 3\nlerning_rate: 1\n",
         "line 2: unknown key lerning_rate; did you mean learning_rate?"},
        {"\n\nepochs: many\n", "line 3: epochs: expected a whole number"},
        {"epochs: 1\nquiet: yes\nepochs: 2\n", "line 3: epochs: stands twice"},
        {"epochs: {value: 3}\n", "line 1: epochs: expected a value or a list"},
        {"epochs:\n", "line 1: epochs: a value is missing"},
        {"- 1\n", "line 1: expected key: value"},
        {"epochs: [1\n", "not YAML"},
        {"filters: [[1]]\n", "a list may hold numbers only"},
        {"epochs: 1\n---\nepochs: 2\n", "a second document"},
        {"learning_rate: .nan\n", "line 1: learning_rate: expected a number"},
        {"any: &x 1\nlearning_rate: *x\n", "line 2: learning_rate: expected a value"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(yaml(&f, bad[i].text));
        assert_int_equal(f.e.kind, ERR_USAGE);
        if (!strstr(f.e.msg, bad[i].says))
            fail_msg("\"%s\" does not say \"%s\"", f.e.msg, bad[i].says);
    }
    assert_false(option_read_yaml(f.table, 2, "/nowhere.yaml", &f.a, &f.e));
    arena_release(&f.a);
}

static void names_the_nearest(void **state)
{
    (void)state;
    static const char *const known[] = {"train", "eval", "predict", "weight_decay"};
    static const struct {
        const char *name, *nearest;
    } want[] = {{"trian", "train"},
                {"evl", "eval"},
                {"predcit", "predict"},
                {"Train", "train"},
                {"weight-decay", "weight_decay"},
                {"weight", "weight_decay"},
                {"xyz", NULL},
                {"", NULL},
                {"q", NULL}};
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        const char *got = nearest_name(want[i].name, known, COUNT_OF(known));
        if (want[i].nearest)
            assert_string_equal(got, want[i].nearest);
        else
            assert_null(got);
    }
}

static void shows_texts_and_ranges(void **state)
{
    (void)state;
    struct fixture f;
    char text[128];
    begin(&f);
    static const char *const want[] = {"yes",    "no", "10",   "0.001", "0",
                                       "cosine", "",   "here", "32,64", ""};
    static const char *const range[] = {
        "", "", "1 .. 1000",  "0 .. 10", "", "constant, cosine, one_cycle",
        "", "", "at least 1", ""};
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        assert_string_equal(option_text(&knob_rows[i], &f.k, text, sizeof(text)), want[i]);
        assert_string_equal(option_fallback_text(&knob_rows[i], text, sizeof(text)), want[i]);
        assert_string_equal(option_range(&knob_rows[i], text, sizeof(text)), range[i]);
    }
    arena_release(&f.a);
}

/* Every allocation fails in its turn: an error, and the address sanitizer sees no leak. */
static void survives_no_memory(void **state)
{
    (void)state;
    int n = 0;
    for (bool ok = false; !ok; n++) {
        struct fixture f = {.e.kind = ERR_NONE};
        struct json_writer w = {0};
        const char *const *operand;
        char *argv[] = {"a", "--name=x", "--filters=1,2", NULL};
        f.table[0] = (struct option_table){knob_rows, &f.k};
        f.table[1] = (struct option_table){more_rows, &f.m};
        mem_fail_at(n + 1);
        ok = option_defaults(f.table, 2, &f.a, &f.e) &&
             option_parse(f.table, 2, 3, argv, &operand, &f.a, &f.e) &&
             option_write_json(f.table, 2, &w, &f.e) && (!WITH_YAML || yaml(&f, "name: y\n"));
        mem_fail_at(0);
        assert_true(ok || f.e.kind == ERR_NOMEM);
        json_writer_release(&w);
        arena_release(&f.a);
    }
    assert_true(n > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_the_rows),
        cmocka_unit_test(reads_flags_and_operands),
        cmocka_unit_test(refuses_bad_values),
        cmocka_unit_test(refuses_bad_command_lines),
        cmocka_unit_test(json_brings_back_the_same),
        cmocka_unit_test(reads_yaml),
        cmocka_unit_test(names_the_nearest),
        cmocka_unit_test(shows_texts_and_ranges),
        cmocka_unit_test(survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
