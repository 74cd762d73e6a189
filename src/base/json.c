/* Recursive descent over a bounded text. The members of arrays and objects under way wait on one
 * stack and move into the arena when their bracket closes. The writer is in json_write.c. */
#include "base/json.h"
#include "base/hash.h"
#include "base/number.h"
#include "base/utf8.h"

#include <ctype.h>
#include <string.h>

enum {
    DEPTH_MAX = 64,
    NUMBER_MAX = 400
}; /* a double needs at most 17 digits and an exponent */

struct member {
    struct json value;
    const char *key;
};

struct parser {
    const char *text;
    size_t at, n;
    struct arena *arena;
    struct member *stack;
    size_t n_stack, room;
    struct err *e;
};

static bool fail(const struct parser *p, const char *what)
{
    return err_set(p->e, ERR_DATA, "JSON, byte %zu: %s", p->at, what);
}

static int peek(const struct parser *p)
{
    return p->at < p->n ? (unsigned char)p->text[p->at] : -1;
}

static void skip_space(struct parser *p)
{
    for (int c = peek(p); c == ' ' || c == '\t' || c == '\n' || c == '\r'; c = peek(p))
        p->at++;
}

static bool take(struct parser *p, char c)
{
    if (peek(p) != (unsigned char)c)
        return false;
    p->at++;
    return true;
}

static bool word(struct parser *p, const char *name)
{
    size_t n = strlen(name);
    if (p->n - p->at < n || memcmp(p->text + p->at, name, n) != 0)
        return fail(p, "expected a value");
    p->at += n;
    return true;
}

static size_t digits(struct parser *p)
{
    size_t from = p->at;
    while (isdigit(peek(p)))
        p->at++;
    return p->at - from;
}

static bool number(struct parser *p, struct json *v)
{
    size_t from = p->at;
    take(p, '-');
    bool zero = peek(p) == '0';
    size_t n_digit = digits(p);
    if (n_digit == 0 || (zero && n_digit > 1))
        return fail(p, "expected a value");
    v->type = JSON_NUMBER;
    v->is_int = true;
    if (take(p, '.')) {
        v->is_int = false;
        if (digits(p) == 0)
            return fail(p, "digits are missing behind the point");
    }
    if (take(p, 'e') || take(p, 'E')) {
        v->is_int = false;
        if (!take(p, '+'))
            take(p, '-');
        if (digits(p) == 0)
            return fail(p, "digits are missing in the exponent");
    }
    char text[NUMBER_MAX + 1];
    size_t n = p->at - from;
    if (n > NUMBER_MAX)
        return fail(p, "a number of more than 400 characters");
    memcpy(text, p->text + from, n);
    text[n] = '\0';
    v->is_int = v->is_int && strcmp(text, "-0") != 0 && number_int(text, &v->i);
    return number_real(text, &v->number) || fail(p, "a number too large for a double");
}

