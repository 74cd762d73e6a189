/* Seen from above, in any direction: beetle, butterfly, crab, spider, starfish. */
#include "demo/creature.h"

#include <math.h>

static const float any_turn = 3.1415927f;

static void feelers(struct brush *b, const struct look *l, struct rng *r, struct point root,
                    float length)
{
    struct paint p = paint_plain(l, l->dark, 0);
    float spread = vary(r, 0.5f, 0.9f);
    for (int side = -1; side <= 1; side += 2) {
        float s = (float)side;
        struct point at[3] = {{s * root.x, root.y},
                              {s * (root.x + length * 0.4f * spread), root.y - length * 0.6f},
                              {s * (root.x + length * spread), root.y - length * 0.8f}};
        draw_limb(b, at, 0.035f, &p);
    }
}

static void beetle_legs(struct brush *b, const struct look *l, struct rng *r)
{
    struct paint p = paint_plain(l, l->dark, 0.04f);
    for (int i = 0; i < 6; i++) {
        float s = i & 1 ? 1 : -1, row = (float)(i / 2 - 1);
        float y = 0.05f + 0.28f * row, lift = vary(r, -0.1f, 0.1f);
        struct point at[3] = {{s * 0.3f, y},
                              {s * 0.66f, y + 0.16f * row + lift - 0.05f},
                              {s * 0.82f, y + 0.36f * row + lift + 0.1f}};
        draw_limb(b, at, 0.06f, &p);
    }
}

static void draw_beetle(struct brush *b, const struct look *l, struct rng *r)
{
    float wide = vary(r, 0.38f, 0.52f), high = vary(r, 0.55f, 0.68f);
    struct paint skin = paint_skin(l, 0.35f, vary(r, 0.3f, 0.5f));
    struct paint neck = paint_plain(l, l->accent, 0.15f), dark = paint_plain(l, l->dark, 0.12f);
    struct paint line = paint_plain(l, l->dark, 0);
    struct point seam[2] = {{0, -0.3f}, {0, 0.2f + high - 0.05f}};
    const float thin[2] = {0.02f, 0.015f};
    beetle_legs(b, l, r);
    feelers(b, l, r, (struct point){0.08f, -0.72f}, 0.35f);
    draw_ellipse(b, (struct point){0, -0.64f}, 0.2f, 0.17f, &dark);
    draw_ellipse(b, (struct point){0, -0.42f}, wide * 0.75f, 0.2f, &neck);
    draw_ellipse(b, (struct point){0, 0.2f}, wide, high, &skin);
    draw_chain(b, seam, thin, 2, &line);
}

const struct creature creature_beetle = {"beetle", any_turn, draw_beetle};

/* One wing: an outline swung out from the body, s = -1 or 1. */
static void wing(struct brush *b, const struct paint *p, const float (*shape)[2], int n,
                 float s, float open)
{
    struct point at[8];
    for (int i = 0; i < n; i++)
        at[i] = (struct point){s * open * shape[i][0], shape[i][1]};
    draw_smooth(b, at, n, 0.1f, p);
}

static void draw_butterfly(struct brush *b, const struct look *l, struct rng *r)
{
    static const float fore[6][2] = {{0.04f, -0.2f}, {0.45f, -0.72f}, {0.82f, -0.7f},
                                     {0.84f, -0.4f}, {0.6f, -0.02f},  {0.04f, 0.02f}};
    static const float hind[5][2] = {
        {0.04f, 0}, {0.5f, 0.05f}, {0.66f, 0.36f}, {0.42f, 0.68f}, {0.06f, 0.3f}};
    struct paint upper = paint_skin(l, 0.12f, vary(r, 0.25f, 0.5f)), lower = upper;
    struct paint spot = paint_plain(l, l->accent, 0), body = paint_plain(l, l->dark, 0.06f);
    struct point trunk[3] = {{0, -0.32f}, {0, 0}, {0, 0.4f}};
    const float thick[3] = {0.08f, 0.07f, 0.04f};
    float open = vary(r, 0.7f, 1.05f);
    lower.colour = l->second;
    lower.second = l->main;
    for (int side = -1; side <= 1; side += 2) {
        float s = (float)side;
        wing(b, &lower, hind, 5, s, open);
        wing(b, &upper, fore, 6, s, open);
        draw_ellipse(b, (struct point){s * open * 0.62f, -0.45f}, 0.12f, 0.12f, &spot);
        draw_ellipse(b, (struct point){s * open * 0.42f, 0.36f}, 0.1f, 0.1f, &spot);
    }
    feelers(b, l, r, (struct point){0.03f, -0.35f}, 0.4f);
    draw_chain(b, trunk, thick, 3, &body);
}

const struct creature creature_butterfly = {"butterfly", any_turn, draw_butterfly};

static void crab_claw(struct brush *b, const struct look *l, struct rng *r, float s)
{
    struct paint p = paint_plain(l, l->main, 0.1f);
    float lift = vary(r, -0.12f, 0.1f), gape = vary(r, 0.12f, 0.22f);
    struct point arm[3] = {{s * 0.42f, -0.12f}, {s * 0.8f, -0.2f}, {s * 0.74f, -0.5f + lift}};
    const float thick[3] = {0.09f, 0.09f, 0.12f};
    draw_chain(b, arm, thick, 3, &p);
    for (int i = -1; i <= 1; i += 2) {
        float x = 0.7f + (float)i * gape;
        struct point finger[3] = {{s * 0.72f, -0.52f + lift},
                                  {s * (x + (float)i * 0.05f), -0.68f + lift},
                                  {s * (0.7f + (float)i * 0.05f), -0.92f + lift}};
        const float fat[3] = {0.11f, 0.1f, 0.02f};
        draw_chain(b, finger, fat, 3, &p);
    }
}

