/* Frozen work done once. The frontier is the last tensor that everything trained hangs on and that is
 * itself neither trained, random nor dependent on the batch. A prefix plan computes it, as in
 * evaluation and always in the same batches, whatever the training batch is; a tail plan is fed with
 * it. What was computed is kept on disk (data/feature_cache.h) by picture and augmented view.
 *
 * With bf16 the frontier is rounded to bf16, kept or not: both give the same bits. */
#ifndef TRAIN_FRONTIER_H
#define TRAIN_FRONTIER_H

#include "data/loader.h"
#include "graph/plan.h"
#include "train/freeze.h"
#include "train/network.h"

#include <signal.h>

/* A stream of pictures whose features are wanted: the training or the validation part. */
struct frontier_stream {
    const struct dataset *data;
    struct loader_config loader; /* whose pixels these are; index too outlives the frontier */
};

struct frontier_request {
    const struct backend *backend;
    const struct network *net;
    const struct freeze *freeze;
    int upto; /* the last frozen node */
    enum dtype compute;
    int max_n; /* largest batch of frontier_feed */
    /* Training, validation (data NULL: none). */
    struct frontier_stream stream[2];
    const char *cache_dir; /* of feature_cache_config */
    int64_t cache_limit;
};
enum { FRONTIER_TRAIN, FRONTIER_VAL };

struct frontier;

/* *out NULL and true: there is no frozen work to be had. Borrows all that r points to. */
MUST_CHECK bool frontier_new(struct frontier **out, const struct frontier_request *r,
                             struct err *e);
void frontier_free(struct frontier *f);

/* The tensor, for a plan_request's `from`. */
struct node *frontier_node(const struct frontier *f);
/* Feeds a tail plan with what belongs to the batch: computed from its pixels or, where it has none,
 * looked up. */
MUST_CHECK bool frontier_feed(struct frontier *f, int stream, struct plan *tail,
                              const struct batch *b, struct err *e);

struct frontier_progress {
    void (*done)(void *ctx, int64_t done, int64_t all); /* pictures; may be NULL */
    void *ctx;
    const volatile sig_atomic_t *stop; /* not 0: ends with ERR_INTERRUPTED; may be NULL */
};
/* Computes and keeps what is missing of a view of all pictures of a stream. *kept false, with why in
 * `note`: the disk is full or there can be no cache; batches must then come with pixels. */
MUST_CHECK bool frontier_fill(struct frontier *f, int stream, int view,
                              const struct frontier_progress *p, bool *kept, struct err *note,
                              struct err *e);

#endif
