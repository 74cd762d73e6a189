#include "demo/creature.h"

const struct creature *const creatures[N_CREATURE] = {
    &creature_beetle, &creature_bird,      &creature_butterfly, &creature_crab,
    &creature_fish,   &creature_jellyfish, &creature_snail,     &creature_snake,
    &creature_spider, &creature_starfish,
};

struct paint paint_plain(const struct look *l, struct colour c, float bulge)
{
    return (struct paint){
        .colour = c, .period = 1, .bulge = bulge, .gloss = l->gloss, .alpha = 1};
}

struct paint paint_skin(const struct look *l, float bulge, float period)
{
    struct paint p = paint_plain(l, l->main, bulge);
    p.second = l->second;
    p.pattern = l->pattern;
    p.period = period;
    return p;
}

void draw_eye(struct brush *b, const struct look *l, struct point at, float radius)
{
    struct paint white = paint_plain(l, (struct colour){0.95f, 0.95f, 0.9f}, 0);
    struct paint pupil = paint_plain(l, (struct colour){0.05f, 0.05f, 0.07f}, 0);
    draw_ellipse(b, at, radius, radius, &white);
    draw_ellipse(b, at, radius * 0.55f, radius * 0.55f, &pupil);
}

void draw_limb(struct brush *b, const struct point at[3], float thick, const struct paint *p)
{
    const float radius[3] = {thick, thick * 0.8f, thick * 0.4f};
    draw_chain(b, at, radius, 3, p);
}
