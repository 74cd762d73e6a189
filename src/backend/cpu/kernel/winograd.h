/* What the sources of Winograd export to each other, per instruction set. */
#ifndef BACKEND_CPU_KERNEL_WINOGRAD_H
#define BACKEND_CPU_KERNEL_WINOGRAD_H

#include "backend/cpu/kernel/wino_tile.h"
#include "backend/cpu/winograd.h"

/* Floats from one point's packed weights to the next's: a line more than they are, or the 36 lines that are
 * written at a time fall into one set of the caches. */
static inline size_t packed_step(int panels, int c)
{
    return (size_t)panels * (size_t)c * 2 * V + LINE;
}

size_t ISA_NAME(wino_packed_bytes)(const struct wino_shape *s);
void ISA_NAME(wino_pack)(const struct wino_shape *s, const float *w, bool transposed, void *u,
                         int n_thread);
/* Panels (of two vectors of output channels) first .. end - 1 to u, whose points are `panels` apart. */
void ISA_NAME(wino_pack_panels)(const struct wino_shape *s, const float *w, bool transposed,
                                int first, int end, float *u, int panels);
size_t ISA_NAME(wino_scratch_conv)(const struct wino_shape *s, int n_thread, bool packs);
void ISA_NAME(wino_conv)(const struct wino_conv *a);
int ISA_NAME(wino_parts)(const struct wino_shape *s, int n_thread);
int ISA_NAME(wino_grad_tasks)(const struct wino_shape *s);
size_t ISA_NAME(wino_scratch_grad)(const struct wino_shape *s, int n_thread, int n_shard);
void ISA_NAME(wino_grad)(const struct wino_grad *a);

extern const struct wino_ops ISA_NAME(wino);

#endif
