/* The gradient of a depthwise convolution's weights from tensors in single precision. */
#include "backend/cpu/depthwise.h"
#include "backend/cpu/kernel/elem_f32.h"

#include <stddef.h>

#include "backend/cpu/kernel/depthwise_each.h"

void ISA_NAME(depthwise_f32)(const struct depthwise_task *t)
{
    plane_gradient(t);
}
