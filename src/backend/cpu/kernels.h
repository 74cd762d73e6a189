/* The rows of cpu's table (cpu.c), each at the foot of its source. */
#ifndef BACKEND_CPU_KERNELS_H
#define BACKEND_CPU_KERNELS_H

#include "backend/backend.h"

extern const struct kernel cpu_conv_winograd;

#endif
