/* The three kinds of file, told apart and read; what checkpoints and trainers put around weights; the
 * legacy layout's own rules; elements of each type, with strides. */
#include "weights/sample.h"
#include "weights/seal.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct cost cost;

static void check_open(struct state_dict *s, const void *byte, size_t n)
{
    struct err e;
    if (!sample_open(s, byte, n, &e))
        fail_msg("%s", e.msg);
}

static void check_refused(const char *what, const void *byte, size_t n, const char *reason)
{
    const char *why = sample_refused(byte, n, reason, &cost);
    if (why)
        fail_msg("%s: %s", what, why);
}

static void check_seed(const struct state_dict *s, const char *format)
{
    struct err e;
    float x[6];
    assert_string_equal(s->format, format);
    assert_int_equal(s->n_tensor, 1);
    const struct sd_tensor *t = state_dict_find(s, "w");
    assert_ptr_equal(t, s->tensor);
    assert_int_equal(t->dtype, ST_F32);
    assert_int_equal(t->rank, 2);
    assert_int_equal(t->dim[0], 2);
    assert_int_equal(t->stride[0], 3);
    assert_int_equal(t->stride[1], 1);
    assert_true(t->data > s->map.byte && t->data < s->map.byte + s->map.n); /* not copied */
    assert_true(state_dict_copy(s, t, x, 6, &e));
    assert_memory_equal(x, sample_data, sizeof(x));
    assert_false(state_dict_copy(s, t, x, 5, &e));
    assert_int_equal(e.kind, ERR_MODEL);
    assert_null(state_dict_find(s, "v"));
}

static void tells_formats_apart(void **state)
{
    (void)state;
    struct state_dict s;
    struct archive a = {0};
    struct bytes b = {0};
    static const char header[] =
        "{\"w\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}}";
    sample_zip(&a, SEED, sizeof(SEED) - 1);
    check_open(&s, a.file.at, a.file.n);
    check_seed(&s, "torch.save (zip)");
    state_dict_close(&s);
    sample_legacy(&b, SEED, sizeof(SEED) - 1);
    check_open(&s, b.at, b.n);
    check_seed(&s, "torch.save (legacy)");
    state_dict_close(&s);
    b.n = 0;
    put_number(&b, sizeof(header) - 1, 8);
    put(&b, header, sizeof(header) - 1);
    put(&b, sample_data, sizeof(sample_data));
    check_open(&s, b.at, b.n);
    check_seed(&s, "safetensors");
    state_dict_close(&s);
    state_dict_close(&s);
    free(a.file.at);
    free(b.at);
}

