/* Every row of transforms[] keeps the contract of augment.h. */
#include "augment/augment.h"
#include "augment/crop.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { SIDE = 33, BYTES = 3 * SIDE * SIDE };

/* A setting of each row that is sure to change a picture. */
static const struct {
    const char *name;
    struct augment_config cfg;
} on[] = {
    {"center_crop", {.crop = AUGMENT_CROP_CENTRE}},
    {"random_crop", {.crop = AUGMENT_CROP_RANDOM, .crop_side = 1, .crop_padding = 4}},
    {"random_resized_crop",
     {.crop = AUGMENT_CROP_RESIZED,
      .crop_scale_min = 0.2,
      .crop_scale_max = 0.9,
      .crop_ratio = 1.5}},
    {"hflip", {.hflip = 1}},
    {"vflip", {.vflip = 1}},
    {"rotation", {.rotation = 90}},
    {"affine",
     {.affine_degrees = 20, .affine_translate = 0.3, .affine_scale = 1.5, .affine_shear = 10}},
    {"rand_augment", {.rand_augment = 4, .rand_augment_magnitude = 20}},
    {"trivial_augment", {.trivial_augment = true}},
    {"colour_jitter", {.brightness = 0.4, .contrast = 0.4, .saturation = 0.4, .hue = 0.3}},
    {"grey", {.grey = 1}},
    {"blur", {.blur = 1, .blur_sigma_min = 1, .blur_sigma_max = 3}},
    {"random_erasing",
     {.erase = 1, .erase_min = 0.1, .erase_max = 0.3, .erase_fill = AUGMENT_ERASE_NOISE}},
};

static const struct augment_config *on_config(const struct transform *t)
{
    for (size_t i = 0; i < sizeof(on) / sizeof(*on); i++)
        if (!strcmp(on[i].name, t->name))
            return &on[i].cfg;
    fail_msg("no setting of %s in this test", t->name);
    return NULL;
}

static struct image picture(int w, int h)
{
    struct image im;
    struct err e = {0};
    struct rng r = rng_at(3, RNG_TEST, (uint64_t)w, (uint64_t)h);
    assert_true(image_init(&im, w, h, &e));
    for (int i = 0; i < 3 * w * h; i++)
        im.pixel[i] = (uint8_t)(rng_u32(&r) >> 25 | (uint32_t)(i % 97));
    return im;
}

static void apply(const struct augment_config *cfg, uint64_t sample, const struct image *src,
                  int size_px, uint8_t *out)
{
    struct rng r = rng_at(7, RNG_AUGMENT, 2, sample);
    struct err e = {0};
    if (!augment_apply(cfg, size_px, &r, src, out, &e))
        fail_msg("%s", e.msg);
}

static void test_same_seed_same_pixels(void **state)
{
    (void)state;
    uint8_t a[BYTES], b[BYTES];
    struct image src = picture(47, 38), before = picture(47, 38);
    for (int i = 0; transforms[i]; i++) {
        int differ = 0;
        for (uint64_t s = 0; s < 20; s++) {
            apply(on_config(transforms[i]), s, &src, SIDE, a);
            apply(on_config(transforms[i]), s, &src, SIDE, b);
            assert_memory_equal(a, b, BYTES);
            apply(&(struct augment_config){0}, s, &src, SIDE, b);
            differ += memcmp(a, b, BYTES) != 0;
        }
        if (transforms[i]->active(&(struct augment_config){0}))
            assert_int_equal(differ, 0);
        else
            assert_true(differ >= 10); /* some of RandAugment's operations are the identity */
    }
    assert_memory_equal(src.pixel, before.pixel, 3 * 47 * 38);
    image_release(&src);
    image_release(&before);
}

/* A row that its probability or strength turns off changes nothing, however else it is set. */
static void test_off_is_identity(void **state)
{
    (void)state;
    const struct augment_config off = {.blur_sigma_min = 1,
                                       .blur_sigma_max = 2,
                                       .erase_max = 0.3,
                                       .erase_fill = AUGMENT_ERASE_NOISE,
                                       .affine_scale = 1,
                                       .rand_augment_magnitude = 20,
                                       .warp_fill = AUGMENT_FILL_MEAN};
    const struct augment_config whole = {.crop = AUGMENT_CROP_RESIZED, .crop_ratio = 1};
    struct image src = picture(SIDE, SIDE);
    uint8_t out[BYTES];
    for (int i = 0; transforms[i]; i++)
        assert_true(transforms[i]->active(&off) == !strcmp(transforms[i]->name, "center_crop"));
    apply(&off, 1, &src, SIDE, out);
    assert_memory_equal(out, src.pixel, BYTES);
    apply(&whole, 1, &src, SIDE, out);
    assert_memory_equal(out, src.pixel, BYTES);
    image_release(&src);
}

