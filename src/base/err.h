/* Why a call failed, for the person at the keyboard. It lives on the caller's stack, never
 * allocates, and grows outward as callers add what they were doing:
 *     train: dataset pets: cat/0017.jpg: not a JPEG (starts 89 50 4e 47) */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/attr.h"

#include <stdbool.h>

/* The kind decides the exit status; docs/exit-status.md tells users what each one means. */
enum err_kind {
    ERR_NONE,
    ERR_INTERNAL,    /* 1: our mistake */
    ERR_NOMEM,       /* 1: no memory */
    ERR_USAGE,       /* 2: an option, a configuration, a run directory in use */
    ERR_SHAPE,       /* 2: an architecture that cannot be */
    ERR_DEVICE,      /* 2: what this machine cannot do */
    ERR_DATA,        /* 3: the data set or a picture */
    ERR_MODEL,       /* 4: a model file refused */
    ERR_STORAGE,     /* 5: a disk, directory or download failed */
    ERR_DIVERGED,    /* 6: NaN or infinity */
    ERR_LEAK,        /* 7: the same picture in train and test, with --strict */
    ERR_INTERRUPTED, /* 128 + signal: stopped from outside, and saved */
};

struct err {
    enum err_kind kind;
    int signal; /* of ERR_INTERRUPTED */
    char msg[512];
};

/* Both return false, so a failing function ends with `return err_set(...)`. A message that does
 * not fit is cut; control characters (a newline in a file's name) are shown as \xNN. */
bool err_set(struct err *e, enum err_kind kind, const char *fmt, ...) PRINTF(3, 4);
/* Prepends "<text>: " to what e says. */
bool err_in(struct err *e, const char *fmt, ...) PRINTF(2, 3);
/* ERR_STORAGE with strerror(errno): "<path>: No space left on device". */
bool err_errno(struct err *e, const char *path);

/* Exit status of the program for this error, 0 for ERR_NONE. */
int err_status(const struct err *e);

#endif
