/* Pixels to pixels, at random: one file a transform, one row here. A transform that is off, or of
 * strength 0, is the identity; the same rng gives the same pixels. Names, ranges and sampling rules
 * are torchvision's (v2, on Pillow pictures). */
#ifndef AUGMENT_AUGMENT_H
#define AUGMENT_AUGMENT_H

#include "augment/config.h"
#include "base/option.h"
#include "base/rng.h"
#include "image/image.h"

struct transform {
    const char *name;             /* "random_resized_crop" */
    const struct option *options; /* fields of struct augment_config; ends with name == NULL */
    bool (*active)(const struct augment_config *cfg);
    /* One of the two. crop fills out's pixels (its size is set) from src; edit works in place and
     * keeps the size. */
    bool (*crop)(const struct augment_config *cfg, struct rng *r, const struct image *src,
                 struct image *out, struct err *e);
    bool (*edit)(const struct augment_config *cfg, struct rng *r, struct image *im,
                 struct err *e);
};
/* In the order of application, NULL-ended; exactly one row with crop is active. */
extern const struct transform *const transforms[];

/* Is what the options say together possible? ERR_USAGE names the options. */
MUST_CHECK bool augment_check(const struct augment_config *cfg, struct err *e);

/* src (any size; ordinarily shorter side augment_start_px) to out, (size_px, size_px, 3) bytes of
 * the caller, through every active row. src is only read, so it may be a mapped file; when the
 * crop needs no scaling nothing is allocated. */
MUST_CHECK bool augment_apply(const struct augment_config *cfg, int size_px, struct rng *r,
                              const struct image *src, uint8_t *out, struct err *e);

#endif
