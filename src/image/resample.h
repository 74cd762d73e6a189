/* The two passes of a resampling, as Pillow computes them: 8-bit values times weights of 22
 * fractional bits, summed in integers, so that every kernel gives the same bytes. Private to
 * image/. */
#ifndef IMAGE_RESAMPLE_H
#define IMAGE_RESAMPLE_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum {
    WEIGHT_BITS = 32 - 8 - 2, /* Pillow's PRECISION_BITS: sums stay below 2^31 */
    SPLIT_BITS = 15,          /* vector kernels multiply 16-bit halves: high * 2^15 + low */
    TAP_GROUP = 4,
};

/* What goes into each output position along one axis. */
struct taps {
    int n_in, n_out;
    int n_tap;           /* weights a position, a multiple of TAP_GROUP; unused ones are zero */
    int *first;          /* (n_out): index of the first input; first + n_tap <= n_in, unless */
    int *n_used;         /* (n_out)   n_in < n_tap; inputs with a weight */
    int32_t *weight;     /* (n_out, n_tap) */
    int16_t *high, *low; /* (n_out, n_tap): the halves of weight */
};

/* Rows of RGB, without gaps. */
struct resample_pass {
    const struct taps *taps;
    const uint8_t *src;
    uint8_t *dst;
    int w, h; /* across: h rows of taps->n_in pixels; down: taps->n_in rows of w pixels */
};

struct resample_kernel {
    const char *name; /* as LINNET_ISA says it */
    bool (*present)(void);
    bool (*fits)(const struct resample_pass *p, bool across); /* NULL = always */
    void (*across)(const struct resample_pass *p);
    void (*down)(const struct resample_pass *p);
};

/* The widest first, plain C last; NULL-ended. */
extern const struct resample_kernel *const resample_kernels[];
extern const struct resample_kernel resample_generic;
#if defined(__x86_64__)
extern const struct resample_kernel resample_avx2;
#endif

/* The widest kernel that the processor has and LINNET_ISA allows. */
const struct resample_kernel *resample_choose(void);

/* One output pixel (3 values) of a row, by the definition. */
void resample_pixel(const struct taps *t, const uint8_t *row, int x, uint8_t *out);

#endif
