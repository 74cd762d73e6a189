/* One picture of the demo set: a creature in some pose, colour and light, in front of a cluttered
 * background. It depends on (seed, class, index) alone. */
#ifndef DEMO_PICTURE_H
#define DEMO_PICTURE_H

#include "demo/creature.h"
#include "image/image.h"

/* One thread's canvases. */
struct easel {
    struct canvas scene, figure;
    float *noise; /* (h, w) */
};

MUST_CHECK bool easel_init(struct easel *s, int size_px, struct err *e);
void easel_release(struct easel *s);

/* Draws into out, whose size is the easel's. index is below 2^40. */
void picture_draw(struct easel *s, uint64_t seed, int class, uint64_t index, struct image *out);

#endif