/* Four hexadecimal digits, or -1. */
static int hex4(struct parser *p)
{
    int code = 0;
    for (int i = 0; i < 4; i++) {
        int c = peek(p);
        if (!isxdigit(c))
            return -1;
        code = code * 16 + (isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
        p->at++;
    }
    return code;
}

/* Behind "\u": one character, or an escaped byte. Appends to *out. */
static bool escaped_code(struct parser *p, char **out)
{
    int code = hex4(p);
    if (code < 0)
        return fail(p, "expected four hexadecimal digits");
    if (code == 0)
        return fail(p, "a NUL in a text");
    if (code >= 0xdc80 && code <= 0xdcff) {
        *(*out)++ = (char)(code & 0xff);
        return true;
    }
    if (code >= 0xd800 && code < 0xdc00) {
        int low = take(p, '\\') && take(p, 'u') ? hex4(p) : -1;
        if (low < 0xdc00 || low > 0xdfff)
            return fail(p, "half of a surrogate pair");
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code < 0xe000) {
        return fail(p, "half of a surrogate pair");
    }
    *out += utf8_put((uint32_t)code, *out);
    return true;
}

static bool escaped(struct parser *p, char **out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    int c = peek(p);
    const char *which = c > 0 ? strchr(from, c) : NULL;
    p->at++;
    if (c == 'u')
        return escaped_code(p, out);
    if (!which)
        return fail(p, "an unknown escape");
    *(*out)++ = to[which - from];
    return true;
}

/* Decoded text is never longer than what it is decoded from. */
static const char *string(struct parser *p)
{
    const char *end = memchr(p->text + p->at, '"', p->n - p->at);
    for (; end; end = memchr(end + 1, '"', p->n - (size_t)(end + 1 - p->text))) {
        const char *slash = end;
        while (slash > p->text + p->at && slash[-1] == '\\')
            slash--;
        if ((end - slash) % 2 == 0)
            break;
    }
    if (!end) {
        fail(p, "a text without its end");
        return NULL;
    }
    char *text = arena_new(p->arena, (size_t)(end - p->text) - p->at + 1, 1, p->e), *out = text;
    while (text && p->text + p->at < end) {
        int c = peek(p), length = utf8_length(p->text + p->at, (size_t)(end - p->text) - p->at);
        if (c == '\\') {
            p->at++;
            if (!escaped(p, &out))
                return NULL;
        } else if (c < 0x20 || length == 0) {
            fail(p, c < 0x20 ? "a control character in a text" : "a text that is not UTF-8");
            return NULL;
        } else {
            memcpy(out, p->text + p->at, (size_t)length);
            out += length;
            p->at += (size_t)length;
        }
    }
    if (text)
        *out = '\0';
    p->at++;
    return text;
}

static bool push(struct parser *p, struct member m)
{
    if (p->n_stack == p->room) {
        size_t room = p->room ? 2 * p->room : 64;
        struct member *grown = mem_grow(p->stack, p->room, room, sizeof(*grown), p->e);
        if (!grown)
            return false;
        p->stack = grown;
        p->room = room;
    }
    p->stack[p->n_stack++] = m;
    return true;
}

/* A table of indices by hash finds a repeated key among any number of them. */
static bool keys_differ(const struct parser *p, const struct json *v)
{
    size_t room = 8;
    while (room < 2 * (size_t)v->n)
        room *= 2;
    int *slot = mem_new(room, sizeof(*slot), p->e); /* 1 + index; 0 = free */
    bool ok = slot != NULL;
    for (int i = 0; ok && i < v->n; i++) {
        size_t s = hash64(v->key[i], strlen(v->key[i]), (uintptr_t)slot) & (room - 1);
        for (; ok && slot[s]; s = (s + 1) & (room - 1))
            if (strcmp(v->key[slot[s] - 1], v->key[i]) == 0)
                ok = err_set(p->e, ERR_DATA, "JSON, byte %zu: the key \"%s\" stands twice",
                             p->at, v->key[i]);
        slot[s] = i + 1;
    }
    mem_free(slot);
    return ok;
}

/* Moves the members above `from` off the stack into v. */
static bool gather(struct parser *p, size_t from, struct json *v)
{
    size_t n = p->n_stack - from;
    struct json *item = arena_new(p->arena, n, sizeof(*item), p->e);
    const char **key =
        v->type == JSON_OBJECT && item ? arena_new(p->arena, n, sizeof(*key), p->e) : NULL;
    if (!item || (v->type == JSON_OBJECT && !key))
        return false;
    for (size_t i = 0; i < n; i++) {
        item[i] = p->stack[from + i].value;
        if (key)
            key[i] = p->stack[from + i].key;
    }
    v->n = (int)n;
    v->item = item;
    v->key = key;
    p->n_stack = from;
    return !key || keys_differ(p, v);
}

static bool value(struct parser *p, struct json *v, int depth);

static bool member(struct parser *p, enum json_type type, int depth)
{
    struct member m = {.key = NULL};
    skip_space(p);
    if (type == JSON_OBJECT) {
        if (!take(p, '"'))
            return fail(p, "expected a key");
        m.key = string(p);
        if (!m.key)
            return false;
        skip_space(p);
        if (!take(p, ':'))
            return fail(p, "expected ':'");
    }
    return value(p, &m.value, depth) && push(p, m);
}

static bool members(struct parser *p, struct json *v, char end, int depth)
{
    size_t from = p->n_stack;
    if (depth > DEPTH_MAX)
        return fail(p, "more than 64 levels");
    p->at++;
    skip_space(p);
    if (!take(p, end)) {
        do {
            if (!member(p, v->type, depth))
                return false;
            skip_space(p);
        } while (take(p, ','));
        if (!take(p, end))
            return fail(p, end == '}' ? "expected ',' or '}'" : "expected ',' or ']'");
    }
    return gather(p, from, v);
}

static bool value(struct parser *p, struct json *v, int depth)
{
    skip_space(p);
    switch (peek(p)) {
    case '{':
        v->type = JSON_OBJECT;
        return members(p, v, '}', depth + 1);
    case '[':
        v->type = JSON_ARRAY;
        return members(p, v, ']', depth + 1);
    case '"':
        p->at++;
        v->type = JSON_STRING;
        v->text = string(p);
        return v->text != NULL;
    case 't':
        v->type = JSON_BOOL;
        v->b = true;
        return word(p, "true");
    case 'f':
        v->type = JSON_BOOL;
        return word(p, "false");
    case 'n':
        return word(p, "null");
    default:
        return number(p, v);
    }
}

const struct json *json_parse(const char *text, size_t n, struct arena *a, struct err *e)
{
    struct parser p = {.text = text, .n = n, .arena = a, .e = e};
    struct json *v = arena_new(a, 1, sizeof(*v), e);
    bool ok = v && value(&p, v, 0);
    skip_space(&p);
    if (ok && p.at < n)
        ok = fail(&p, "text behind the end of the value");
    mem_free(p.stack);
    return ok ? v : NULL;
}

const struct json *json_get(const struct json *v, const char *key)
{
    if (v && v->type == JSON_OBJECT)
        for (int i = 0; i < v->n; i++)
            if (strcmp(v->key[i], key) == 0)
                return &v->item[i];
    return NULL;
}

double json_number(const struct json *v, const char *key, double fallback)
{
    v = json_get(v, key);
    return v && v->type == JSON_NUMBER ? v->number : fallback;
}

int64_t json_int(const struct json *v, const char *key, int64_t fallback)
{
    v = json_get(v, key);
    return v && v->type == JSON_NUMBER && v->is_int ? v->i : fallback;
}

const char *json_text(const struct json *v, const char *key, const char *fallback)
{
    v = json_get(v, key);
    return v && v->type == JSON_STRING ? v->text : fallback;
}

bool json_bool(const struct json *v, const char *key, bool fallback)
{
    v = json_get(v, key);
    return v && v->type == JSON_BOOL ? v->b : fallback;
}
