/* The ten creatures of the demo set: one drawing function a class, in local units where the
 * creature fills about -1 .. 1; crawling ones look up (-y), the others to the right (+x). */
#ifndef DEMO_CREATURE_H
#define DEMO_CREATURE_H

#include "demo/canvas.h"

/* What an individual wears; none of it depends on the class. */
struct look {
    struct colour main, second, accent, dark;
    enum pattern pattern; /* plain, stripes or spots */
    float gloss;
};

struct creature {
    const char *name; /* of the class's folder */
    float turn;       /* radians either way that it may be turned by */
    void (*draw)(struct brush *b, const struct look *l, struct rng *r);
};

enum { N_CREATURE = 10 };
extern const struct creature *const creatures[N_CREATURE]; /* by name */

extern const struct creature creature_beetle, creature_bird, creature_butterfly, creature_crab,
    creature_fish, creature_jellyfish, creature_snail, creature_snake, creature_spider,
    creature_starfish;

/* Paints: one colour; the main skin with the look's pattern; both rounded over `bulge`. */
struct paint paint_plain(const struct look *l, struct colour c, float bulge);
struct paint paint_skin(const struct look *l, float bulge, float period);
void draw_eye(struct brush *b, const struct look *l, struct point at, float radius);
/* A chain of three points: a limb with one joint, thinner at the end. */
void draw_limb(struct brush *b, const struct point at[3], float thick, const struct paint *p);

#endif
