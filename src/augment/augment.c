#include "augment/augment.h"

#include <assert.h>

extern const struct transform transform_center_crop, transform_random_crop,
    transform_random_resized_crop, transform_hflip, transform_vflip, transform_rotation,
    transform_affine, transform_rand_augment, transform_trivial_augment,
    transform_colour_jitter, transform_grey, transform_blur, transform_erasing;

const struct transform *const transforms[] = {
    /* One of these three cuts out the input, */
    &transform_center_crop,
    &transform_random_crop,
    &transform_random_resized_crop,
    /* the others edit it. */
    &transform_hflip,
    &transform_vflip,
    &transform_rotation,
    &transform_affine,
    &transform_rand_augment,
    &transform_trivial_augment,
    &transform_colour_jitter,
    &transform_grey,
    &transform_blur,
    &transform_erasing,
    NULL,
};

bool augment_check(const struct augment_config *cfg, struct err *e)
{
    const struct {
        const char *name;
        double min, max;
    } range[] = {
        {"crop-scale", cfg->crop_scale_min, cfg->crop_scale_max},
        {"blur-sigma", cfg->blur_sigma_min, cfg->blur_sigma_max},
        {"erase", cfg->erase_min, cfg->erase_max},
    };
    for (size_t i = 0; i < sizeof(range) / sizeof(*range); i++)
        if (range[i].min > range[i].max)
            return err_set(e, ERR_USAGE, "--%s-min %g is above --%s-max %g", range[i].name,
                           range[i].min, range[i].name, range[i].max);
    return true;
}

bool augment_apply(const struct augment_config *cfg, int size_px, struct rng *r,
                   const struct image *src, uint8_t *out, struct err *e)
{
    struct image im = {.w = size_px, .h = size_px, .pixel = out};
    assert(size_px > 0 && src->w > 0 && src->h > 0);
    for (int i = 0; transforms[i]; i++) {
        const struct transform *t = transforms[i];
        if (!t->active(cfg))
            continue;
        bool ok = t->crop ? t->crop(cfg, r, src, &im, e) : t->edit(cfg, r, &im, e);
        if (!ok)
            return err_in(e, "%s", t->name);
    }
    return true;
}
