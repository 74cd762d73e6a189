/* torchvision's RandomRotation, without expanding. */
#include "augment/augment.h"
#include "augment/warp.h"

static bool active(const struct augment_config *cfg)
{
    return cfg->rotation > 0;
}

static bool edit(const struct augment_config *cfg, struct rng *r, struct image *im,
                 struct err *e)
{
    struct warp w = {.degrees = -rng_range(r, -cfg->rotation, cfg->rotation),
                     .nearest = cfg->warp_nearest,
                     .fill = (enum augment_fill)cfg->warp_fill};
    return warp_image(im, &w, e);
}

static const char *const fills[] = {"black", "mean", NULL};

static const struct option options[] = {
    {.name = "rotation",
     .type = OPTION_REAL,
     .offset = offsetof(struct augment_config, rotation),
     .min.r = 0,
     .max.r = 180,
     .fallback.r = 0,
     .help = "turned by up to so many degrees either way"},
    {.name = "warp-nearest",
     .type = OPTION_BOOL,
     .offset = offsetof(struct augment_config, warp_nearest),
     .fallback.b = false,
     .help = "rotation and affine: nearest pixel, no interpolation"},
    {.name = "warp-fill",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct augment_config, warp_fill),
     .fallback.s = "mean",
     .choice = fills,
     .help = "rotation and affine: what comes in from outside"},
    {.name = NULL},
};

const struct transform transform_rotation = {
    .name = "rotation", .options = options, .active = active, .edit = edit};
