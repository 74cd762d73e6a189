/* Sums over the shards of a batch, in one fixed tree. */
#ifndef BACKEND_CPU_KERNEL_SHARDS_H
#define BACKEND_CPU_KERNEL_SHARDS_H

#include "backend/cpu/vec.h"

#include <stddef.h>

/* Adds `count` floats (a multiple of V, aligned) of each shard, step apart, into the first's:
 * (0+1)+(2+3), ... */
static inline void shards_sum(float *at, size_t step, int n_shard, size_t count)
{
    for (int span = 1; span < n_shard; span *= 2)
        for (int s = 0; s + span < n_shard; s += 2 * span) {
            float *to = at + (size_t)s * step;
            const float *from = to + (size_t)span * step;
            for (size_t i = 0; i < count; i += V)
                vstore(to + i, vload(to + i) + vload(from + i));
        }
}

#endif
