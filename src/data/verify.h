/* Reads every picture once before training, so that what cannot be read is known, left out and
 * listed before the first epoch; and fills the cache on the way. What the cache holds is not read
 * again. */
#ifndef DATA_VERIFY_H
#define DATA_VERIFY_H

#include "data/cache.h"

struct verify_config {
    struct cache *cache; /* NULL = none: every picture is decoded */
    struct picture_rule rule;
    int n_thread;   /* 0: parallel_threads() */
    bool fail;      /* --bad fail: one bad file is too many */
    double max_bad; /* largest share of bad files, 0.01; of pictures and bad files together */
    bool (*progress)(void *ctx, int done, int total); /* false stops; NULL = none */
    void *ctx;
};

struct verify_report {
    int n_decoded, n_bad; /* bad: those that the scan noted included */
};

/* Bad files are taken out of d (samples after them move up) and added to d->issue with their
 * reason. More than allowed is ERR_DATA, with d->issue holding the whole list. */
MUST_CHECK bool dataset_verify(struct dataset *d, const struct verify_config *cfg,
                               struct verify_report *report, struct err *e);

/* Mean and standard deviation of each channel, 0 to 1, over the starting pictures of index (n):
 * exact sums, the same for any number of threads; from the cache's records where it has them. */
MUST_CHECK bool dataset_statistics(const struct dataset *d, const uint32_t *index, int n,
                                   const struct verify_config *cfg, float mean[3], float std[3],
                                   struct err *e);

#endif
