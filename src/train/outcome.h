/* What a run came to, read from its directory, and how far its validation can tell it from another
 * one. */
#ifndef TRAIN_OUTCOME_H
#define TRAIN_OUTCOME_H

#include "train/record.h"

struct outcome {
    const char *dir;
    struct train_config *config; /* as resolved */
    const char *data;            /* folder */
    const char *machine;         /* where the same work takes the same time */
    int64_t epochs,
        best_epoch;          /* finished; and the one that best.safetensors is of, 0 = none */
    bool validated;          /* then, of the best epoch: */
    double top1, top5, loss; /* shares; top5 NaN with fewer classes than 5 */
    double seconds;          /* of all finished epochs, those repeated after a crash included */
    int64_t n_train, n_val, n_class;
    struct model_size size; /* -1: a run from before it was recorded */
    int64_t file_bytes;     /* of best.safetensors, else last; -1 = there is none */
    /* What validated: fingerprints of the class names, the training part, a validation part of
     * its own ("" = none) and the split. */
    uint64_t classes, split;
    const char *train_data, *val_data;
};

/* Texts and config live in the arena. ERR_USAGE: no run; ERR_STORAGE: damaged. */
MUST_CHECK bool outcome_read(struct outcome *o, const char *dir, struct arena *a,
                             struct err *e);

enum likeness {
    SAME_PICTURES, /* validated on the same pictures */
    OTHER_SPLIT,   /* on others of the same data */
    OTHER_DATA,    /* nothing can be said */
};
enum likeness outcome_likeness(const struct outcome *a, const struct outcome *b);

/* Two shares of right decisions, a of n and b of m. The error is that of Agresti and Caffo (The
 * American Statistician 54, 2000): one right and one wrong decision more on both sides, so that
 * 100 % of 10 pictures is no certainty. p: two-sided, of a difference like this or larger between
 * models that are equally good. Pictures that both saw make the true error smaller. */
struct difference {
    double share, error; /* a - b, and its standard error */
    double p;
    double needed; /* pictures with which it would reach p = 0.05; 0: there is no difference */
};
struct difference outcome_difference(double a, int64_t n, double b, int64_t m);

#endif
