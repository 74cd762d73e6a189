#include "augment/colour.h"

#include <string.h>

static size_t n_byte(const struct image *im)
{
    return 3 * (size_t)im->w * (size_t)im->h;
}

/* ITU-R 601 brightness in 16-bit fixed point, Pillow's "L". */
static int luma(const uint8_t *p)
{
    return (p[0] * 19595 + p[1] * 38470 + p[2] * 7471 + 0x8000) >> 16;
}

uint8_t colour_blend(int from, int to, float t)
{
    float v = (float)from + t * (float)(to - from);
    return v <= 0 ? 0 : v >= 255 ? 255 : (uint8_t)v;
}

/* Each value looked up: one table for all channels, or one a channel (stride 256). */
static void look_up(struct image *im, const uint8_t *table, int stride)
{
    uint8_t *p = im->pixel, *end = p + n_byte(im);
    for (; p < end; p += 3) {
        p[0] = table[p[0]];
        p[1] = table[stride + p[1]];
        p[2] = table[2 * stride + p[2]];
    }
}

static void blend_with(struct image *im, int constant, float factor)
{
    uint8_t table[256];
    for (int i = 0; i < 256; i++)
        table[i] = colour_blend(constant, i, factor);
    look_up(im, table, 0);
}

void colour_brightness(struct image *im, float factor)
{
    blend_with(im, 0, factor);
}

void colour_contrast(struct image *im, float factor)
{
    uint64_t sum = 0;
    const uint8_t *end = im->pixel + n_byte(im);
    for (const uint8_t *p = im->pixel; p < end; p += 3)
        sum += (uint64_t)luma(p);
    double mean = (double)sum / ((double)im->w * im->h);
    blend_with(im, (int)(mean + 0.5), factor);
}

void colour_saturation(struct image *im, float factor)
{
    const uint8_t *end = im->pixel + n_byte(im);
    for (uint8_t *p = im->pixel; p < end; p += 3) {
        int grey = luma(p);
        for (int k = 0; k < 3; k++)
            p[k] = colour_blend(grey, p[k], factor);
    }
}

void colour_grey(struct image *im)
{
    const uint8_t *end = im->pixel + n_byte(im);
    for (uint8_t *p = im->pixel; p < end; p += 3)
        p[0] = p[1] = p[2] = (uint8_t)luma(p);
}

/* Pillow's rgb2hsv: hue and saturation in 255ths. */
static void to_hsv(const uint8_t *p, uint8_t hsv[3])
{
    int max = p[0] > p[1] ? p[0] : p[1], min = p[0] < p[1] ? p[0] : p[1];
    max = p[2] > max ? p[2] : max;
    min = p[2] < min ? p[2] : min;
    hsv[0] = hsv[1] = 0;
    hsv[2] = (uint8_t)max;
    if (max == min)
        return;
    float range = (float)(max - min), s = range / (float)max, h;
    float rc = (float)(max - p[0]) / range, gc = (float)(max - p[1]) / range;
    float bc = (float)(max - p[2]) / range;
    if (p[0] == max)
        h = bc - gc;
    else if (p[1] == max)
        h = (float)(2.0 + (double)rc - (double)bc);
    else
        h = (float)(4.0 + (double)gc - (double)rc);
    double turn = (double)h / 6.0 + 1.0;
    h = (float)(turn >= 1 ? turn - 1 : turn);
    hsv[0] = (uint8_t)(h * 255.0f);
    hsv[1] = (uint8_t)(s * 255.0f);
}

/* Pillow's hsv2rgb. */
static void from_hsv(const uint8_t hsv[3], uint8_t *p)
{
    float h = (float)hsv[0] * 6.0f / 255.0f, s = (float)hsv[1] / 255.0f;
    int sector = (int)h;
    double f = (double)(h - (float)sector), v = hsv[2];
    uint8_t top = hsv[2], low = (uint8_t)(v * (1.0 - (double)s) + 0.5);
    uint8_t down = (uint8_t)(v * (1.0 - (double)s * f) + 0.5);
    uint8_t up = (uint8_t)(v * (1.0 - (double)s * (1.0 - f)) + 0.5);
    const uint8_t rgb[6][3] = {{top, up, low},   {down, top, low}, {low, top, up},
                               {low, down, top}, {up, low, top},   {top, low, down}};
    memcpy(p, rgb[sector % 6], 3);
}

void colour_hue(struct image *im, double turns)
{
    uint8_t shift = (uint8_t)(int)(turns * 255); /* wraps around, as torchvision's does */
    const uint8_t *end = im->pixel + n_byte(im);
    for (uint8_t *p = im->pixel; p < end; p += 3) {
        uint8_t hsv[3];
        to_hsv(p, hsv);
        hsv[0] = (uint8_t)(hsv[0] + shift);
        from_hsv(hsv, p);
    }
}

void colour_posterize(struct image *im, int bits)
{
    uint8_t mask = (uint8_t) ~((1u << (8 - bits)) - 1), *end = im->pixel + n_byte(im);
    for (uint8_t *p = im->pixel; p < end; p++)
        *p &= mask;
}

void colour_solarize(struct image *im, double threshold)
{
    uint8_t table[256];
    for (int i = 0; i < 256; i++)
        table[i] = (uint8_t)(i < threshold ? i : 255 - i);
    look_up(im, table, 0);
}

static void count(const struct image *im, int histogram[3][256])
{
    const uint8_t *end = im->pixel + n_byte(im);
    memset(histogram, 0, 3 * 256 * sizeof(int));
    for (const uint8_t *p = im->pixel; p < end; p += 3)
        for (int k = 0; k < 3; k++)
            histogram[k][p[k]]++;
}

void colour_autocontrast(struct image *im)
{
    int histogram[3][256];
    uint8_t table[3 * 256];
    count(im, histogram);
    for (int k = 0; k < 3; k++) {
        int lo = 0, hi = 255;
        while (lo < 255 && !histogram[k][lo])
            lo++;
        while (hi > 0 && !histogram[k][hi])
            hi--;
        double scale = hi > lo ? 255.0 / (hi - lo) : 1, offset = hi > lo ? -lo * scale : 0;
        for (int i = 0; i < 256; i++) {
            double v = i * scale + offset;
            table[256 * k + i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
        }
    }
    look_up(im, table, 256);
}

/* Values so spread that each is as frequent as the next; few values stay as they are. */
static void equalizing(const int histogram[256], uint8_t table[256])
{
    int total = 0, last = 0;
    for (int i = 0; i < 256; i++) {
        total += histogram[i];
        last = histogram[i] ? histogram[i] : last;
    }
    int step = (total - last) / 255, n = step / 2;
    for (int i = 0; i < 256; i++) {
        int v = step ? n / step : i;
        table[i] = (uint8_t)(v > 255 ? 255 : v);
        n += histogram[i];
    }
}

void colour_equalize(struct image *im)
{
    int histogram[3][256];
    uint8_t table[3 * 256];
    count(im, histogram);
    for (int k = 0; k < 3; k++)
        equalizing(histogram[k], table + 256 * k);
    look_up(im, table, 256);
}
