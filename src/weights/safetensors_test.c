/* Files that break one rule each are refused; good ones are read; one flipped bit is found. */
#include "weights/safetensors.h"
#include "weights/sample.h"
#include "weights/seal.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { ROOM = 20 << 20 };
static uint8_t file[ROOM];
static struct cost cost;

/* Length, header text, n_data bytes of data; returns the file's size. */
static size_t make(const char *header, size_t n_data)
{
    size_t n = strlen(header);
    for (int i = 0; i < 8; i++)
        file[i] = (uint8_t)(n >> (8 * i));
    memcpy(file + 8, header, n);
    for (size_t i = 0; i < n_data; i++)
        file[8 + n + i] = (uint8_t)i;
    return 8 + n + n_data;
}

static bool parses(size_t n, struct err *e)
{
    /* A copy of the exact size: what is read past it is seen by the address sanitizer. */
    uint8_t *copy = malloc(n ? n : 1);
    struct safetensors s = {0};
    memcpy(copy, file, n);
    bool ok = safetensors_parse(&s, copy, n, e);
    for (int i = 0; ok && i < s.n_tensor; i++)
        ok = safetensors_find(&s, s.tensor[i].name) == &s.tensor[i];
    safetensors_close(&s);
    free(copy);
    return ok;
}

#define T(name, dtype, shape, from, to)                                                        \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" from      \
    "," to "]}"

static const struct {
    const char *header;
    size_t n_data;
} good[] = {
    {"{}", 0},
    {"{" T("a", "F32", "2", "0", "8") "}", 8},
    {"{" T("a", "F32", "2", "0", "8") "}      ", 8},
    {"{" T("b", "F32", "", "8", "12") "," T("a", "I64", "1", "0", "8") "}", 12},
    {"{" T("none", "F32", "0,7", "0", "0") "," T("a", "U8", "1,1,1,1,1,1,1,1", "0", "1") "}",
     1},
    {"{" T("half", "F4", "2", "0", "1") "}", 1},
    {"{\"__metadata__\":{\"k\":\"v\"}," T("a", "BF16", "3", "0", "6") "}", 6},
};

/* Each breaks one rule. */
static const struct {
    const char *header;
    size_t n_data;
} bad[] = {
    {"", 0},
    {" {}", 0},
    {"{}\n", 0},
    {"{}x", 0},
    {"[]", 0},
    {"{", 0},
    {"{" T("a", "F32", "2", "0", "8") ",}", 8},
    {"{" T("a", "F32", "2", "0", "8") "}", 9},   /* bytes behind the last tensor */
    {"{" T("a", "F32", "2", "0", "8") "}", 7},   /* truncated */
    {"{" T("a", "F32", "2", "1", "9") "}", 9},   /* a hole before the first */
    {"{" T("a", "F32", "3", "0", "8") "}", 8},   /* size is not the shape's */
    {"{" T("a", "F32", "2", "8", "0") "}", 8},   /* begin after end */
    {"{" T("a", "F32", "-2", "0", "8") "}", 8},  /* a negative extent */
    {"{" T("a", "F32", "2.0", "0", "8") "}", 8}, /* no integer */
    {"{" T("a", "F32", "2", "-0.5", "8") "}", 8},
    {"{" T("a", "F32", "2", "0", "18446744073709551616") "}", 8},
    {"{" T("a", "F32", "4611686018427387904,4", "0", "0") "}", 0}, /* the product overflows */
    {"{" T("a", "F32", "4294967296,4294967296", "0", "0") "}", 0},
    {"{" T("a", "F32", "1,1,1,1,1,1,1,1,1", "0", "4") "}", 4}, /* rank 9 */
    {"{" T("a", "F33", "2", "0", "8") "}", 8},                 /* unknown dtype */
    {"{" T("a", "f32", "2", "0", "8") "}", 8},
    {"{" T("a", "F4", "3", "0", "1") "}", 1}, /* no whole bytes */
    {"{" T("a", "F32", "1", "0", "4") "," T("b", "F32", "1", "0", "4") "}", 4},   /* overlap */
    {"{" T("a", "F32", "1", "0", "4") "," T("b", "F32", "1", "8", "12") "}", 12}, /* hole */
    {"{" T("a", "F32", "1", "0", "4") "," T("b", "F32", "1", "2", "6") "}", 8},
    {"{" T("a", "F32", "1", "0", "4") "," T("a", "F32", "1", "4", "8") "}", 8}, /* twice */
    {"{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1},
    {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 1},
    {"{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", 1},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1,1]}}", 1},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":1,\"data_offsets\":[0,1]}}", 1},
    {"{\"a\":{\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,1]}}", 1},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"x\":1}}", 1},
    {"{\"a\":[]}", 0},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[[[1]]],\"data_offsets\":[0,1]}}", 1}, /* too deep */
    {"{\"__metadata__\":{\"k\":1}}", 0},
    {"{\"__metadata__\":[]}", 0},
    {"{\"__metadata__\":{\"k\":{\"x\":\"y\"}}}", 0},
    {"{\"__metadata__\":{\"k\":\"v\",\"k\":\"v\"}}", 0},
    {"{\"\xff\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1}, /* not UTF-8 */
    {"{\"a\\u0000b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}", 1}, /* not closed */
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1e0],\"data_offsets\":[0,1]}}", 1},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[01],\"data_offsets\":[0,1]}}", 1},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}{}", 1},
};

