/* The fused kernels on single precision. */
#include "backend/cpu/fused.h"
#include "backend/cpu/kernel/elem_f32.h"
#include "backend/cpu/vmath.h"

#include <stdbool.h>
#include <stddef.h>

#define FUSED_TABLE ISA_NAME(fused_f32)
#include "backend/cpu/kernel/fused_forward.h"

#include "backend/cpu/kernel/fused_backward.h"

#include "backend/cpu/kernel/fused_add.h"

#include "backend/cpu/kernel/fused_table.h"
