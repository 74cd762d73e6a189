/* Damaged texts, the same ones each time: JSON, YAML, command lines and safetensors files are read or
 * refused, without a report of the sanitizers that this is built with. What is accepted is checked:
 * JSON is the same after writing and reading it again, tensors lie in their file.
 *     fuzz_text [RUNS]
 * Prints the counts of each format, then "N passed, N failed, N skipped". */
#include "base/build.h"
#include "base/clock.h"
#include "base/option.h"
#include "base/rng.h"
#include "weights/safetensors.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ROOM = 4096 };

struct text {
    char byte[ROOM]; /* NUL behind the end */
    size_t n;
};

/* What one input came to. */
enum verdict { REFUSED, ACCEPTED, WRONG };

struct format {
    const char *name;
    const char *const *seed;  /* NULL-ended */
    const char *const *token; /* what is put in beside single bytes; NULL-ended */
    enum verdict (*read)(const struct text *t);
    bool present; /* in this build */
};

static void splice(struct text *t, size_t at, size_t drop, const char *byte, size_t n)
{
    if (t->n - drop + n + 1 > ROOM)
        return;
    memmove(t->byte + at + n, t->byte + at + drop, t->n - at - drop);
    memcpy(t->byte + at, byte, n);
    t->n += n - drop;
    t->byte[t->n] = '\0';
}

static size_t below(struct rng *r, size_t n)
{
    return rng_below(r, (uint32_t)n);
}

/* One change: a byte, a token, a stretch dropped, doubled or repeated often. */
static void change(struct text *t, const struct format *f, struct rng *r)
{
    size_t at = below(r, t->n + 1), left = t->n - at, n_token = 0;
    size_t stretch = left ? 1 + below(r, left < 40 ? left : 40) : 0;
    char copy[64];
    memcpy(copy, t->byte + at, stretch);
    switch (below(r, 6)) {
    case 0:
        copy[0] = (char)below(r, 256);
        splice(t, at, left > 0, copy, 1);
        break;
    case 1:
    case 2:
        while (f->token[n_token])
            n_token++;
        n_token = below(r, n_token);
        splice(t, at, below(r, stretch + 1), f->token[n_token], strlen(f->token[n_token]));
        break;
    case 3:
        splice(t, at, stretch, "", 0);
        break;
    case 4:
        splice(t, at, 0, copy, stretch);
        break;
    default:
        for (size_t i = below(r, 100); i > 0; i--)
            splice(t, at, 0, copy, stretch < 4 ? stretch : 4);
    }
}

static void put_json(struct json_writer *w, const char *key, const struct json *v)
{
    switch (v->type) {
    case JSON_NULL:
        json_put_text(w, key, NULL);
        break;
    case JSON_BOOL:
        json_put_bool(w, key, v->b);
        break;
    case JSON_NUMBER:
        if (v->is_int)
            json_put_int(w, key, v->i);
        else
            json_put_real(w, key, v->number);
        break;
    case JSON_STRING:
        json_put_text(w, key, v->text);
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        json_open(w, key, v->type == JSON_ARRAY ? '[' : '{');
        for (int i = 0; i < v->n; i++)
            put_json(w, v->key ? v->key[i] : NULL, &v->item[i]);
        json_close(w, v->type == JSON_ARRAY ? ']' : '}');
    }
}

/* The arena and the sanitizer see the exact length: no NUL stands behind it. */
static char *exact(const char *byte, size_t n)
{
    char *copy = malloc(n ? n : 1);
    if (copy)
        memcpy(copy, byte, n);
    return copy;
}

static enum verdict read_json(const struct text *t)
{
    struct arena a = {0};
    struct err e = {0};
    struct json_writer first = {0}, second = {0};
    enum verdict verdict = REFUSED;
    char *byte = exact(t->byte, t->n);
    const struct json *v = byte ? json_parse(byte, t->n, &a, &e) : NULL;
    if (v) {
        put_json(&first, NULL, v);
        v = json_parse(first.text, first.n, &a, &e);
        if (v)
            put_json(&second, NULL, v);
        verdict = v && strcmp(first.text, second.text) == 0 ? ACCEPTED : WRONG;
    } else if (e.kind != ERR_DATA) {
        verdict = WRONG;
    }
    json_writer_release(&first);
    json_writer_release(&second);
    arena_release(&a);
    free(byte);
    return verdict;
}

struct knobs {
    bool flag;
    int64_t count;
    double rate;
    int choice;
    const char *name;
    struct int_list ints;
    struct real_list reals;
};
static const char *const choices[] = {"constant", "cosine", NULL};
static const struct option rows[] = {
    {.name = "flag", .offset = offsetof(struct knobs, flag)},
    {.name = "count",
     .type = OPTION_INT,
     .offset = offsetof(struct knobs, count),
     .min.i = 1,
     .max.i = 100,
     .fallback.i = 1},
    {.name = "learning_rate",
     .type = OPTION_REAL,
     .offset = offsetof(struct knobs, rate),
     .min.r = 0,
     .max.r = 10},
    {.name = "choice",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct knobs, choice),
     .choice = choices},
    {.name = "name", .type = OPTION_STRING, .offset = offsetof(struct knobs, name)},
    {.name = "ints",
     .type = OPTION_INT_LIST,
     .offset = offsetof(struct knobs, ints),
     .min.i = 1,
     .max.i = 512},
    {.name = "reals", .type = OPTION_REAL_LIST, .offset = offsetof(struct knobs, reals)},
    {.name = NULL},
};

