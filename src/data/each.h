/* Independent work on many samples, on threads of their own at ordinary priority. */
#ifndef DATA_EACH_H
#define DATA_EACH_H

#include "base/err.h"

struct each {
    int n;                                       /* samples 0 .. n-1 */
    int n_thread;                                /* 0: parallel_threads() */
    bool (*fn)(void *ctx, int i, struct err *e); /* on any thread; false stops all */
    void *ctx;
    bool (*progress)(void *ctx, int done, int total); /* NULL = none; on the caller's thread now
                                                       * and then; false stops (ERR_INTERRUPTED) */
    void *progress_ctx;
};

MUST_CHECK bool each_sample(const struct each *each, struct err *e);

#endif
