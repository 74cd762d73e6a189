/* Decodes and augments ahead of the trainer, on its own threads, through a bounded queue. Sample i
 * of epoch k depends only on (seed, k, i): the stream is the same for any number of threads.
 *
 * The threads run at a low priority: they take what computing leaves, and all of it while the
 * trainer waits; the waiting trainer decodes too. (At the lowest other programs would stop them.)
 * Nothing is allocated for a batch but decoded pictures. All pictures start from data/picture.h's
 * rule, whether cached, evaluated or trained. */
#ifndef DATA_LOADER_H
#define DATA_LOADER_H

#include "augment/config.h"
#include "data/dataset.h"
#include "data/order.h"

struct cache;

struct batch {
    int n, h, w, channels;
    const uint8_t *pixel;   /* (n, h, w, channels); normalising is the plan's first op; or NULL,
                             * see loader_set */
    const uint64_t *sample; /* (n): index in the data set, for logs, caches, worst mistakes */
    const uint16_t *view;   /* (n): which augmented view of it: epoch modulo views; or 0 */
    const float *label;     /* (n, n_class): one-hot, or soft after mixup; rows sum to 1 */
};

struct loader_config {
    const uint32_t *index; /* (n_index) samples of the data set to visit; copied */
    int n_index;
    int batch;   /* pictures a batch; the last may be smaller, but a last one of 1 is merged
                     * into the one before it (batch norm) when merge_last is set: up to batch+1 */
    int size_px; /* the network's input, square */
    int n_class; /* columns of label */
    enum order order;
    bool merge_last;
    uint64_t seed;
    int n_thread;                         /* 0: parallel_threads() */
    bool full_crop;                       /* training: crops from the file decoded anew */
    const struct augment_config *augment; /* NULL: the centre crop (evaluation) */
    int resize_px;       /* shorter side of the picture all starts from; 0: picture_side() */
    int filter;          /* enum resize_filter of that */
    struct cache *cache; /* data/cache.h; borrowed; NULL = none */
    int views;           /* of each picture, see loader_set */
};

struct loader;

/* d, cfg->augment and cfg->cache outlive the loader. */
MUST_CHECK struct loader *loader_new(const struct dataset *d, const struct loader_config *cfg,
                                     struct err *e);
/* Goes to the first batch of an epoch, or further in (resume): batches skip..end follow. */
MUST_CHECK bool loader_seek(struct loader *l, int epoch, int skip_batches, struct err *e);
/* From the batch that is next: views > 0 means that each picture has so many augmented views, taken
 * in turn epoch by epoch, view v of sample i by (seed, v, i) alone; 0, that every epoch has its own.
 * Without pixels nothing is decoded and batch.pixel is NULL; mixing needs pixels. */
void loader_set(struct loader *l, int views, bool pixels);
/* The next batch, valid until the following call; label and sample too. *out = NULL ends the
 * epoch, and the next call begins the following one. A picture that cannot be read (it was
 * readable at the scan) is ERR_DATA and names the file. */
MUST_CHECK bool loader_next(struct loader *l, const struct batch **out, struct err *e);
int loader_batches(const struct loader *l);   /* batches an epoch */
double loader_wait_s(const struct loader *l); /* seconds loader_next has waited in all */
/* Pictures read so far whose file had changed since the scan: the run is not repeatable. */
int64_t loader_drifted(const struct loader *l);
/* Pictures decoded so far: none when all came from the cache. */
int64_t loader_decoded(const struct loader *l);
void loader_free(struct loader *l);

#endif
