/* A third of a tile's 36 points: two of their six rows, which are sums of rows of the patch, transformed
 * along them. Who multiplies the points of many tiles at once takes them so: a third of them stays in
 * L2, and the patches are read again for the next. */
#ifndef BACKEND_CPU_KERNEL_WINO_PAIR_H
#define BACKEND_CPU_KERNEL_WINO_PAIR_H

#include "backend/cpu/kernel/wino_tile.h"

/* The rows of the points 0 and infinity, +-A, +-B. */
enum pair { PAIR_ENDS, PAIR_A, PAIR_B, PAIRS };
enum { PAIR_POINTS = 2 * PATCH };

/* Where point i of a pair stands among all. */
static inline size_t pair_point(enum pair pair, int i)
{
    static const int row[PAIRS][2] = {{0, 5}, {1, 2}, {3, 4}};
    return (size_t)(row[pair][i / PATCH] * PATCH + i % PATCH);
}

/* Column x of n rows of a plane from y on; rows outside of it are zeros from column x - 1 on. */
static FORCE_INLINE void pair_patch(bool half, int n, const struct tiling *g, int y, int x,
                                    const void *plane, const void *row[])
{
    static _Alignas(64) const float zeros[PATCH * V];
    size_t cell = V * (half ? 2 : 4);
#pragma GCC unroll 6
    for (int i = 0; i < n; i++) {
        bool inside = y + i >= 0 && y + i < g->h;
        size_t at = inside ? (size_t)(y + i) * (size_t)g->w + (size_t)x : 1;
        row[i] = (const char *)(inside ? plane : zeros) + at * cell;
    }
}

/* The two sums of column j of a patch: wino_input's rows. */
static FORCE_INLINE void pair_input(bool half, enum pair pair, const void *const row[PATCH],
                                    int j, vec *first, vec *second)
{
    vec d1 = act_load(half, row[1], j), d2 = act_load(half, row[2], j);
    vec d3 = act_load(half, row[3], j), d4 = act_load(half, row[4], j);
    if (pair == PAIR_ENDS) {
        vec end = vset(WINO_A2 * WINO_B2), middle = vset(-(WINO_A2 + WINO_B2));
        *first = vfma(end, act_load(half, row[0], j), vfma(middle, d2, d4));
        *second = vfma(end, d1, vfma(middle, d3, act_load(half, row[5], j)));
        return;
    }
    float p = pair == PAIR_A ? WINO_A : WINO_B, other = pair == PAIR_A ? WINO_B2 : WINO_A2;
    vec even = vfma(vset(-other), d2, d4), odd = vfma(vset(-other), d1, d3);
    *first = vfma(vset(p), odd, even);
    *second = vfma(vset(-p), odd, even);
}

/* wino_gradient's. */
static FORCE_INLINE void pair_gradient(bool half, enum pair pair, const void *const row[TILE],
                                       int j, vec *first, vec *second)
{
    vec y0 = act_load(half, row[0], j), y3 = act_load(half, row[3], j);
    if (pair == PAIR_ENDS) {
        *first = y0;
        *second = y3;
        return;
    }
    float p = pair == PAIR_A ? WINO_A : WINO_B;
    vec even = vfma(vset(p * p), act_load(half, row[2], j), y0);
    vec odd = vfma(vset(p * p), y3, act_load(half, row[1], j));
    *first = vfma(vset(p), odd, even);
    *second = vfma(vset(-p), odd, even);
}

/* Two rows of points, `step` floats apart. */
static FORCE_INLINE void pair_store(const vec first[PATCH], const vec second[PATCH], float *to,
                                    size_t step)
{
#pragma GCC unroll 6
    for (int j = 0; j < PATCH; j++) {
        vstore(to + (size_t)j * step, first[j]);
        vstore(to + (size_t)(PATCH + j) * step, second[j]);
    }
}

/* Of the inputs around a tile. plane: h x w vectors. */
static FORCE_INLINE void pair_of_input(bool half, enum pair pair, const struct tiling *g,
                                       struct tile t, const void *plane, float *v, size_t step)
{
    const void *row[PATCH];
    vec sum[2][PATCH], out[2][PATCH];
    bool inside = t.x >= 1 && t.x + TILE < g->w;
    pair_patch(half, PATCH, g, t.y - 1, t.x, plane, row);
#pragma GCC unroll 6
    for (int j = 0; j < PATCH; j++) {
        sum[0][j] = sum[1][j] = vset(0);
        if (inside || (t.x + j >= 1 && t.x + j <= g->w))
            pair_input(half, pair, row, j - 1, &sum[0][j], &sum[1][j]);
    }
    wino_input(sum[0], out[0]);
    wino_input(sum[1], out[1]);
    pair_store(out[0], out[1], v, step);
}

/* Of the output gradients of a tile. */
static FORCE_INLINE void pair_of_gradient(bool half, enum pair pair, const struct tiling *g,
                                          struct tile t, const void *plane, float *z,
                                          size_t step)
{
    const void *row[TILE];
    vec sum[2][TILE], out[2][PATCH];
    pair_patch(half, TILE, g, t.y, t.x, plane, row);
#pragma GCC unroll 4
    for (int j = 0; j < TILE; j++) {
        sum[0][j] = sum[1][j] = vset(0);
        if (t.x + j < g->w)
            pair_gradient(half, pair, row, j, &sum[0][j], &sum[1][j]);
    }
    wino_gradient(sum[0], out[0]);
    wino_gradient(sum[1], out[1]);
    pair_store(out[0], out[1], z, step);
}

/* The sum of a tile's cells. */
static FORCE_INLINE vec tile_sum(bool half, const struct tiling *g, struct tile t,
                                 const void *plane)
{
    int rows = min_of(TILE, g->h - t.y), columns = min_of(TILE, g->w - t.x);
    ptrdiff_t at = (ptrdiff_t)t.y * g->w + t.x;
    vec sum = vset(0);
    for (int i = 0; i < rows; i++, at += g->w)
        for (int j = 0; j < columns; j++)
            sum += act_load(half, plane, at + j);
    return sum;
}

#endif
