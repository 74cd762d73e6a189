#include "augment/augment.h"
#include "augment/colour.h"

static bool active(const struct augment_config *cfg)
{
    return cfg->grey > 0;
}

static bool edit(const struct augment_config *cfg, struct rng *r, struct image *im,
                 struct err *e)
{
    (void)e;
    if (rng_uniform(r) < (float)cfg->grey)
        colour_grey(im);
    return true;
}

static const struct option options[] = {
    {.name = "grey",
     .type = OPTION_REAL,
     .offset = offsetof(struct augment_config, grey),
     .min.r = 0,
     .max.r = 1,
     .fallback.r = 0,
     .help = "probability of losing all colour"},
    {.name = NULL},
};

const struct transform transform_grey = {
    .name = "grey", .options = options, .active = active, .edit = edit};
