/* A network's answers to all pictures of a loader, counted. */
#ifndef TRAIN_EVALUATE_H
#define TRAIN_EVALUATE_H

#include "data/loader.h"
#include "graph/plan.h"
#include "train/metrics.h"
#include "train/network.h"

#include <signal.h>

struct frontier;

struct evaluation {
    struct plan *plan;         /* MODE_EVAL, keeps the logits */
    struct frontier *frontier; /* what feeds it, as the validation stream; NULL: pictures do */
    const struct network *net;
    struct loader *loader;
    int max_n;
    void (*progress)(void *ctx, int64_t done); /* pictures; may be NULL */
    void *ctx;
    const volatile sig_atomic_t *stop; /* not 0: ends early with ERR_INTERRUPTED; may be NULL */
};

struct evaluation_request {
    const struct backend *backend;
    const struct network *net;
    struct weights *average;  /* in place of the network's own weights; may be NULL */
    struct node *const *from; /* of a plan_request; NULL: the whole network */
    int max_n;
    enum dtype compute;
    const struct plan_choice *choice; /* may be NULL */
};
MUST_CHECK struct plan *evaluation_plan(const struct evaluation_request *r, struct err *e);
/* One epoch of the loader into m, which is cleared. */
MUST_CHECK bool evaluate(const struct evaluation *v, struct metrics *m, struct err *e);
/* The class a row of targets is of: its largest. */
int target_class(const float *row, int n_class);

#endif