/* Accepted values are in their ranges. */
static enum verdict judge(bool ok, const struct knobs *k, const struct err *e)
{
    if (!ok)
        return e->kind == ERR_USAGE && *e->msg ? REFUSED : WRONG;
    bool right = k->count >= 1 && k->count <= 100 && k->rate >= 0 && k->rate <= 10 &&
                 k->choice >= 0 && k->choice <= 1 && k->ints.n >= 0 &&
                 k->ints.n <= OPTION_LIST_MAX && k->reals.n <= OPTION_LIST_MAX;
    for (int i = 0; right && i < k->ints.n; i++)
        right = k->ints.at[i] >= 1 && k->ints.at[i] <= 512;
    for (int i = 0; right && i < k->reals.n; i++)
        right = k->reals.at[i] - k->reals.at[i] == 0; /* finite */
    return right ? ACCEPTED : WRONG;
}

static enum verdict read_yaml(const struct text *t)
{
    char path[32];
    struct knobs k = {.count = 1};
    struct option_table table = {rows, &k};
    struct arena a = {0};
    struct err e = {0};
    int fd = memfd_create("yaml", MFD_CLOEXEC); /* a regular file, and quick */
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    bool written = fd >= 0 && write(fd, t->byte, t->n) == (ssize_t)t->n;
    enum verdict verdict =
        written ? judge(option_read_yaml(&table, 1, path, &a, &e), &k, &e) : WRONG;
    if (fd >= 0)
        close(fd);
    arena_release(&a);
    return verdict;
}

/* Words are what stands between spaces. */
static enum verdict read_flags(const struct text *t)
{
    struct knobs k = {.count = 1};
    struct option_table table = {rows, &k};
    struct arena a = {0};
    struct err e = {0};
    struct text words = *t;
    const char *const *operand;
    char *argv[ROOM / 2 + 1], *save = NULL;
    int argc = 0;
    for (char *w = strtok_r(words.byte, " ", &save); w; w = strtok_r(NULL, " ", &save))
        argv[argc++] = w;
    enum verdict verdict = judge(option_parse(&table, 1, argc, argv, &operand, &a, &e), &k, &e);
    arena_release(&a);
    return verdict;
}

/* The text is the header; its length goes in front, sometimes a wrong one, and 64 bytes behind. */
static enum verdict read_tensors(const struct text *t)
{
    enum { DATA = 64, PREFIX = 8 };
    size_t n = PREFIX + t->n + DATA, stated = t->n;
    uint8_t *byte = calloc(n, 1);
    struct safetensors s = {0};
    struct err e = {0};
    if (!byte)
        return WRONG;
    if (t->n % 16 == 3) /* of few texts the length lies */
        stated = hash64(t->byte, t->n, 0);
    for (int i = 0; i < PREFIX; i++)
        byte[i] = (uint8_t)(stated >> 8 * i);
    memcpy(byte + PREFIX, t->byte, t->n);
    enum verdict verdict = REFUSED;
    if (safetensors_parse(&s, byte, n, &e)) {
        verdict = ACCEPTED;
        for (int i = 0; i < s.n_tensor; i++) {
            const uint8_t *at = s.tensor[i].data;
            if (at < byte + PREFIX + t->n || at + s.tensor[i].bytes > byte + n)
                verdict = WRONG;
        }
    } else if (e.kind != ERR_MODEL) {
        verdict = WRONG;
    }
    safetensors_close(&s);
    free(byte);
    return verdict;
}

static const char *const json_seeds[] = {
    "{\"a\":[1,-2.5e3,true,false,null,\"x\\n\\u00e9\\ud83d\\ude00\"],\"b\":{},\"c\":[]}",
    "[[[[1e-300,0.1,9223372036854775807,-0]]],\"\\udcff\\udc80\"]",
    "{\"lr\":0.001,\"filters\":[32,64],\"name\":\"\xc3\xa9\"}", NULL};
static const char *const json_tokens[] = {"{",        "}",
                                          "[",        "]",
                                          ",",        ":",
                                          "\"",       "\\",
                                          "\\u0000",  "\\ud800",
                                          "\\udc80",  "null",
                                          "true",     "1e309",
                                          "-",        "0",
                                          "1e-999",   "\"a\":",
                                          "\"\":",    "\x7f",
                                          "\xff",     "\xed\xa0\x80",
                                          "NaN",      "18446744073709551616",
                                          "[[[[[[[[", " ",
                                          NULL};
