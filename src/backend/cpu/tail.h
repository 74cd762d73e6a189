/* What follows a convolution in its group when no backward pass does: batch norm of evaluation, which
 * goes into weights and bias, a tensor that is added, an activation. */
#ifndef BACKEND_CPU_TAIL_H
#define BACKEND_CPU_TAIL_H

#include "backend/backend.h"
#include "op/activation.h"

struct tail {
    const struct batch_norm_param *norm;  /* NULL = none */
    const struct weight_ref *norm_weight; /* its five weights */
    const struct value *more;             /* what is added, or NULL */
    enum activation kind;                 /* identity = none */
};

/* g begins with the convolution, which normalize may precede. */
const struct node *tail_conv(const struct group *g);
struct tail tail_of(const struct group *g);
/* Nothing follows, or all of it is as said above. */
bool tail_fits(const struct group *g);
/* The convolution's weights, scaled (each of K rows in its canonical order), and its bias (K). */
void tail_fold(const struct group *g, const struct tail *t, float *weight, float *bias);

#endif
