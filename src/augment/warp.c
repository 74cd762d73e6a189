#include "augment/warp.h"

#include "augment/crop.h"

#include <math.h>
#include <string.h>

static const double radian = 3.14159265358979323846 / 180;

void warp_matrix(const struct warp *w, const struct image *im, double m[6])
{
    /* torchvision's _get_inverse_affine_matrix. */
    double turn = w->degrees * radian, sx = w->shear_x * radian, sy = w->shear_y * radian;
    double cx = w->from_corner ? 0 : im->w * 0.5, cy = w->from_corner ? 0 : im->h * 0.5;
    double scale = w->scale > 0 ? w->scale : 1;
    double a = cos(turn - sy) / cos(sy), b = -cos(turn - sy) * tan(sx) / cos(sy) - sin(turn);
    double c = sin(turn - sy) / cos(sy), d = -sin(turn - sy) * tan(sx) / cos(sy) + cos(turn);
    m[0] = d / scale;
    m[1] = -b / scale;
    m[3] = -c / scale;
    m[4] = a / scale;
    m[2] = m[0] * (-cx - w->shift_x) + m[1] * (-cy - w->shift_y) + cx;
    m[5] = m[3] * (-cx - w->shift_x) + m[4] * (-cy - w->shift_y) + cy;
}

static int clip(int i, int n)
{
    return i < 0 ? 0 : i >= n ? n - 1 : i;
}

/* The pixel at (x, y), in the units of corners; false outside. */
static bool sample(const struct image *im, double x, double y, uint8_t out[3])
{
    if (!(x >= 0 && x < im->w && y >= 0 && y < im->h))
        return false;
    x -= 0.5;
    y -= 0.5;
    int left = x < 0 ? -1 : (int)x, top = y < 0 ? -1 : (int)y;
    double dx = x - left, dy = y - top;
    const uint8_t *row0 = im->pixel + 3 * (ptrdiff_t)im->w * clip(top, im->h);
    const uint8_t *row1 = im->pixel + 3 * (ptrdiff_t)im->w * clip(top + 1, im->h);
    ptrdiff_t x0 = 3 * (ptrdiff_t)clip(left, im->w), x1 = 3 * (ptrdiff_t)clip(left + 1, im->w);
    for (int k = 0; k < 3; k++) {
        double a = row0[x0 + k] + (row0[x1 + k] - row0[x0 + k]) * dx;
        double b = row1[x0 + k] + (row1[x1 + k] - row1[x0 + k]) * dx;
        out[k] = (uint8_t)(a + (b - a) * dy);
    }
    return true;
}

static void warp_smooth(const struct image *im, const double m[6], struct image *out)
{
    uint8_t *to = out->pixel;
    for (int y = 0; y < out->h; y++)
        for (int x = 0; x < out->w; x++, to += 3) {
            double fx = x + 0.5, fy = y + 0.5;
            sample(im, m[0] * fx + m[1] * fy + m[2], m[3] * fx + m[4] * fy + m[5], to);
        }
}

static int64_t fixed(double v) /* 16 bits of fraction, as Pillow's */
{
    return (int64_t)floor(v * 65536.0 + 0.5);
}

static void warp_nearest(const struct image *im, const double m[6], struct image *out)
{
    int64_t x0 = fixed(m[2] + m[0] * 0.5 + m[1] * 0.5),
            y0 = fixed(m[5] + m[3] * 0.5 + m[4] * 0.5);
    int64_t a = fixed(m[0]), b = fixed(m[1]), c = fixed(m[3]), d = fixed(m[4]);
    uint8_t *to = out->pixel;
    for (int y = 0; y < out->h; y++, x0 += b, y0 += d) {
        int64_t sx = x0, sy = y0;
        for (int x = 0; x < out->w; x++, to += 3, sx += a, sy += c) {
            int64_t ix = sx >> 16, iy = sy >> 16;
            if (ix >= 0 && ix < im->w && iy >= 0 && iy < im->h)
                memcpy(to, im->pixel + 3 * (iy * im->w + ix), 3);
        }
    }
}

bool warp_image(struct image *im, const struct warp *w, struct err *e)
{
    struct image from;
    double m[6];
    size_t n = (size_t)im->w * (size_t)im->h;
    if (!image_init(&from, im->w, im->h, e))
        return false;
    memcpy(from.pixel, im->pixel, 3 * n);
    static const uint8_t black[3] = {0, 0, 0};
    const uint8_t *colour = w->fill == AUGMENT_FILL_MEAN ? mean_colour : black;
    for (size_t i = 0; i < n; i++)
        memcpy(im->pixel + 3 * i, colour, 3);
    warp_matrix(w, im, m);
    if (w->nearest)
        warp_nearest(&from, m, im);
    else
        warp_smooth(&from, m, im);
    image_release(&from);
    return true;
}
