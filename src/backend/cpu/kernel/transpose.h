/* A square of V x V units in registers, its rows made columns; and blocks of floats through it. */
#ifndef BACKEND_CPU_KERNEL_TRANSPOSE_H
#define BACKEND_CPU_KERNEL_TRANSPOSE_H

#include "backend/cpu/vmask.h"

#include <stddef.h>

/* log2 V times, what was half of the rows apart comes together. */
ALWAYS void transpose(vecu m[V])
{
#pragma GCC unroll 4
    for (int step = 1; step < V; step *= 2) {
        vecu mixed[V];
#pragma GCC unroll 8
        for (int r = 0; r < V / 2; r++) {
            mixed[2 * r] = vmix_low(m[r], m[r + V / 2]);
            mixed[2 * r + 1] = vmix_high(m[r], m[r + V / 2]);
        }
        memcpy(m, mixed, sizeof(mixed));
    }
}

/* From `rows` (at most V) rows of x, ld apart, their first n floats (at most V): column i to y + i * step,
 * V floats, zeros behind the rows. */
ALWAYS void columns_of(const float *x, size_t ld, int rows, int n, float *y, ptrdiff_t step)
{
    vecu m[V];
#pragma GCC unroll 16
    for (int r = 0; r < V; r++)
        m[r] = r < rows ? (vecu)vload_some(x + (size_t)r * ld, n) : (vecu){0};
    transpose(m);
#pragma GCC unroll 16
    for (int i = 0; i < V; i++)
        if (i < n)
            vstore(y + i * step, (vec)m[i]);
}

/* The way back: n columns (at most V) of V floats into the first n floats of `rows` (at most V) rows. */
ALWAYS void rows_of(const float *x, int n, float *y, size_t ld, int rows)
{
    vecu m[V];
#pragma GCC unroll 16
    for (int i = 0; i < V; i++)
        m[i] = i < n ? (vecu)vload(x + i * V) : (vecu){0};
    transpose(m);
#pragma GCC unroll 16
    for (int r = 0; r < V; r++)
        if (r < rows)
            vstore_some(y + (size_t)r * ld, (vec)m[r], n);
}

#endif
