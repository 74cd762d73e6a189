/* How a picture becomes an input: upright, on white, shorter side to resize_px (antialiased), centre
 * crop of size_px, (v / 255 - mean) / std. It belongs to the weights; an architecture gives the one
 * its published weights were trained with. */
#ifndef MODEL_PREPROCESS_H
#define MODEL_PREPROCESS_H

#include "image/resize.h"

struct preprocess {
    int size_px, resize_px;
    double mean[3], std[3];
    enum resize_filter filter; /* bilinear or bicubic */
};

/* With ImageNet's statistics, bilinear. */
#define PREPROCESS(resize, size)                                                               \
    {                                                                                          \
        .size_px = (size), .resize_px = (resize), .mean = {0.485, 0.456, 0.406}, .std = {      \
            0.229,                                                                             \
            0.224,                                                                             \
            0.225                                                                              \
        }                                                                                      \
    }

#endif
