/* The demo set: JPEG files in train/<class>/ and test/<class>/ of ten drawn creatures. */
#ifndef DEMO_DEMO_H
#define DEMO_DEMO_H

#include "base/err.h"

#include <stdint.h>

struct demo_config {
    const char *dir;
    int size_px;
    int n_train, n_test; /* pictures a class; more of one do not change the other */
    uint64_t seed;
    int n_thread;
    bool force; /* write into a folder that is not empty */
    void (*progress)(void *ctx, int n_done, int n_all); /* now and then; NULL = none */
    void *ctx;
};

enum { DEMO_MIN_PX = 16, DEMO_MAX_PX = 1024 };

/* The set depends on seed, size and counts alone. */
MUST_CHECK bool demo_write(const struct demo_config *cfg, struct err *e);
/* A sheet of the set's first pictures, a column a class, as one JPEG at path. */
MUST_CHECK bool demo_sheet(const struct demo_config *cfg, int n_row, const char *path,
                           struct err *e);

#endif