static void says_what_else_it_is(void **state)
{
    (void)state;
    char tar[512] = "pickle";
    memcpy(tar + 257, "ustar", 5);
    check_refused("tar", tar, sizeof(tar), "a tar archive, as PyTorch 0.1 wrote; in Python, ");
    check_refused("pickle", PROTO "N.", 4,
                  "a pickle of protocol 2 that is not torch.save's; in Python");
    check_refused("nothing", "", 0, "an empty file");
    check_refused("page", "<!DOCTYPE html><html>", 21, "text, not weights");
    check_refused("pointer", "version https://git-lfs", 23, "text, not weights");
    check_refused("other", "\x89HDF\r\n\x1a\n....", 12, "starts 89 48 44 46");
    check_refused("short", "PK", 2, "starts 50 4b");
    check_refused("empty archive", "PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 22, "neither");
    struct state_dict s;
    struct err e = {0};
    assert_false(state_dict_open(&s, "/nonexistent.pth", &e));
    assert_int_equal(e.kind, ERR_MODEL);
    assert_string_equal(e.msg, "/nonexistent.pth: No such file or directory");
    assert_false(state_dict_open(&s, "/", &e));
    assert_int_equal(e.kind, ERR_MODEL);
}

#define NAME(text)    "X" text /* its length stands in the text */
#define IN(key, what) "}(" NAME(key) what NAME("\5\0\0\0epoch") "K\3u"
#define ONE(key)      ODICT "(" NAME(key) TENSOR "u"

static void unwraps(void **state)
{
    (void)state;
    static const struct {
        const char *pickle;
        size_t n;
        const char *inside, *prefix, *said;
    } wrapped[] = {
#define CASE(pickle, ...) {PROTO pickle ".", sizeof(PROTO pickle ".") - 1, __VA_ARGS__}
        CASE(ONE("\1\0\0\0w"), "", "", ""),
        CASE(IN("\5\0\0\0model", ONE("\1\0\0\0w")), "model", "", "in its entry model"),
        CASE(IN("\x0a\0\0\0state_dict", ONE("\x08\0\0\0module.w")), "state_dict", "module.",
             "in its entry state_dict, names begin with module."),
        CASE(IN("\x10\0\0\0model_state_dict", ONE("\1\0\0\0w")), "model_state_dict", "",
             "in its entry model_state_dict"),
        CASE(IN("\x09\0\0\0model_ema", IN("\x0a\0\0\0state_dict", ONE("\1\0\0\0w"))),
             "state_dict", "", "in its entry state_dict"),
        CASE(ONE("\x0b\0\0\0_orig_mod.w"), "", "_orig_mod.", "names begin with _orig_mod."),
        CASE(ONE("\x18\0\0\0model._orig_mod.module.w"), "", "model._orig_mod.module.",
             "names begin with model._orig_mod.module."),
        /* both are there: the averaged ones, as timm takes them */
        CASE("}(" NAME("\x0a\0\0\0state_dict") ONE("\1\0\0\0v") NAME("\x0e\0\0\0state_dict_ema")
                 ONE("\1\0\0\0w") "u",
             "state_dict_ema", "", "in its entry state_dict_ema"),
        /* not all names begin so, but most */
        CASE(ODICT "(" NAME("\x07\0\0\0model.w") TENSOR NAME("\x07\0\0\0model.v")
                 TENSOR NAME("\x0a\0\0\0n_averaged") TENSOR "u",
             "", "model.", "names begin with model."),
        /* a tensor of that name is none of an entry's */
        CASE(ODICT "(" NAME("\5\0\0\0model") TENSOR NAME("\1\0\0\0w") TENSOR "u", "", "", ""),
        CASE(ODICT "(" NAME("\7\0\0\0module.") TENSOR NAME("\1\0\0\0w") TENSOR "u", "", "", ""),
    };
    struct archive a = {0};
    for (size_t i = 0; i < COUNT_OF(wrapped); i++) {
        struct state_dict s;
        char text[128];
        sample_zip(&a, wrapped[i].pickle, wrapped[i].n);
        check_open(&s, a.file.at, a.file.n);
        assert_non_null(state_dict_find(&s, "w"));
        assert_string_equal(s.inside, wrapped[i].inside);
        assert_string_equal(s.prefix, wrapped[i].prefix);
        assert_string_equal(state_dict_stripped(&s, text, sizeof(text)), wrapped[i].said);
        state_dict_close(&s);
    }
    static const char both[] = PROTO ODICT "(" NAME("\x08\0\0\0module.w")
        TENSOR NAME("\x08\0\0\0module.v") TENSOR NAME("\1\0\0\0w") TENSOR "u.";
    sample_zip(&a, both, sizeof(both) - 1);
    check_refused("module.w and w", a.file.at, a.file.n, "two tensors of the name w");
    free(a.file.at);
}

/* A dict within itself is entered no more often than there is need for. */
static void survives_a_circle(void **state)
{
    (void)state;
    static const char circle[] = PROTO "}q\0" NAME("\5\0\0\0model") "h\0s.";
    struct archive a = {0};
    sample_zip(&a, circle, sizeof(circle) - 1);
    check_refused("circle", a.file.at, a.file.n,
                  "holds no named tensors but a dict: model (dict)");
    free(a.file.at);
}

/* A checkpoint names the same storage twice, and others that no weight lies in. */
static void shares_storages(void **state)
{
    (void)state;
    static const char shared[] = PROTO "}(" NAME("\5\0\0\0model") ODICT "(" NAME1("a")
        TENSOR NAME1("b") TENSOR_IN(STORAGE_OF("FloatStorage", "0", "\6"), "K\2", "K\2\x85",
                                    "K\3\x85") "u" NAME("\3\0\0\0opt") "}K\1" TENSOR "su.";
    struct archive a = {0};
    struct bytes b = {0};
    struct err e;
    float x[2];
    sample_zip(&a, shared, sizeof(shared) - 1);
    sample_legacy(&b, shared, sizeof(shared) - 1);
    for (int i = 0; i < 2; i++) {
        struct state_dict s;
        check_open(&s, i ? b.at : a.file.at, i ? b.n : a.file.n);
        assert_int_equal(s.n_tensor, 2);
        assert_true(state_dict_copy(&s, state_dict_find(&s, "b"), x, 2, &e));
        assert_true(x[0] == sample_data[2] && x[1] == sample_data[5]);
        state_dict_close(&s);
    }
    free(a.file.at);
    free(b.at);
}

static void refuses_legacy_cuts(void **state)
{
    (void)state;
    struct bytes b = {0};
    struct err e;
    sample_legacy(&b, SEED, sizeof(SEED) - 1);
    assert_true(sample_reads(b.at, b.n, &e));
    for (size_t n = 15; n < b.n; n++)
        check_refused("cut", b.at, n, "");
    put(&b, "x", 1);
    check_refused("one byte more", b.at, b.n, "bytes behind its last storage");
    size_t count_at = b.n - 1 - sizeof(sample_data) - 8;
    static const uint64_t lies[] = {5, 7, 1ull << 33, UINT64_MAX, 1ull << 62};
    for (size_t i = 0; i < COUNT_OF(lies); i++) {
        set_number(b.at + count_at, lies[i], 8);
        check_refused("count", b.at, b.n - 1, "expected 6");
    }
    free(b.at);
}

#define LAID_OUT(front, object, keys, data)                                                    \
    front object keys data, sizeof(front object keys data) - 1
#define FRONT(protocol, facts)                                                                 \
    "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19." PROTO protocol "." PROTO facts \
    "."
#define GOOD_FRONT                                                                             \
    FRONT("M\xe9\x03", "}U\x0d"                                                                \
                       "little_endian\x88s")
#define GOOD_DATA                                                                              \
    "\6\0\0\0\0\0\0\0"                                                                         \
    "123456789012345678901234"
static void refuses_legacy_layouts(void **state)
{
    (void)state;
    struct err e;
    static const struct {
        const char *byte;
        size_t n;
        const char *reason;
    } bad[] = {
        {LAID_OUT(FRONT("M\xea\x03", "}U\x0d"
                                     "little_endian\x88s"),
                  SEED, LEGACY_KEYS, GOOD_DATA),
         "protocol 1001"},
        {LAID_OUT(FRONT("N", "}"), SEED, LEGACY_KEYS, GOOD_DATA), "protocol 1001"},
        {LAID_OUT(FRONT("M\xe9\x03", "}U\x0d"
                                     "little_endian\x89s"),
                  SEED, LEGACY_KEYS, GOOD_DATA),
         "big-endian"},
        {LAID_OUT(FRONT("M\xe9\x03", "}"), SEED, LEGACY_KEYS, GOOD_DATA), "big-endian"},
        {LAID_OUT(FRONT("M\xe9\x03", "N"), SEED, LEGACY_KEYS, GOOD_DATA), "big-endian"},
        {LAID_OUT(GOOD_FRONT, SEED, PROTO "N.", GOOD_DATA), "no list of storages"},
        {LAID_OUT(GOOD_FRONT, SEED, PROTO "}.", GOOD_DATA), "no list of storages"},
        {LAID_OUT(GOOD_FRONT, SEED, PROTO "].", ""), "storage 0 is not in the file"},
        {LAID_OUT(GOOD_FRONT, SEED, PROTO "]K\1a.", GOOD_DATA), "key that is no text"},
        {LAID_OUT(GOOD_FRONT, SEED, PROTO "]" NAME1("1") "a.", GOOD_DATA),
         "storage 1: no tensor lies in it"},
        {LAID_OUT(GOOD_FRONT, SEED, PROTO "](" NAME1("0") NAME1("0") "e.", GOOD_DATA GOOD_DATA),
         "storage 0: twice"},
        {LAID_OUT(GOOD_FRONT, SEED, LEGACY_KEYS, "\6\0\0\0"), "cut short before storage 0"},
        {LAID_OUT(GOOD_FRONT, SEED, LEGACY_KEYS,
                  "\6\0\0\0\0\0\0\0"
                  "123"),
         "cut short in storage"},
        {LAID_OUT(GOOD_FRONT, SEED, "\x80\4N.", GOOD_DATA), "list of storages: pickle"},
        {LAID_OUT(GOOD_FRONT, "\x80\4N.", LEGACY_KEYS, GOOD_DATA), "protocol 2"},
    };
    assert_true(sample_reads(LAID_OUT(GOOD_FRONT, SEED, LEGACY_KEYS, GOOD_DATA), &e));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        check_refused(bad[i].reason, bad[i].byte, bad[i].n, bad[i].reason);
}

/* Eight bytes of each type, as a column of every other element: 1, then what is odd about it. */
static void converts_each_type(void **state)
{
    (void)state;
    static const struct {
        enum st_dtype dtype;
        uint64_t one, other; /* little-endian */
        float as;
    } types[] = {
        {ST_BOOL, 1, 2, 1},
        {ST_U8, 1, 0xff, 255},
        {ST_I8, 1, 0xff, -1},
        {ST_I16, 1, 0x8000, -32768},
        {ST_U16, 1, 0x8000, 32768},
        {ST_I32, 1, 0xfffffffe, -2},
        {ST_U32, 1, 0xffffffff, 4294967296.f},
        {ST_I64, 1, UINT64_MAX - 4, -5},
        {ST_U64, 1, 1ull << 63, 0x1p63f},
        {ST_F16, 0x3c00, 0x0001, 0x1p-24f},
        {ST_F16, 0x3c00, 0xfbff, -65504},
        {ST_F16, 0x3c00, 0x83ff, -0x1.ff8p-15f},
        {ST_F16, 0x3c00, 0x0400, 0x1p-14f},
        {ST_BF16, 0x3f80, 0xc0a0, -5},
        {ST_F32, 0x3f800000, 1, 0x1p-149f},
        {ST_F64, 0x3ff0000000000000, 0x3ff0000010000000, 1}, /* half way: to even */
        {ST_F64, 0x3ff0000000000000, 0x3ff0000030000000, 1 + 0x1p-22f},
    };
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        uint8_t byte[40] = {0};
        int size = st_dtype_bits(types[i].dtype) / 8;
        set_number(byte + 1, types[i].one, size); /* not aligned */
        set_number(byte + 1 + 2 * size, types[i].other, size);
        struct state_dict s = {.path = (char *)(uintptr_t) "here"};
        struct sd_tensor t = {.name = "t",
                              .dtype = types[i].dtype,
                              .rank = 1,
                              .dim = {2},
                              .stride = {2},
                              .data = byte + 1};
        struct err e = {0};
        float x[2];
        assert_true(state_dict_copy(&s, &t, x, 2, &e));
        assert_true(x[0] == 1 && x[1] == types[i].as);
    }
}

