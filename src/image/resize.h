/* Resampling as Pillow does it (separable, antialiased, 8-bit between the passes), within 1/255 of
 * Pillow on at least 99.9 % of values; and torchvision's geometry on top. */
#ifndef IMAGE_RESIZE_H
#define IMAGE_RESIZE_H

#include "image/image.h"

enum resize_filter { RESIZE_BILINEAR, RESIZE_BICUBIC, RESIZE_NEAREST };

struct box { /* in source pixels; x1 and y1 are past the end */
    double x0, y0, x1, y1;
};

/* Resamples box of src to w x h. out is initialised here, the caller releases it. */
MUST_CHECK bool resize_box(const struct image *src, struct box box, int w, int h,
                           enum resize_filter filter, struct image *out, struct err *e);
MUST_CHECK bool resize(const struct image *src, int w, int h, enum resize_filter filter,
                       struct image *out, struct err *e);

/* torchvision.transforms.functional.resize(img, side): the shorter side becomes `side`, the longer
 * int(side * long / short). */
void resize_shorter_size(int w, int h, int side, int *out_w, int *out_h);
MUST_CHECK bool resize_shorter(const struct image *src, int side, enum resize_filter filter,
                               struct image *out, struct err *e);
/* torchvision's center_crop: pads with black when the picture is smaller; origin
 * int(round((h - crop_h) / 2.0)), rounding half to even. */
MUST_CHECK bool center_crop(const struct image *src, int w, int h, struct image *out,
                            struct err *e);

#endif
