#include "demo/scenery.h"

#include <math.h>

struct scene scene_draw(struct rng *r)
{
    struct scene s;
    float hue = rng_uniform(r), value = vary(r, 0.2f, 0.9f);
    s.near = colour_hsv(hue, vary(r, 0.1f, 0.6f), value);
    s.far = colour_hsv(hue + vary(r, -0.15f, 0.15f), vary(r, 0.1f, 0.6f),
                       value * vary(r, 0.55f, 0.85f));
    float around = vary(r, -3.1f, 0), low = vary(r, 0.5f, 0.9f);
    s.light[0] = cosf(around) * low;
    s.light[1] = sinf(around) * low;
    s.light[2] = sqrtf(1 - low * low);
    s.gain = vary(r, 0.7f, 1.2f);
    s.tilt = vary(r, 0, 0.35f);
    s.tint = (struct colour){vary(r, 0.9f, 1.1f), vary(r, 0.94f, 1.06f), vary(r, 0.88f, 1.12f)};
    s.grain = vary(r, 0, 0.035f);
    return s;
}

/* Noise between the two colours, sharpened into patches or left as haze, on a slope. */
static void ground(const struct scene *s, struct canvas *c, const float *noise, struct rng *r)
{
    float sharp = vary(r, 1, 5), slope = vary(r, -0.6f, 0.6f);
    for (int y = 0; y < c->h; y++) {
        float down = slope * ((float)y / (float)c->h - 0.5f);
        for (int x = 0; x < c->w; x++) {
            size_t at = (size_t)y * (size_t)c->w + (size_t)x;
            float t = 0.5f + sharp * (noise[at] - 0.5f) + down;
            struct colour k = colour_mix(s->near, s->far, fminf(fmaxf(t, 0), 1));
            float *p = c->rgba + 4 * at;
            p[0] = k.r;
            p[1] = k.g;
            p[2] = k.b;
            p[3] = 1;
        }
    }
}

static struct brush place(const struct scene *s, struct canvas *c, struct rng *r, float scale)
{
    float turn = vary(r, -3.1415927f, 3.1415927f);
    struct brush b = {.canvas = c,
                      .origin = {vary(r, 0, (float)c->w), vary(r, 0, (float)c->h)},
                      .cos = cosf(turn),
                      .sin = sinf(turn),
                      .scale = scale * (float)c->w,
                      .mirror = 1};
    for (int i = 0; i < 3; i++)
        b.light[i] = s->light[i];
    return b;
}

static struct paint stuff(const struct scene *s, struct rng *r, float bulge)
{
    struct colour other = colour_hsv(rng_uniform(r), vary(r, 0.1f, 0.7f), vary(r, 0.2f, 0.95f));
    return (struct paint){.colour = colour_mix(colour_mix(s->near, s->far, rng_uniform(r)),
                                               other, vary(r, 0.1f, 0.5f)),
                          .period = 1,
                          .bulge = bulge,
                          .gloss = 0.1f,
                          .alpha = 1};
}

static void pebble(const struct scene *s, struct canvas *c, struct rng *r)
{
    struct brush b = place(s, c, r, vary(r, 0.03f, 0.1f));
    struct paint p = stuff(s, r, 0.7f);
    draw_ellipse(&b, (struct point){0, 0}, 1, vary(r, 0.5f, 1), &p);
}

static void leaf(const struct scene *s, struct canvas *c, struct rng *r)
{
    struct brush b = place(s, c, r, vary(r, 0.06f, 0.15f));
    struct paint p = stuff(s, r, 0.4f), rib = p;
    float fat = vary(r, 0.25f, 0.5f);
    struct point at[4] = {{-0.9f, 0}, {-0.3f, 0}, {0.3f, 0}, {1, 0}};
    const float wide[4] = {0.1f, fat, fat * 0.9f, 0.02f},
                thin[4] = {0.05f, 0.04f, 0.04f, 0.02f};
    draw_chain(&b, at, wide, 4, &p);
    rib.colour = colour_mix(p.colour, s->far, 0.6f);
    draw_chain(&b, at, thin, 4, &rib);
}

