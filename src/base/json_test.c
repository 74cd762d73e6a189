#include "base/json.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct json *parse(const char *text, struct arena *a)
{
    struct err e = {0};
    const struct json *v = json_parse(text, strlen(text), a, &e);
    if (!v)
        print_message("%s\n", e.msg);
    return v;
}

static void reads_every_type(void **state)
{
    (void)state;
    struct arena a = {0};
    const struct json *v =
        parse(" {\"a\": [1, -2.5e3, true, false, null, \"x\\n\\u00e9\\ud83d"
              "\\ude00\"], \"b\": {}, \"c\": [] , \"d\": 9223372036854775807,"
              " \"f\": 9223372036854775808}\n",
              &a);
    assert_non_null(v);
    assert_int_equal(v->n, 5);
    const struct json *list = json_get(v, "a");
    assert_int_equal(list->n, 6);
    assert_true(list->item[0].is_int && list->item[0].i == 1);
    assert_true(!list->item[1].is_int && list->item[1].number == -2500);
    assert_true(list->item[2].b && !list->item[3].b && list->item[4].type == JSON_NULL);
    assert_string_equal(list->item[5].text, "x\n\xc3\xa9\xf0\x9f\x98\x80");
    assert_true(json_int(v, "d", 0) == INT64_MAX);
    assert_true(!json_get(v, "f")->is_int && json_number(v, "f", 0) == 0x1p63);
    assert_int_equal(json_get(v, "b")->n, 0);
    assert_string_equal(json_text(v, "a", "other type"), "other type");
    assert_null(json_get(v, "z"));
    assert_null(json_get(NULL, "z"));
    arena_release(&a);
}

static void refuses_what_is_not_json(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        " ",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "[1 2]",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "+1",
        "NaN",
        "Infinity",
        "1e309",
        "tru",
        "\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\"",
        "\"\t\"",
        "\"\xff\"",
        "\"\xc0\xaf\"",
        "\"\xed\xa0\x80\"",
        "\"\xf4\x90\x80\x80\"",
        "{\"a\":1,\"a\":2}",
        "{\"a\":1,\"\\u0061\":2}",
        "1 2",
        "[1]]",
        "0x10",
        "'a'",
        "[1}",
        "{\"a\" 1}",
        "\"\\",
        "\"\\\"",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct arena a = {0};
        struct err e = {0};
        if (json_parse(bad[i], strlen(bad[i]), &a, &e))
            fail_msg("accepted: %s", bad[i]);
        assert_int_equal(e.kind, ERR_DATA);
        assert_non_null(strstr(e.msg, "byte "));
        arena_release(&a);
    }
}

static void bounds_depth_and_length(void **state)
{
    (void)state;
    char text[200];
    for (int depth = 64; depth <= 65; depth++) {
        struct arena a = {0};
        struct err e = {0};
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        const struct json *v = json_parse(text, 2 * (size_t)depth, &a, &e);
        assert_true((v != NULL) == (depth == 64));
        arena_release(&a);
    }
    struct arena a = {0};
    struct err e = {0};
    assert_null(json_parse("[1]", 2, &a, &e)); /* never reads beyond n */
    const struct json *one = json_parse("12", 1, &a, &e);
    assert_non_null(one);
    assert_int_equal(one->i, 1);
    arena_release(&a);
}

static void many_keys_are_quick(void **state)
{
    (void)state;
    struct json_writer w = {0};
    struct err e = {0};
    struct arena a = {0};
    char key[32];
    json_open(&w, NULL, '{');
    for (int i = 0; i < 100000; i++) {
        snprintf(key, sizeof(key), "layer.%d.weight", i);
        json_put_int(&w, key, i);
    }
    json_close(&w, '}');
    assert_true(json_done(&w, &e));
    const struct json *v = json_parse(w.text, w.n, &a, &e);
    assert_non_null(v);
    assert_int_equal(v->n, 100000);
    assert_int_equal(json_int(v, "layer.99999.weight", 0), 99999);
    arena_release(&a);
    json_writer_release(&w);
}

