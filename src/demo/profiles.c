/* Seen from the side, upright or nearly: bird, fish, jellyfish, snail; and the snake, which
 * lies as it likes. */
#include "demo/creature.h"

#include <math.h>

static void draw_bird(struct brush *b, const struct look *l, struct rng *r)
{
    struct paint skin = paint_plain(l, l->main, 0.3f), head = skin;
    struct paint wing = paint_skin(l, 0.12f, vary(r, 0.2f, 0.35f));
    struct paint beak = paint_plain(l, (struct colour){0.95f, 0.65f, 0.1f}, 0.05f);
    struct paint leg = paint_plain(l, l->dark, 0);
    float fat = vary(r, 0.34f, 0.42f), lift = vary(r, -0.45f, 0.12f);
    struct point tail[4] = {{-0.4f, -0.05f},
                            {-0.95f, 0.02f + lift * 0.4f},
                            {-0.95f, 0.26f + lift * 0.4f},
                            {-0.4f, 0.2f}};
    struct point feather[4] = {
        {0.18f, -0.1f}, {-0.1f, 0.16f}, {-0.62f, 0.12f + lift}, {-0.3f, -0.14f + lift * 0.6f}};
    struct point bill[3] = {{0.66f, -0.5f}, {1.0f, -0.36f}, {0.64f, -0.32f}};
    wing.colour = l->second;
    wing.second = l->accent;
    for (int i = -1; i <= 1; i += 2) {
        float x = 0.05f + 0.1f * (float)i;
        struct point at[3] = {{x, 0.35f}, {x - 0.03f, 0.62f}, {x + 0.05f, 0.84f}};
        struct point toes[3] = {{x - 0.1f, 0.86f}, {x + 0.04f, 0.83f}, {x + 0.18f, 0.86f}};
        draw_limb(b, at, 0.045f, &leg);
        draw_limb(b, toes, 0.035f, &leg);
    }
    draw_smooth(b, tail, 4, 0.06f, &wing);
    draw_ellipse(b, (struct point){0, 0.05f}, 0.56f, fat, &skin);
    draw_polygon(b, bill, 3, 0.02f, &beak);
    draw_ellipse(b, (struct point){0.46f, -0.4f}, 0.27f, 0.27f, &head);
    draw_eye(b, l, (struct point){0.54f, -0.45f}, 0.075f);
    draw_smooth(b, feather, 4, 0.1f, &wing);
}

const struct creature creature_bird = {"bird", 0.45f, draw_bird};

static void draw_fish(struct brush *b, const struct look *l, struct rng *r)
{
    float high = vary(r, 0.3f, 0.46f), sweep = vary(r, 0, 0.15f);
    struct paint skin = paint_skin(l, 0.3f, vary(r, 0.25f, 0.45f));
    struct paint fin = paint_plain(l, l->accent, 0.06f), line = paint_plain(l, l->dark, 0);
    struct point tail[4] = {
        {-0.48f, 0}, {-0.95f, -0.42f}, {-0.82f - sweep, 0}, {-0.95f, 0.42f}};
    struct point back[4] = {{0.3f, -high * 0.8f},
                            {0.05f, -high - 0.24f},
                            {-0.35f, -high - 0.1f},
                            {-0.35f, -high * 0.5f}};
    struct point belly[3] = {{0.1f, high * 0.8f}, {-0.25f, high + 0.22f}, {-0.3f, high * 0.6f}};
    struct point side[3] = {{0.18f, 0.05f}, {-0.12f, 0.3f}, {-0.18f, 0.1f}};
    struct point mouth[3] = {{0.66f, 0.1f}, {0.58f, 0.13f}, {0.5f, 0.11f}};
    draw_polygon(b, tail, 4, 0.05f, &fin);
    draw_smooth(b, back, 4, 0.06f, &fin);
    draw_polygon(b, belly, 3, 0.03f, &fin);
    draw_ellipse(b, (struct point){0.08f, 0}, 0.66f, high, &skin);
    draw_smooth(b, side, 3, 0.07f, &fin);
    draw_limb(b, mouth, 0.03f, &line);
    draw_eye(b, l, (struct point){0.48f, -0.1f}, 0.09f);
}

const struct creature creature_fish = {"fish", 0.6f, draw_fish};

enum { TENTACLES = 6, WAVES = 9, FRILLS = 9 };

static void tentacle(struct brush *b, const struct paint *p, struct rng *r, float x)
{
    struct point at[WAVES];
    float radius[WAVES], sway = vary(r, 0.04f, 0.1f), phase = vary(r, 0, 6.28f);
    float length = vary(r, 0.75f, 1.0f);
    for (int i = 0; i < WAVES; i++) {
        float t = (float)i / (WAVES - 1);
        at[i] = (struct point){x * (1 - 0.2f * t) + sway * sinf(phase + 6 * t), t * length};
        radius[i] = 0.05f - 0.03f * t;
    }
    draw_chain(b, at, radius, WAVES, p);
}

