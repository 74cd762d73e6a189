/* torchvision's RandomResizedCrop: an area and an aspect ratio at random, scaled to the input. */
#include "augment/augment.h"
#include "augment/crop.h"
#include "image/resize.h"

#include <math.h>
#include <string.h>

enum { N_TRY = 10 }; /* torchvision's, before the centre is taken */

struct window {
    int x, y, w, h;
};

static bool active(const struct augment_config *cfg)
{
    return cfg->crop == AUGMENT_CROP_RESIZED;
}

/* The largest window in the middle whose aspect ratio is allowed. */
static struct window central(int w, int h, double ratio)
{
    struct window v = {.w = w, .h = h};
    double aspect = (double)w / h;
    if (aspect < 1 / ratio)
        v.h = round_even(w * ratio);
    else if (aspect > ratio)
        v.w = round_even(h * ratio);
    v.x = (w - v.w) / 2;
    v.y = (h - v.h) / 2;
    return v;
}

static struct window draw(const struct augment_config *cfg, struct rng *r, int w, int h)
{
    double ratio = cfg->crop_ratio > 1 ? cfg->crop_ratio : 1;
    bool whole = cfg->crop_scale_max == 0;
    for (int i = 0; i < N_TRY && !whole; i++) {
        double area = rng_range(r, cfg->crop_scale_min, cfg->crop_scale_max) * w * h;
        double aspect = exp(rng_range(r, -log(ratio), log(ratio)));
        struct window v = {.w = round_even(sqrt(area * aspect)),
                           .h = round_even(sqrt(area / aspect))};
        if (v.w > 0 && v.w <= w && v.h > 0 && v.h <= h) {
            v.y = (int)rng_below(r, (uint32_t)(h - v.h + 1));
            v.x = (int)rng_below(r, (uint32_t)(w - v.w + 1));
            return v;
        }
    }
    return central(w, h, ratio);
}

static bool crop(const struct augment_config *cfg, struct rng *r, const struct image *src,
                 struct image *out, struct err *e)
{
    struct window v = draw(cfg, r, src->w, src->h);
    if (v.w == out->w && v.h == out->h) {
        crop_window(src, v.x, v.y, AUGMENT_FILL_BLACK, out);
        return true;
    }
    struct box box = {v.x, v.y, v.x + v.w, v.y + v.h};
    struct image scaled;
    if (!resize_box(src, box, out->w, out->h, RESIZE_BILINEAR, &scaled, e))
        return false;
    memcpy(out->pixel, scaled.pixel, 3 * (size_t)out->w * (size_t)out->h);
    image_release(&scaled);
    return true;
}

static const struct option options[] = {
    {.name = "crop-scale-min",
     .type = OPTION_REAL,
     .offset = offsetof(struct augment_config, crop_scale_min),
     .min.r = 0.01,
     .max.r = 1,
     .fallback.r = 0.35,
     .when = "crop=resized",
     .help = "resized crop: smallest share of the picture's area"},
    {.name = "crop-scale-max",
     .type = OPTION_REAL,
     .offset = offsetof(struct augment_config, crop_scale_max),
     .min.r = 0.01,
     .max.r = 1,
     .fallback.r = 1,
     .when = "crop=resized",
     .help = "resized crop: largest share of the picture's area"},
    {.name = "crop-ratio",
     .type = OPTION_REAL,
     .offset = offsetof(struct augment_config, crop_ratio),
     .min.r = 1,
     .max.r = 4,
     .fallback.r = 4.0 / 3.0,
     .when = "crop=resized",
     .help = "resized crop: width / height from 1/r to r"},
    {.name = NULL},
};

const struct transform transform_random_resized_crop = {
    .name = "random_resized_crop", .options = options, .active = active, .crop = crop};