static void writes_what_it_reads(void **state)
{
    (void)state;
    static const double number[] = {0,       0.1,    1e-4, 1.0 / 3,      -DBL_MAX,
                                    DBL_MIN, 5e-324, 1e22, (double)0.1f, 123456789.125};
    struct json_writer w = {0};
    struct err e = {0};
    struct arena a = {0};
    const char *name = "a\"\\\n\x01\x7f/\xc3\xa9\xff\x80 end"; /* two bytes are not UTF-8 */
    json_open(&w, NULL, '{');
    json_put_text(&w, "name", name);
    json_put_text(&w, "none", NULL);
    json_put_real(&w, "nan", (double)NAN);
    json_put_bool(&w, "yes", true);
    json_put_int(&w, "least", INT64_MIN);
    json_open(&w, "list", '[');
    for (size_t i = 0; i < COUNT_OF(number); i++)
        json_put_real(&w, NULL, number[i]);
    json_close(&w, ']');
    json_close(&w, '}');
    assert_true(json_done(&w, &e));
    const struct json *v = parse(w.text, &a);
    assert_non_null(v);
    assert_string_equal(json_text(v, "name", ""), name);
    assert_int_equal(json_get(v, "none")->type, JSON_NULL);
    assert_int_equal(json_get(v, "nan")->type, JSON_NULL);
    assert_true(json_bool(v, "yes", false));
    assert_true(json_int(v, "least", 0) == INT64_MIN);
    for (size_t i = 0; i < COUNT_OF(number); i++)
        assert_memory_equal(&json_get(v, "list")->item[i].number, &number[i], sizeof(double));
    arena_release(&a);
    json_writer_release(&w);
}

static void compact_or_in_lines(void **state)
{
    (void)state;
    static const char *const want[2] = {
        "{\"a\":0.1,\"b\":[1,2],\"c\":{}}",
        "{\n  \"a\": 0.1,\n  \"b\": [\n    1,\n    2\n  ],\n  \"c\": {}\n}\n"};
    for (int lines = 0; lines < 2; lines++) {
        struct json_writer w = {.lines = lines};
        json_open(&w, NULL, '{');
        json_put_real(&w, "a", 0.1);
        json_open(&w, "b", '[');
        json_put_int(&w, NULL, 1);
        json_put_int(&w, NULL, 2);
        json_close(&w, ']');
        json_open(&w, "c", '{');
        json_close(&w, '}');
        json_close(&w, '}');
        assert_string_equal(w.text, want[lines]);
        json_writer_release(&w);
    }
}

/* Every allocation fails in its turn: an error, nothing lost (the address sanitizer looks). */
static void survives_no_memory(void **state)
{
    (void)state;
    const char *text = "{\"a\":[1,2,{\"b\":\"text\"}],\"c\":{}}";
    int n_failed = 0;
    for (bool ok = false; !ok; n_failed++) {
        struct arena a = {0};
        struct err e = {0};
        struct json_writer w = {0};
        mem_fail_at(n_failed + 1);
        const struct json *v = json_parse(text, strlen(text), &a, &e);
        for (int i = 0; v && i < 1000; i++)
            json_put_text(&w, NULL, "text");
        ok = v && json_done(&w, &e);
        assert_true(ok || e.kind == ERR_NOMEM);
        mem_fail_at(0);
        json_writer_release(&w);
        arena_release(&a);
    }
    assert_true(n_failed > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_type),        cmocka_unit_test(refuses_what_is_not_json),
        cmocka_unit_test(bounds_depth_and_length), cmocka_unit_test(many_keys_are_quick),
        cmocka_unit_test(writes_what_it_reads),    cmocka_unit_test(compact_or_in_lines),
        cmocka_unit_test(survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
