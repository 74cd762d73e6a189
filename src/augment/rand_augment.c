/* RandAugment (Cubuk et al. 2019): so many operations of one strength. */
#include "augment/augment.h"
#include "augment/policy.h"

static bool active(const struct augment_config *cfg)
{
    return cfg->rand_augment > 0;
}

static bool edit(const struct augment_config *cfg, struct rng *r, struct image *im,
                 struct err *e)
{
    for (int64_t i = 0; i < cfg->rand_augment; i++) {
        enum policy_op op = (enum policy_op)rng_below(r, N_POLICY_OP);
        double m =
            policy_magnitude(op, &policy_rand_augment, (int)cfg->rand_augment_magnitude, im);
        if (policy_signed(op) && rng_below(r, 2))
            m = -m;
        if (!policy_apply(op, m, im, e))
            return false;
    }
    return true;
}

static const struct option options[] = {
    {.name = "rand-augment",
     .type = OPTION_INT,
     .offset = offsetof(struct augment_config, rand_augment),
     .min.i = 0,
     .max.i = 8,
     .fallback.i = 0,
     .help = "RandAugment: operations a picture (2 is usual, 0 = off)"},
    {.name = "rand-augment-magnitude",
     .type = OPTION_INT,
     .offset = offsetof(struct augment_config, rand_augment_magnitude),
     .min.i = 0,
     .max.i = POLICY_BINS - 1,
     .fallback.i = 9,
     .help = "RandAugment: strength, 0 to 30"},
    {.name = NULL},
};

const struct transform transform_rand_augment = {
    .name = "rand_augment", .options = options, .active = active, .edit = edit};
