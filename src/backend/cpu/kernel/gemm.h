/* The matrix products of Winograd's 36 points and of 1x1 convolutions. U is packed as panels of two
 * vectors of K, (ceil(K/2V), C, 2V); the other operand is broadcast a float at a time.
 *
 * What matters here is that accumulators stay in registers: every loop over them has constant
 * bounds and is unrolled, and a broadcast is one named value used by its two multiply-adds. */
#ifndef BACKEND_CPU_KERNEL_GEMM_H
#define BACKEND_CPU_KERNEL_GEMM_H

#include "backend/cpu/vec.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    PANEL = 2 * V,
    GEMM_ROWS = V == 16 ? 14 : 6, /* rows x 2 accumulators, in 32 or 16 registers */
    GRAD_ROWS = V == 16 ? 8 : 4,
};

/* Ceiling division of positive numbers. */
static inline int blocks_of(int n, int size)
{
    return (n + size - 1) / size;
}

static inline int max_of(int a, int b)
{
    return a > b ? a : b;
}

static inline int min_of(int a, int b)
{
    return a < b ? a : b;
}

/* What comes nearer while a product runs, for each block of channels: `lines` into L2, and `step` bytes
 * further on for the next one; out_lines of each of two runs that will be written. */
struct ahead {
    const char *at;
    int lines;
    size_t step;
    const char *out[2];
    int out_lines;
};

/* acc[row][two vectors of K] += the sum over c of v[row][c] * u[c][..]. v is (ceil(C/V), rows, V), its
 * blocks of channels v_block floats apart, its rows `step`; width 1: the first vector alone. */
static FORCE_INLINE void gemm_sums(int rows, int width, const float *v, int step,
                                   size_t v_block, const float *u, int n_c, struct ahead next,
                                   vec acc[][2])
{
    for (int c0 = 0; c0 < n_c; c0 += V, v += v_block) {
        for (int i = 0; i < next.lines; i++)
            __builtin_prefetch(next.at + i * 64, 0, 2);
        next.at += next.step;
        for (int i = 0; i < next.out_lines; i++) {
            __builtin_prefetch(next.out[0], 1, 3);
            __builtin_prefetch(next.out[1], 1, 3);
            next.out[0] += 64;
            next.out[1] += 64;
        }
        const float *row = v, *end = v + (n_c - c0 < V ? n_c - c0 : V);
        for (; row < end; row++, u += PANEL) {
            vec u0 = vload(u), u1 = width == 2 ? vload(u + V) : u0;
#pragma GCC unroll 16
            for (int r = 0; r < rows; r++) {
                vec x = vset(row[r * step]);
                acc[r][0] = vfma(x, u0, acc[r][0]);
                if (width == 2)
                    acc[r][1] = vfma(x, u1, acc[r][1]);
            }
        }
    }
}

/* M[row][two vectors of K] = those sums for `rows` tiles; the second vector goes to m + m_block. */
static FORCE_INLINE void gemm_rows(int rows, int width, const float *v, const float *u, int n_c,
                                   float *m, size_t m_block, struct ahead next)
{
    vec acc[GEMM_ROWS][2];
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
        acc[r][0] = acc[r][1] = vset(0);
    gemm_sums(rows, width, v, V, (size_t)(rows * V), u, n_c, next, acc);
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
        vstore(m + r * V, acc[r][0]);
        if (width == 2)
            vstore(m + m_block + r * V, acc[r][1]);
    }
}

/* CASE(n) for each number of rows that a product may have. */
#define GEMM_EACH_ROWS(CASE)                                                                   \
    CASE(1)                                                                                    \
    CASE(2)                                                                                    \
    CASE(3)                                                                                    \
    CASE(4)                                                                                    \
    CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12) CASE(13) CASE(14)

static FORCE_INLINE void gemm_any(int rows, int width, const float *v, const float *u, int n_c,
                                  float *m, size_t m_block, struct ahead next)
{
#define ROWS(n)                                                                                \
    case n:                                                                                    \
        if (n <= GEMM_ROWS)                                                                    \
            gemm_rows(n <= GEMM_ROWS ? n : 1, width, v, u, n_c, m, m_block, next);             \
        break;
    switch (rows) {
        GEMM_EACH_ROWS(ROWS)
    }
#undef ROWS
}

/* Two runs of lines to fetch into L2, some with every few tiles. */
struct runs {
    const char *at[2];
    int lines[2];
};
enum { RUN_TILES = 16 };

static FORCE_INLINE void grad_begin(const float *du, vec acc[][2])
{
#pragma GCC unroll 16
    for (int r = 0; r < GRAD_ROWS; r++)
        acc[r][0] = acc[r][1] = vset(0);
    for (int r = 0; r < GRAD_ROWS * PANEL; r += 16)
        __builtin_prefetch(du + r, 1, 3);
}

/* acc[c][two vectors of K] += the sum over n tiles of v[tile][c] * z[tile][..] for GRAD_ROWS channels; v's
 * tiles lie v_step floats apart, the second vector of K z_block floats after the first. */
static FORCE_INLINE void grad_sums(int width, const float *v, int v_step, const float *z,
                                   size_t z_block, int n, struct runs *next, vec acc[][2])
{
    int step = next->lines[0] + next->lines[1] > 0 ? RUN_TILES : n;
    for (int t = 0; t < n;) {
        for (int run = 0; run < 2; run++)
            for (int i = 0; i < next->lines[run]; i++, next->at[run] += 64)
                __builtin_prefetch(next->at[run], 0, 2);
        for (int end = min_of(t + step, n); t < end; t++, v += v_step, z += V) {
            vec z0 = vload(z), z1 = width == 2 ? vload(z + z_block) : z0;
#pragma GCC unroll 16
            for (int r = 0; r < GRAD_ROWS; r++) {
                vec x = vset(v[r]);
                acc[r][0] = vfma(x, z0, acc[r][0]);
                if (width == 2)
                    acc[r][1] = vfma(x, z1, acc[r][1]);
            }
        }
    }
}

/* du = those sums or, if there is more, += them. */
static FORCE_INLINE void grad_end(int width, bool more, float *du, vec acc[][2])
{
#pragma GCC unroll 16
    for (int r = 0; r < GRAD_ROWS; r++, du += PANEL) {
        vstore(du, more ? vload(du) + acc[r][0] : acc[r][0]);
        if (width == 2)
            vstore(du + V, more ? vload(du + V) + acc[r][1] : acc[r][1]);
    }
}

/* All of it for n tiles side by side. */
static FORCE_INLINE void grad_rows(int width, const float *v, const float *z, size_t z_block,
                                   int n, bool more, float *du, struct runs next)
{
    vec acc[GRAD_ROWS][2];
    grad_begin(du, acc);
    grad_sums(width, v, V, z, z_block, n, &next, acc);
    grad_end(width, more, du, acc);
}

#endif
