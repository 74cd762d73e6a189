#include "augment/filter.h"

#include "augment/colour.h"
#include "augment/crop.h"
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

static void blur_rows(const struct image *im, const float *weight, int reach, float *out)
{
    memset(out, 0, 3 * (size_t)im->w * (size_t)im->h * sizeof(float));
    for (int y = 0; y < im->h; y++)
        for (int x = 0; x < im->w; x++) {
            float *to = out + 3 * ((ptrdiff_t)im->w * y + x);
            for (int i = -reach; i <= reach; i++) {
                const uint8_t *p =
                    im->pixel + 3 * ((ptrdiff_t)im->w * y + reflect(x + i, im->w));
                for (int k = 0; k < 3; k++)
                    to[k] += weight[i + reach] * p[k];
            }
        }
}

static void blur_columns(const float *in, const float *weight, int reach, float *sum,
                         struct image *im)
{
    size_t n = 3 * (size_t)im->w;
    for (int y = 0; y < im->h; y++) {
        memset(sum, 0, n * sizeof(float));
        for (int i = -reach; i <= reach; i++) {
            const float *row = in + n * (size_t)reflect(y + i, im->h);
            for (size_t x = 0; x < n; x++)
                sum[x] += weight[i + reach] * row[x];
        }
        for (size_t x = 0; x < n; x++)
            im->pixel[n * (size_t)y + x] = (uint8_t)round_even((double)sum[x]);
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
    float *between =
        mem_new(n * (size_t)(im->h + 1), sizeof(float), e); /* a row of sums behind */
    if (!between)
        return false;
    gauss(weight, reach, sigma);
    blur_rows(im, weight, reach, between);
    blur_columns(between, weight, reach, between + n * (size_t)im->h, im);
    mem_free(between);
    return true;
}
