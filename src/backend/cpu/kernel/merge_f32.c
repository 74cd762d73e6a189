/* Sums and products of tensors in single precision. */
#include "backend/cpu/kernel/elem_f32.h"
#include "backend/cpu/merge.h"
#include "backend/cpu/vmath.h"

#include <stdbool.h>
#include <string.h>

#define MERGE_TABLE ISA_NAME(merge_f32)
#include "backend/cpu/kernel/merge_each.h"
