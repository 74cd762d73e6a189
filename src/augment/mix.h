/* Mixing whole batches: mixup (Zhang et al. 2017) and CutMix (Yun et al. 2019), torchvision's. Each
 * picture is mixed with the one before it (the first with the last): batches come shuffled. */
#ifndef AUGMENT_MIX_H
#define AUGMENT_MIX_H

#include "augment/config.h"
#include "base/option.h"
#include "base/rng.h"

extern const struct option mix_options[]; /* fields of struct augment_config */

struct mix_batch {
    int n, h, w, n_class;
    uint8_t *pixel; /* (n, h, w, 3) */
    float *label;   /* (n, n_class); rows sum to 1, before and after */
};

bool mix_active(const struct augment_config *cfg);
/* At most one of the two, chosen evenly when both are on. r is the batch's RNG_MIX stream. */
MUST_CHECK bool mix_apply(const struct augment_config *cfg, struct rng *r,
                          const struct mix_batch *b, struct err *e);

#endif
