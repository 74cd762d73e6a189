/* Integer sums over the pixels of a picture: any set's mean and deviation follow exactly. */
#ifndef DATA_SUMS_H
#define DATA_SUMS_H

#include "image/image.h"

struct picture_sums {
    uint64_t n; /* pixels */
    uint64_t sum[3], square[3];
};

void picture_sums_of(const struct image *im, struct picture_sums *out);
/* By the definition; the same numbers. */
void picture_sums_plain(const struct image *im, struct picture_sums *out);

#endif
