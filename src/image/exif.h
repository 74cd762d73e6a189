/* EXIF orientation: how the camera was held, 1 (upright) to 8. Private to image/. */
#ifndef IMAGE_EXIF_H
#define IMAGE_EXIF_H

#include "image/image.h"

/* Of a TIFF block, as PNG's eXIf and WebP's EXIF chunks hold it (a leading "Exif\0\0" is skipped).
 * 1 for anything damaged, absent or out of range. */
int exif_orientation(const uint8_t *tiff, size_t n);
/* Of the first EXIF segment before a JPEG's pixels. */
int exif_orientation_jpeg(const uint8_t *byte, size_t n);

/* 5 to 8 swap width and height. */
static inline bool exif_swaps_sides(int orientation)
{
    return orientation >= 5;
}

/* Turns the picture upright. */
MUST_CHECK bool exif_apply(struct image *im, int orientation, struct err *e);

#endif
