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
#include "backend/cpu/kernel/elem_some.h"

#endif
