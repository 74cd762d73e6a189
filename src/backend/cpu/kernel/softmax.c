/* The softmax of a row, and its gradient. */
#include "backend/cpu/layer_norm.h"
#include "backend/cpu/vmath.h"

#include <math.h>

static void forward(float *row, int n)
{
    float top = row[0], sum = 0;
    for (int i = 1; i < n; i++)
        top = row[i] > top ? row[i] : top;
    int i = 0;
    vec sums = vset(0);
    for (; i + V <= n; i += V) {
        vec e = vexp(vloadu(row + i) - vset(top));
        vstoreu(row + i, e);
        sums += e;
    }
    sum = vsum(sums);
    for (; i < n; i++) {
        row[i] = expf(row[i] - top);
        sum += row[i];
    }
    const float share = 1 / sum;
    for (i = 0; i < n; i++)
        row[i] *= share;
}

static void backward(const float *p, float *dp, int n)
{
    vec sums = vset(0);
    int i = 0;
    for (; i + V <= n; i += V)
        sums = vfma(vloadu(p + i), vloadu(dp + i), sums);
    float sum = vsum(sums);
    for (; i < n; i++)
        sum += p[i] * dp[i];
    for (i = 0; i < n; i++)
        dp[i] = p[i] * (dp[i] - sum);
}

const struct softmax_kernels ISA_NAME(softmax) = {forward, backward};
