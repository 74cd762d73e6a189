#include "augment/augment.h"

#include <string.h>

static bool active(const struct augment_config *cfg)
{
    return cfg->hflip > 0;
}

/* Mirrors each row in place. */
static void mirror(struct image *im)
{
    for (int y = 0; y < im->h; y++) {
        uint8_t *a = im->pixel + 3 * (ptrdiff_t)im->w * y, *b = a + 3 * (ptrdiff_t)(im->w - 1);
        for (; a < b; a += 3, b -= 3) {
            uint8_t t[3];
            memcpy(t, a, 3);
            memcpy(a, b, 3);
            memcpy(b, t, 3);
        }
    }
}

static bool edit(const struct augment_config *cfg, struct rng *r, struct image *im,
                 struct err *e)
{
    (void)e;
    if (rng_uniform(r) < (float)cfg->hflip)
        mirror(im);
    return true;
}

static const struct option options[] = {
    {.name = "hflip",
     .type = OPTION_REAL,
     .offset = offsetof(struct augment_config, hflip),
     .min.r = 0,
     .max.r = 1,
     .fallback.r = 0.5,
     .help = "probability of a mirror image, left to right"},
    {.name = NULL},
};

const struct transform transform_hflip = {
    .name = "hflip", .options = options, .active = active, .edit = edit};
