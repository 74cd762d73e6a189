/* Rotation, scale, shear and shift in one: Pillow's affine transform and torchvision's matrix. */
#ifndef AUGMENT_WARP_H
#define AUGMENT_WARP_H

#include "augment/config.h"
#include "image/image.h"

/* torchvision's parameters: degrees clockwise, pixels, a factor, degrees along x and y. A scale of
 * 0 stands for 1. */
struct warp {
    double degrees, shift_x, shift_y, scale, shear_x, shear_y;
    bool from_corner; /* about the top left corner, not the middle */
    bool nearest;     /* no interpolation */
    enum augment_fill fill;
};

/* Where output pixel (x, y) comes from: m[0] x + m[1] y + m[2], m[3] x + m[4] y + m[5]. */
void warp_matrix(const struct warp *w, const struct image *im, double m[6]);
MUST_CHECK bool warp_image(struct image *im, const struct warp *w, struct err *e);

#endif
