/* Products of plain matrices by oneDNN, in blocks whose number depends on the extents alone: a block is
 * one call on one thread, so that the result is the same for any number of threads. */
#ifndef BACKEND_CPU_PRODUCT_H
#define BACKEND_CPU_PRODUCT_H

#include "base/err.h"

/* c (M, N) = scale a b, or + bias: a is (M, K), b (K, N), or with turn_a, turn_b their transposes; rows
 * lie ld_ floats apart. */
struct product {
    int M, N, K;
    bool turn_a, turn_b;
    const float *a, *b;
    int ld_a, ld_b, ld_c;
    float *c;
    float scale;       /* 0 = 1 */
    const float *bias; /* (N), or NULL */
};

/* One product on one thread; 0, or oneDNN's status. */
int product_one(const struct product *p);
MUST_CHECK bool product_ok(int status, struct err *e);
/* In blocks, on threads. */
MUST_CHECK bool product_run(const struct product *p, int n_thread, struct err *e);
/* sum (N) = the sum of M rows of a, which lie ld floats apart. */
void column_sums(const float *a, int M, int N, int ld, float *sum, int n_thread);

#endif