static void reads_the_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct err e = {0};
        struct state_dict s;
        size_t n = make(good[i].header, good[i].n_data);
        if (!parses(n, &e))
            fail_msg("%s: %s", good[i].header, e.msg);
        if (!sample_open(&s, file, n, &e))
            fail_msg("%s: %s", good[i].header, e.msg);
        state_dict_close(&s);
    }
}

static void refuses_the_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct err e = {0};
        size_t n = make(bad[i].header, bad[i].n_data);
        if (parses(n, &e))
            fail_msg("accepted: %s", bad[i].header);
        assert_int_equal(e.kind, ERR_MODEL);
        const char *why = sample_refused(file, n, "", &cost);
        if (why)
            fail_msg("%s: %s", bad[i].header, why);
    }
}

/* n entries of a header, each of its own number, as `entry` formats it; as many bytes of data. */
static size_t make_many(const char *front, const char *entry, int n)
{
    static char text[ROOM / 2 - 64];
    size_t at = (size_t)snprintf(text, sizeof(text), "%s", front);
    for (int i = 0; i < n; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, entry, i);
    snprintf(text + at, sizeof(text) - at, "}");
    return make(text, at);
}

/* Headers that would cost more than they are worth. */
static void refuses_bombs(void **state)
{
    (void)state;
    static const char tensor[] =
        "\"%d\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},";
    static const struct {
        const char *front, *entry;
        int n;
    } bombs[] = {
        {"{", "\"%d\":0,", 400001}, /* members */
        {"{\"__metadata__\":{", "\"%d\":\"\",", 400001},
        {"{\"a\":{\"shape\":[0", ",%d", 1000000}, /* dimensions */
        {"{\"a\":{\"shape\":[", "[0%d", 100000},  /* depth */
        {"{", "{\"%d\":", 100000},
        {"{", tensor, 100001}, /* tensors */
    };
    for (size_t i = 0; i < COUNT_OF(bombs); i++) {
        size_t n = make_many(bombs[i].front, bombs[i].entry, bombs[i].n);
        const char *why = sample_refused(file, n, "safetensors: ", &cost);
        if (why)
            fail_msg("bomb %zu: %s", i, why);
    }
}

static void tells_what_it_cost(void **state)
{
    (void)state;
    assert_true(cost_told(&cost, 50));
}

