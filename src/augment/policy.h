/* The fourteen operations that RandAugment and TrivialAugmentWide choose from, torchvision's. */
#ifndef AUGMENT_POLICY_H
#define AUGMENT_POLICY_H

#include "image/image.h"

enum policy_op {
    POLICY_IDENTITY,
    POLICY_SHEAR_X,
    POLICY_SHEAR_Y,
    POLICY_TRANSLATE_X,
    POLICY_TRANSLATE_Y,
    POLICY_ROTATE,
    POLICY_BRIGHTNESS,
    POLICY_COLOUR,
    POLICY_CONTRAST,
    POLICY_SHARPNESS,
    POLICY_POSTERIZE,
    POLICY_SOLARIZE,
    POLICY_AUTOCONTRAST,
    POLICY_EQUALIZE,
    N_POLICY_OP
};

enum { POLICY_BINS = 31 };

/* The largest magnitude of each kind of operation. */
struct policy_range {
    double shear, translate, rotate, enhance;
    bool translate_share; /* translate is a share of the side, not pixels */
    int posterize;        /* bits taken away */
};
extern const struct policy_range policy_rand_augment, policy_trivial_augment;

/* The magnitude of bin 0 .. POLICY_BINS - 1: strength, but bits kept and the threshold (0 .. 1)
 * for posterize and solarize. */
double policy_magnitude(enum policy_op op, const struct policy_range *range, int bin,
                        const struct image *im);
bool policy_signed(enum policy_op op); /* works both ways */
MUST_CHECK bool policy_apply(enum policy_op op, double magnitude, struct image *im,
                             struct err *e);

#endif
