/* A picture in memory: 8-bit RGB, rows top down, no padding. */
#ifndef IMAGE_IMAGE_H
#define IMAGE_IMAGE_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct image {
    int w, h;
    uint8_t *pixel; /* (h, w, 3); owned */
};

/* What was odd about a file that could be decoded: bits, shown by `linnet check`. */
enum image_note {
    IMAGE_NOTE_GREY = 1 << 0,
    IMAGE_NOTE_PALETTE = 1 << 1,
    IMAGE_NOTE_ALPHA = 1 << 2,  /* composited on the stated background */
    IMAGE_NOTE_16_BIT = 1 << 3, /* v >> 8 */
    IMAGE_NOTE_CMYK = 1 << 4,
    IMAGE_NOTE_ROTATED = 1 << 5,   /* EXIF orientation was applied */
    IMAGE_NOTE_ANIMATED = 1 << 6,  /* the first frame was taken */
    IMAGE_NOTE_EXTENSION = 1 << 7, /* the content is of another format than the name says */
};

/* (h, w, 3) black pixels; false and ERR_NOMEM. */
MUST_CHECK bool image_init(struct image *im, int w, int h, struct err *e);
/* The same, of any colour: for a picture that is about to be written whole. */
MUST_CHECK bool image_raw(struct image *im, int w, int h, struct err *e);
void image_release(struct image *im);

#endif
