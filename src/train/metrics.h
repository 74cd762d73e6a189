/* How good predictions are: logits and true classes go in batch by batch, counts come out. Sums
 * are in double and in order, so the same pictures give the same bits. */
#ifndef TRAIN_METRICS_H
#define TRAIN_METRICS_H

#include "base/json.h"

#include <stdint.h>

enum { METRICS_BINS = 15 }; /* of the calibration error (Guo et al., 2017) */

struct metrics {
    int n_class;
    int64_t n, top1, top5;
    double loss;        /* sum of -log p(true class) */
    int64_t *confusion; /* (n_class, n_class): true class, then predicted */
    struct metrics_bin {
        int64_t n, right;
        double confidence; /* sum */
    } bin[METRICS_BINS];
    double *scratch; /* (n_class) */
};

struct class_metrics {
    int64_t support;              /* pictures of the class */
    double precision, recall, f1; /* 0 where undefined */
};

MUST_CHECK bool metrics_init(struct metrics *m, int n_class, struct err *e);
void metrics_release(struct metrics *m);
void metrics_clear(struct metrics *m);
/* n rows of logits (n, n_class) and their classes. Equal logits: the lower class is ahead. A row
 * with NaN counts as wrong, with an infinite loss. */
void metrics_add(struct metrics *m, const float *logits, const int *label, int n);

double metrics_loss(const struct metrics *m); /* means; 0 of nothing */
double metrics_top1(const struct metrics *m);
double metrics_top5(const struct metrics *m);
double metrics_calibration_error(const struct metrics *m);
struct class_metrics metrics_class(const struct metrics *m, int c);
/* Members of an open JSON object: top1, top5, loss, calibration_error, classes, confusion. */
void metrics_write_json(const struct metrics *m, const char *const *class_name,
                        struct json_writer *w);

/* p (n) from logits (n), in double; returns log(sum(exp(logits))), so that a class's loss is that
 * less its logit. */
double softmax_row(const float *logits, int n, double *p);

#endif
