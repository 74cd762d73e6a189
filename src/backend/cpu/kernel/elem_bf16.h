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
#include "backend/cpu/kernel/elem_some.h"

#endif
