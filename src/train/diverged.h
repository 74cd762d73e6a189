/* What to tell when numbers stop being numbers. */
#ifndef TRAIN_DIVERGED_H
#define TRAIN_DIVERGED_H

#include "train/trainer.h"

/* ERR_DIVERGED naming the step, the value, the batch's first files and the first tensor that is not
 * finite; all the files go to diverged.json of the run. b: the batch at hand. */
bool diverged(struct trainer *t, const struct batch *b, const char *what, double value,
              struct err *e);

#endif
