/* The permutation is a Feistel network on the next even number of bits, walked until it falls
 * below n (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002). */
#include "data/order.h"

#include <string.h>

enum { ROUNDS = 8 };

uint32_t order_permute(uint64_t seed, uint64_t epoch, uint64_t stream, uint32_t n, uint32_t i)
{
    struct rng key = rng_at(seed, RNG_SHUFFLE, epoch, stream);
    unsigned half = 1;
    while ((uint64_t)1 << (2 * half) < n)
        half++;
    uint32_t mask = ((uint32_t)1 << half) - 1, counter[4], out[4];
    memcpy(counter, key.counter, sizeof(counter));
    do {
        uint32_t left = i >> half, right = i & mask;
        for (uint32_t round = 0; round < ROUNDS; round++) {
            counter[0] = round << 16 | right; /* half is 16 at most */
            rng_philox(key.key, counter, out);
            uint32_t next = left ^ (out[0] & mask);
            left = right;
            right = next;
        }
        i = left << half | right;
    } while (i >= n);
    return i;
}

/* Groups the samples by class, classes without any left out. */
static bool group(struct order_table *t, const struct dataset *d, const uint32_t *index,
                  struct err *e)
{
    uint32_t at = 0;
    t->start = mem_new((size_t)d->n_class + 1, sizeof(*t->start), e);
    if (!t->start)
        return false;
    for (int label = 0; label < d->n_class; label++) {
        uint32_t first = at;
        for (uint32_t k = 0; k < t->n; k++)
            if (d->sample[index[k]].label == label)
                t->index[at++] = index[k];
        if (at > first)
            t->start[t->n_class++] = first;
    }
    t->start[t->n_class] = t->n = at;
    return true;
}

bool order_init(struct order_table *t, enum order order, uint64_t seed, const struct dataset *d,
                const uint32_t *index, int n, struct err *e)
{
    *t = (struct order_table){.order = order, .seed = seed, .n = (uint32_t)n};
    if (n <= 0)
        return err_set(e, ERR_DATA, "%s: no pictures to load", d->root);
    t->index = mem_new((size_t)n, sizeof(*t->index), e);
    if (!t->index)
        return false;
    memcpy(t->index, index, (size_t)n * sizeof(*index));
    return order != ORDER_BALANCED || group(t, d, index, e);
}

/* Within the class, the turn-th draw: pass after pass through a new permutation of it. */
static uint32_t balanced(const struct order_table *t, uint64_t epoch, uint32_t position)
{
    uint32_t q = order_permute(t->seed, epoch, 0, t->n, position);
    uint32_t c = q % t->n_class, turn = q / t->n_class;
    uint32_t first = t->start[c], n = t->start[c + 1] - first;
    uint64_t stream = 1 + c + (uint64_t)(turn / n) * t->n_class;
    return t->index[first + order_permute(t->seed, epoch, stream, n, turn % n)];
}

uint32_t order_at(const struct order_table *t, uint64_t epoch, uint32_t position)
{
    switch (t->order) {
    case ORDER_SEQUENTIAL:
        return t->index[position];
    case ORDER_SHUFFLED:
        return t->index[order_permute(t->seed, epoch, 0, t->n, position)];
    case ORDER_BALANCED:
        return balanced(t, epoch, position);
    }
    return 0;
}

void order_release(struct order_table *t)
{
    mem_free(t->index);
    mem_free(t->start);
    *t = (struct order_table){0};
}
