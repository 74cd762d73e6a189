/* The pixel functions of src/augment/ for test_augment.py:
 *     parity_augment OP W H [NUMBER...]  < (h, w, 3) bytes  > the same, changed */
#include "augment/augment.h"
#include "augment/colour.h"
#include "augment/crop.h"
#include "augment/filter.h"
#include "augment/policy.h"
#include "augment/warp.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef bool (*operation)(struct image *im, const double *a, struct err *e);

#define COLOUR(name, call)                                                                     \
    static bool name(struct image *im, const double *a, struct err *e)                         \
    {                                                                                          \
        (void)a;                                                                               \
        (void)e;                                                                               \
        call;                                                                                  \
        return true;                                                                           \
    }
COLOUR(brightness, colour_brightness(im, (float)a[0]))
COLOUR(contrast, colour_contrast(im, (float)a[0]))
COLOUR(saturation, colour_saturation(im, (float)a[0]))
COLOUR(hue, colour_hue(im, a[0]))
COLOUR(grey, colour_grey(im))
COLOUR(posterize, colour_posterize(im, (int)a[0]))
COLOUR(solarize, colour_solarize(im, a[0]))
COLOUR(autocontrast, colour_autocontrast(im))
COLOUR(equalize, colour_equalize(im))

static bool sharpness(struct image *im, const double *a, struct err *e)
{
    return filter_sharpness(im, (float)a[0], e);
}

static bool blur(struct image *im, const double *a, struct err *e)
{
    return filter_blur(im, (int)a[0], a[1], e);
}

/* degrees, shift x, shift y, scale, shear x, shear y, nearest */
static bool affine(struct image *im, const double *a, struct err *e)
{
    struct warp w = {.degrees = a[0],
                     .shift_x = a[1],
                     .shift_y = a[2],
                     .scale = a[3],
                     .shear_x = a[4],
                     .shear_y = a[5],
                     .nearest = a[6] != 0,
                     .fill = AUGMENT_FILL_BLACK};
    return warp_image(im, &w, e);
}

/* policy (0: RandAugment, 1: TrivialAugment), operation, bin, negative */
static bool policy(struct image *im, const double *a, struct err *e)
{
    const struct policy_range *range =
        a[0] != 0 ? &policy_trivial_augment : &policy_rand_augment;
    enum policy_op op = (enum policy_op)(int)a[1];
    double m = policy_magnitude(op, range, (int)a[2], im);
    return policy_apply(op, a[3] != 0 ? -m : m, im, e);
}

/* x, y, w, h, fill: a window, which replaces the picture */
static bool window(struct image *im, const double *a, struct err *e)
{
    struct image out;
    if (!image_init(&out, (int)a[2], (int)a[3], e))
        return false;
    crop_window(im, (int)a[0], (int)a[1], (enum augment_fill)(int)a[4], &out);
    image_release(im);
    *im = out;
    return true;
}

static const struct {
    const char *name;
    operation run;
} table[] = {
    {"brightness", brightness},
    {"contrast", contrast},
    {"saturation", saturation},
    {"hue", hue},
    {"grey", grey},
    {"posterize", posterize},
    {"solarize", solarize},
    {"equalize", equalize},
    {"autocontrast", autocontrast},
    {"sharpness", sharpness},
    {"blur", blur},
    {"affine", affine},
    {"policy", policy},
    {"window", window},
};

int main(int argc, char **argv)
{
    struct err e = {0};
    struct image im;
    double a[8] = {0};
    operation run = NULL;
    for (size_t i = 0; argc > 3 && i < sizeof(table) / sizeof(*table); i++)
        if (!strcmp(argv[1], table[i].name))
            run = table[i].run;
    for (int i = 4; i < argc && i < 12; i++)
        a[i - 4] = strtod(argv[i], NULL);
    if (!run || !image_init(&im, atoi(argv[2]), atoi(argv[3]), &e))
        return 2;
    size_t n = 3 * (size_t)im.w * (size_t)im.h;
    if (fread(im.pixel, 1, n, stdin) != n || !run(&im, a, &e)) {
        fprintf(stderr, "%s: %s\n", argv[1], e.msg);
        return 1;
    }
    n = 3 * (size_t)im.w * (size_t)im.h;
    bool ok = fwrite(im.pixel, 1, n, stdout) == n;
    image_release(&im);
    return ok ? 0 : 1;
}
