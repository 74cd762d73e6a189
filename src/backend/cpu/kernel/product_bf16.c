/* Products of numbers rounded to bf16: a unit is two of them that follow each other along k. */
#include "backend/cpu/product.h"
#include "backend/cpu/vmask.h"

enum { UNIT = 2 }; /* numbers along k */

ALWAYS vechalf halve(vec x)
{
    vechalf h;
    vstore_bf16((uint16_t *)&h, x);
    return h;
}

/* n numbers that follow each other along k; what is missing in the last unit is a zero. */
ALWAYS void pack_along(uint32_t *unit, const float *x, int n)
{
    for (int i = 0; i < n; i += V) {
        float rest[V] = {0};
        int real = n - i < V ? n - i : V;
        memcpy(rest, x + i, (size_t)real * sizeof(float));
        vechalf h = halve(real == V ? vloadu(x + i) : vloadu(rest));
        memcpy(unit + i / 2, &h, (size_t)(real + 1) / 2 * sizeof(*unit));
    }
}

/* The units of V rows or columns: x holds their numbers at one k, `next` those at the k behind. */
ALWAYS vecu pack_across(vec x, vec next)
{
    return vpair_bf16(x, next);
}

ALWAYS vec multiply_add(vecu a, vecu b, vec sum)
{
    return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
}

#include "backend/cpu/kernel/product_each.h"

const struct product_kernels ISA_NAME(product_bf16) = {product};
