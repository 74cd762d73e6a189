/* Changes of colour, a pixel at a time: Pillow's and torchvision's functions, to the bit. */
#ifndef AUGMENT_COLOUR_H
#define AUGMENT_COLOUR_H

#include "image/image.h"

/* ImageEnhance: factor 0 gives black, grey of the mean brightness, or grey; 1 the picture. */
void colour_brightness(struct image *im, float factor);
void colour_contrast(struct image *im, float factor);
void colour_saturation(struct image *im, float factor);
/* torchvision's adjust_hue: turns -0.5 .. 0.5 of the colour circle, through 8-bit HSV. */
void colour_hue(struct image *im, double turns);
void colour_grey(struct image *im);
/* ImageOps. bits 0 .. 8 (torchvision's magnitudes reach 2). */
void colour_posterize(struct image *im, int bits);
void colour_solarize(struct image *im, double threshold);
void colour_autocontrast(struct image *im);
void colour_equalize(struct image *im);

/* Mixes as Pillow does, cutting the fraction off. */
uint8_t colour_blend(int from, int to, float t);

#endif
