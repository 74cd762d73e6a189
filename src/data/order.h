/* Which sample stands where in an epoch: a function of (seed, epoch, position), so that going to
 * any place takes no time and no memory. */
#ifndef DATA_ORDER_H
#define DATA_ORDER_H

#include "base/rng.h"
#include "data/dataset.h"

enum order { ORDER_SEQUENTIAL, ORDER_SHUFFLED, ORDER_BALANCED };

struct order_table {
    enum order order;
    uint64_t seed;
    uint32_t n;
    uint32_t *index; /* (n) samples; for ORDER_BALANCED grouped by class */
    uint32_t *start; /* ORDER_BALANCED: (n_class + 1) where each class with pictures begins */
    uint32_t n_class;
};

/* Keyed permutation of 0 .. n-1: where i goes. */
uint32_t order_permute(uint64_t seed, uint64_t epoch, uint64_t stream, uint32_t n, uint32_t i);

/* Copies index (n) of samples of d. */
MUST_CHECK bool order_init(struct order_table *t, enum order order, uint64_t seed,
                           const struct dataset *d, const uint32_t *index, int n,
                           struct err *e);
/* The sample at a position of an epoch. Shuffled: each once. Balanced: classes take turns at
 * random, equally often (within one), and a class's pictures each come before any comes again. */
uint32_t order_at(const struct order_table *t, uint64_t epoch, uint32_t position);
void order_release(struct order_table *t);

#endif
