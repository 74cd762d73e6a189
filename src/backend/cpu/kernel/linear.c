/* Products with a wide matrix that is read once: the blocks of sums stay in registers. */
#include "backend/cpu/linear.h"
#include "backend/cpu/vmask.h"

#include <stddef.h>

/* Sums held in registers: of 32 with AVX-512, of 16 below. */
enum { DOT_N = 4, DOT_K = V == 16 ? 4 : 2, MIX_I = V == 16 ? 12 : 6, MIX_J = 2 };
enum { MIX_SOME = V == 16 ? 8 : 4 }; /* rows, where MIX_I are too many */
/* Elements along d after which the rows of x are still in the nearest cache; rows of b whose pages the
 * processor has at hand; vectors. */
enum { DOT_CHUNK = 1024, MIX_CHUNK = 32, MIX_AHEAD = 2 };

/* Adds the products of a chunk [d0, d1) of nb rows of x and kb rows of w to y. */
ALWAYS void dot_block(const struct linear_dot *t, int n, int k, int nb, int kb, int d0, int d1)
{
    vec sum[DOT_N][DOT_K];
    const float *x[DOT_N], *w[DOT_K];
    for (int i = 0; i < nb; i++)
        x[i] = t->x + (size_t)(n + i) * (size_t)t->D;
    for (int j = 0; j < kb; j++)
        w[j] = t->w + (size_t)(k + j) * (size_t)t->D;
    for (int i = 0; i < nb; i++)
        for (int j = 0; j < kb; j++)
            sum[i][j] = vset(0);
    int d = d0;
    for (; d + V <= d1; d += V) {
        vec b[DOT_K];
        for (int j = 0; j < kb; j++)
            b[j] = vloadu(w[j] + d);
        for (int i = 0; i < nb; i++) {
            vec a = vloadu(x[i] + d);
            for (int j = 0; j < kb; j++)
                sum[i][j] = vfma(a, b[j], sum[i][j]);
        }
    }
    for (int i = 0; i < nb; i++)
        for (int j = 0; j < kb; j++) {
            float s = vsum(sum[i][j]);
            for (int rest = d; rest < d1; rest++)
                s += x[i][rest] * w[j][rest];
            t->y[(size_t)(n + i) * (size_t)t->ldy + (size_t)(k + j)] += s;
        }
}

static void dot(const struct linear_dot *t)
{
    for (int n = 0; n < t->N; n++)
        for (int k = 0; k < t->K; k++)
            t->y[(size_t)n * (size_t)t->ldy + (size_t)k] = t->bias ? t->bias[k] : 0;
    for (int d = 0; d < t->D; d += DOT_CHUNK) {
        int end = t->D - d > DOT_CHUNK ? d + DOT_CHUNK : t->D, k = 0;
        for (; k + DOT_K <= t->K; k += DOT_K) {
            int n = 0;
            for (; n + DOT_N <= t->N; n += DOT_N)
                dot_block(t, n, k, DOT_N, DOT_K, d, end);
            for (; n < t->N; n++)
                dot_block(t, n, k, 1, DOT_K, d, end);
        }
        for (; k < t->K; k++)
            for (int n = 0; n < t->N; n++)
                dot_block(t, n, k, 1, 1, d, end);
    }
}

/* The sums of ib rows and jb vectors of c over p0 .. p1 - 1; those before p0 are in c. Meanwhile what
 * the next blocks of the row read and write comes nearer. */
ALWAYS void mix_block(const struct linear_mix *t, int i0, int j0, int ib, int jb, int p0,
                      int p1)
{
    vec sum[MIX_I][MIX_J];
    float *c = t->c + i0 * t->ld + j0;
    for (int i = 0; i < ib; i++)
        for (int j = 0; j < jb; j++) {
            __builtin_prefetch(c + i * t->ld + (j + MIX_AHEAD) * V, 1, 3);
            sum[i][j] = p0 ? vloadu(c + i * t->ld + j * V) : vset(0);
        }
    const float *a = t->a + i0 * t->a_row + p0 * t->a_col, *b = t->b + p0 * t->ld + j0;
    for (int p = p0; p < p1; p++, a += t->a_col, b += t->ld) {
        vec row[MIX_J];
        for (int j = 0; j < jb; j++) {
            __builtin_prefetch(b + (j + MIX_AHEAD) * V, 0, 3);
            row[j] = vloadu(b + j * V);
        }
        for (int i = 0; i < ib; i++) {
            vec scale = vset(a[i * t->a_row]);
            for (int j = 0; j < jb; j++)
                sum[i][j] = vfma(scale, row[j], sum[i][j]);
        }
    }
    for (int i = 0; i < ib; i++)
        for (int j = 0; j < jb; j++)
            vstoreu(c + i * t->ld + j * V, sum[i][j]);
}

ALWAYS void mix_rows(const struct linear_mix *t, int i, int ib, int p0, int p1)
{
    int j = 0;
    for (; j + MIX_J * V <= t->J; j += MIX_J * V)
        mix_block(t, i, j, ib, MIX_J, p0, p1);
    for (; j + V <= t->J; j += V)
        mix_block(t, i, j, ib, 1, p0, p1);
    for (; j < t->J; j++)
        for (int r = i; r < i + ib; r++) {
            float s = p0 ? t->c[r * t->ld + j] : 0;
            for (int p = p0; p < p1; p++)
                s += t->a[r * t->a_row + p * t->a_col] * t->b[p * t->ld + j];
            t->c[r * t->ld + j] = s;
        }
}

static void mix(const struct linear_mix *t)
{
    for (int p = 0; p < t->P; p += MIX_CHUNK) {
        int end = t->P - p > MIX_CHUNK ? p + MIX_CHUNK : t->P, i = 0;
        for (; i + MIX_I <= t->I; i += MIX_I)
            mix_rows(t, i, MIX_I, p, end);
        for (; i + MIX_SOME <= t->I; i += MIX_SOME)
            mix_rows(t, i, MIX_SOME, p, end);
        for (; i + 4 <= t->I; i += 4)
            mix_rows(t, i, 4, p, end);
        for (; i < t->I; i++)
            mix_rows(t, i, 1, p, end);
    }
}

const struct linear_ops ISA_NAME(linear_ops) = {dot, mix};
