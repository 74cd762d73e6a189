/* Moments of a vector of channels, taken as its pixels are written: sums of what differs from the first
 * one, so that a large mean costs no digits. */
#ifndef BACKEND_CPU_KERNEL_MOMENTS_H
#define BACKEND_CPU_KERNEL_MOMENTS_H

#include "backend/cpu/vec.h"

#include <stdbool.h>

struct measured {
    vec origin, sum, square;
    bool begun;
};

/* Pixels lo .. hi - 1 of y, `step` vectors apart, of which there are n (constant). */
static FORCE_INLINE void measure(struct measured *m, const vec *y, int step, int n, int lo,
                                 int hi)
{
    if (!m->begun)
        m->origin = y[0];
    m->begun = true;
    vec origin = m->origin, sum = vset(0), square = vset(0);
#pragma GCC unroll 16
    for (int i = 0; i < n; i++)
        if (i >= lo && i < hi) {
            vec d = y[i * step] - origin;
            sum += d;
            square = vfma(d, d, square);
        }
    m->sum += sum;
    m->square += square;
}

/* to: the mean (V) and the sum of squares about it (V), of `count` pixels. */
static inline void measured_store(const struct measured *m, float count, float *to)
{
    vec mean = m->sum / vset(count);
    vstore(to, m->origin + mean);
    vstore(to + V, vfma(-m->sum, mean, m->square));
}

#endif