static const char *const yaml_seeds[] = {
    "flag: yes\ncount: 3\nlearning_rate: 1e-4\nints: [1, 2, 3]\n",
    "# comment\nchoice: cosine\nname: 'two words'\nreals:\n  - 0.5\n  - 1e-3\n",
    "{count: 5, name: \"q\\n\", ints: []}\n", NULL};
static const char *const yaml_tokens[] = {": ",
                                          "\n",
                                          "- ",
                                          "[",
                                          "]",
                                          "{",
                                          "}",
                                          "&a ",
                                          "*a",
                                          "<<: ",
                                          "---\n",
                                          "...\n",
                                          "!!int ",
                                          "? ",
                                          "|\n ",
                                          ">-\n ",
                                          "\"",
                                          "'",
                                          "~",
                                          "null",
                                          "count",
                                          "ints",
                                          "learning_rate",
                                          "%YAML 1.1\n",
                                          "1e309",
                                          ".nan",
                                          "\t",
                                          "\\x00",
                                          "#",
                                          "\xff",
                                          NULL};
static const char *const flag_seeds[] = {
    "dir --flag --count=3 --learning-rate 1e-4 --ints [1,2,3] --name x",
    "--no-flag --choice cosine --reals=0.5,1e-3 -- --file", NULL};
static const char *const flag_tokens[] = {"--",      "=",    " ",
                                          "-",       ",",    "[",
                                          "]",       "no-",  "--count",
                                          "--ints=", "nan",  "inf",
                                          "1e309",   "0x10", "9223372036854775808",
                                          "--flag=", "_",    "%s%n",
                                          "-1",      NULL};
static const char *const tensor_seeds[] = {
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,4],\"data_offsets\":[0,32]},"
    "\"b\":{\"dtype\":\"I8\",\"shape\":[32],\"data_offsets\":[32,64]}}",
    "{\"__metadata__\":{\"k\":\"v\"},\"a\":{\"dtype\":\"F64\",\"shape\":[],"
    "\"data_offsets\":[0,8]},\"c\":{\"dtype\":\"U8\",\"shape\":[7,8],\"data_offsets\":[8,64]}} "
    "  ",
    NULL};
static const char *const tensor_tokens[] = {"\"F32\"",
                                            "\"BF16\"",
                                            "\"shape\"",
                                            "\"data_offsets\"",
                                            "\"dtype\"",
                                            "\"__metadata__\"",
                                            "64",
                                            "0",
                                            "-1",
                                            "4294967296",
                                            "9223372036854775807",
                                            "1e2",
                                            "[",
                                            "]",
                                            "{",
                                            "}",
                                            ",",
                                            ":",
                                            "\"a\"",
                                            "[0,64]",
                                            "\"\"",
                                            " ",
                                            NULL};

static const struct format formats[] = {
    {"json", json_seeds, json_tokens, read_json, true},
    {"yaml", yaml_seeds, yaml_tokens, read_yaml, WITH_YAML},
    {"flags", flag_seeds, flag_tokens, read_flags, true},
    {"tensors", tensor_seeds, tensor_tokens, read_tensors, true},
};

static struct text input(const struct format *f, int index)
{
    struct rng r = rng_at(1, RNG_TEST, (uint64_t)(f - formats), (uint64_t)index);
    struct text t = {.n = 0};
    size_t n_seed = 0;
    while (f->seed[n_seed])
        n_seed++;
    const char *seed = f->seed[(size_t)index % n_seed];
    splice(&t, 0, 0, seed, strlen(seed));
    if ((size_t)index >= n_seed) /* the seeds themselves come first */
        for (size_t i = 1 + below(&r, 4); i > 0; i--)
            change(&t, f, &r);
    return t;
}

static bool run_format(const struct format *f, int runs)
{
    int count[3] = {0};
    double start = clock_s(), slowest = 0;
    for (int i = 0; i < runs; i++) {
        struct text t = input(f, i);
        double from = clock_s();
        enum verdict v = f->read(&t);
        double s = clock_s() - from;
        slowest = s > slowest ? s : slowest;
        if (v == WRONG && count[WRONG] < 3)
            fprintf(stderr, "fuzz_text: %s %d: \"%.*s\"\n", f->name, i, (int)t.n, t.byte);
        count[v]++;
    }
    printf("%-7s %d inputs, %d accepted, %d refused, %d wrong, slowest %.0f ms, %.1f s\n",
           f->name, runs, count[ACCEPTED], count[REFUSED], count[WRONG], 1e3 * slowest,
           clock_s() - start);
    return count[WRONG] == 0 && count[ACCEPTED] > 0 && count[REFUSED] > 0;
}

int main(int argc, char **argv)
{
    int runs = argc > 1 ? atoi(argv[1]) : 20000, result[2] = {0}, skipped = 0;
    if (runs <= 0) {
        fprintf(stderr, "usage: fuzz_text [RUNS]\n");
        return 2;
    }
    for (size_t i = 0; i < COUNT_OF(formats); i++)
        if (formats[i].present)
            result[run_format(&formats[i], runs)]++;
        else
            skipped++;
    printf("%d passed, %d failed, %d skipped\n", result[1], result[0], skipped);
    return result[0] > 0;
}
