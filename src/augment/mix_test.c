/* Mixup and CutMix against what the papers say of pixels and labels. */
#include "augment/mix.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 5, SIDE = 8, CLASSES = 3, PICTURE = 3 * SIDE * SIDE };

struct world {
    uint8_t pixel[N * PICTURE], was[N * PICTURE];
    float label[N * CLASSES], was_label[N * CLASSES];
    struct mix_batch batch;
};

/* Picture i is of value 40 i, class i mod 3. */
static void fill(struct world *w, int n)
{
    memset(w->label, 0, sizeof(w->label));
    for (int i = 0; i < n; i++) {
        memset(w->pixel + PICTURE * i, 40 * i, PICTURE);
        w->label[CLASSES * i + i % CLASSES] = 1;
    }
    memcpy(w->was, w->pixel, sizeof(w->was));
    memcpy(w->was_label, w->label, sizeof(w->was_label));
    w->batch = (struct mix_batch){n, SIDE, SIDE, CLASSES, w->pixel, w->label};
}

static void mix(struct world *w, const struct augment_config *cfg, uint64_t batch, int n)
{
    struct rng r = rng_at(5, RNG_MIX, 1, batch);
    struct err e = {0};
    fill(w, n);
    assert_true(mix_apply(cfg, &r, &w->batch, &e));
}

/* The weight that the own picture kept, from the labels; all rows must agree. */
static double kept(const struct world *w)
{
    double keep = (double)w->label[CLASSES]; /* picture 1's class is 1, its predecessor's 0 */
    keep = 1 - keep;
    for (int i = 0; i < N; i++) {
        double sum = 0;
        for (int k = 0; k < CLASSES; k++) {
            double own = (double)w->was_label[CLASSES * i + k];
            double before = (double)w->was_label[CLASSES * ((i + N - 1) % N) + k];
            double is = (double)w->label[CLASSES * i + k];
            assert_true(fabs(is - (keep * own + (1 - keep) * before)) < 1e-5);
            sum += is;
        }
        assert_true(fabs(sum - 1) < 1e-5);
    }
    return keep;
}

static void test_mixup(void **state)
{
    (void)state;
    static struct world w;
    const struct augment_config cfg = {.mixup = 0.4, .mix_probability = 1};
    double mean = 0;
    for (uint64_t s = 0; s < 400; s++) {
        mix(&w, &cfg, s, N);
        double keep = kept(&w);
        for (int i = 0; i < N * PICTURE; i++) {
            int before = (i + (N - 1) * PICTURE) % (N * PICTURE);
            double want = keep * w.was[i] + (1 - keep) * w.was[before];
            assert_true(fabs(w.pixel[i] - want) <= 0.51);
        }
        mean += keep / 400;
    }
    assert_true(fabs(mean - 0.5) < 0.08); /* Beta(0.4, 0.4): deviation 0.37 / 20 */
}

static void test_cutmix(void **state)
{
    (void)state;
    static struct world w;
    const struct augment_config cfg = {.cutmix = 1, .mix_probability = 1};
    double mean = 0;
    for (uint64_t s = 0; s < 200; s++) {
        mix(&w, &cfg, s, N);
        double keep = kept(&w);
        for (int i = 0; i < N; i++) {
            int own = 0, n = 0;
            for (int k = 0; k < PICTURE; k++, n++) {
                int v = w.pixel[PICTURE * i + k];
                assert_true(v == 40 * i || v == 40 * ((i + N - 1) % N));
                own += v == 40 * i;
            }
            assert_true(fabs(keep - (double)own / n) < 1e-5);
        }
        mean += keep / 200;
    }
    assert_true(mean > 0.5 && mean < 0.85); /* boxes are cut at the edges */
}

static void test_off(void **state)
{
    (void)state;
    static struct world w;
    const struct augment_config off[] = {
        {.mix_probability = 1}, {.mixup = 1}, {.cutmix = 1, .mix_probability = 0}};
    for (size_t i = 0; i < sizeof(off) / sizeof(*off); i++) {
        mix(&w, &off[i], i, N);
        assert_memory_equal(w.pixel, w.was, sizeof(w.was));
        assert_memory_equal(w.label, w.was_label, sizeof(w.was_label));
    }
    mix(&w, &(struct augment_config){.mixup = 1, .mix_probability = 1}, 0, 1);
    assert_memory_equal(w.pixel, w.was, PICTURE); /* alone in its batch */
}

static void test_same_seed_same_pixels(void **state)
{
    (void)state;
    static struct world a, b;
    const struct augment_config cfg = {.mixup = 0.2, .cutmix = 1, .mix_probability = 0.8};
    for (uint64_t s = 0; s < 20; s++) {
        mix(&a, &cfg, s, N);
        mix(&b, &cfg, s, N);
        assert_memory_equal(a.pixel, b.pixel, sizeof(a.pixel));
        assert_memory_equal(a.label, b.label, sizeof(a.label));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mixup),
        cmocka_unit_test(test_cutmix),
        cmocka_unit_test(test_off),
        cmocka_unit_test(test_same_seed_same_pixels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
