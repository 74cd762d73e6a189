/* A part of a vector of elements, float or bf16; included by elem_f32.h and elem_bf16.h. */
#ifndef BACKEND_CPU_KERNEL_ELEM_SOME_H
#define BACKEND_CPU_KERNEL_ELEM_SOME_H

#include <string.h>

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
