/* The one-dimensional transforms of F(4,3) on vectors of channels, at the points 0, +-A, +-B and
 * infinity. With M(x) = x (x^2 - A^2) (x^2 - B^2):
 *   input   v = B^T d: coefficients of M(x) / (x - p), and of M(x) for infinity
 *   output  y = A^T m: powers of the points
 *   gradient z = A y:  its transpose
 *   weights u = G g:   powers of the points over M'(p)
 * A = 0.625, B = 1.5 round less than the usual 1 and 2. */
#ifndef BACKEND_CPU_KERNEL_WINO_MATH_H
#define BACKEND_CPU_KERNEL_WINO_MATH_H

#include "backend/cpu/vec.h"

enum { TILE = 4, PATCH = 6, POINTS = 36 };

#define WINO_A  0.625f
#define WINO_B  1.5f
#define WINO_A2 (WINO_A * WINO_A)
#define WINO_B2 (WINO_B * WINO_B)

static FORCE_INLINE void wino_input(const vec d[6], vec v[6])
{
    vec even_a = vfma(vset(-WINO_B2), d[2], d[4]), odd_a = vfma(vset(-WINO_B2), d[1], d[3]);
    vec even_b = vfma(vset(-WINO_A2), d[2], d[4]), odd_b = vfma(vset(-WINO_A2), d[1], d[3]);
    vec zero = vfma(vset(-(WINO_A2 + WINO_B2)), d[2], d[4]);
    vec inf = vfma(vset(-(WINO_A2 + WINO_B2)), d[3], d[5]);
    v[0] = vfma(vset(WINO_A2 * WINO_B2), d[0], zero);
    v[1] = vfma(vset(WINO_A), odd_a, even_a);
    v[2] = vfma(vset(-WINO_A), odd_a, even_a);
    v[3] = vfma(vset(WINO_B), odd_b, even_b);
    v[4] = vfma(vset(-WINO_B), odd_b, even_b);
    v[5] = vfma(vset(WINO_A2 * WINO_B2), d[1], inf);
}

static FORCE_INLINE void wino_output(const vec m[6], vec y[4])
{
    vec sum_a = m[1] + m[2], dif_a = m[1] - m[2], sum_b = m[3] + m[4], dif_b = m[3] - m[4];
    y[0] = m[0] + sum_a + sum_b;
    y[1] = vfma(vset(WINO_B), dif_b, vset(WINO_A) * dif_a);
    y[2] = vfma(vset(WINO_B2), sum_b, vset(WINO_A2) * sum_a);
    y[3] = vfma(vset(WINO_B2 * WINO_B), dif_b, vfma(vset(WINO_A2 * WINO_A), dif_a, m[5]));
}

static FORCE_INLINE void wino_gradient(const vec y[4], vec z[6])
{
    vec even_a = vfma(vset(WINO_A2), y[2], y[0]), odd_a = vfma(vset(WINO_A2), y[3], y[1]);
    vec even_b = vfma(vset(WINO_B2), y[2], y[0]), odd_b = vfma(vset(WINO_B2), y[3], y[1]);
    z[0] = y[0];
    z[1] = vfma(vset(WINO_A), odd_a, even_a);
    z[2] = vfma(vset(-WINO_A), odd_a, even_a);
    z[3] = vfma(vset(WINO_B), odd_b, even_b);
    z[4] = vfma(vset(-WINO_B), odd_b, even_b);
    z[5] = y[3];
}

/* 1 / M'(p) of the points 0, +-A, +-B */
#define WINO_N0 (1 / (WINO_A2 * WINO_B2))
#define WINO_NA (1 / (2 * WINO_A2 * (WINO_A2 - WINO_B2)))
#define WINO_NB (1 / (2 * WINO_B2 * (WINO_B2 - WINO_A2)))

static FORCE_INLINE void wino_weights(const vec g[3], vec u[6])
{
    vec even_a = vset(WINO_NA) * vfma(vset(WINO_A2), g[2], g[0]);
    vec even_b = vset(WINO_NB) * vfma(vset(WINO_B2), g[2], g[0]);
    u[0] = vset(WINO_N0) * g[0];
    u[1] = vfma(vset(WINO_NA * WINO_A), g[1], even_a);
    u[2] = vfma(vset(-WINO_NA * WINO_A), g[1], even_a);
    u[3] = vfma(vset(WINO_NB * WINO_B), g[1], even_b);
    u[4] = vfma(vset(-WINO_NB * WINO_B), g[1], even_b);
    u[5] = g[2];
}

/* g = G^T u: the transpose of wino_weights */
static FORCE_INLINE void wino_weights_back(const vec u[6], vec g[3])
{
    vec sum_a = vset(WINO_NA) * (u[1] + u[2]), sum_b = vset(WINO_NB) * (u[3] + u[4]);
    g[0] = vfma(vset(WINO_N0), u[0], sum_a + sum_b);
    g[1] = vset(WINO_NA * WINO_A) * (u[1] - u[2]) + vset(WINO_NB * WINO_B) * (u[3] - u[4]);
    g[2] = vfma(vset(WINO_A2), sum_a, vfma(vset(WINO_B2), sum_b, u[5]));
}

#endif