static void follows_strides(void **state)
{
    (void)state;
    float from[24], x[48];
    struct err e = {0};
    struct state_dict s = {.path = (char *)(uintptr_t) "here"};
    for (int i = 0; i < 24; i++)
        from[i] = (float)i;
    static const struct sd_tensor shapes[] = {
        {.rank = 0},
        {.rank = 3, .dim = {2, 3, 4}, .stride = {12, 4, 1}},
        {.rank = 3, .dim = {4, 3, 2}, .stride = {1, 4, 12}},
        {.rank = 3, .dim = {2, 2, 2}, .stride = {12, 4, 1}},
        {.rank = 4, .dim = {2, 1, 3, 4}, .stride = {12, 77, 4, 1}},
        {.rank = 2, .dim = {2, 24}, .stride = {0, 1}},
        {.rank = 2, .dim = {24, 2}, .stride = {1, 0}},
        {.rank = 2, .dim = {3, 1}, .stride = {8, 5}},
        {.rank = 2, .dim = {0, 3}, .stride = {8, 5}},
        {.rank = 8, .dim = {2, 1, 2, 1, 2, 1, 3, 1}, .stride = {12, 1, 6, 1, 3, 1, 1, 1}},
    };
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        struct sd_tensor t = shapes[i];
        t.name = "t";
        t.dtype = ST_F32;
        t.data = (const uint8_t *)from;
        size_t n = sd_tensor_count(&t);
        assert_true(n <= COUNT_OF(x) && state_dict_copy(&s, &t, x, n, &e));
        for (size_t k = 0; k < n; k++) {
            int64_t at = 0;
            size_t rest = k;
            for (int d = t.rank - 1; d >= 0; rest /= (size_t)t.dim[d--])
                at += (int64_t)(rest % (size_t)t.dim[d]) * t.stride[d];
            assert_true(x[k] == from[at]);
        }
    }
}

