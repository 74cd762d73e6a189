/* The elements of tensors in kernels that are written once for float and bf16: here, bf16; sums and
 * formulas stay in single precision. */
#ifndef BACKEND_CPU_KERNEL_ELEM_BF16_H
#define BACKEND_CPU_KERNEL_ELEM_BF16_H

#include "backend/cpu/vmask.h"

typedef uint16_t elem;
ALWAYS vec eload(const elem *p) /* V of them, aligned */
{
    return vload_bf16(p);
}
ALWAYS void estore(elem *p, vec v)
{
    vstore_bf16(p, v);
}
ALWAYS vec eloadu(const elem *p) /* anywhere */
{
    return vload_bf16u(p);
}
ALWAYS void estoreu(elem *p, vec v)
{
    vstore_bf16u(p, v);
}
/* Fewer than V of them: the lanes behind are zeros, and are not stored. */
ALWAYS vec eload_some(const elem *p, size_t n)
{
    elem whole[V] __attribute__((aligned(64))) = {0};
    memcpy(whole, p, n * sizeof(elem));
    return eload(whole);
}
ALWAYS void estore_some(elem *p, vec v, size_t n)
{
    elem whole[V] __attribute__((aligned(64)));
    estore(whole, v);
    memcpy(p, whole, n * sizeof(elem));
}

#endif
