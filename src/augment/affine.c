/* torchvision's RandomAffine. */
#include "augment/augment.h"
#include "augment/crop.h"
#include "augment/warp.h"

#include <math.h>

static bool active(const struct augment_config *cfg)
{
    return cfg->affine_degrees > 0 || cfg->affine_translate > 0 || cfg->affine_scale > 1 ||
           cfg->affine_shear > 0;
}

static bool edit(const struct augment_config *cfg, struct rng *r, struct image *im,
                 struct err *e)
{
    double scale = cfg->affine_scale > 1 ? log(cfg->affine_scale) : 0;
    double dx = cfg->affine_translate * im->w, dy = cfg->affine_translate * im->h;
    struct warp w = {.nearest = cfg->warp_nearest, .fill = (enum augment_fill)cfg->warp_fill};
    w.degrees = rng_range(r, -cfg->affine_degrees, cfg->affine_degrees);
    w.shift_x = round_even(rng_range(r, -dx, dx));
    w.shift_y = round_even(rng_range(r, -dy, dy));
    w.scale = exp(rng_range(r, -scale, scale));
    w.shear_x = rng_range(r, -cfg->affine_shear, cfg->affine_shear);
    w.shear_y = rng_range(r, -cfg->affine_shear, cfg->affine_shear);
    return warp_image(im, &w, e);
}

static const struct option options[] = {
    {.name = "affine-degrees",
     .type = OPTION_REAL,
     .offset = offsetof(struct augment_config, affine_degrees),
     .min.r = 0,
     .max.r = 180,
     .fallback.r = 0,
     .help = "affine: turned by up to so many degrees either way"},
    {.name = "affine-translate",
     .type = OPTION_REAL,
     .offset = offsetof(struct augment_config, affine_translate),
     .min.r = 0,
     .max.r = 1,
     .fallback.r = 0,
     .help = "affine: moved by up to this share of the side"},
    {.name = "affine-scale",
     .type = OPTION_REAL,
     .offset = offsetof(struct augment_config, affine_scale),
     .min.r = 1,
     .max.r = 4,
     .fallback.r = 1,
     .help = "affine: scaled by 1/s to s"},
    {.name = "affine-shear",
     .type = OPTION_REAL,
     .offset = offsetof(struct augment_config, affine_shear),
     .min.r = 0,
     .max.r = 60,
     .fallback.r = 0,
     .help = "affine: sheared by up to so many degrees along x and y"},
    {.name = NULL},
};

const struct transform transform_affine = {
    .name = "affine", .options = options, .active = active, .edit = edit};
