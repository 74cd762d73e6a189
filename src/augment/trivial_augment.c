/* TrivialAugmentWide (Mueller and Hutter 2021): one operation of any strength. */
#include "augment/augment.h"
#include "augment/policy.h"

static bool active(const struct augment_config *cfg)
{
    return cfg->trivial_augment;
}

static bool edit(const struct augment_config *cfg, struct rng *r, struct image *im,
                 struct err *e)
{
    (void)cfg;
    enum policy_op op = (enum policy_op)rng_below(r, N_POLICY_OP);
    double m =
        policy_magnitude(op, &policy_trivial_augment, (int)rng_below(r, POLICY_BINS), im);
    if (policy_signed(op) && rng_below(r, 2))
        m = -m;
    return policy_apply(op, m, im, e);
}

static const struct option options[] = {
    {.name = "trivial-augment",
     .type = OPTION_BOOL,
     .offset = offsetof(struct augment_config, trivial_augment),
     .fallback.b = false,
     .help = "TrivialAugmentWide: one random operation a picture"},
    {.name = NULL},
};

const struct transform transform_trivial_augment = {
    .name = "trivial_augment", .options = options, .active = active, .edit = edit};
