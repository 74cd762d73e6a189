/* Pools of any window in bf16 tensors. */
#include "backend/cpu/kernel/elem_bf16.h"
#include "backend/cpu/pool.h"

#include <stddef.h>

#define POOL_TABLE ISA_NAME(pool_bf16)
#include "backend/cpu/kernel/pool_each.h"
