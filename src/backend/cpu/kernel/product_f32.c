/* Products in single precision: a unit is a float. */
#include "backend/cpu/product.h"
#include "backend/cpu/vmask.h"

enum { UNIT = 1 }; /* numbers along k */

/* n numbers that follow each other along k. */
ALWAYS void pack_along(uint32_t *unit, const float *x, int n)
{
    memcpy(unit, x, (size_t)n * sizeof(float));
}

/* The units of V rows or columns: x holds their numbers at one k, `next` those at the k behind. */
ALWAYS vecu pack_across(vec x, vec next)
{
    (void)next;
    return (vecu)x;
}

ALWAYS vec multiply_add(vecu a, vecu b, vec sum)
{
    return vfma((vec)a, (vec)b, sum);
}

#include "backend/cpu/kernel/product_each.h"

const struct product_kernels ISA_NAME(product_f32) = {product};
