/* Resampling by hand, the kernels against the plain one, and torchvision's geometry. Equality with
 * Pillow is tests/parity/test_images.py's. */
#include "image/resize.h"

#include "base/mem.h"
#include "base/rng.h"
#include "image/resample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct image noise(int w, int h, unsigned seed)
{
    struct err e = {0};
    struct image im;
    struct rng r = rng_at(seed, RNG_TEST, (uint64_t)w, (uint64_t)h);
    assert_true(image_init(&im, w, h, &e));
    for (int i = 0; i < w * h * 3; i++)
        im.pixel[i] = (uint8_t)rng_u32(&r);
    return im;
}

static void two_pixels_become_their_mean(void **state)
{
    (void)state;
    struct err e = {0};
    uint8_t pixel[] = {0, 100, 255, 10, 201, 255};
    struct image src = {2, 1, pixel}, out;
    assert_true(resize(&src, 1, 1, RESIZE_BILINEAR, &out, &e));
    const uint8_t mean[] = {5, 151, 255}; /* 150.5 rounds up */
    assert_memory_equal(out.pixel, mean, 3);
    image_release(&out);
    /* 1 to 3 pixels: a single source is repeated, whatever the filter. */
    src.w = 1;
    assert_true(resize(&src, 3, 2, RESIZE_BICUBIC, &out, &e));
    for (int i = 0; i < 6; i++)
        assert_memory_equal(out.pixel + 3 * i, pixel, 3);
    image_release(&out);
}

/* Heights around the four rows and widths around the 32 bytes that a vector takes, enlarged and
 * reduced, in both orders of the passes, with a box, and with more taps than the kernels take. */
enum { ALL, RIGHT_PART, BOTTOM, ALL_BUT_LEFT, CORNER };
static const struct box boxes[] = {
    [RIGHT_PART] = {3.5, 10.25, 60, 70},
    [BOTTOM] = {0, 60, 97, 83},
    [ALL_BUT_LEFT] = {1, 0, 97, 83},
    [CORNER] = {38, 38, 40, 40},
};
// clang-format off
static const struct shape_case {
    int w, h, out_w, out_h, box;
} shapes[] = {
    {500, 375, 393, 295, ALL}, {11, 4, 5, 3, ALL},      {10, 5, 23, 17, ALL},
    {64, 7, 20, 7, ALL},       {7, 64, 7, 20, ALL},     {1, 1, 9, 9, ALL},
    {3, 3, 2, 2, ALL},         {100, 200, 90, 20, ALL}, {100, 50, 400, 60, ALL},
    {1200, 6, 2, 5, ALL},      {6, 1200, 5, 2, ALL},    {300, 9, 297, 8, ALL},
    {97, 83, 41, 59, RIGHT_PART}, {97, 83, 90, 30, BOTTOM}, {97, 83, 97, 83, ALL_BUT_LEFT},
    {40, 40, 224, 224, CORNER},
};
// clang-format on

static void every_kernel_gives_the_plain_ones_bytes(void **state)
{
    (void)state;
    struct err e = {0};
    int ran = 0;
    for (const struct resample_kernel *const *k = resample_kernels; *k; k++)
        ran += (*k)->present();
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        const struct shape_case *s = &shapes[i];
        struct box all = {0, 0, s->w, s->h}, box = s->box ? boxes[s->box] : all;
        struct image src = noise(s->w, s->h, 1), plain, fast;
        for (int f = RESIZE_BILINEAR; f <= RESIZE_BICUBIC; f++) {
            setenv("LINNET_ISA", "generic", 1);
            assert_true(
                resize_box(&src, box, s->out_w, s->out_h, (enum resize_filter)f, &plain, &e));
            unsetenv("LINNET_ISA");
            assert_true(
                resize_box(&src, box, s->out_w, s->out_h, (enum resize_filter)f, &fast, &e));
            assert_memory_equal(fast.pixel, plain.pixel, (size_t)(s->out_w * s->out_h * 3));
            image_release(&plain);
            image_release(&fast);
        }
        image_release(&src);
    }
    print_message("%d kernels on this processor\n", ran);
}

