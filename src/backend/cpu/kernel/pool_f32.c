/* Pools of any window in single precision. */
#include "backend/cpu/kernel/elem_f32.h"
#include "backend/cpu/pool.h"

#include <stddef.h>

#define POOL_TABLE ISA_NAME(pool_f32)
#include "backend/cpu/kernel/pool_each.h"
