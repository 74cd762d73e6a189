/* Tiles of 4 x 4 outputs: where they lie, and the two-dimensional transforms between blocked
 * activations and the 36 points of a tile. A point's matrix is (blocks of channels, tiles, V). */
#ifndef BACKEND_CPU_KERNEL_WINO_TILE_H
#define BACKEND_CPU_KERNEL_WINO_TILE_H

#include "backend/cpu/kernel/gemm.h"
#include "backend/cpu/kernel/moments.h"
#include "backend/cpu/kernel/wino_math.h"
#include "backend/cpu/vmath.h"
#include "backend/cpu/winograd.h"

enum { LINE = 16 }; /* floats of a cache line: also keeps points out of each other's sets */

/* A plane h x w as tiles; tile numbers run over pictures, rows, columns. */
struct tiling {
    int h, w, rows, columns;
};

struct tile {
    int picture, y, x; /* of its first output */
};

static inline struct tiling tiling_of(const struct wino_shape *s)
{
    return (struct tiling){s->h, s->w, blocks_of(s->h, TILE), blocks_of(s->w, TILE)};
}

static inline struct tile tile_at(const struct tiling *g, int i)
{
    int per_picture = g->rows * g->columns, in_picture = i % per_picture;
    return (struct tile){i / per_picture, in_picture / g->columns * TILE,
                         in_picture % g->columns * TILE};
}

static inline struct tile tile_next(const struct tiling *g, struct tile t)
{
    t.x += TILE;
    if (t.x >= g->w) {
        t.x = 0;
        t.y += TILE;
    }
    if (t.y >= g->h) {
        t.y = 0;
        t.picture++;
    }
    return t;
}

/* Cells of the planes under tiles 0 .. i - 1. */
static inline size_t cells_before(const struct tiling *g, int i)
{
    struct tile t = tile_at(g, i);
    size_t w = (size_t)g->w, rows = (size_t)min_of(TILE, g->h - t.y);
    return ((size_t)t.picture * (size_t)g->h + (size_t)t.y) * w + rows * (size_t)t.x;
}

/* Vector i of activations: fp32, or bf16 with half. */
static FORCE_INLINE vec act_load(bool half, const void *p, ptrdiff_t i)
{
    return half ? vload_bf16((const uint16_t *)p + i * V) : vload((const float *)p + i * V);
}

static FORCE_INLINE void act_store(bool half, void *p, ptrdiff_t i, vec v)
{
    if (half)
        vstore_bf16((uint16_t *)p + i * V, v);
    else
        vstore((float *)p + i * V, v);
}

/* Copies 6 x 6 vectors at (y, x) of a plane as fp32, those outside of it as zeros. */
static FORCE_INLINE void tile_copy(bool half, const struct tiling *g, const void *plane, int y,
                                   int x, float *patch)
{
    for (int i = 0; i < PATCH; i++)
        for (int j = 0; j < PATCH; j++, patch += V) {
            bool inside = y + i >= 0 && y + i < g->h && x + j >= 0 && x + j < g->w;
            ptrdiff_t at = (ptrdiff_t)(y + i) * g->w + x + j;
            vstore(patch, inside ? act_load(half, plane, at) : vset(0));
        }
}

/* 6 x 6 vectors from vector `at` on, `stride` vectors a row, to 36 points `step` floats apart. */
static FORCE_INLINE void points_of_input(bool half, const void *from, ptrdiff_t at,
                                         ptrdiff_t stride, float *v, size_t step)
{
    vec row[PATCH][PATCH];
#pragma GCC unroll 6
    for (int i = 0; i < PATCH; i++) {
        vec d[PATCH];
#pragma GCC unroll 6
        for (int j = 0; j < PATCH; j++)
            d[j] = act_load(half, from, at + i * stride + j);
        wino_input(d, row[i]);
    }
#pragma GCC unroll 6
    for (int j = 0; j < PATCH; j++) {
        vec d[PATCH], out[PATCH];
#pragma GCC unroll 6
        for (int i = 0; i < PATCH; i++)
            d[i] = row[i][j];
        wino_input(d, out);
#pragma GCC unroll 6
        for (int i = 0; i < PATCH; i++)
            vstore(v + (size_t)(i * PATCH + j) * step, out[i]);
    }
}

/* The inputs around a tile to its points. plane: h x w vectors. */
static FORCE_INLINE void tile_input(bool half, const struct tiling *g, struct tile t,
                                    const void *plane, float *v, size_t step)
{
    _Alignas(64) float patch[POINTS * V];
    if (t.y < 1 || t.x < 1 || t.y + TILE >= g->h || t.x + TILE >= g->w) {
        tile_copy(half, g, plane, t.y - 1, t.x - 1, patch);
        points_of_input(false, patch, 0, PATCH, v, step);
        return;
    }
    points_of_input(half, plane, (ptrdiff_t)(t.y - 1) * g->w + t.x - 1, g->w, v, step);
}

/* What becomes of a sum of products. */
struct finish {
    vec bias;
    const void *more; /* a plane, or NULL */
    enum activation kind;
    struct measured *moments; /* or NULL */
};

static FORCE_INLINE vec finished(bool half, const struct finish *f, ptrdiff_t at, vec v)
{
    v += f->bias;
    if (f->more)
        v += act_load(half, f->more, at);
    if (f->kind == ACTIVATION_relu)
        v = vactivate(ACTIVATION_relu, v);
    else if (f->kind == ACTIVATION_silu)
        v = vactivate(ACTIVATION_silu, v);
    return v;
}

/* 36 points to the tile's 4 x 4 outputs, finished, clipped at the plane's edge. */
static FORCE_INLINE void tile_output(bool half, const struct tiling *g, struct tile t,
                                     const float *m, size_t step, const struct finish *finish,
                                     void *plane)
{
    vec col[TILE][PATCH];
#pragma GCC unroll 6
    for (int j = 0; j < PATCH; j++) {
        vec d[PATCH], out[TILE];
#pragma GCC unroll 6
        for (int i = 0; i < PATCH; i++)
            d[i] = vload(m + (size_t)(i * PATCH + j) * step);
        wino_output(d, out);
#pragma GCC unroll 4
        for (int i = 0; i < TILE; i++)
            col[i][j] = out[i];
    }
    int rows = min_of(TILE, g->h - t.y), columns = min_of(TILE, g->w - t.x);
    ptrdiff_t at = (ptrdiff_t)t.y * g->w + t.x;
#pragma GCC unroll 4
    for (int i = 0; i < TILE; i++, at += g->w) {
        vec out[TILE];
        wino_output(col[i], out);
        if (i >= rows)
            return;
#pragma GCC unroll 4
        for (int j = 0; j < TILE; j++)
            if (j < columns) {
                out[j] = finished(half, finish, at + j, out[j]);
                act_store(half, plane, at + j, out[j]);
            }
        if (finish->moments)
            measure(finish->moments, out, 1, TILE, 0, columns);
    }
}

#endif
