/* Brings one file of weights into the cache: downloaded into FILE.part, gone on with after a cut,
 * held against the SHA-256 that its name carries, and only then given its name. */
#ifndef WEIGHTS_PULL_H
#define WEIGHTS_PULL_H

#include "base/err.h"

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

struct pull_events {
    void *ctx;
    /* all: 0 = not known. what: "checking" or "fetching". */
    void (*progress)(void *ctx, const char *what, int64_t done, int64_t all);
    void (*say)(void *ctx, const char *text); /* a line about what happened */
};

struct pull_request {
    const char *url, *path; /* weights/zoo.h's */
    const char *hash;       /* the first n_digit digits of the file's SHA-256, lower case */
    size_t n_digit;
    int64_t max_bytes; /* more than this is another file; 0 = not known */
    int64_t retries;   /* tries in a row that bring nothing new, after the first such */
    double retry_s;    /* the pause before the first of them; doubled each time */
    int64_t timeout_s; /* to connect; and without a byte */
    const volatile sig_atomic_t *stop; /* a signal's number once one came; may be NULL */
    struct pull_events events;
};

struct pull_report {
    int64_t bytes;     /* of the file */
    bool was_here;     /* nothing was fetched */
    bool server_fault; /* on failure: the server does not give the file, another way may */
};

/* ERR_STORAGE: the server does not give it, or the disk does not take it (what came is kept for the
 * next time). ERR_MODEL: it gives another file; nothing is kept. ERR_USAGE: another process is at it.
 * ERR_DEVICE: built without libcurl. ERR_INTERRUPTED. A file that is at path with the right hash is
 * left as it is; one with a wrong hash is replaced when the right one is here. */
MUST_CHECK bool pull(const struct pull_request *r, struct pull_report *report, struct err *e);

#endif
