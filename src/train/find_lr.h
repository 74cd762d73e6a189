/* The learning-rate finder (Smith, "Cyclical learning rates", 2017): short training at rates that
 * rise exponentially; the loss falls fastest a little below the rate to take. */
#ifndef TRAIN_FIND_LR_H
#define TRAIN_FIND_LR_H

#include "train/trainer.h"

struct lr_curve {
    int n;
    double *lr, *loss; /* (n) loss: smoothed */
    double suggested;  /* where the loss falls fastest; 0 when it never fell */
};

/* Trains t for at most n_step steps from lo to hi, until the loss has quadrupled or is no number.
 * The trainer is spoiled by it. */
MUST_CHECK bool find_lr(struct trainer *t, double lo, double hi, int n_step,
                        struct lr_curve *out, struct err *e);
void lr_curve_release(struct lr_curve *c);

#endif
