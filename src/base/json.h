/* JSON (RFC 8259): a strict reader into an arena and a writer. Depth at most 64, no duplicate keys,
 * numbers keep their bits (the shortest decimal that reads back the same). Bytes that are not
 * UTF-8, as in odd file names, are written as \udc80 .. \udcff, Python's surrogateescape, and read
 * back as the same bytes; every other text is UTF-8. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/mem.h"

#include <stdint.h>

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
    enum json_type type;
    bool b;
    double number;
    bool is_int; /* no point, no exponent, fits, not "-0": */
    int64_t i;
    const char *text;        /* of strings; no NUL inside (refused) */
    int n;                   /* of arrays and objects */
    const struct json *item; /* (n) */
    const char *const *key;  /* (n), of objects */
};

/* text need not end in NUL. Errors are ERR_DATA with the byte offset. Lives in the arena. */
MUST_CHECK const struct json *json_parse(const char *text, size_t n, struct arena *a,
                                         struct err *e);
/* A member, or NULL (also when v is NULL or no object). */
const struct json *json_get(const struct json *v, const char *key);
/* Typed reads with a fallback for absent or of another type. */
double json_number(const struct json *v, const char *key, double fallback);
int64_t json_int(const struct json *v, const char *key, int64_t fallback);
const char *json_text(const struct json *v, const char *key, const char *fallback);
bool json_bool(const struct json *v, const char *key, bool fallback);

/* Appends to a growing text; zero it to begin. A failed allocation sticks: json_done reports it.
 * key is NULL in arrays and at the top. */
struct json_writer {
    char *text; /* NUL-ended; owned */
    size_t n, room;
    bool failed;
    bool comma; /* a value stands before the next one */
    bool lines; /* the caller's: one value a line, indented, for people */
    int depth;
};
void json_open(struct json_writer *w, const char *key, char bracket);         /* '{' or '[' */
void json_close(struct json_writer *w, char bracket);                         /* '}' or ']' */
void json_put_text(struct json_writer *w, const char *key, const char *text); /* NULL = null */
void json_put_int(struct json_writer *w, const char *key, int64_t i);
void json_put_real(struct json_writer *w, const char *key, double r); /* NaN and Inf = null */
void json_put_bool(struct json_writer *w, const char *key, bool b);
MUST_CHECK bool json_done(struct json_writer *w, struct err *e);
void json_writer_release(struct json_writer *w);
/* A line on standard output, if the text is whole; releases the writer. */
MUST_CHECK bool json_print(struct json_writer *w, struct err *e);

#endif
