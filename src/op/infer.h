/* What the ops' infer functions share. */
#ifndef OP_INFER_H
#define OP_INFER_H

#include "op/params.h"

/* The input has this rank, or ERR_SHAPE. */
MUST_CHECK bool infer_rank(const struct node *n, int rank, struct err *e);
/* Output extent of a window sliding over `in` cells; below 1 is ERR_SHAPE naming both sizes. */
struct window {
    int in, kernel, stride, pad, dilation;
    bool ceil_mode;
};
MUST_CHECK bool infer_window(const struct window *w, int *out, struct err *e);
/* Appends a weight of the given extents (zeros end the list). */
struct weight *infer_weight(struct node *n, const char *name, int d0, int d1, int d2, int d3);
static inline int or_one(int x)
{
    return x ? x : 1;
}

#endif
