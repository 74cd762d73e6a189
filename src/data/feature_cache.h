/* What frozen layers make of a picture, kept on disk for later epochs and runs: records of one size in
 * a file of their own for each `key`, which stands for all that they depend on but the picture.
 *
 * A file only grows, under a lock, so processes share it; readers map it. What is damaged or cut off
 * is not used. Files are removed, never shortened, the least recently used first when those of the
 * directory are over the limit. Nothing here is ever an error of the run. For one thread. */
#ifndef DATA_FEATURE_CACHE_H
#define DATA_FEATURE_CACHE_H

#include "base/mem.h"
#include "data/dataset.h"

#include <stdint.h>

struct feature_cache_config {
    const char *dir;  /* NULL: machine_cache_folder(); files lie in features/ there */
    const char *name; /* of the file, beside the key: "vgg19" */
    uint64_t key;
    size_t bytes;       /* of a record's data */
    int64_t limit;      /* bytes of the directory; 0 = 20 % of what is free and what it holds */
    int64_t n_expected; /* records: room is made for as many */
};

struct feature_key {
    uint64_t dev, ino;
    int64_t size, mtime_ns;
    uint64_t view;
};
/* Of a picture: its file, or its pixels where they are in memory (IDX). */
struct feature_key feature_key_of(const struct dataset *d, uint32_t sample, uint64_t view);

struct feature_cache;

/* NULL and e when there can be none: say so once and go on without. */
MUST_CHECK struct feature_cache *feature_cache_open(const struct feature_cache_config *cfg,
                                                    struct err *e);
/* The data, mapped, to be read only, valid until the close; checked on its first use. NULL: none. */
const void *feature_cache_get(struct feature_cache *c, const struct feature_key *key);
/* False and e: no room, nothing was stored. */
MUST_CHECK bool feature_cache_put(struct feature_cache *c, const struct feature_key *key,
                                  const void *data, struct err *e);
void feature_cache_close(struct feature_cache *c);

#endif
