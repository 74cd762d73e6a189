/* What the ops' infer functions share. */
#ifndef OP_INFER_H
#define OP_INFER_H

#include "op/params.h"

/* The input has this rank, or ERR_SHAPE. */
MUST_CHECK bool infer_rank(const struct node *n, int rank, struct err *e);
/* Which dimension holds the features: the last of rank 2 and 3, the channels of rank 4; 0 and
 * ERR_SHAPE for other ranks. */
MUST_CHECK int infer_features(const struct node *n, struct err *e);
/* Inputs 0 and i have one shape but for this dimension (-1 = none), or ERR_SHAPE. */
MUST_CHECK bool infer_same(const struct node *n, int i, int but, struct err *e);
/* Output extent of a window sliding over `in` cells; below 1 is ERR_SHAPE naming both sizes. */
struct window {
    int in, kernel, stride, pad, dilation;
    bool ceil_mode;
};
MUST_CHECK bool infer_window(const struct window *w, int *out, struct err *e);
/* Appends a weight of the given extents (zeros end the list). */
struct weight *infer_weight(struct node *n, const char *name, int d0, int d1, int d2, int d3);

#endif
