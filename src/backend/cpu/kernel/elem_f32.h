/* The elements of tensors in kernels that are written once for float and bf16: here, float. */
#ifndef BACKEND_CPU_KERNEL_ELEM_F32_H
#define BACKEND_CPU_KERNEL_ELEM_F32_H

#include "backend/cpu/vmask.h"

typedef float elem;
ALWAYS vec eload(const elem *p) /* V of them, aligned */
{
    return vload(p);
}
ALWAYS void estore(elem *p, vec v)
{
    vstore(p, v);
}
ALWAYS vec eloadu(const elem *p) /* anywhere */
{
    return vloadu(p);
}
ALWAYS void estoreu(elem *p, vec v)
{
    vstoreu(p, v);
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
