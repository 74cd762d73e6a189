/* One request to a server for a file, or for what is still missing of it. What comes of it is one of
 * a few ends; whether to try again is the caller's business (weights/pull.c). */
#ifndef WEIGHTS_FETCH_H
#define WEIGHTS_FETCH_H

#include "base/err.h"

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

enum { FETCH_MAX_VALIDATOR = 256 };

/* Known before the first byte of the body. */
struct fetch_head {
    int64_t at;    /* which byte of the file comes first: 0, or what was asked for */
    int64_t total; /* bytes of the whole file; -1 = not told */
    /* What names this state of the file to If-Range: a strong ETag or a date; "" = nothing. */
    char validator[FETCH_MAX_VALIDATOR];
};

struct fetch_request {
    const char *url;
    int64_t from;                      /* the first byte wanted */
    const char *validator;             /* of the part before it; "" = not known */
    int64_t timeout_s;                 /* to connect; and without a byte */
    const volatile sig_atomic_t *stop; /* may be NULL */
    /* Both return false, with e set, to end it. */
    bool (*begin)(void *ctx, const struct fetch_head *head, struct err *e);
    bool (*body)(void *ctx, const void *byte, size_t n, struct err *e);
    void *ctx;
};

enum fetch_end {
    FETCH_DONE,      /* the body came to its end */
    FETCH_CUT,       /* another try may bring more */
    FETCH_UNREACHED, /* no connection */
    FETCH_NO_RANGE,  /* there is nothing from that byte on: from the start, then */
    FETCH_REFUSED,   /* another try brings the same */
    FETCH_FAILED,    /* begin or body failed, or stop was asked for: e says what */
};

struct fetch_result {
    enum fetch_end end;
    char why[256];  /* where it is not FETCH_DONE */
    int64_t wait_s; /* the server asks for so long a pause */
};

/* By libcurl (fetch_curl.c); a build without it has no such function. */
struct fetch_result fetch(const struct fetch_request *r, struct err *e);

#endif
