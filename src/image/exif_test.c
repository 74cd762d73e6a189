/* Turning by the definition of each orientation, and damaged EXIF blocks. */
#include "image/exif.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { W = 37, H = 70 }; /* more than a tile of the transposition, and no multiple of it */

/* Where pixel (x, y) of the upright picture lies in a stored one of w x h (EXIF 2.3, tag 0x0112). */
static void stored_place(int orientation, int w, int h, int x, int y, int *sx, int *sy)
{
    const int place[9][2] = {{0}, /* 0 is no orientation */
                             {x, y}, {w - 1 - x, y}, {w - 1 - x, h - 1 - y}, {x, h - 1 - y},
                             {y, x}, {y, h - 1 - x}, {w - 1 - y, h - 1 - x}, {w - 1 - y, x}};
    *sx = place[orientation][0];
    *sy = place[orientation][1];
}

static void each_orientation_is_turned_upright(void **state)
{
    (void)state;
    struct err e = {0};
    for (int orientation = 1; orientation <= 8; orientation++) {
        struct image im;
        assert_true(image_init(&im, W, H, &e));
        for (int i = 0; i < W * H * 3; i++)
            im.pixel[i] = (uint8_t)(i * 7 + i / 251);
        uint8_t before[W * H * 3];
        memcpy(before, im.pixel, sizeof(before));
        assert_true(exif_apply(&im, orientation, &e));
        assert_int_equal(im.w, orientation < 5 ? W : H);
        for (int y = 0; y < im.h; y++)
            for (int x = 0; x < im.w; x++) {
                int sx, sy;
                stored_place(orientation, W, H, x, y, &sx, &sy);
                assert_memory_equal(im.pixel + (y * im.w + x) * 3, before + (sy * W + sx) * 3,
                                    3);
            }
        image_release(&im);
    }
}

static void damaged_blocks_are_upright(void **state)
{
    (void)state;
    /* Little-endian TIFF: directory at 8, one entry: tag, type, count, value. */
    const uint8_t good[] = {'I', 'I', '*', 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3,
                            0,   1,   0,   0, 0, 6, 0, 0, 0, 0, 0,    0, 0};
    assert_int_equal(exif_orientation(good, sizeof(good)), 6);
    for (size_t n = 0; n < 22; n++)
        assert_int_equal(exif_orientation(good, n), 1);
    const struct {
        size_t at;
        uint8_t value;
    } change[] = {
        {0, 'M'},   {1, 'X'}, {2, 0},  {4, 200}, {7, 0xff}, {8, 0},
        {10, 0x13}, {12, 2},  {14, 0}, {18, 0},  {18, 9},   {19, 1},
    };
    for (size_t i = 0; i < COUNT_OF(change); i++) {
        uint8_t bad[sizeof(good)];
        memcpy(bad, good, sizeof(good));
        bad[change[i].at] = change[i].value;
        assert_int_equal(exif_orientation(bad, sizeof(bad)), 1);
    }
    uint8_t endless[sizeof(good)];
    memcpy(endless, good, sizeof(good));
    endless[8] = endless[9] = 0xff; /* 65,535 entries said, the first is there and counts */
    assert_int_equal(exif_orientation(endless, sizeof(endless)), 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_orientation_is_turned_upright),
        cmocka_unit_test(damaged_blocks_are_upright),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