static void names_what_is_not_finite(void **state)
{
    (void)state;
    static const float odd[] = {NAN, INFINITY, -INFINITY};
    static const char *const said[] = {"w holds NaN at element 4 of 6",
                                       "w holds infinity at element 4 of 6",
                                       "w holds infinity at element 4 of 6"};
    struct part part[N_PARTS];
    struct archive a = {0};
    sample_parts(part, SEED, sizeof(SEED) - 1);
    for (size_t i = 0; i < COUNT_OF(odd); i++) {
        float x[6];
        memcpy(x, sample_data, sizeof(x));
        x[4] = odd[i];
        part[PART_DATA].data = x;
        archive_write(&a, part, N_PARTS);
        check_refused("not finite", a.file.at, a.file.n, said[i]);
    }
    struct state_dict s = {.path = (char *)(uintptr_t) "here"};
    static const double large = 1e39;
    struct sd_tensor t = {.name = "t", .dtype = ST_F64, .data = (const uint8_t *)&large};
    struct err e = {0};
    float x;
    assert_false(state_dict_copy(&s, &t, &x, 1, &e)); /* past a float */
    assert_string_equal(e.msg, "here: t holds infinity at element 0 of 1: not usable");
    t.dtype = ST_C64;
    assert_false(state_dict_copy(&s, &t, &x, 1, &e));
    assert_string_equal(e.msg, "here: t is of type C64, which is not read here");
    free(a.file.at);
}

