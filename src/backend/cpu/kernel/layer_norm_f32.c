/* Layer norm in single precision. */
#include "backend/cpu/kernel/elem_f32.h"
#include "backend/cpu/layer_norm.h"

#include <math.h>

#define NORM_TABLE ISA_NAME(norm_f32)
#include "backend/cpu/kernel/layer_norm_each.h"
