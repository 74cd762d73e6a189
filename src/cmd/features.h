/* The features of a listing's pictures, in memory. */
#ifndef CMD_FEATURES_H
#define CMD_FEATURES_H

#include "cmd/inference.h"

struct features {
    int n, dim;
    float *row;                /* (n, dim) */
    const struct picture **of; /* (n): the picture of each row; borrowed from the listing */
};

/* Pictures that cannot be read are told of on stderr, counted in *n_bad and left out. p was opened
 * for features. The caller releases f, also after a failure. */
MUST_CHECK bool features_read(struct features *f, const char *command, struct predictor *p,
                              struct listing *l, int *n_bad, struct err *e);
void features_release(struct features *f);

#endif
