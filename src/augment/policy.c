#include "augment/policy.h"

#include "augment/colour.h"
#include "augment/crop.h"
#include "augment/filter.h"
#include "augment/warp.h"

#include <math.h>

const struct policy_range policy_rand_augment = {.shear = 0.3,
                                                 .translate = 150.0 / 331.0,
                                                 .translate_share = true,
                                                 .rotate = 30,
                                                 .enhance = 0.9,
                                                 .posterize = 4};
const struct policy_range policy_trivial_augment = {
    .shear = 0.99, .translate = 32, .rotate = 135, .enhance = 0.99, .posterize = 6};

bool policy_signed(enum policy_op op)
{
    return op >= POLICY_SHEAR_X && op <= POLICY_SHARPNESS;
}

/* torch.linspace(0, end, POLICY_BINS)[bin], in its float32. */
static double spread(double end, int bin)
{
    float last = (float)end, step = last / (POLICY_BINS - 1);
    bool low = bin < POLICY_BINS / 2;
    return (double)(low ? step * (float)bin : last - step * (float)(POLICY_BINS - 1 - bin));
}

double policy_magnitude(enum policy_op op, const struct policy_range *range, int bin,
                        const struct image *im)
{
    int side = op == POLICY_TRANSLATE_X ? im->w : im->h;
    switch (op) {
    case POLICY_SHEAR_X:
    case POLICY_SHEAR_Y:
        return spread(range->shear, bin);
    case POLICY_TRANSLATE_X:
    case POLICY_TRANSLATE_Y:
        return spread(range->translate * (range->translate_share ? side : 1), bin);
    case POLICY_ROTATE:
        return spread(range->rotate, bin);
    case POLICY_BRIGHTNESS:
    case POLICY_COLOUR:
    case POLICY_CONTRAST:
    case POLICY_SHARPNESS:
        return spread(range->enhance, bin);
    case POLICY_POSTERIZE:
        return round_even(8 - (double)bin * range->posterize / (POLICY_BINS - 1));
    case POLICY_SOLARIZE:
        return 1 - spread(1, bin);
    case POLICY_IDENTITY:
    case POLICY_AUTOCONTRAST:
    case POLICY_EQUALIZE:
    case N_POLICY_OP:
        break;
    }
    return 0;
}

/* The five that move pixels; nearest and black, as torchvision's defaults. */
static bool move(enum policy_op op, double m, struct image *im, struct err *e)
{
    const double degree = 180 / 3.14159265358979323846;
    struct warp w = {.nearest = true, .fill = AUGMENT_FILL_BLACK};
    if (op == POLICY_SHEAR_X)
        w.shear_x = atan(m) * degree;
    else if (op == POLICY_SHEAR_Y)
        w.shear_y = atan(m) * degree;
    else if (op == POLICY_TRANSLATE_X)
        w.shift_x = trunc(m);
    else if (op == POLICY_TRANSLATE_Y)
        w.shift_y = trunc(m);
    else
        w.degrees = -m; /* rotate() turns the other way than affine() */
    w.from_corner = op == POLICY_SHEAR_X || op == POLICY_SHEAR_Y;
    return warp_image(im, &w, e);
}

bool policy_apply(enum policy_op op, double m, struct image *im, struct err *e)
{
    switch (op) {
    case POLICY_SHEAR_X:
    case POLICY_SHEAR_Y:
    case POLICY_TRANSLATE_X:
    case POLICY_TRANSLATE_Y:
    case POLICY_ROTATE:
        return move(op, m, im, e);
    case POLICY_BRIGHTNESS:
        colour_brightness(im, (float)(1 + m));
        break;
    case POLICY_COLOUR:
        colour_saturation(im, (float)(1 + m));
        break;
    case POLICY_CONTRAST:
        colour_contrast(im, (float)(1 + m));
        break;
    case POLICY_SHARPNESS:
        return filter_sharpness(im, (float)(1 + m), e);
    case POLICY_POSTERIZE:
        colour_posterize(im, (int)m);
        break;
    case POLICY_SOLARIZE:
        colour_solarize(im, 255 * m);
        break;
    case POLICY_AUTOCONTRAST:
        colour_autocontrast(im);
        break;
    case POLICY_EQUALIZE:
        colour_equalize(im);
        break;
    case POLICY_IDENTITY:
    case N_POLICY_OP:
        break;
    }
    return true;
}
