/* Layer norm in bf16 tensors; sums in single precision. */
#include "backend/cpu/kernel/elem_bf16.h"
#include "backend/cpu/layer_norm.h"

#include <math.h>

#define NORM_TABLE ISA_NAME(norm_bf16)
#include "backend/cpu/kernel/layer_norm_each.h"
