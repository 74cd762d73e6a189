/* From a sample to the picture that everything starts from: decoded exactly, then scaled by one
 * rule, so that a cached copy, a fresh one, training, evaluation and prediction see the same bytes.
 *
 * The rule: a picture longer than 4 : 1 is cut to its middle 4 : 1; then the shorter side becomes
 * side_px (up or down, antialiased, as torchvision's Resize). */
#ifndef DATA_PICTURE_H
#define DATA_PICTURE_H

#include "data/dataset.h"
#include "image/decode.h"
#include "image/resize.h"

enum { PICTURE_MAX_ASPECT = 4 };

struct picture_rule {
    int side_px;
    enum resize_filter filter;
};

/* The starting side for an input: resize_px when given, else 1.15 x size_px rounded
 * (augment_start_px); pictures that are in memory (IDX) start at size_px. */
int picture_side(const struct dataset *d, int size_px, int resize_px);

/* Replaces the decoded picture by its starting picture. */
MUST_CHECK bool picture_scale(struct image *im, struct picture_rule rule, struct err *e);
/* Decodes and scales sample i; the caller releases out. info may be NULL. Errors name the file. */
MUST_CHECK bool picture_read(const struct dataset *d, int i, struct picture_rule rule,
                             struct image *out, struct decode_info *info, struct err *e);
/* Decodes sample i for cropping at full size: only as finely as crops down to a quarter of the
 * area need for an input of size_px (JPEG's scaled DCT, 4/8, 2/8, 1/8). */
MUST_CHECK bool picture_read_full(const struct dataset *d, int i, int size_px,
                                  struct image *out, struct err *e);
/* Has the file's size or time changed since the scan, or has it gone? */
bool picture_drifted(const struct dataset *d, int i);

#endif
