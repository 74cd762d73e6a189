#include "augment/crop.h"

#include "image/resize.h"

#include <math.h>
#include <string.h>

const uint8_t mean_colour[3] = {124, 116, 104}; /* 0.485, 0.456, 0.406 */

int round_even(double x)
{
    return (int)nearbyint(x); /* the default rounding mode is half to even */
}

int crop_side_px(const struct augment_config *cfg, int size_px)
{
    int side = cfg->crop == AUGMENT_CROP_RESIZED ? 0 : round_even(cfg->crop_side * size_px);
    return side > 0 && side < size_px ? size_px : side;
}

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

/* The coordinate inside 0 .. n-1 that stands for i: edges repeat, or reflect without the edge. */
static int inside(int i, int n, enum augment_fill fill)
{
    if (i >= 0 && i < n)
        return i;
    if (fill == AUGMENT_FILL_EDGE || n == 1)
        return i < 0 ? 0 : n - 1;
    int period = 2 * (n - 1), at = i % period;
    at = at < 0 ? at + period : at;
    return at < n ? at : period - at;
}

static void fill_pixels(uint8_t *to, int n, enum augment_fill fill)
{
    static const uint8_t black[3] = {0, 0, 0};
    const uint8_t *colour = fill == AUGMENT_FILL_MEAN ? mean_colour : black;
    for (int i = 0; i < n; i++)
        memcpy(to + 3 * (ptrdiff_t)i, colour, 3);
}

/* One row of the window: src's pixels, and constant colour on either side. */
static void constant_row(const uint8_t *from, int src_w, int x, enum augment_fill fill,
                         uint8_t *to, int w)
{
    int before = x < 0 ? min_int(-x, w) : 0;
    int n = from ? min_int(w, src_w - x) - before : 0;
    n = n < 0 ? 0 : n;
    fill_pixels(to, before, fill);
    if (n > 0)
        memcpy(to + 3 * (ptrdiff_t)before, from + 3 * (ptrdiff_t)(x + before), 3 * (size_t)n);
    fill_pixels(to + 3 * (ptrdiff_t)(before + n), w - before - n, fill);
}

static void mirrored_row(const uint8_t *from, int src_w, int x, enum augment_fill fill,
                         uint8_t *to, int w)
{
    for (int i = 0; i < w; i++)
        memcpy(to + 3 * (ptrdiff_t)i, from + 3 * (ptrdiff_t)inside(x + i, src_w, fill), 3);
}

void crop_window(const struct image *src, int x, int y, enum augment_fill fill,
                 struct image *out)
{
    bool constant = fill == AUGMENT_FILL_BLACK || fill == AUGMENT_FILL_MEAN;
    size_t src_stride = 3 * (size_t)src->w, stride = 3 * (size_t)out->w;
    for (int i = 0; i < out->h; i++) {
        uint8_t *to = out->pixel + stride * (size_t)i;
        int row = constant ? y + i : inside(y + i, src->h, fill);
        bool exists = row >= 0 && row < src->h;
        const uint8_t *from = exists ? src->pixel + src_stride * (size_t)row : NULL;
        if (constant || (x >= 0 && x + out->w <= src->w))
            constant_row(from, src->w, x, fill, to, out->w);
        else
            mirrored_row(from, src->w, x, fill, to, out->w);
    }
}

bool crop_source(const struct image *src, int side, int least, struct image *out, bool *owned,
                 struct err *e)
{
    int shorter = min_int(src->w, src->h);
    if (side == 0)
        side = shorter;
    if (side < least)
        side = least;
    *owned = side != shorter;
    if (*owned)
        return resize_shorter(src, side, RESIZE_BILINEAR, out, e);
    *out = *src;
    return true;
}
