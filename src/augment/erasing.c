/* torchvision's RandomErasing (Zhong et al. 2017), on bytes. */
#include "augment/augment.h"
#include "augment/crop.h"

#include <math.h>
#include <string.h>

enum { N_TRY = 10 }; /* torchvision's, before the picture is left whole */
static const double ratio_min = 0.3, ratio_max = 3.3; /* height / width; torchvision's */

static bool active(const struct augment_config *cfg)
{
    return cfg->erase > 0;
}

static void erase(const struct augment_config *cfg, struct rng *r, uint8_t *p, int n)
{
    for (int i = 0; i < 3 * n; i++)
        p[i] = cfg->erase_fill == AUGMENT_ERASE_MEAN    ? mean_colour[i % 3]
               : cfg->erase_fill == AUGMENT_ERASE_BLACK ? 0
                                                        : (uint8_t)(rng_u32(r) >> 24);
}

static bool edit(const struct augment_config *cfg, struct rng *r, struct image *im,
                 struct err *e)
{
    (void)e;
    if (rng_uniform(r) >= (float)cfg->erase)
        return true;
    for (int i = 0; i < N_TRY; i++) {
        double area = rng_range(r, cfg->erase_min, cfg->erase_max) * im->w * im->h;
        double ratio = exp(rng_range(r, log(ratio_min), log(ratio_max)));
        int h = round_even(sqrt(area * ratio)), w = round_even(sqrt(area / ratio));
        if (h >= im->h || w >= im->w)
            continue;
        int y = (int)rng_below(r, (uint32_t)(im->h - h + 1));
        int x = (int)rng_below(r, (uint32_t)(im->w - w + 1));
        for (int k = 0; k < h; k++)
            erase(cfg, r, im->pixel + 3 * ((ptrdiff_t)im->w * (y + k) + x), w);
        break;
    }
    return true;
}

static const char *const fills[] = {"mean", "black", "noise", NULL};

static const struct option options[] = {
    {.name = "erase",
     .type = OPTION_REAL,
     .offset = offsetof(struct augment_config, erase),
     .min.r = 0,
     .max.r = 1,
     .fallback.r = 0,
     .help = "probability that a random rectangle is erased"},
    {.name = "erase-min",
     .type = OPTION_REAL,
     .offset = offsetof(struct augment_config, erase_min),
     .min.r = 0,
     .max.r = 1,
     .fallback.r = 0.02,
     .help = "erasing: smallest share of the area"},
    {.name = "erase-max",
     .type = OPTION_REAL,
     .offset = offsetof(struct augment_config, erase_max),
     .min.r = 0,
     .max.r = 1,
     .fallback.r = 0.33,
     .help = "erasing: largest share of the area"},
    {.name = "erase-fill",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct augment_config, erase_fill),
     .fallback.s = "mean",
     .choice = fills,
     .help = "erasing: what is put there"},
    {.name = NULL},
};

const struct transform transform_erasing = {
    .name = "random_erasing", .options = options, .active = active, .edit = edit};