static void draw_jellyfish(struct brush *b, const struct look *l, struct rng *r)
{
    struct paint bell = paint_skin(l, 0.3f, vary(r, 0.3f, 0.5f));
    struct paint arm = paint_plain(l, l->second, 0.04f), frill = paint_plain(l, l->main, 0.05f);
    float wide = vary(r, 0.5f, 0.66f), high = vary(r, 0.6f, 0.8f);
    bell.alpha = vary(r, 0.75f, 0.95f);
    arm.alpha = 0.9f;
    for (int i = 0; i < TENTACLES; i++)
        tentacle(b, &arm, r, wide * 1.5f * ((float)i / (TENTACLES - 1) - 0.5f));
    draw_dome(b, (struct point){0, 0.08f}, wide, high, &bell);
    frill.colour = colour_mix(l->main, l->second, 0.5f);
    for (int i = 0; i < FRILLS; i++) {
        float x = 1.8f * wide * ((float)i / (FRILLS - 1) - 0.5f);
        draw_ellipse(b, (struct point){x, 0.07f}, 0.11f * wide, 0.06f, &frill);
    }
}

const struct creature creature_jellyfish = {"jellyfish", 0.7f, draw_jellyfish};

static void draw_snail(struct brush *b, const struct look *l, struct rng *r)
{
    struct paint body = paint_plain(l, l->second, 0.15f),
                 shell = paint_plain(l, l->main, 0.35f);
    float size = vary(r, 0.42f, 0.54f), rise = vary(r, -0.15f, 0.1f);
    struct point foot[5] = {
        {-0.9f, 0.52f}, {-0.3f, 0.46f}, {0.35f, 0.46f}, {0.66f, 0.3f}, {0.78f, 0.02f + rise}};
    const float thick[5] = {0.05f, 0.14f, 0.16f, 0.15f, 0.13f};
    shell.second = l->accent;
    shell.pattern = PATTERN_SPIRAL;
    shell.period = size * vary(r, 0.36f, 0.5f);
    draw_chain(b, foot, thick, 5, &body);
    for (int i = -1; i <= 1; i += 2) {
        float x = 0.8f + 0.07f * (float)i;
        struct point stalk[3] = {{0.78f, rise}, {x, -0.2f + rise}, {x + 0.06f, -0.36f + rise}};
        const float thin[3] = {0.04f, 0.035f, 0.03f};
        draw_chain(b, stalk, thin, 3, &body);
        draw_eye(b, l, (struct point){x + 0.06f, -0.38f + rise}, 0.06f);
    }
    draw_ellipse(b, (struct point){-0.12f, 0.02f}, size, size * vary(r, 0.9f, 1.05f), &shell);
}

const struct creature creature_snail = {"snail", 0.4f, draw_snail};

enum { JOINTS = 26 };

/* Follows a heading that swings to and fro, then moves the middle to the origin. */
static void slither(struct rng *r, struct point at[JOINTS], float radius[JOINTS])
{
    float swing = vary(r, 0.9f, 1.5f), waves = vary(r, 1.0f, 1.8f), phase = vary(r, 0, 6.28f);
    float step = 0.115f, mx = 0, my = 0;
    at[0] = (struct point){0, 0};
    for (int i = 1; i < JOINTS; i++) {
        float heading = swing * sinf(phase + waves * 6.2831853f * (float)i / JOINTS);
        at[i] = (struct point){at[i - 1].x + step * cosf(heading),
                               at[i - 1].y + step * sinf(heading)};
    }
    for (int i = 0; i < JOINTS; i++) {
        mx += at[i].x / JOINTS;
        my += at[i].y / JOINTS;
    }
    for (int i = 0; i < JOINTS; i++) {
        float t = (float)i / (JOINTS - 1);
        at[i] = (struct point){at[i].x - mx, at[i].y - my};
        radius[i] = t < 0.5f ? 0.02f + 0.2f * t : 0.12f - 0.03f * (t - 0.5f);
    }
}

static void draw_snake(struct brush *b, const struct look *l, struct rng *r)
{
    struct point at[JOINTS];
    float radius[JOINTS];
    struct paint skin = paint_skin(l, 0.11f, vary(r, 0.2f, 0.4f));
    struct paint head = paint_plain(l, l->main, 0.1f);
    struct paint tongue = paint_plain(l, (struct colour){0.85f, 0.1f, 0.15f}, 0);
    slither(r, at, radius);
    struct point end = at[JOINTS - 1], neck = at[JOINTS - 2];
    float dx = (end.x - neck.x) / 0.115f, dy = (end.y - neck.y) / 0.115f;
    struct point lick[3] = {end,
                            {end.x + 0.2f * dx, end.y + 0.2f * dy},
                            {end.x + 0.34f * dx - 0.05f * dy, end.y + 0.34f * dy + 0.05f * dx}};
    struct point skull[2] = {end, {end.x + 0.1f * dx, end.y + 0.1f * dy}};
    const float wide[2] = {0.15f, 0.1f};
    draw_limb(b, lick, 0.03f, &tongue);
    draw_chain(b, at, radius, JOINTS, &skin);
    draw_chain(b, skull, wide, 2, &head);
    for (int i = -1; i <= 1; i += 2) {
        float s = 0.08f * (float)i;
        draw_eye(b, l, (struct point){end.x + 0.06f * dx - s * dy, end.y + 0.06f * dy + s * dx},
                 0.045f);
    }
}

const struct creature creature_snake = {"snake", 3.1415927f, draw_snake};
