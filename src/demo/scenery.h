/* What a creature sits on, hides behind, and is lit by. */
#ifndef DEMO_SCENERY_H
#define DEMO_SCENERY_H

#include "demo/canvas.h"
#include "image/image.h"

struct scene {
    struct colour near, far; /* the ground's two colours */
    float light[3];          /* unit vector towards the light, x right, y down, z to us */
    float gain, tilt;        /* brightness, and its change across the picture */
    struct colour tint;
    float grain; /* of the camera, standard deviation */
};

struct scene scene_draw(struct rng *r);
/* Ground and clutter, over the whole canvas; noise is (h, w) floats of scratch. */
void scene_background(const struct scene *s, struct canvas *c, float *noise, struct rng *r);
/* A few blades and leaves in front. */
void scene_foreground(const struct scene *s, struct canvas *c, struct rng *r);
/* The camera: light, tint, grain, 8 bits. */
void scene_expose(const struct scene *s, const struct canvas *c, struct rng *r,
                  struct image *out);

#endif