static void test_any_size(void **state)
{
    (void)state;
    static const int size[][3] = {{1, 1, 1},    {1, 1, 5},   {2, 9, 3},    {9, 2, 8},
                                  {300, 3, 31}, {17, 19, 1}, {40, 40, 32}, {5, 400, 7}};
    for (size_t k = 0; k < sizeof(size) / sizeof(*size); k++) {
        struct image src = picture(size[k][0], size[k][1]), out;
        struct err e = {0};
        assert_true(image_init(&out, size[k][2], size[k][2], &e));
        for (int i = 0; transforms[i]; i++)
            for (uint64_t s = 0; s < 10; s++)
                apply(on_config(transforms[i]), s, &src, size[k][2], out.pixel);
        image_release(&src);
        image_release(&out);
    }
}

static void test_one_crop(void **state)
{
    (void)state;
    for (int crop = AUGMENT_CROP_CENTRE; crop <= AUGMENT_CROP_RESIZED; crop++) {
        int n = 0;
        for (int i = 0; transforms[i]; i++) {
            assert_true((transforms[i]->crop != NULL) != (transforms[i]->edit != NULL));
            n += transforms[i]->crop &&
                 transforms[i]->active(&(struct augment_config){.crop = crop});
        }
        assert_int_equal(n, 1);
    }
}

static void test_options(void **state)
{
    (void)state;
    for (int i = 0; transforms[i]; i++)
        for (const struct option *o = transforms[i]->options; o->name; o++) {
            assert_true(o->offset < sizeof(struct augment_config));
            assert_non_null(o->help);
            if (o->type == OPTION_REAL)
                assert_true(o->min.r <= o->fallback.r && o->fallback.r <= o->max.r);
        }
}

static void test_flips(void **state)
{
    (void)state;
    struct image src = picture(SIDE, SIDE);
    uint8_t out[BYTES];
    apply(&(struct augment_config){.hflip = 1, .vflip = 1}, 1, &src, SIDE, out);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            assert_memory_equal(out + 3 * (SIDE * y + x),
                                src.pixel + 3 * (SIDE * (SIDE - 1 - y) + SIDE - 1 - x), 3);
    image_release(&src);
}

/* Rows of every length around what one vector holds. */
static void test_mirror_of_any_width(void **state)
{
    (void)state;
    for (int side = 1; side <= SIDE; side++) {
        struct image src = picture(side, side);
        uint8_t out[BYTES];
        apply(&(struct augment_config){.hflip = 1}, 1, &src, side, out);
        for (int y = 0; y < side; y++)
            for (int x = 0; x < side; x++)
                assert_memory_equal(out + 3 * (side * y + x),
                                    src.pixel + 3 * (side * y + side - 1 - x), 3);
        image_release(&src);
    }
}

/* A crop at the picture's own scale is a window of it, and all windows occur. */
static void test_random_crop_is_a_window(void **state)
{
    (void)state;
    struct image src = picture(SIDE + 2, SIDE + 1);
    uint8_t out[BYTES], window[BYTES] = {0};
    int seen[2][3] = {{0}};
    for (uint64_t s = 0; s < 60; s++) {
        int found = 0;
        apply(&(struct augment_config){.crop = AUGMENT_CROP_RANDOM}, s, &src, SIDE, out);
        for (int y = 0; y < 2; y++)
            for (int x = 0; x < 3; x++) {
                struct image im = {SIDE, SIDE, window};
                crop_window(&src, x, y, AUGMENT_FILL_BLACK, &im);
                bool same = !memcmp(out, window, BYTES);
                seen[y][x] |= same;
                found += same;
            }
        assert_int_equal(found, 1);
    }
    for (int i = 0; i < 6; i++)
        assert_true(seen[i / 3][i % 3]);
    image_release(&src);
}

static void test_check(void **state)
{
    (void)state;
    struct err e = {0};
    struct augment_config cfg = {.crop_scale_min = 0.5, .crop_scale_max = 0.2};
    assert_false(augment_check(&cfg, &e));
    assert_int_equal(e.kind, ERR_USAGE);
    assert_string_equal(e.msg, "--crop-scale-min 0.5 is above --crop-scale-max 0.2");
    cfg.crop_scale_max = 1;
    assert_true(augment_check(&cfg, &e));
}

static void test_no_memory(void **state)
{
    (void)state;
    struct image src = picture(40, 40);
    uint8_t out[BYTES];
    struct augment_config cfg = {.rotation = 90};
    struct rng r = rng_at(7, RNG_AUGMENT, 2, 0);
    struct err e = {0};
    mem_fail_at(1);
    assert_false(augment_apply(&cfg, SIDE, &r, &src, out, &e));
    mem_fail_at(0);
    assert_int_equal(e.kind, ERR_NOMEM);
    image_release(&src);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_seed_same_pixels),
        cmocka_unit_test(test_off_is_identity),
        cmocka_unit_test(test_any_size),
        cmocka_unit_test(test_one_crop),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_flips),
        cmocka_unit_test(test_mirror_of_any_width),
        cmocka_unit_test(test_random_crop_is_a_window),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
