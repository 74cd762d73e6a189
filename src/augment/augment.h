/* Pixels to pixels, at random: one file a transform, one row here. A transform that is off, or of
 * strength 0, is the identity; the same rng gives the same pixels. */
#ifndef AUGMENT_AUGMENT_H
#define AUGMENT_AUGMENT_H

#include "base/option.h"
#include "base/rng.h"
#include "image/image.h"

/* The knobs of all transforms, filled from the options tables of the rows. */
struct augment_config;

struct transform {
    const char *name;             /* "random_resized_crop" */
    const struct option *options; /* fields of struct augment_config, NULL-ended by name */
    /* Is it on? */
    bool (*active)(const struct augment_config *cfg);
    /* Replaces *im (releasing the old one) or edits it in place. size_px is the network's input. */
    bool (*apply)(const struct augment_config *cfg, int size_px, struct rng *r,
                  struct image *im, struct err *e);
};
/* In the order of application, NULL-ended. */
extern const struct transform *const transforms[];

#endif
