/* The loop: batches in, better weights out. It stops at any step and goes on from there bit for
 * bit: pausing, preemption and Ctrl-C are that one thing. What is remembered between steps is the
 * list trainer_state(), which saving and resuming walk. */
#ifndef TRAIN_TRAINER_H
#define TRAIN_TRAINER_H

#include "data/loader.h"
#include "graph/plan.h"
#include "optim/optimiser.h"
#include "train/config.h"
#include "train/frontier.h"
#include "train/metrics.h"
#include "train/network.h"
#include "train/run.h"

#include <signal.h>

/* After each step and epoch, for whoever shows progress. */
struct step_report {
    int64_t step, planned;       /* done, in the whole run */
    int64_t epoch, epochs;       /* from 1 */
    int64_t in_epoch, per_epoch; /* pictures of this epoch: seen, all */
    double loss, accuracy;       /* means over the epoch so far */
    double lr, grad_norm;
    double images_s, wait_share; /* of this epoch so far, in this process */
    double left_s;               /* to the end of the run, guessed; below 0: not known yet */
};
struct epoch_report {
    int64_t epoch, epochs;
    double train_loss, train_accuracy;
    double val_loss, val_accuracy, val_top5;
    bool has_val, best;
    double seconds, images_s, wait_share;
};
struct trainer_events {
    void *ctx;
    void (*preparing)(void *ctx, int64_t done, int64_t all); /* pictures read before step 1 */
    void (*computing)(void *ctx, int64_t done, int64_t all); /* frozen layers, once a view */
    void (*phase)(void *ctx, const char *text); /* from this epoch on other layers train */
    void (*step)(void *ctx, const struct step_report *r);
    void (*validating)(void *ctx, int64_t done, int64_t all);
    void (*epoch)(void *ctx, const struct epoch_report *r);
    void (*warn)(void *ctx, const char *text); /* also in the log */
};

struct trainer_setup {
    const struct train_config *cfg; /* resolved */
    struct network *net;
    const struct backend *backend;
    enum dtype compute;
    /* Kernels chosen when the run began (graph/plan.h), or NULL. */
    const struct plan_choice *choice, *eval_choice;
    struct dataset *data;                /* names in messages */
    struct loader *train, *val;          /* val NULL: nothing held out */
    int n_train, n_val;                  /* pictures */
    struct frontier_stream stream[2];    /* what the loaders load, for features */
    struct run *run;                     /* NULL: nothing is written */
    const struct trainer_events *events; /* NULL: silent */
    const volatile sig_atomic_t *stop;   /* a signal's number once one came; may be NULL */
};

enum { TRAINER_MAX_STATE = 32 };

struct trainer {
    struct trainer_setup s;
    struct plan *plan, *eval_plan;
    struct optimiser optimiser;
    struct schedule schedule;
    struct weights *average; /* EMA of the weights; NULL = off */
    float *sum;             /* of gradients over accumulated batches; NULL = one batch a step */
    struct weights *best;   /* best weights that could not be stored yet; else NULL */
    struct metrics metrics; /* of validation */
    struct freeze freeze;
    struct frontier *frontier; /* frozen work done once; NULL: none to be had */
    double *rate;              /* (n_node) factors of the learning rate */
    struct node **frozen;      /* NULL-ended */
    int upto;                  /* the last frozen node of the plans, -1 = none */
    int64_t phase_epoch;       /* that all this was made ready for */
    bool no_features;          /* they could not be kept */
    size_t first_buffer;       /* of the running statistics, the first that may change */
    float *logits, *losses;    /* of one batch */
    char *line;                /* of the sample log */
    size_t line_room;
    int max_n; /* largest batch, a merged last one included */

    int64_t epoch_steps, planned;
    /* State: */
    int64_t step;         /* optimiser steps done */
    int64_t epoch, batch; /* where the loader stands: batches of the epoch done */
    double epoch_loss;    /* sums over the epoch's pictures */
    int64_t epoch_right, epoch_seen;
    double best_accuracy;
    int64_t best_epoch, stale; /* stale: epochs since */
    int64_t metrics_bytes, samples_bytes;
    struct state_item state[TRAINER_MAX_STATE];
    int n_state;

    /* Of this process only: */
    double started_s, epoch_started_s, epoch_wait_s, saved_s;
    int64_t first_step, epoch_seen_here;
    int64_t failures; /* saves that failed, in a row */
    bool last_is_bad; /* resumed from the checkpoint before last: last must not replace it */
    double grad_norm;
};

MUST_CHECK struct trainer *trainer_new(const struct trainer_setup *setup, struct err *e);
void trainer_free(struct trainer *t);

/* Goes on to step `until` (or to the end: below 0) and saves. ERR_INTERRUPTED after a signal, with
 * everything saved; ERR_DIVERGED, ERR_STORAGE, ERR_DATA. */
MUST_CHECK bool trainer_run(struct trainer *t, int64_t until, struct err *e);
bool trainer_done(const struct trainer *t);
/* One optimiser step at a given learning rate, and its mean loss: what the loop and the
 * learning-rate finder are made of. */
MUST_CHECK bool trainer_step(struct trainer *t, double lr, double *loss, struct err *e);
/* phase.c: what trains; the plans of the first epoch; what the epoch needs before its first batch. */
MUST_CHECK bool trainer_phase_init(struct trainer *t, struct err *e);
MUST_CHECK bool trainer_phase_plans(struct trainer *t, struct err *e);
MUST_CHECK bool trainer_phase(struct trainer *t, struct err *e);
/* checkpoint.c: the state list, saving it, and taking it up again. */
void trainer_list_state(struct trainer *t);
MUST_CHECK bool trainer_save(struct trainer *t, bool final, struct err *e);
/* After an epoch: a large checkpoint waits until the last one is half a minute old. */
MUST_CHECK bool trainer_save_epoch(struct trainer *t, struct err *e);
/* From last, else (with a warning) from the one before it. *found: is there anything to resume?
 * ERR_STORAGE, and nothing overwritten, when there are checkpoints and none is good. */
MUST_CHECK bool trainer_resume(struct trainer *t, bool *found, struct err *e);
/* Stores the weights as the best so far. */
MUST_CHECK bool trainer_save_best(struct trainer *t, struct err *e);
void trainer_warn(const struct trainer *t, const char *text);
size_t trainer_checkpoint_bytes(const struct trainer *t);

#endif
