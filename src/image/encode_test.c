#include "image/encode.h"

#include "base/file.h"
#include "base/rng.h"
#include "image/decode.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct image picture(int w, int h, bool noise)
{
    struct image im;
    struct err e = {0};
    struct rng r = rng_at(1, RNG_TEST, (uint64_t)w, (uint64_t)h);
    assert_true(image_init(&im, w, h, &e));
    for (int i = 0; i < 3 * w * h; i++)
        im.pixel[i] = (uint8_t)(noise ? rng_u32(&r) : (uint32_t)(i / 3 % w + i / 3 / w + 40));
    return im;
}

/* What is written is read again: the size, and smooth colours nearly. */
static void test_round_trip(void **state)
{
    (void)state;
    static const int size[][2] = {{1, 1}, {17, 5}, {128, 128}, {33, 90}};
    for (size_t k = 0; k < sizeof(size) / sizeof(*size); k++) {
        struct image im = picture(size[k][0], size[k][1], false), back;
        struct err e = {0};
        uint8_t *byte;
        size_t n;
        assert_true(encode_jpeg(&im, 90, &byte, &n, &e));
        if (!decode_bytes(byte, n, 1, &back, NULL, &e))
            fail_msg("%s", e.msg);
        assert_int_equal(back.w, im.w);
        assert_int_equal(back.h, im.h);
        for (int i = 0; i < 3 * im.w * im.h; i++)
            assert_in_range(back.pixel[i] + 16 - im.pixel[i], 4, 28);
        mem_free(byte);
        image_release(&im);
        image_release(&back);
    }
}

static void test_noise_fits(void **state)
{
    (void)state;
    struct image im = picture(200, 130, true);
    struct err e = {0};
    uint8_t *byte;
    size_t n;
    assert_true(encode_jpeg(&im, 100, &byte, &n, &e));
    assert_true(n > 3 * 200 * 130 / 2);
    mem_free(byte);
    image_release(&im);
}

/* No memory, no place, a full disk: an error, and nothing is left. */
static void test_failures(void **state)
{
    (void)state;
    struct image im = picture(20, 20, false);
    char path[] = "/tmp/linnet-encode-XXXXXX";
    assert_non_null(mkdtemp(path));
    char file[64];
    snprintf(file, sizeof(file), "%s/a.jpg", path);
    for (int i = 1; i <= 2; i++) {
        struct err e = {0};
        mem_fail_at(i);
        assert_false(encode_jpeg_file(&im, 90, file, &e));
        mem_fail_at(0);
        assert_int_equal(e.kind, ERR_NOMEM);
    }
    struct err e = {0};
    file_fail_at(1, ENOSPC);
    assert_false(encode_jpeg_file(&im, 90, file, &e));
    file_fail_at(0, 0);
    assert_int_equal(e.kind, ERR_STORAGE);
    assert_int_not_equal(access(file, F_OK), 0);
    assert_true(encode_jpeg_file(&im, 90, file, &e));
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(path), 0);
    image_release(&im);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_noise_fits),
        cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
