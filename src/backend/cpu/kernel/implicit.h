/* What the parts of the convolution by implicit matrix products share. */
#ifndef BACKEND_CPU_KERNEL_IMPLICIT_H
#define BACKEND_CPU_KERNEL_IMPLICIT_H

#include "backend/cpu/implicit.h"
#include "backend/cpu/kernel/gemm.h"
#include "base/parallel.h"

static inline int taps_of(const struct implicit_shape *s)
{
    return s->kernel_h * s->kernel_w;
}

/* Is x's pixel i the only one under y's pixel i? */
static inline bool is_plain(const struct implicit_shape *s)
{
    return taps_of(s) == 1 && s->stride == 1 && s->pad_h == 0 && s->pad_w == 0;
}

/* A convolution forward, or backward data. Sizes in floats; c and k are those of the pass: read and
 * written. */
struct implicit_job {
    const struct implicit_conv *a;
    const struct implicit_shape *s;
    bool plain, spread; /* spread: added under taps */
    int taps, c, k, c_blocks, k_blocks, panels;
    int pixels, groups; /* of y, backward of its gradient, in a picture */
    int n_part, k_parts;
    int n_chunk, chunk, bunch; /* chunks of channels, their blocks; panels at a time */
    int out_lines;             /* that a block of channels fetches of a product's y */
    size_t x_plane, y_plane, panel;
    float *u;      /* packed weights: (panels, chunks, ..), or those at hand, for each thread */
    float *copies; /* for each thread, of a block: (groups, taps, chunk, GEMM_ROWS, V) */
};

/* Blocks of channels lo .. hi - 1, the first of them all or the last. */
struct implicit_chunk {
    int lo, hi, n; /* n: channels */
    bool first, last;
};

static inline struct implicit_chunk implicit_chunk_of(const struct implicit_job *j, int i)
{
    struct implicit_chunk c = {.first = i == 0, .last = i == j->n_chunk - 1};
    parallel_range(j->c_blocks, i, j->n_chunk, &c.lo, &c.hi);
    c.n = min_of(c.hi * V, j->c) - c.lo * V;
    return c;
}

int ISA_NAME(implicit_parts)(const struct implicit_shape *s);
/* Packs panels panel .. end - 1 of a chunk, `step` floats apart. */
void ISA_NAME(implicit_pack)(const struct implicit_job *j, int panel, int end,
                             const struct implicit_chunk *c, float *u, size_t step);
void ISA_NAME(implicit_conv)(const struct implicit_conv *a);
size_t ISA_NAME(implicit_scratch_conv)(const struct implicit_shape *s, int n_thread);
void ISA_NAME(implicit_grad)(const struct implicit_grad *a);
size_t ISA_NAME(implicit_scratch_grad)(const struct implicit_shape *s, int n_thread);

extern const struct implicit_ops ISA_NAME(implicit);

#endif
