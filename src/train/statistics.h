/* Mean and deviation of the colours of a training set. */
#ifndef TRAIN_STATISTICS_H
#define TRAIN_STATISTICS_H

#include "data/dataset.h"

/* Over the starting pictures of at most STATISTICS_MAX samples that are not in_val, evenly spread;
 * per channel, of values in 0..1. */
enum { STATISTICS_MAX = 2048 };
MUST_CHECK bool picture_statistics(const struct dataset *d, const uint8_t *in_val, int side_px,
                                   int n_thread, double mean[3], double std[3], struct err *e);

#endif
