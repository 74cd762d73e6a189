/* Random numbers without state to save: Philox4x32-10 (Salmon et al., "Parallel random numbers:
 * as easy as 1, 2, 3", SC 2011), a function of (seed, purpose, a, b, position). What is drawn for
 * sample i of epoch k is the same for any number of threads, and after any interruption. */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stdint.h>

/* What the numbers are for: streams of different purposes never meet. */
enum rng_purpose {
    RNG_SPLIT = 1, /* a: class */
    RNG_SHUFFLE,   /* a: epoch */
    RNG_AUGMENT,   /* a: epoch, b: sample */
    RNG_MIX,       /* a: epoch, b: batch; mixup and CutMix */
    RNG_INIT,      /* a: index of the weight tensor */
    RNG_DROPOUT,   /* a: step, b: node */
    RNG_DEMO,      /* a: class, b: picture */
    RNG_TEST,
};

struct rng {
    uint32_t key[2];
    uint32_t counter[4]; /* block number, then purpose, a, b folded in */
    uint32_t block[4];
    int left; /* unused words of block */
};

/* The stream (seed, purpose, a, b) from its beginning. a and b below 2^40. */
struct rng rng_at(uint64_t seed, enum rng_purpose purpose, uint64_t a, uint64_t b);
/* Goes to word number `word` of its stream: rng_u32 takes one, rng_range two, rng_normal four. */
void rng_seek(struct rng *r, uint64_t word);
uint32_t rng_u32(struct rng *r);
uint32_t rng_below(struct rng *r, uint32_t n); /* 0 .. n-1, unbiased; n > 0 */
float rng_uniform(struct rng *r);              /* [0, 1), 24 bits */
double rng_range(struct rng *r, double lo, double hi);
double rng_normal(struct rng *r); /* mean 0, variance 1 */

/* One block of four words at a position: for kernels that need element i without a stream. */
void rng_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4]);

/* order[0..n-1] becomes a random permutation of itself (Fisher and Yates). */
void rng_shuffle(struct rng *r, uint32_t *order, uint32_t n);

#endif
