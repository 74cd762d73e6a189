/* Pictures that look alike: rows of features by the cosine of their angle, and what the labels of the
 * nearest say (k nearest neighbours, weighted by similarity). */
#ifndef TRAIN_NEIGHBOURS_H
#define TRAIN_NEIGHBOURS_H

#include "base/attr.h"

#include <stdbool.h>

struct neighbour {
    int row;
    double similarity; /* cosine, -1 .. 1; 0 of a row that is all zeros */
};

struct neighbours_query {
    const float *of;  /* (dim) */
    const float *row; /* (n, dim) */
    int n, dim;
    const bool *skip; /* (n): rows that do not count; NULL = none */
};
/* The k most similar rows into out (k), the most similar first, equal ones in their order. Returns
 * how many there are, at most k. */
int neighbours_find(const struct neighbours_query *q, struct neighbour *out, int k);

struct vote {
    const char *label; /* NULL: none of the neighbours has one, or none is similar at all */
    double share;      /* of the weights of all votes, 0 .. 1 */
    int n, of;         /* neighbours of this label, and of any */
};
/* label (of each row, NULL = none) is borrowed. A neighbour's vote weighs its similarity, nothing
 * below 0; equal sums go to the label of the nearer neighbour. */
struct vote neighbours_vote(const struct neighbour *nearest, int n, const char *const *label);

#endif
