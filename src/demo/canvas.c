#include "demo/canvas.h"

#include <math.h>
#include <string.h>

bool canvas_init(struct canvas *c, int w, int h, struct err *e)
{
    *c = (struct canvas){.w = w, .h = h};
    c->rgba = mem_new((size_t)w * (size_t)h, 4 * sizeof(float), e);
    return c->rgba != NULL;
}

void canvas_release(struct canvas *c)
{
    mem_free(c->rgba);
    c->rgba = NULL;
}

void canvas_clear(struct canvas *c)
{
    memset(c->rgba, 0, (size_t)c->w * (size_t)c->h * 4 * sizeof(float));
}

static float clamp(float x, float lo, float hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

struct colour colour_mix(struct colour a, struct colour b, float t)
{
    return (struct colour){a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t};
}

static float hue_channel(float h, float offset)
{
    float k = fmodf(h * 6 + offset, 6);
    return clamp(fminf(k, 4 - k), 0, 1);
}

struct colour colour_hsv(float h, float s, float v)
{
    h -= floorf(h);
    return (struct colour){v * (1 - s * hue_channel(h, 5)), v * (1 - s * hue_channel(h, 3)),
                           v * (1 - s * hue_channel(h, 1))};
}

/* A shape at a point: signed distance (inside negative), the way out, and where on its skin. */
struct hit {
    float d, gx, gy;
    float u, v;
};

struct shape {
    struct hit (*at)(const struct shape *s, struct point q);
    struct point lo, hi; /* bounds, local */
    const struct point *point;
    const float *radius;
    int n;
    struct point centre;
    float rx, ry, round;
};

static struct hit ellipse_at(const struct shape *s, struct point q)
{
    float x = q.x - s->centre.x, y = q.y - s->centre.y;
    float a = x / s->rx, b = y / s->ry;
    float k = sqrtf(a * a + b * b), gx = a / s->rx, gy = b / s->ry;
    float g = sqrtf(gx * gx + gy * gy) + 1e-9f;
    float d = k < 1e-3f ? -fminf(s->rx, s->ry) : k * (k - 1) / g;
    return (struct hit){d, gx / g, gy / g, x, y};
}

static struct hit dome_at(const struct shape *s, struct point q)
{
    struct hit h = ellipse_at(s, q);
    if (h.v > h.d) { /* nearer to the cut than to the arch */
        h.d = h.v;
        h.gx = 0;
        h.gy = 1;
    }
    return h;
}

static struct hit chain_at(const struct shape *s, struct point q)
{
    struct hit best = {.d = 1e9f};
    float run = 0;
    for (int i = 0; i + 1 < s->n; i++) {
        struct point a = s->point[i], b = s->point[i + 1];
        float bx = b.x - a.x, by = b.y - a.y, px = q.x - a.x, py = q.y - a.y;
        float len2 = bx * bx + by * by + 1e-9f;
        float t = clamp((px * bx + py * by) / len2, 0, 1);
        float dx = px - bx * t, dy = py - by * t, radius = s->radius[i];
        radius += (s->radius[i + 1] - radius) * t;
        float far2 = dx * dx + dy * dy, reach = best.d + radius;
        float len = sqrtf(len2);
        if (reach > 0 && far2 < reach * reach) {
            float far = sqrtf(far2) + 1e-9f;
            best = (struct hit){far - radius, dx / far, dy / far, run + len * t,
                                bx * py - by * px > 0 ? far : -far};
        }
        run += len;
    }
    return best;
}

static struct hit polygon_at(const struct shape *s, struct point q)
{
    float nearest = 1e9f, gx = 0, gy = 0;
    bool inside = false;
    for (int i = 0, j = s->n - 1; i < s->n; j = i++) {
        struct point a = s->point[i], b = s->point[j];
        float bx = b.x - a.x, by = b.y - a.y, px = q.x - a.x, py = q.y - a.y;
        float t = clamp((px * bx + py * by) / (bx * bx + by * by + 1e-9f), 0, 1);
        float dx = px - bx * t, dy = py - by * t, far2 = dx * dx + dy * dy;
        if (far2 < nearest) {
            nearest = far2;
            gx = dx;
            gy = dy;
        }
        if ((a.y > q.y) != (b.y > q.y) && q.x < bx * (q.y - a.y) / by + a.x)
            inside = !inside;
    }
    float far = sqrtf(nearest) + 1e-9f, sign = inside ? -1 : 1;
    return (struct hit){sign * far - s->round, sign * gx / far, sign * gy / far,
                        q.x - s->centre.x, q.y - s->centre.y};
}

/* How much of the second colour shows at (u, v). */
static float pattern_at(const struct paint *p, float u, float v)
{
    const float turn = 6.2831853f;
    float w = turn / p->period;
    switch (p->pattern) {
    case PATTERN_STRIPES:
        return clamp(0.5f + 2.5f * sinf(w * u), 0, 1);
    case PATTERN_SPOTS:
        return clamp(4 * (sinf(w * u) * sinf(w * v) - 0.35f), 0, 1);
    case PATTERN_SPIRAL: {
        float r = sqrtf(u * u + v * v);
        return clamp(0.5f + 2.5f * sinf(w * r - atan2f(v, u)), 0, 1);
    }
    case PATTERN_FADE:
        return clamp(0.5f + v / p->period, 0, 1);
    case PATTERN_PLAIN:
        break;
    }
    return 0;
}

/* Colour of the skin under the light, given in the shape's axes. */
static struct colour lit(const struct paint *p, const struct hit *h, const float light[3])
{
    struct colour c = p->colour;
    if (p->pattern != PATTERN_PLAIN)
        c = colour_mix(c, p->second, pattern_at(p, h->u, h->v));
    if (p->bulge <= 0)
        return c;
    float t = clamp(-h->d / p->bulge, 0, 1), z = sqrtf(t * (2 - t)), xy = 1 - t;
    float facing = h->gx * xy * light[0] + h->gy * xy * light[1] + z * light[2];
    float shade = 0.42f + 0.66f * fmaxf(facing, 0), f2 = facing * facing;
    float shine = facing > 0 ? p->gloss * f2 * f2 * f2 * f2 * f2 * f2 : 0;
    return (struct colour){c.r * shade + shine, c.g * shade + shine, c.b * shade + shine};
}

static struct point to_pixel(const struct brush *b, float x, float y)
{
    x *= b->mirror;
    return (struct point){b->origin.x + b->scale * (b->cos * x - b->sin * y),
                          b->origin.y + b->scale * (b->sin * x + b->cos * y)};
}

static struct point to_local(const struct brush *b, float x, float y)
{
    x = (x - b->origin.x) / b->scale;
    y = (y - b->origin.y) / b->scale;
    return (struct point){b->mirror * (b->cos * x + b->sin * y), b->cos * y - b->sin * x};
}

struct pixel_box {
    int x0, y0, x1, y1;
};

/* The pixels a shape may touch, inside the canvas. */
static struct pixel_box bounds(const struct brush *b, const struct shape *s)
{
    float x0 = 1e9f, y0 = 1e9f, x1 = -1e9f, y1 = -1e9f;
    for (int i = 0; i < 4; i++) {
        struct point p = to_pixel(b, i & 1 ? s->hi.x : s->lo.x, i & 2 ? s->hi.y : s->lo.y);
        x0 = fminf(x0, p.x);
        x1 = fmaxf(x1, p.x);
        y0 = fminf(y0, p.y);
        y1 = fmaxf(y1, p.y);
    }
    float w = (float)b->canvas->w, h = (float)b->canvas->h;
    return (struct pixel_box){(int)clamp(x0 - 1, 0, w), (int)clamp(y0 - 1, 0, h),
                              (int)clamp(x1 + 2, 0, w), (int)clamp(y1 + 2, 0, h)};
}

static void blend(float *dst, struct colour c, float a)
{
    dst[0] = c.r * a + dst[0] * (1 - a);
    dst[1] = c.g * a + dst[1] * (1 - a);
    dst[2] = c.b * a + dst[2] * (1 - a);
    dst[3] = a + dst[3] * (1 - a);
}

static void fill(struct brush *b, const struct shape *s, const struct paint *p)
{
    struct pixel_box box = bounds(b, s);
    float lx = b->light[0], ly = b->light[1];
    float light[3] = {b->mirror * (b->cos * lx + b->sin * ly), b->cos * ly - b->sin * lx,
                      b->light[2]};
    for (int y = box.y0; y < box.y1; y++)
        for (int x = box.x0; x < box.x1; x++) {
            struct hit h = s->at(s, to_local(b, (float)x + 0.5f, (float)y + 0.5f));
            float cover = clamp(0.5f - h.d * b->scale, 0, 1) * p->alpha;
            if (cover > 0)
                blend(b->canvas->rgba + 4 * ((size_t)y * (size_t)b->canvas->w + (size_t)x),
                      lit(p, &h, light), cover);
        }
}

static struct shape ellipse(struct point at, float rx, float ry)
{
    return (struct shape){.at = ellipse_at,
                          .lo = {at.x - rx, at.y - ry},
                          .hi = {at.x + rx, at.y + ry},
                          .centre = at,
                          .rx = rx,
                          .ry = ry};
}

void draw_ellipse(struct brush *b, struct point at, float rx, float ry, const struct paint *p)
{
    struct shape s = ellipse(at, rx, ry);
    fill(b, &s, p);
}

void draw_dome(struct brush *b, struct point at, float rx, float ry, const struct paint *p)
{
    struct shape s = ellipse(at, rx, ry);
    s.at = dome_at;
    s.hi.y = at.y;
    fill(b, &s, p);
}

/* Bounds and middle of points, each with its radius (or all with `round`). */
static struct shape around(const struct point *at, const float *radius, int n, float round)
{
    struct shape s = {.point = at, .radius = radius, .n = n, .round = round};
    s.lo = s.hi = at[0];
    for (int i = 0; i < n; i++) {
        float r = radius ? radius[i] : round;
        s.lo = (struct point){fminf(s.lo.x, at[i].x - r), fminf(s.lo.y, at[i].y - r)};
        s.hi = (struct point){fmaxf(s.hi.x, at[i].x + r), fmaxf(s.hi.y, at[i].y + r)};
    }
    s.centre = (struct point){(s.lo.x + s.hi.x) / 2, (s.lo.y + s.hi.y) / 2};
    return s;
}

void draw_chain(struct brush *b, const struct point *at, const float *radius, int n,
                const struct paint *p)
{
    struct shape s = around(at, radius, n, 0);
    s.at = chain_at;
    fill(b, &s, p);
}

void draw_polygon(struct brush *b, const struct point *at, int n, float round,
                  const struct paint *p)
{
    struct shape s = around(at, NULL, n, round);
    s.at = polygon_at;
    fill(b, &s, p);
}

/* Each corner becomes two, a quarter of the way along its edges. */
static void cut_corners(const struct point *at, int n, struct point *out)
{
    for (int i = 0; i < n; i++) {
        struct point a = at[i], b = at[(i + 1) % n];
        out[2 * i] = (struct point){a.x * 0.75f + b.x * 0.25f, a.y * 0.75f + b.y * 0.25f};
        out[2 * i + 1] = (struct point){a.x * 0.25f + b.x * 0.75f, a.y * 0.25f + b.y * 0.75f};
    }
}

void draw_smooth(struct brush *b, const struct point *at, int n, float round,
                 const struct paint *p)
{
    struct point once[2 * SMOOTH_MAX], twice[4 * SMOOTH_MAX];
    cut_corners(at, n, once);
    cut_corners(once, 2 * n, twice);
    draw_polygon(b, twice, 4 * n, round, p);
}

/* Mean alpha of the nine points on a 5-pixel square around (x, y). */
static float soft_alpha(const struct canvas *c, int x, int y)
{
    float sum = 0;
    for (int i = -2; i <= 2; i += 2)
        for (int j = -2; j <= 2; j += 2)
            if (x + j >= 0 && x + j < c->w && y + i >= 0 && y + i < c->h)
                sum += c->rgba[4 * ((size_t)(y + i) * (size_t)c->w + (size_t)(x + j)) + 3];
    return sum / 9;
}

void canvas_over(struct canvas *dst, const struct canvas *src, struct point drop,
                 float darkness)
{
    for (int y = 0; y < dst->h; y++)
        for (int x = 0; x < dst->w; x++) {
            size_t at = 4 * ((size_t)y * (size_t)dst->w + (size_t)x);
            float shadow = 1 - darkness * soft_alpha(src, x - (int)drop.x, y - (int)drop.y);
            float rest = 1 - src->rgba[at + 3];
            for (int k = 0; k < 3; k++)
                dst->rgba[at + (size_t)k] =
                    src->rgba[at + (size_t)k] + dst->rgba[at + (size_t)k] * rest * shadow;
        }
}

enum { LATTICE_MAX = 66 };

/* One octave: a lattice of random heights, smoothly interpolated. */
static void add_octave(float *out, int w, int h, float cells, float weight, struct rng *r)
{
    float height[LATTICE_MAX * LATTICE_MAX];
    int side = (int)fminf(cells + 2, LATTICE_MAX);
    float step = (float)(side - 2) / (float)(w > h ? w : h);
    for (int i = 0; i < side * side; i++)
        height[i] = weight * rng_uniform(r);
    for (int y = 0; y < h; y++) {
        float fy = (float)y * step, ty = fy - floorf(fy);
        const float *row = height + (int)fy * side;
        ty = ty * ty * (3 - 2 * ty);
        for (int x = 0; x < w; x++) {
            float fx = (float)x * step;
            int i = (int)fx;
            float tx = fx - (float)i;
            tx = tx * tx * (3 - 2 * tx);
            float a = row[i] + (row[i + 1] - row[i]) * tx;
            float b = row[i + side] + (row[i + side + 1] - row[i + side]) * tx;
            out[(size_t)y * (size_t)w + (size_t)x] += a + (b - a) * ty;
        }
    }
}

void noise_fill(float *out, int w, int h, float cells, int octaves, struct rng *r)
{
    float total = 2 - exp2f(1 - (float)octaves);
    memset(out, 0, (size_t)w * (size_t)h * sizeof(float));
    for (int i = 0; i < octaves; i++)
        add_octave(out, w, h, cells * exp2f((float)i), exp2f(-(float)i) / total, r);
}
