/* Neighbourhoods: blur and sharpness. */
#ifndef AUGMENT_FILTER_H
#define AUGMENT_FILTER_H

#include "image/image.h"

/* Pillow's ImageEnhance.Sharpness: 0 smooths, 1 is the picture, 2 sharpens. */
MUST_CHECK bool filter_sharpness(struct image *im, float factor, struct err *e);

enum { FILTER_BLUR_MAX = 63 };
/* torchvision's gaussian_blur: odd kernel up to FILTER_BLUR_MAX, reflected edges. A kernel that
 * reaches beyond the picture is cut to the largest that does not. */
MUST_CHECK bool filter_blur(struct image *im, int kernel, double sigma, struct err *e);

#endif
