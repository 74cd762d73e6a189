/* torchvision's ColorJitter: four changes in random order. */
#include "augment/augment.h"
#include "augment/colour.h"

enum { BRIGHTNESS, CONTRAST, SATURATION, HUE, N_JITTER };

static bool active(const struct augment_config *cfg)
{
    return cfg->brightness > 0 || cfg->contrast > 0 || cfg->saturation > 0 || cfg->hue > 0;
}

static float factor(struct rng *r, double strength)
{
    return (float)rng_range(r, strength < 1 ? 1 - strength : 0, 1 + strength);
}

static bool edit(const struct augment_config *cfg, struct rng *r, struct image *im,
                 struct err *e)
{
    (void)e;
    uint32_t order[N_JITTER] = {BRIGHTNESS, CONTRAST, SATURATION, HUE};
    rng_shuffle(r, order, N_JITTER);
    float b = factor(r, cfg->brightness), c = factor(r, cfg->contrast);
    float s = factor(r, cfg->saturation);
    double h = rng_range(r, -cfg->hue, cfg->hue);
    for (int i = 0; i < N_JITTER; i++)
        if (order[i] == BRIGHTNESS && cfg->brightness > 0)
            colour_brightness(im, b);
        else if (order[i] == CONTRAST && cfg->contrast > 0)
            colour_contrast(im, c);
        else if (order[i] == SATURATION && cfg->saturation > 0)
            colour_saturation(im, s);
        else if (order[i] == HUE && cfg->hue > 0)
            colour_hue(im, h);
    return true;
}

static const struct option options[] = {
    {.name = "brightness",
     .type = OPTION_REAL,
     .offset = offsetof(struct augment_config, brightness),
     .min.r = 0,
     .max.r = 2,
     .fallback.r = 0,
     .help = "jitter: brightness times 1 - b to 1 + b"},
    {.name = "contrast",
     .type = OPTION_REAL,
     .offset = offsetof(struct augment_config, contrast),
     .min.r = 0,
     .max.r = 2,
     .fallback.r = 0,
     .help = "jitter: contrast times 1 - c to 1 + c"},
    {.name = "saturation",
     .type = OPTION_REAL,
     .offset = offsetof(struct augment_config, saturation),
     .min.r = 0,
     .max.r = 2,
     .fallback.r = 0,
     .help = "jitter: saturation times 1 - s to 1 + s"},
    {.name = "hue",
     .type = OPTION_REAL,
     .offset = offsetof(struct augment_config, hue),
     .min.r = 0,
     .max.r = 0.5,
     .fallback.r = 0,
     .help = "jitter: hue turned by up to this share of the colour circle"},
    {.name = NULL},
};

const struct transform transform_colour_jitter = {
    .name = "colour_jitter", .options = options, .active = active, .edit = edit};
