/* The vectors' sums are the definition's, at lengths around their steps and at the largest values. */
#include "data/sums.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void same_sums(int w, int h, bool white)
{
    struct image im;
    struct err e = {0};
    struct rng r = rng_at(1, RNG_TEST, (uint64_t)w, (uint64_t)h);
    assert_true(image_init(&im, w, h, &e));
    for (int i = 0; i < 3 * w * h; i++)
        im.pixel[i] = white ? 255 : (uint8_t)rng_u32(&r);
    struct picture_sums fast, plain;
    picture_sums_of(&im, &fast);
    picture_sums_plain(&im, &plain);
    assert_int_equal(plain.n, w * h);
    if (white)
        assert_true(plain.square[1] == 255 * 255 * plain.n);
    assert_memory_equal(&fast, &plain, sizeof(fast));
    image_release(&im);
}

static void sums_of_any_length(void **state)
{
    (void)state;
    for (int w = 1; w < 70; w++)
        same_sums(w, 1, false);
    same_sums(131, 97, false);
    same_sums(294, 294, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sums_of_any_length)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
