/* The fused kernels on single precision. */
#include "backend/cpu/fused.h"
#include "backend/cpu/vmath.h"

#include <stdbool.h>
#include <stddef.h>

typedef float elem;
ALWAYS vec eload(const elem *p)
{
    return vload(p);
}
ALWAYS void estore(elem *p, vec v)
{
    vstore(p, v);
}

#define FUSED_TABLE ISA_NAME(fused_f32)
#include "backend/cpu/kernel/fused_forward.h"

#include "backend/cpu/kernel/fused_backward.h"

#include "backend/cpu/kernel/fused_table.h"
