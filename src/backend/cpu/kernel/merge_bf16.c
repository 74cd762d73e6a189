/* Sums and products of tensors in bf16. */
#include "backend/cpu/kernel/elem_bf16.h"
#include "backend/cpu/merge.h"
#include "backend/cpu/vmath.h"

#include <stdbool.h>
#include <string.h>

#define MERGE_TABLE ISA_NAME(merge_bf16)
#include "backend/cpu/kernel/merge_each.h"
