/* The processor: own kernels for each instruction set, oneDNN for the rest, ref behind both. */
#ifndef BACKEND_CPU_CPU_H
#define BACKEND_CPU_CPU_H

#include "backend/backend.h"

extern const struct backend_ops cpu_backend;

#endif