static void flat_stays_flat(void **state)
{
    (void)state;
    struct err e = {0};
    struct image src, out;
    assert_true(image_init(&src, 50, 40, &e));
    memset(src.pixel, 255, 50 * 40 * 3);
    for (int f = RESIZE_BILINEAR; f <= RESIZE_NEAREST; f++) {
        assert_true(resize(&src, 123, 17, (enum resize_filter)f, &out, &e));
        for (int i = 0; i < 123 * 17 * 3; i++)
            assert_int_equal(out.pixel[i], 255);
        image_release(&out);
    }
    image_release(&src);
}

static void nearest_takes_the_pixel_under_the_centre(void **state)
{
    (void)state;
    struct err e = {0};
    struct image src = noise(5, 3, 2), out;
    assert_true(resize(&src, 10, 3, RESIZE_NEAREST, &out, &e));
    for (int y = 0; y < 3; y++)
        for (int x = 0; x < 10; x++)
            assert_memory_equal(out.pixel + (y * 10 + x) * 3, src.pixel + (y * 5 + x / 2) * 3,
                                3);
    image_release(&out);
    image_release(&src);
}

static void shorter_side_as_torchvision(void **state)
{
    (void)state;
    const int want[][5] = {{500, 375, 256, 341, 256}, {375, 500, 256, 256, 341},
                           {100, 100, 64, 64, 64},    {1, 1000, 3, 3, 3000},
                           {333, 500, 294, 294, 441}, {7, 5, 1, 1, 1}};
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        int w, h;
        resize_shorter_size(want[i][0], want[i][1], want[i][2], &w, &h);
        assert_int_equal(w, want[i][3]);
        assert_int_equal(h, want[i][4]);
    }
}

static void crop_and_padding(void **state)
{
    (void)state;
    struct err e = {0};
    struct image src = noise(5, 4, 3), out;
    /* Origins round half to even: (5 - 2) / 2 = 1.5 is 2, (4 - 3) / 2 = 0.5 is 0. */
    assert_true(center_crop(&src, 2, 3, &out, &e));
    assert_memory_equal(out.pixel, src.pixel + 2 * 3, 6);
    image_release(&out);
    /* 8 wide: (8 - 5) / 2 = 1 column of black at the left, two at the right. */
    assert_true(center_crop(&src, 8, 4, &out, &e));
    const uint8_t black[6] = {0};
    assert_memory_equal(out.pixel, black, 3);
    assert_memory_equal(out.pixel + 3, src.pixel, 15);
    assert_memory_equal(out.pixel + 18, black, 6);
    image_release(&out);
    image_release(&src);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    struct err e = {0};
    struct image src = noise(5, 4, 3), out;
    assert_false(resize(&src, 0, 4, RESIZE_BILINEAR, &out, &e));
    assert_false(resize_box(&src, (struct box){0, 0, 6, 4}, 2, 2, RESIZE_BILINEAR, &out, &e));
    assert_false(resize_box(&src, (struct box){2, 0, 2, 4}, 2, 2, RESIZE_BILINEAR, &out, &e));
    assert_int_equal(e.kind, ERR_INTERNAL);
    assert_null(out.pixel);
    image_release(&src);
}

static void no_memory_is_an_error_and_no_leak(void **state)
{
    (void)state;
    struct image src = noise(40, 60, 4), out;
    const int size[][2] = {{20, 30}, {60, 10}, {40, 60}};
    for (size_t i = 0; i < COUNT_OF(size); i++)
        for (int f = RESIZE_BILINEAR; f <= RESIZE_NEAREST; f++) {
            struct err e = {0};
            int n = 1, w = size[i][0], h = size[i][1];
            for (mem_fail_at(n); !resize(&src, w, h, (enum resize_filter)f, &out, &e);
                 mem_fail_at(++n)) {
                assert_int_equal(e.kind, ERR_NOMEM);
                assert_null(out.pixel);
            }
            mem_fail_at(0);
            assert_true(n > 1); /* at least one allocation was made to fail */
            image_release(&out);
        }
    image_release(&src);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_pixels_become_their_mean),
        cmocka_unit_test(every_kernel_gives_the_plain_ones_bytes),
        cmocka_unit_test(flat_stays_flat),
        cmocka_unit_test(nearest_takes_the_pixel_under_the_centre),
        cmocka_unit_test(shorter_side_as_torchvision),
        cmocka_unit_test(crop_and_padding),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(no_memory_is_an_error_and_no_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
