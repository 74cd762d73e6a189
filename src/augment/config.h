/* The knobs of all transforms: plain fields, filled from the rows' options tables (augment.h).
 * Zeroed is everything off: a centre crop of the starting picture. */
#ifndef AUGMENT_CONFIG_H
#define AUGMENT_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

/* How the network's square input is cut out of the starting picture. */
enum augment_crop {
    AUGMENT_CROP_CENTRE,
    AUGMENT_CROP_RANDOM,  /* anywhere, at crop_side, after crop_padding */
    AUGMENT_CROP_RESIZED, /* a random area and aspect ratio, scaled (Szegedy et al. 2014) */
};

/* What stands in pixels that come from outside the picture. */
enum augment_fill {
    AUGMENT_FILL_BLACK,
    AUGMENT_FILL_MEAN,
    AUGMENT_FILL_EDGE,
    AUGMENT_FILL_REFLECT
};
enum augment_erase { AUGMENT_ERASE_MEAN, AUGMENT_ERASE_BLACK, AUGMENT_ERASE_NOISE };

struct augment_config {
    int crop;         /* enum augment_crop */
    double crop_side; /* centre and random: the shorter side before, in inputs; 0 = as it is */
    int64_t crop_padding;                  /* random: pixels added on each side */
    int crop_fill;                         /* enum augment_fill, of the padding */
    double crop_scale_min, crop_scale_max; /* resized: share of the area; 0, 0 = all of it */
    double crop_ratio;                     /* resized: width / height in 1/r .. r; 0 = 1 */

    double hflip, vflip; /* probabilities */

    double rotation;         /* degrees either way */
    double affine_degrees;   /* degrees either way */
    double affine_translate; /* share of the side either way */
    double affine_scale;     /* factor in 1/s .. s; 0 = 1 */
    double affine_shear;     /* degrees either way, along x and y */
    bool warp_nearest;       /* rotation and affine without interpolation */
    int warp_fill;           /* black or mean */

    int64_t rand_augment;           /* operations a picture; 0 = off */
    int64_t rand_augment_magnitude; /* bin 0 .. 30 */
    bool trivial_augment;           /* TrivialAugmentWide: one operation of any strength */

    double brightness, contrast, saturation,
        hue;                               /* jitter: factor 1 +- b, c, s; hue +- turns */
    double grey;                           /* probability */
    double blur;                           /* probability */
    double blur_sigma_min, blur_sigma_max; /* pixels */
    double erase;                          /* probability */
    double erase_min, erase_max;           /* share of the area */
    int erase_fill;                        /* enum augment_erase */

    double mixup, cutmix;   /* alpha of the Beta distribution; 0 = off */
    double mix_probability; /* that a batch is mixed at all */
};

/* The starting picture's shorter side for a size_px input: 1.15 times, rounded. */
static inline int augment_start_px(int size_px)
{
    return (size_px * 115 + 50) / 100;
}

#endif
