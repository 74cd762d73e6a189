/* Optimiser steps and averages in float, for each instruction set: plain loops that the compiler
 * turns into vectors. */
#include "backend/update.h"
#include "backend/cpu/vec.h"

#include <math.h>

#define REAL           float
#define SQRT           sqrtf
#define UPDATE_NAME(f) ISA_NAME(f)
extern const struct update_kernels ISA_NAME(update_kernels);
#include "backend/update_loops.h"
