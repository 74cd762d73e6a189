#include "augment/filter.h"

#include "augment/colour.h"
#include "base/mem.h"

#include <math.h>
#include <string.h>

/* Pillow's SMOOTH, (1 1 1, 1 5 1, 1 1 1) / 13, at byte i of a picture with rows of n bytes. */
static int smooth(const uint8_t *p, ptrdiff_t n)
{
    int sum =
        p[-n - 3] + p[-n] + p[-n + 3] + p[-3] + 5 * p[0] + p[3] + p[n - 3] + p[n] + p[n + 3];
    return (2 * sum + 13) / 26; /* rounded; no sum lies half way */
}

bool filter_sharpness(struct image *im, float factor, struct err *e)
{
    struct image from;
    ptrdiff_t n = 3 * (ptrdiff_t)im->w;
    if (!image_init(&from, im->w, im->h, e))
        return false;
    memcpy(from.pixel, im->pixel, (size_t)n * (size_t)im->h);
    /* The outermost pixels have no neighbourhood: SMOOTH keeps them. */
    for (int y = 1; y + 1 < im->h; y++)
        for (ptrdiff_t x = 3; x < n - 3; x++) {
            const uint8_t *p = from.pixel + n * y + x;
            im->pixel[n * y + x] = colour_blend(smooth(p, n), *p, factor);
        }
    image_release(&from);
    return true;
}

static int reflect(int i, int n)
{
    i = i < 0 ? -i : i;
    return i < n ? i : 2 * (n - 1) - i;
}

/* Weights of -reach .. reach, of sum 1. */
static void gauss(float *weight, int reach, double sigma)
{
    double sum = 0;
    for (int i = -reach; i <= reach; i++)
        sum += exp(-0.5 * i * i / (sigma * sigma));
    for (int i = -reach; i <= reach; i++)
        weight[i + reach] = (float)(exp(-0.5 * i * i / (sigma * sigma)) / sum);
}

/* sum[x] += weight row[x]: what both passes are made of. */
static void add_weighted(float *restrict sum, const float *restrict row, float weight, size_t n)
{
    for (size_t x = 0; x < n; x++)
        sum[x] += weight * row[x];
}

/* Each row, widened by its reflection, into out (h, w, 3). */
static void blur_rows(const struct image *im, const float *weight, int reach, float *wide,
                      float *out)
{
    size_t n = 3 * (size_t)im->w;
    memset(out, 0, n * (size_t)im->h * sizeof(float));
    for (int y = 0; y < im->h; y++) {
        const uint8_t *row = im->pixel + n * (size_t)y;
        for (int x = -reach; x < im->w + reach; x++)
            for (int k = 0; k < 3; k++)
                wide[3 * (x + reach) + k] = row[3 * reflect(x, im->w) + k];
        for (int i = 0; i <= 2 * reach; i++)
            add_weighted(out + n * (size_t)y, wide + 3 * i, weight[i], n);
    }
}

static void blur_columns(const float *in, const float *weight, int reach, float *sum,
                         struct image *im)
{
    size_t n = 3 * (size_t)im->w;
    for (int y = 0; y < im->h; y++) {
        memset(sum, 0, n * sizeof(float));
        for (int i = -reach; i <= reach; i++)
            add_weighted(sum, in + n * (size_t)reflect(y + i, im->h), weight[i + reach], n);
        for (size_t x = 0; x < n; x++)
            im->pixel[n * (size_t)y + x] = (uint8_t)lrintf(sum[x]);
    }
}

bool filter_blur(struct image *im, int kernel, double sigma, struct err *e)
{
    int reach = kernel / 2, room = (im->w < im->h ? im->w : im->h) - 1;
    float weight[FILTER_BLUR_MAX];
    reach = reach < room ? reach : room;
    reach = reach < FILTER_BLUR_MAX / 2 ? reach : FILTER_BLUR_MAX / 2;
    if (reach == 0)
        return true;
    size_t n = 3 * (size_t)im->w;
    size_t all = n * (size_t)im->h;
    float *between = mem_new(all + n + 6 * (size_t)reach, sizeof(float), e); /* and one row */
    if (!between)
        return false;
    gauss(weight, reach, sigma);
    blur_rows(im, weight, reach, between + all, between);
    blur_columns(between, weight, reach, between + all, im);
    mem_free(between);
    return true;
}
