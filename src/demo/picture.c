#include "demo/picture.h"

#include "demo/scenery.h"

#include <math.h>

bool easel_init(struct easel *s, int size_px, struct err *e)
{
    *s = (struct easel){0};
    s->noise = mem_new((size_t)size_px * (size_t)size_px, sizeof(float), e);
    if (s->noise && canvas_init(&s->scene, size_px, size_px, e) &&
        canvas_init(&s->figure, size_px, size_px, e))
        return true;
    easel_release(s);
    return false;
}

void easel_release(struct easel *s)
{
    canvas_release(&s->scene);
    canvas_release(&s->figure);
    mem_free(s->noise);
    s->noise = NULL;
}

static float distance(struct colour a, struct colour b)
{
    float dr = a.r - b.r, dg = a.g - b.g, db = a.b - b.b;
    return sqrtf(dr * dr + dg * dg + db * db);
}

/* Colours that can be told from the ground. */
static struct look dress(const struct scene *s, struct rng *r)
{
    const float clear = 0.35f;
    struct look l = {.gloss = vary(r, 0, 0.45f), .pattern = (enum pattern)rng_below(r, 3)};
    float hue = 0;
    for (int i = 0; i < 12; i++) {
        hue = rng_uniform(r);
        l.main = colour_hsv(hue, vary(r, 0.35f, 0.95f), vary(r, 0.45f, 1));
        if (distance(l.main, s->near) > clear && distance(l.main, s->far) > clear)
            break;
    }
    l.second = colour_hsv(hue + vary(r, -0.3f, 0.3f), vary(r, 0.2f, 0.9f), vary(r, 0.3f, 1));
    l.accent = colour_hsv(hue + vary(r, 0.3f, 0.7f), vary(r, 0.3f, 0.95f), vary(r, 0.5f, 1));
    l.dark = colour_hsv(hue + vary(r, -0.1f, 0.1f), vary(r, 0.2f, 0.7f), vary(r, 0.08f, 0.3f));
    return l;
}

static struct brush pose(const struct scene *s, struct canvas *c, float turn, struct rng *r)
{
    float side = (float)c->w, scale = vary(r, 0.27f, 0.44f), angle = vary(r, -turn, turn);
    float slack = 0.5f - scale;
    struct brush b = {.canvas = c,
                      .origin = {side * (0.5f + vary(r, -slack, slack)),
                                 side * (0.5f + vary(r, -slack, slack))},
                      .cos = cosf(angle),
                      .sin = sinf(angle),
                      .scale = side * scale,
                      .mirror = rng_below(r, 2) ? 1 : -1};
    for (int i = 0; i < 3; i++)
        b.light[i] = s->light[i];
    return b;
}

void picture_draw(struct easel *s, uint64_t seed, int class, uint64_t index, struct image *out)
{
    struct rng r = rng_at(seed, RNG_DEMO, (uint64_t) class, index);
    struct scene scene = scene_draw(&r);
    struct look look = dress(&scene, &r);
    struct brush b = pose(&scene, &s->figure, creatures[class]->turn, &r);
    float depth = vary(&r, 0.02f, 0.06f) * (float)s->scene.w;
    struct point drop = {-scene.light[0] * depth, -scene.light[1] * depth};
    scene_background(&scene, &s->scene, s->noise, &r);
    canvas_clear(&s->figure);
    creatures[class]->draw(&b, &look, &r);
    canvas_over(&s->scene, &s->figure, drop, vary(&r, 0.3f, 0.7f));
    scene_foreground(&scene, &s->scene, &r);
    scene_expose(&scene, &s->scene, &r, out);
}
