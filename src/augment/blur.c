/* torchvision's GaussianBlur; the kernel reaches three deviations. */
#include "augment/augment.h"
#include "augment/filter.h"

#include <math.h>

static bool active(const struct augment_config *cfg)
{
    return cfg->blur > 0;
}

static bool edit(const struct augment_config *cfg, struct rng *r, struct image *im,
                 struct err *e)
{
    double sigma = rng_range(r, cfg->blur_sigma_min, cfg->blur_sigma_max);
    if (rng_uniform(r) >= (float)cfg->blur || sigma <= 0)
        return true;
    return filter_blur(im, 2 * (int)ceil(3 * sigma) + 1, sigma, e);
}

static const struct option options[] = {
    {.name = "blur",
     .type = OPTION_REAL,
     .offset = offsetof(struct augment_config, blur),
     .min.r = 0,
     .max.r = 1,
     .fallback.r = 0,
     .help = "probability of a Gaussian blur"},
    {.name = "blur-sigma-min",
     .type = OPTION_REAL,
     .offset = offsetof(struct augment_config, blur_sigma_min),
     .min.r = 0.05,
     .max.r = 10,
     .fallback.r = 0.1,
     .help = "blur: smallest deviation, pixels"},
    {.name = "blur-sigma-max",
     .type = OPTION_REAL,
     .offset = offsetof(struct augment_config, blur_sigma_max),
     .min.r = 0.05,
     .max.r = 10,
     .fallback.r = 2,
     .help = "blur: largest deviation, pixels"},
    {.name = NULL},
};

const struct transform transform_blur = {
    .name = "blur", .options = options, .active = active, .edit = edit};