/* A model file of this program that the disk has damaged. */
static void checks_our_own_seal(void **state)
{
    (void)state;
    static const char path[] = "state_dict_test.tmp";
    const struct st_tensor t = {"w", ST_F32, 1, {6}, sample_data, sizeof(sample_data)};
    const struct st_note note = {"format", "pt"};
    struct err e = {0};
    struct state_dict s;
    uint8_t *byte;
    size_t n;
    assert_true(seal_write(path, &t, 1, &note, 1, &e));
    assert_true(file_read(path, 0, ERR_MODEL, &byte, &n, &e));
    unlink(path);
    check_open(&s, byte, n);
    state_dict_close(&s);
    byte[n - 1] ^= 1;
    check_refused("a flipped bit", byte, n, "damaged: w has checksum");
    mem_free(byte);
}

/* Each allocation that opening makes, failing: told, and nothing is kept. */
static void survives_no_memory(void **state)
{
    (void)state;
    struct archive a = {0};
    struct bytes b = {0};
    static const char whole[] = PROTO IN("\5\0\0\0model", ONE("\x08\0\0\0module.w")) ".";
    sample_zip(&a, whole, sizeof(whole) - 1);
    sample_legacy(&b, whole, sizeof(whole) - 1);
    for (int legacy = 0; legacy < 2; legacy++) {
        struct err e = {0};
        int n = 1;
        for (bool ok = false; !ok; n++) {
            mem_fail_at(n);
            ok = sample_reads(legacy ? b.at : a.file.at, legacy ? b.n : a.file.n, &e);
            mem_fail_at(0);
            if (!ok)
                assert_int_equal(e.kind, ERR_NOMEM);
        }
        print_message("%d allocations failed\n", n - 2);
        assert_true(n - 2 >= 6);
    }
    free(a.file.at);
    free(b.at);
}

static void tells_what_it_cost(void **state)
{
    (void)state;
    assert_true(cost_told(&cost, 230));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_formats_apart),
        cmocka_unit_test(says_what_else_it_is),
        cmocka_unit_test(unwraps),
        cmocka_unit_test(survives_a_circle),
        cmocka_unit_test(shares_storages),
        cmocka_unit_test(refuses_legacy_cuts),
        cmocka_unit_test(refuses_legacy_layouts),
        cmocka_unit_test(converts_each_type),
        cmocka_unit_test(follows_strides),
        cmocka_unit_test(names_what_is_not_finite),
        cmocka_unit_test(checks_our_own_seal),
        cmocka_unit_test(survives_no_memory),
        cmocka_unit_test(tells_what_it_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
