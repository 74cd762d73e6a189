/* A part of a data set made ready: every picture read once, what is bad left out and listed, the
 * cache filled. Training and evaluation do it alike. */
#ifndef TRAIN_PICTURES_H
#define TRAIN_PICTURES_H

#include "base/option.h"
#include "data/verify.h"

enum bad_policy { BAD_SKIP, BAD_FAIL };

struct pictures_config {
    bool cache;
    const char *cache_dir; /* NULL: the machine's */
    double cache_gb;       /* limit; 0 = a fifth of the free disk */
    int bad;               /* enum bad_policy */
    double max_bad;        /* largest share of bad files */
};
extern const struct option pictures_options[];

struct pictures_request {
    const struct pictures_config *cfg;
    const char *root; /* of the whole data set: what the cache goes by */
    struct picture_rule rule;
    int n_thread;
    bool (*progress)(void *ctx, int done, int total); /* false stops; may be NULL */
    void (*warn)(void *ctx, const char *text);        /* may be NULL */
    void *ctx;
};

/* NULL: no cache, because none is wanted or there can be none (warned of). */
struct cache *pictures_cache(const struct pictures_request *r, const struct dataset *d);
/* Leaves bad files out of d, each told of by a warning; too many are ERR_DATA. */
MUST_CHECK bool pictures_verify(const struct pictures_request *r, struct dataset *d,
                                struct cache *cache, struct err *e);
/* d->issue as JSON, for the run: *n bytes, the caller frees. */
MUST_CHECK char *pictures_issues(const struct dataset *d, size_t *n, struct err *e);

#endif
