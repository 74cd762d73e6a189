/* Cutting a window out of a picture, with what lies outside filled in. */
#ifndef AUGMENT_CROP_H
#define AUGMENT_CROP_H

#include "augment/config.h"
#include "image/image.h"

/* Fills out (its size is set) with the window of src whose top left corner is (x, y), which may
 * lie outside. */
void crop_window(const struct image *src, int x, int y, enum augment_fill fill,
                 struct image *out);

/* A view of src, or a resized copy whose shorter side is `side` pixels (0 = src as it is), but
 * never smaller than `least`. *owned says whether the caller releases it. */
MUST_CHECK bool crop_source(const struct image *src, int side, int least, struct image *out,
                            bool *owned, struct err *e);

/* The shorter side that a crop of a stated scale cuts size_px from; 0: the options state none. */
int crop_side_px(const struct augment_config *cfg, int size_px);

/* Rounds half to even, as Python's round(). */
int round_even(double x);

extern const uint8_t mean_colour[3]; /* ImageNet's mean, in 8 bits */

#endif
