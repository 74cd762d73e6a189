/* Included by product_f32.c and product_bf16.c, which say what a unit is: 32 bits that hold one number or
 * two. Blocks of a and b are packed; a tile of c, ROWS by two vectors, is summed in registers along
 * DEPTH units of k. As in gemm.h, every loop over the sums is unrolled. */
#include "backend/cpu/kernel/transpose.h"

#include <stddef.h>

enum { ROWS = V == 16 ? 14 : 6, DEPTH = PRODUCT_DEPTH, PANEL = 2 * V };
_Static_assert(PRODUCT_ROWS % ROWS == 0 && PRODUCT_PANEL % PANEL == 0,
               "blocks hold whole tiles");

/* The units of V lanes at k, of which `n` are real; rows along k lie ld apart, `left` of them. */
ALWAYS vecu units_across(const float *x, int ld, int left, int n)
{
    return pack_across(vload_some(x, n),
                       UNIT > 1 && left > 1 ? vload_some(x + ld, n) : vset(0));
}

/* Rows i .. of a from k on, `deep` numbers: (rows, DEPTH), or of a transposed matrix groups of ROWS by
 * (DEPTH, ROWS). Rows past the last are zeros. */
static void pack_a(const struct product *p, int rows, size_t i, int k, int deep, uint32_t *to)
{
    int units = (deep + UNIT - 1) / UNIT;
    if (!p->turn_a) {
        for (int r = 0; r < rows; r++)
            pack_along(to + r * DEPTH, p->a + (i + (size_t)r) * (size_t)p->ld_a + (size_t)k,
                       deep);
        for (int r = rows; r % ROWS; r++)
            memset(to + r * DEPTH, 0, (size_t)units * sizeof(*to));
        return;
    }
    for (int r = 0; r < rows; r += ROWS)
        for (int u = 0; u < units; u++) {
            int at = k + u * UNIT;
            vecu lanes = units_across(p->a + (size_t)at * (size_t)p->ld_a + i + (size_t)r,
                                      p->ld_a, k + deep - at, rows - r);
            /* Lanes past ROWS are written over by what follows. */
            memcpy(to + r * DEPTH + u * ROWS, &lanes, sizeof(lanes));
        }
}

/* V columns of b, of which n are real, from the rows of its transpose. */
static void pack_turned(const float *b, size_t ld, int n, int deep, uint32_t *to)
{
    for (int k = 0; k < deep; k += V * UNIT) {
        vecu m[V];
        int here = deep - k < V * UNIT ? deep - k : V * UNIT;
        for (int l = 0; l < V; l++) {
            m[l] = (vecu){0};
            if (l < n)
                pack_along((uint32_t *)&m[l], b + (size_t)l * ld + k, here);
        }
        transpose(m);
        for (int l = 0; l < V; l++, to += PANEL)
            memcpy(to, &m[l], sizeof(m[l]));
    }
}

/* A panel of columns j .. of b from k on: (DEPTH, PANEL). */
static void pack_b(const struct product *p, int j, int k, int deep, uint32_t *to)
{
    for (int half = 0; half < PANEL; half += V, to += V) {
        int n = p->N - j - half;
        if (p->turn_b) {
            pack_turned(p->b + (size_t)(j + half) * (size_t)p->ld_b + k, (size_t)p->ld_b, n,
                        deep, to);
            continue;
        }
        for (int at = 0, u = 0; at < deep; at += UNIT, u++) {
            vecu lanes = units_across(p->b + (size_t)(k + at) * (size_t)p->ld_b + j + half,
                                      p->ld_b, deep - at, n);
            memcpy(to + u * PANEL, &lanes, sizeof(lanes));
        }
    }
}

/* The sums of a tile. */
ALWAYS void multiply(bool turned, const uint32_t *a, const uint32_t *b, int units, float *tile)
{
    vec sum[ROWS][2];
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; r++)
        sum[r][0] = sum[r][1] = vset(0);
    for (int u = 0; u < units; u++, a += turned ? ROWS : 1, b += PANEL) {
        vecu b0 = *(const vecu *)b, b1 = *(const vecu *)(b + V);
#pragma GCC unroll 16
        for (int r = 0; r < ROWS; r++) {
            vecu x = a[r * (turned ? 1 : DEPTH)] - (vecu){0};
            sum[r][0] = multiply_add(x, b0, sum[r][0]);
            sum[r][1] = multiply_add(x, b1, sum[r][1]);
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; r++) {
        vstore(tile + r * PANEL, sum[r][0]);
        vstore(tile + r * PANEL + V, sum[r][1]);
    }
}

/* A tile into rows of c: the first along k is stored, the others are added. */
static void put(const struct product *p, size_t i, int j, int rows, bool first,
                const float *tile)
{
    int columns = p->N - j < PANEL ? p->N - j : PANEL;
    float scale = p->scale > 0 ? p->scale : 1;
    for (int r = 0; r < rows; r++, tile += PANEL) {
        float *restrict c = p->c + (i + (size_t)r) * (size_t)p->ld_c + j;
        const float *restrict bias = p->bias ? p->bias + j : NULL;
        if (!first)
            for (int l = 0; l < columns; l++)
                c[l] += scale * tile[l];
        else if (bias)
            for (int l = 0; l < columns; l++)
                c[l] = scale * tile[l] + bias[l];
        else
            for (int l = 0; l < columns; l++)
                c[l] = scale * tile[l];
    }
}

/* A panel of columns of c from one block of a. */
static void panel(const struct product *p, int rows, size_t i, int j, int units, bool first,
                  const uint32_t *a, const uint32_t *b)
{
    float tile[ROWS * PANEL] __attribute__((aligned(64)));
    for (int r = 0; r < rows; r += ROWS) {
        if (p->turn_a)
            multiply(true, a + r * DEPTH, b, units, tile);
        else
            multiply(false, a + r * DEPTH, b, units, tile);
        put(p, i + (size_t)r, j, rows - r < ROWS ? rows - r : ROWS, first, tile);
    }
}

static void product(const struct product *p, void *pack)
{
    uint32_t *b = pack, *a = b + DEPTH * PRODUCT_PANEL;
    for (int i = 0; i < p->M; i += PRODUCT_ROWS) {
        int rows = p->M - i < PRODUCT_ROWS ? p->M - i : PRODUCT_ROWS;
        for (int k = 0; k < p->K; k += DEPTH * UNIT) {
            int deep = p->K - k < DEPTH * UNIT ? p->K - k : DEPTH * UNIT;
            pack_a(p, rows, (size_t)i, k, deep, a);
            for (int j = 0; j < p->N; j += PANEL) {
                pack_b(p, j, k, deep, b);
                panel(p, rows, (size_t)i, j, (deep + UNIT - 1) / UNIT, k == 0, a, b);
            }
        }
    }
}
