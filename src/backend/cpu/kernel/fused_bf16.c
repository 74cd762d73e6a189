/* The fused kernels on bf16 tensors; sums and formulas in single precision. */
#include "backend/cpu/fused.h"
#include "backend/cpu/kernel/elem_bf16.h"
#include "backend/cpu/vmath.h"

#include <stdbool.h>
#include <stddef.h>

#define FUSED_TABLE ISA_NAME(fused_bf16)
#include "backend/cpu/kernel/fused_forward.h"

#include "backend/cpu/kernel/fused_backward.h"

#include "backend/cpu/kernel/fused_add.h"

#include "backend/cpu/kernel/fused_table.h"