static void twig(const struct scene *s, struct canvas *c, struct rng *r)
{
    struct brush b = place(s, c, r, vary(r, 0.15f, 0.45f));
    struct paint p = stuff(s, r, 0.05f);
    struct point at[4] = {
        {-1, 0}, {-0.3f, vary(r, -0.2f, 0.2f)}, {0.3f, vary(r, -0.3f, 0.3f)}, {1, 0}};
    const float thick[4] = {0.06f, 0.05f, 0.04f, 0.02f};
    draw_chain(&b, at, thick, 4, &p);
}

static void bubble(const struct scene *s, struct canvas *c, struct rng *r)
{
    struct brush b = place(s, c, r, vary(r, 0.02f, 0.07f));
    struct paint p = stuff(s, r, 1), shine = p;
    p.alpha = 0.5f;
    p.gloss = 0.6f;
    shine.colour = (struct colour){1, 1, 1};
    shine.bulge = 0;
    shine.alpha = 0.6f;
    draw_ellipse(&b, (struct point){0, 0}, 1, 1, &p);
    draw_ellipse(&b, (struct point){-0.3f, -0.3f}, 0.2f, 0.2f, &shine);
}

static void (*const thing[])(const struct scene *, struct canvas *,
                             struct rng *) = {pebble, leaf, twig, bubble};
enum { N_THING = sizeof(thing) / sizeof(*thing) };

void scene_background(const struct scene *s, struct canvas *c, float *noise, struct rng *r)
{
    noise_fill(noise, c->w, c->h, vary(r, 1.5f, 8), 4, r);
    ground(s, c, noise, r);
    /* A place has its own mix: mostly one kind of thing, some of another. */
    uint32_t often = rng_below(r, N_THING), n = rng_below(r, 13);
    for (uint32_t i = 0; i < n; i++)
        thing[rng_below(r, 3) ? often : rng_below(r, N_THING)](s, c, r);
}

void scene_foreground(const struct scene *s, struct canvas *c, struct rng *r)
{
    uint32_t n = rng_below(r, 4);
    for (uint32_t i = 0; i < n; i++) {
        struct brush b = place(s, c, r, vary(r, 0.2f, 0.45f));
        struct paint p = stuff(s, r, 0.04f);
        struct point at[3] = {
            {0, 0}, {vary(r, -0.1f, 0.1f), -0.5f}, {vary(r, -0.3f, 0.3f), -1}};
        const float thick[3] = {0.06f, 0.05f, 0.01f};
        b.origin.y = (float)c->h + 2;
        b.cos = 1;
        b.sin = 0;
        draw_chain(&b, at, thick, 3, &p);
    }
}

/* About normal, mean 0, deviation 1: four bytes summed. */
static float grain(struct rng *r)
{
    uint32_t u = rng_u32(r);
    uint32_t sum = (u & 255) + (u >> 8 & 255) + (u >> 16 & 255) + (u >> 24);
    return ((float)sum - 510) / 147.8f;
}

static uint8_t to_byte(float v)
{
    return (uint8_t)(fminf(fmaxf(v, 0), 1) * 255 + 0.5f);
}

void scene_expose(const struct scene *s, const struct canvas *c, struct rng *r,
                  struct image *out)
{
    for (int y = 0; y < c->h; y++)
        for (int x = 0; x < c->w; x++) {
            size_t at = (size_t)y * (size_t)c->w + (size_t)x;
            float fx = (float)x / (float)c->w - 0.5f, fy = (float)y / (float)c->h - 0.5f;
            float g = s->gain * (1 + s->tilt * 2 * (fx * s->light[0] + fy * s->light[1]));
            float noise = s->grain * grain(r);
            const float *p = c->rgba + 4 * at;
            out->pixel[3 * at] = to_byte(p[0] * g * s->tint.r + noise);
            out->pixel[3 * at + 1] = to_byte(p[1] * g * s->tint.g + noise);
            out->pixel[3 * at + 2] = to_byte(p[2] * g * s->tint.b + noise);
        }
}
