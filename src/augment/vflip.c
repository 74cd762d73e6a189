#include "augment/augment.h"

static bool active(const struct augment_config *cfg)
{
    return cfg->vflip > 0;
}

/* Swaps the rows, a piece at a time. */
static void mirror(struct image *im)
{
    size_t stride = 3 * (size_t)im->w;
    uint8_t *a = im->pixel, *b = im->pixel + stride * (size_t)(im->h - 1);
    for (; a < b; a += stride, b -= stride)
        for (size_t i = 0; i < stride; i++) {
            uint8_t t = a[i];
            a[i] = b[i];
            b[i] = t;
        }
}

static bool edit(const struct augment_config *cfg, struct rng *r, struct image *im,
                 struct err *e)
{
    (void)e;
    if (rng_uniform(r) < (float)cfg->vflip)
        mirror(im);
    return true;
}

static const struct option options[] = {
    {.name = "vflip",
     .type = OPTION_REAL,
     .offset = offsetof(struct augment_config, vflip),
     .min.r = 0,
     .max.r = 1,
     .fallback.r = 0,
     .help = "probability of a mirror image, top to bottom"},
    {.name = NULL},
};

const struct transform transform_vflip = {
    .name = "vflip", .options = options, .active = active, .edit = edit};
