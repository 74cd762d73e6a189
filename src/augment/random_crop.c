/* torchvision's RandomCrop: pads each side, then takes a window anywhere. With crop_side 1 and
 * crop_padding 4 it is the pad-and-crop of the CIFAR recipes. */
#include "augment/augment.h"
#include "augment/crop.h"

static bool active(const struct augment_config *cfg)
{
    return cfg->crop == AUGMENT_CROP_RANDOM;
}

static bool crop(const struct augment_config *cfg, struct rng *r, const struct image *src,
                 struct image *out, struct err *e)
{
    struct image from;
    bool owned;
    if (!crop_source(src, crop_side_px(cfg, out->w), out->w, &from, &owned, e))
        return false;
    int pad = (int)cfg->crop_padding;
    int y = (int)rng_below(r, (uint32_t)(from.h + 2 * pad - out->h + 1)) - pad;
    int x = (int)rng_below(r, (uint32_t)(from.w + 2 * pad - out->w + 1)) - pad;
    crop_window(&from, x, y, (enum augment_fill)cfg->crop_fill, out);
    if (owned)
        image_release(&from);
    return true;
}

static const char *const fills[] = {"black", "mean", "edge", "reflect", NULL};

static const struct option options[] = {
    {.name = "crop-padding",
     .type = OPTION_INT,
     .offset = offsetof(struct augment_config, crop_padding),
     .min.i = 0,
     .max.i = 512,
     .fallback.i = 0,
     .when = "crop=random",
     .help = "random crop: pixels added on each side first (4 for pad-and-crop)"},
    {.name = "crop-fill",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct augment_config, crop_fill),
     .fallback.s = "reflect",
     .choice = fills,
     .when = "crop=random",
     .help = "random crop: what the padding shows"},
    {.name = NULL},
};

const struct transform transform_random_crop = {
    .name = "random_crop", .options = options, .active = active, .crop = crop};
