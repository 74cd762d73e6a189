#include "base/rng.h"

#include <math.h>

void rng_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

struct rng rng_at(uint64_t seed, enum rng_purpose purpose, uint64_t a, uint64_t b)
{
    return (struct rng){
        .key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
        .counter = {0, (uint32_t)purpose | (uint32_t)(a >> 32) << 8 | (uint32_t)(b >> 32) << 20,
                    (uint32_t)a, (uint32_t)b},
    };
}

uint32_t rng_u32(struct rng *r)
{
    if (r->left == 0) {
        rng_philox(r->key, r->counter, r->block);
        r->counter[0]++;
        r->left = 4;
    }
    return r->block[4 - r->left--];
}

void rng_seek(struct rng *r, uint64_t word)
{
    r->counter[0] = (uint32_t)(word / 4);
    r->left = 0;
    for (uint64_t i = 0; i < word % 4; i++)
        rng_u32(r);
}

uint32_t rng_below(struct rng *r, uint32_t n)
{
    /* Lemire, "Fast random integer generation in an interval", 2019. */
    uint64_t product = (uint64_t)rng_u32(r) * n;
    if ((uint32_t)product < n) {
        uint32_t floor = (0u - n) % n;
        while ((uint32_t)product < floor)
            product = (uint64_t)rng_u32(r) * n;
    }
    return (uint32_t)(product >> 32);
}

float rng_uniform(struct rng *r)
{
    return (float)(rng_u32(r) >> 8) * 0x1p-24f;
}

double rng_range(struct rng *r, double lo, double hi)
{
    uint64_t high = rng_u32(r) >> 5, low = rng_u32(r) >> 6; /* 27 + 26 = 53 bits */
    return lo + (hi - lo) * (double)(high << 26 | low) * 0x1p-53;
}

double rng_normal(struct rng *r)
{
    /* Box and Muller; 1 - u is never 0. */
    double u = rng_range(r, 0, 1), v = rng_range(r, 0, 1);
    return sqrt(-2 * log(1 - u)) * cos(6.283185307179586 * v);
}

void rng_shuffle(struct rng *r, uint32_t *order, uint32_t n)
{
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = rng_below(r, i), t = order[i - 1];
        order[i - 1] = order[j];
        order[j] = t;
    }
}