static void refuses_odd_headers(void **state)
{
    (void)state;
    struct err e = {0};
    for (size_t n = 0; n < 8; n++)
        assert_false(parses(n, &e)); /* shorter than the length field */
    size_t n = make("{}", 0);
    file[0] = 3;
    assert_false(parses(n, &e)); /* longer than the file */
    memset(file, 0xFF, 8);
    assert_false(parses(n, &e));
    static char text[512 << 10];
    memset(text, ' ', sizeof(text) - 1);
    text[0] = '{';
    text[1] = '}';
    assert_false(parses(make(text, 0), &e)); /* a header out of proportion */
    memset(text, '[', 70000);                /* nested past the JSON reader's patience */
    text[0] = '{';
    assert_false(parses(make(text, 0), &e));
    char name[1200];
    snprintf(name, sizeof(name),
             "{\"%01025d\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 0);
    assert_false(parses(make(name, 1), &e)); /* a name of 1025 bytes */
}

/* Truncations and flips of a good file: refused, or read within its bounds. */
static void survives_mutations(void **state)
{
    (void)state;
    struct rng r = rng_at(1, RNG_TEST, 0, 0);
    int refused = 0, runs = 20000;
    for (int i = 0; i < runs; i++) {
        const size_t which = rng_below(&r, COUNT_OF(good));
        size_t n = make(good[which].header, good[which].n_data);
        if (rng_below(&r, 4) == 0)
            n = rng_below(&r, (uint32_t)n + 1);
        for (uint32_t k = rng_below(&r, 4); k > 0 && n > 0; k--)
            file[rng_below(&r, (uint32_t)n)] = (uint8_t)rng_u32(&r);
        struct err e = {0};
        refused += !parses(n, &e);
    }
    assert_true(refused > runs / 2);
    print_message("%d of %d mutants refused\n", refused, runs);
}

static const char path[] = "safetensors_test.tmp";

static void write_sample(struct err *e)
{
    static const float a[6] = {1, 2, 3, 4, 5, 6};
    static const int64_t b = -7;
    const struct st_tensor tensor[] = {
        {"conv.weight", ST_F32, 2, {2, 3}, a, sizeof(a)},
        {"bn.num_batches_tracked", ST_I64, 0, {0}, &b, sizeof(b)},
    };
    const struct st_note note[] = {{"format", "pt"}, {"odd", "\"quoted\"\n\xc3\xa9"}};
    if (!seal_write(path, tensor, 2, note, 2, e))
        fail_msg("%s", e->msg);
}

static void reads_what_it_wrote(void **state)
{
    (void)state;
    struct err e = {0};
    struct safetensors s;
    write_sample(&e);
    assert_true(safetensors_open(&s, path, &e));
    assert_true(seal_check(&s, path, &e));
    assert_int_equal(s.n_tensor, 2);
    const struct st_tensor *t = safetensors_find(&s, "conv.weight");
    assert_int_equal(t->dim[1], 3);
    assert_true(memcmp(t->data, (float[]){1, 2, 3, 4, 5, 6}, 24) == 0);
    assert_null(safetensors_find(&s, "conv.bias"));
    assert_string_equal(safetensors_metadata(&s, "odd"), "\"quoted\"\n\xc3\xa9");
    safetensors_close(&s);
    unlink(path);
}

/* Every single bit, and every truncation. */
static void finds_any_flipped_bit(void **state)
{
    (void)state;
    struct err e = {0};
    uint8_t *byte;
    size_t n, tried = 0;
    write_sample(&e);
    assert_true(file_read(path, 0, ERR_MODEL, &byte, &n, &e));
    unlink(path);
    for (size_t bit = 0; bit < 8 * n; bit++, tried++) {
        struct safetensors s = {0};
        byte[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (safetensors_parse(&s, byte, n, &e) && seal_check(&s, path, &e))
            fail_msg("bit %zu was not missed", bit);
        safetensors_close(&s);
        byte[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t cut = 0; cut < n; cut++, tried++) {
        struct safetensors s = {0};
        if (safetensors_parse(&s, byte, cut, &e) && seal_check(&s, path, &e))
            fail_msg("%zu of %zu bytes passed", cut, n);
        safetensors_close(&s);
    }
    mem_free(byte);
    print_message("%zu damages found\n", tried);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_good),        cmocka_unit_test(refuses_the_bad),
        cmocka_unit_test(refuses_bombs),         cmocka_unit_test(refuses_odd_headers),
        cmocka_unit_test(survives_mutations),    cmocka_unit_test(reads_what_it_wrote),
        cmocka_unit_test(finds_any_flipped_bit), cmocka_unit_test(tells_what_it_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
