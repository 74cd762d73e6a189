/* A software canvas: shapes as signed distances, so that edges are smooth at any size and a
 * rounded body can be lit. Colours are linear-ish floats 0 .. 1, premultiplied by alpha. */
#ifndef DEMO_CANVAS_H
#define DEMO_CANVAS_H

#include "base/mem.h"
#include "base/rng.h"

struct point {
    float x, y;
};

struct colour {
    float r, g, b;
};

struct canvas {
    int w, h;
    float *rgba; /* (h, w, 4) */
};

MUST_CHECK bool canvas_init(struct canvas *c, int w, int h, struct err *e);
void canvas_release(struct canvas *c);
void canvas_clear(struct canvas *c);

enum pattern {
    PATTERN_PLAIN,
    PATTERN_STRIPES, /* across the first axis (along a chain) */
    PATTERN_SPOTS,
    PATTERN_SPIRAL, /* around the shape's middle */
    PATTERN_FADE,   /* from colour to second, along the second axis */
};

struct paint {
    struct colour colour, second;
    enum pattern pattern;
    float period; /* of the pattern, local units */
    float bulge;  /* depth over which the edge rounds off, local units; 0 = flat */
    float gloss;  /* strength of the highlight */
    float alpha;
};

/* Where shapes go: local units to pixels, and the light, in the canvas's axes (z towards us). */
struct brush {
    struct canvas *canvas;
    struct point origin; /* pixels */
    float cos, sin;      /* of the turn */
    float scale;         /* pixels a local unit */
    float mirror;        /* -1 swaps left and right before turning */
    float light[3];      /* unit vector */
};

void draw_ellipse(struct brush *b, struct point at, float rx, float ry, const struct paint *p);
/* Its upper half. */
void draw_dome(struct brush *b, struct point at, float rx, float ry, const struct paint *p);

enum { CHAIN_MAX = 40 };
/* A line of n points with a radius at each, rounded at joints and ends. */
void draw_chain(struct brush *b, const struct point *at, const float *radius, int n,
                const struct paint *p);
/* A closed outline, grown by `round`. */
void draw_polygon(struct brush *b, const struct point *at, int n, float round,
                  const struct paint *p);
enum { SMOOTH_MAX = 8 };
/* The same with its corners cut twice (Chaikin 1974); n at most SMOOTH_MAX. */
void draw_smooth(struct brush *b, const struct point *at, int n, float round,
                 const struct paint *p);

/* src over dst, of the same size, casting a soft shadow `drop` pixels away. */
void canvas_over(struct canvas *dst, const struct canvas *src, struct point drop,
                 float darkness);

struct colour colour_hsv(float h, float s, float v);
struct colour colour_mix(struct colour a, struct colour b, float t);

/* Even between lo and hi. */
static inline float vary(struct rng *r, float lo, float hi)
{
    return lo + (hi - lo) * rng_uniform(r);
}

/* Smooth noise in 0 .. 1: adds octaves of random lattices to out (h, w). */
void noise_fill(float *out, int w, int h, float cells, int octaves, struct rng *r);

#endif
