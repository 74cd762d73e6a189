/* The softmax of a row, and its gradient. */
#include "backend/cpu/layer_norm.h"
#include "backend/cpu/vmath.h"

#include <math.h>

/* V floats of a row of n from i on; what is missing is `none`. */
ALWAYS vec load_some(const float *row, int i, int n, float none)
{
    float some[V];
    if (i + V <= n)
        return vloadu(row + i);
    for (int l = 0; l < V; l++)
        some[l] = i + l < n ? row[i + l] : none;
    return vloadu(some);
}

ALWAYS void store_some(float *row, int i, int n, vec v)
{
    if (i + V <= n)
        vstoreu(row + i, v);
    else
        memcpy(row + i, &v, (size_t)(n - i) * sizeof(float));
}

static float largest(const float *row, int n)
{
    vec tops = vset(-INFINITY);
    for (int i = 0; i < n; i += V)
        tops = vmax(load_some(row, i, n, -INFINITY), tops);
    float top = tops[0];
    for (int l = 1; l < V; l++)
        top = tops[l] > top ? tops[l] : top;
    return top;
}

static void forward(float *row, int n)
{
    const vec top = vset(largest(row, n));
    vec sum = vset(0);
    for (int i = 0; i < n; i += V) {
        vec e = vexp(load_some(row, i, n, -INFINITY) - top);
        store_some(row, i, n, e);
        sum += e;
    }
    const float share = 1 / vsum(sum);
    for (int i = 0; i < n; i++)
        row[i] *= share;
}

static void backward(const float *p, float *dp, int n)
{
    vec sum = vset(0);
    for (int i = 0; i < n; i += V)
        sum = vfma(load_some(p, i, n, 0), load_some(dp, i, n, 0), sum);
    const float mean = vsum(sum);
    for (int i = 0; i < n; i++)
        dp[i] = p[i] * (dp[i] - mean);
}

const struct softmax_kernels ISA_NAME(softmax) = {forward, backward};
