#include "base/json.h"
#include "base/number.h"
#include "base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Appends n bytes and keeps a NUL behind them. */
static void put(struct json_writer *w, const char *byte, size_t n)
{
    if (w->room - w->n <= n && !w->failed) {
        struct err e;
        size_t room = 2 * (w->room + n) + 256;
        char *grown = mem_grow(w->text, w->room, room, 1, &e);
        w->failed = !grown;
        if (grown) {
            w->text = grown;
            w->room = room;
        }
    }
    if (w->failed)
        return;
    memcpy(w->text + w->n, byte, n);
    w->n += n;
    w->text[w->n] = '\0';
}

static void new_line(struct json_writer *w)
{
    if (!w->lines || (w->depth == 0 && w->n == 0))
        return;
    put(w, "\n", 1);
    for (int i = 0; i < w->depth; i++)
        put(w, "  ", 2);
}

static void quote(struct json_writer *w, const char *text)
{
    static const char plain[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
    put(w, "\"", 1);
    for (size_t left = strlen(text); left > 0;) {
        unsigned char c = (unsigned char)*text;
        int length = utf8_length(text, left);
        const char *which = strchr(plain, c);
        char code[8];
        if (which) {
            code[0] = '\\';
            code[1] = letter[which - plain];
            put(w, code, 2);
        } else if (length == 0 || c < 0x20 || c == 0x7f) {
            put(w, code,
                (size_t)snprintf(code, sizeof(code), "\\u%s%02x", length == 0 ? "dc" : "00",
                                 c));
        } else {
            put(w, text, (size_t)length);
        }
        length = length ? length : 1;
        text += length;
        left -= (size_t)length;
    }
    put(w, "\"", 1);
}

/* What stands before a value: the comma and its key. */
static void begin(struct json_writer *w, const char *key)
{
    if (w->comma)
        put(w, ",", 1);
    new_line(w);
    w->comma = true;
    if (key) {
        quote(w, key);
        put(w, w->lines ? ": " : ":", w->lines ? 2 : 1);
    }
}

void json_open(struct json_writer *w, const char *key, char bracket)
{
    begin(w, key);
    put(w, &bracket, 1);
    w->comma = false;
    w->depth++;
}

void json_close(struct json_writer *w, char bracket)
{
    w->depth--;
    if (w->comma)
        new_line(w);
    put(w, &bracket, 1);
    w->comma = true;
    if (w->lines && w->depth == 0)
        put(w, "\n", 1);
}

void json_put_text(struct json_writer *w, const char *key, const char *text)
{
    begin(w, key);
    if (text)
        quote(w, text);
    else
        put(w, "null", 4);
}

void json_put_int(struct json_writer *w, const char *key, int64_t i)
{
    char text[NUMBER_TEXT];
    int n = snprintf(text, sizeof(text), "%lld", (long long)i);
    begin(w, key);
    put(w, text, (size_t)n);
}

void json_put_real(struct json_writer *w, const char *key, double r)
{
    char text[NUMBER_TEXT] = "null";
    begin(w, key);
    if (isfinite(r))
        number_text(r, text);
    put(w, text, strlen(text));
}

void json_put_bool(struct json_writer *w, const char *key, bool b)
{
    begin(w, key);
    put(w, b ? "true" : "false", b ? 4 : 5);
}

bool json_done(struct json_writer *w, struct err *e)
{
    return !w->failed || err_set(e, ERR_NOMEM, "no memory for a JSON text of %zu bytes", w->n);
}

void json_writer_release(struct json_writer *w)
{
    if (w)
        mem_free(w->text);
    if (w)
        *w = (struct json_writer){0};
}

bool json_print(struct json_writer *w, struct err *e)
{
    bool ok = json_done(w, e);
    if (ok)
        puts(w->text);
    json_writer_release(w);
    return ok;
}
