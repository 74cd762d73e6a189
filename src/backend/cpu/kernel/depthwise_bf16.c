/* The gradient of a depthwise convolution's weights from tensors in bf16. */
#include "backend/cpu/depthwise.h"
#include "backend/cpu/kernel/elem_bf16.h"

#include <stddef.h>

#include "backend/cpu/kernel/depthwise_each.h"

void ISA_NAME(depthwise_bf16)(const struct depthwise_task *t)
{
    plane_gradient(t);
}
