#include "augment/augment.h"
#include "augment/crop.h"

static bool active(const struct augment_config *cfg)
{
    return cfg->crop == AUGMENT_CROP_CENTRE;
}

static bool crop(const struct augment_config *cfg, struct rng *r, const struct image *src,
                 struct image *out, struct err *e)
{
    (void)r;
    struct image from;
    bool owned;
    if (!crop_source(src, crop_side_px(cfg, out->w), out->w, &from, &owned, e))
        return false;
    int x = round_even((from.w - out->w) / 2.0), y = round_even((from.h - out->h) / 2.0);
    crop_window(&from, x, y, AUGMENT_FILL_BLACK, out);
    if (owned)
        image_release(&from);
    return true;
}

static const char *const kinds[] = {"centre", "random", "resized", NULL};

static const struct option options[] = {
    {.name = "crop",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct augment_config, crop),
     .fallback.s = "resized",
     .choice = kinds,
     .group = "Augmentation",
     .help = "how the input is cut from the picture in training"},
    {.name = "crop-side",
     .type = OPTION_REAL,
     .offset = offsetof(struct augment_config, crop_side),
     .min.r = 0,
     .max.r = 1.15,
     .fallback.r = 0,
     .help = "centre and random crop: shorter side before it, in inputs (0 = 1.15)"},
    {.name = NULL},
};

const struct transform transform_center_crop = {
    .name = "center_crop", .options = options, .active = active, .crop = crop};