static void draw_crab(struct brush *b, const struct look *l, struct rng *r)
{
    struct paint skin = paint_skin(l, 0.25f, vary(r, 0.25f, 0.4f));
    struct paint leg = paint_plain(l, colour_mix(l->main, l->dark, 0.35f), 0.05f);
    float wide = vary(r, 0.52f, 0.62f), high = vary(r, 0.34f, 0.42f);
    for (int i = 0; i < 6; i++) {
        float s = i & 1 ? 1 : -1, row = (float)(i / 2), lift = vary(r, -0.06f, 0.06f);
        struct point at[3] = {{s * 0.4f, 0.1f + 0.08f * row},
                              {s * (0.86f - 0.1f * row), 0.05f + 0.2f * row + lift},
                              {s * (0.92f - 0.16f * row), 0.34f + 0.2f * row + lift}};
        draw_limb(b, at, 0.065f, &leg);
    }
    crab_claw(b, l, r, -1);
    crab_claw(b, l, r, 1);
    draw_ellipse(b, (struct point){0, 0.1f}, wide, high, &skin);
    for (int side = -1; side <= 1; side += 2) {
        float s = (float)side;
        struct point stalk[3] = {{s * 0.16f, -0.15f}, {s * 0.18f, -0.28f}, {s * 0.18f, -0.34f}};
        draw_limb(b, stalk, 0.045f, &leg);
        draw_eye(b, l, (struct point){s * 0.18f, -0.36f}, 0.08f);
    }
}

const struct creature creature_crab = {"crab", any_turn, draw_crab};

static void draw_spider(struct brush *b, const struct look *l, struct rng *r)
{
    struct paint leg = paint_plain(l, colour_mix(l->dark, l->main, 0.25f), 0.04f);
    struct paint head = paint_plain(l, colour_mix(l->main, l->dark, 0.3f), 0.15f);
    struct paint skin = paint_skin(l, 0.3f, vary(r, 0.2f, 0.35f));
    float fat = vary(r, 0.26f, 0.36f);
    for (int i = 0; i < 8; i++) {
        float s = i & 1 ? 1 : -1, row = (float)(i / 2) - 1.5f;
        float angle = 0.52f * row + vary(r, -0.12f, 0.12f), bend = row < 0 ? -0.35f : 0.35f;
        float knee = vary(r, 0.48f, 0.58f), foot = knee + vary(r, 0.36f, 0.46f);
        struct point at[3] = {
            {s * 0.1f, -0.15f},
            {s * knee * cosf(angle), -0.15f + knee * sinf(angle)},
            {s * foot * cosf(angle + bend), -0.15f + foot * sinf(angle + bend)}};
        const float thick[3] = {0.045f, 0.04f, 0.02f};
        draw_chain(b, at, thick, 3, &leg);
    }
    draw_ellipse(b, (struct point){0, 0.24f}, fat, fat * 1.25f, &skin);
    draw_ellipse(b, (struct point){0, -0.2f}, 0.2f, 0.22f, &head);
    draw_eye(b, l, (struct point){-0.07f, -0.33f}, 0.05f);
    draw_eye(b, l, (struct point){0.07f, -0.33f}, 0.05f);
}

const struct creature creature_spider = {"spider", any_turn, draw_spider};

enum { ARMS = 5, DOTS = 4 };

static void draw_starfish(struct brush *b, const struct look *l, struct rng *r)
{
    const float turn = 6.2831853f / ARMS;
    struct point at[3 * ARMS];
    float radius[3 * ARMS], fat = vary(r, 0.2f, 0.3f);
    struct paint skin = paint_plain(l, l->main, 0.22f), dot = paint_plain(l, l->accent, 0.03f);
    float reach[ARMS], angle[ARMS];
    for (int i = 0; i < ARMS; i++) {
        angle[i] = turn * (float)i + vary(r, -0.1f, 0.1f);
        reach[i] = vary(r, 0.8f, 0.98f);
        float bend = angle[i] + vary(r, -0.12f, 0.12f);
        at[3 * i] = (struct point){0, 0};
        at[3 * i + 1] = (struct point){0.55f * sinf(angle[i]), -0.55f * cosf(angle[i])};
        at[3 * i + 2] = (struct point){reach[i] * sinf(bend), -reach[i] * cosf(bend)};
        radius[3 * i] = fat;
        radius[3 * i + 1] = fat * 0.62f;
        radius[3 * i + 2] = fat * 0.25f;
    }
    for (int i = 0; i < ARMS; i++) /* there, not back: one chain an arm */
        draw_chain(b, at + 3 * i, radius + 3 * i, 3, &skin);
    for (int i = 0; i < ARMS * DOTS; i++) {
        float far = 0.16f + 0.17f * (float)(i % DOTS), a = angle[i / DOTS];
        float size = 0.06f - 0.01f * (float)(i % DOTS);
        draw_ellipse(b, (struct point){far * sinf(a), -far * cosf(a)}, size, size, &dot);
    }
}

const struct creature creature_starfish = {"starfish", any_turn, draw_starfish};
