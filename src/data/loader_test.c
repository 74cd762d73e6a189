/* The stream of batches: the same for any number of threads, after any seek, cached or not. */
#include "data/loader.h"

#include "base/file.h"
#include "data/fixture.h"

#include <setjmp.h>

#include <cmocka.h>

enum { N_CLASS = 3, PER_CLASS = 7, N = N_CLASS * PER_CLASS, SIZE = 32 };

static struct dataset *data;
static uint32_t all[N];

static int set_up(void **state)
{
    (void)state;
    struct err e = {0};
    for (int c = 0; c < N_CLASS; c++)
        for (int i = 0; i < PER_CLASS; i++)
            make_jpeg(at("set/c%d/%d.jpg", c, i), (uint32_t)(c * 100 + i), 40 + 9 * i,
                      70 - 5 * c);
    struct dataset_config cfg = {.path = at("set")};
    data = dataset_open(&cfg, PART_TRAIN, &e);
    for (uint32_t i = 0; i < N; i++)
        all[i] = i;
    return data && data->n_sample == N ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    dataset_free(data);
    return remove_tree(at("%s", ""));
}

static const struct augment_config augment = {
    .crop = AUGMENT_CROP_RESIZED,
    .crop_scale_min = 0.3,
    .crop_scale_max = 1,
    .crop_ratio = 4.0 / 3,
    .hflip = 0.5,
};

static struct loader_config training(void)
{
    return (struct loader_config){
        .index = all,
        .n_index = N,
        .batch = 4,
        .size_px = SIZE,
        .n_class = N_CLASS,
        .order = ORDER_SHUFFLED,
        .merge_last = true,
        .seed = 11,
        .n_thread = 2,
        .augment = &augment,
    };
}

static struct loader *open_loader(const struct loader_config *cfg)
{
    struct err e = {0};
    struct loader *l = loader_new(data, cfg, &e);
    if (!l)
        fail_msg("%s", e.msg);
    return l;
}

static const struct batch *next(struct loader *l)
{
    struct err e = {0};
    const struct batch *b;
    if (!loader_next(l, &b, &e))
        fail_msg("%s", e.msg);
    return b;
}

/* Chained hash of n batches (epoch ends count as one). */
static uint64_t digest(struct loader *l, int n)
{
    uint64_t h = 0;
    for (int i = 0; i < n; i++) {
        const struct batch *b = next(l);
        if (!b) {
            h = hash64("end", 3, h);
            continue;
        }
        h = hash64(b->pixel, (size_t)(b->n * b->h * b->w * b->channels), h);
        h = hash64(b->sample, (size_t)b->n * sizeof(*b->sample), h);
        h = hash64(b->label, (size_t)(b->n * N_CLASS) * sizeof(float), h);
    }
    return h;
}

static void epochs(void **state)
{
    (void)state;
    struct loader_config cfg = training();
    struct loader *l = open_loader(&cfg);
    int order[2][N], at_sample = 0, seen[N] = {0};
    assert_int_equal(loader_batches(l), 5); /* 4 4 4 4 5 */
    for (int epoch = 0; epoch < 2; epoch++) {
        at_sample = 0;
        for (int b = 0; b < 5; b++) {
            const struct batch *batch = next(l);
            assert_int_equal(batch->n, b < 4 ? 4 : 5);
            for (int i = 0; i < batch->n; i++) {
                order[epoch][at_sample++] = (int)batch->sample[i];
                seen[batch->sample[i]]++;
                assert_true(batch->label[i * N_CLASS + data->sample[batch->sample[i]].label] ==
                            1);
            }
        }
        assert_null(next(l));
        assert_int_equal(at_sample, N);
    }
    for (int i = 0; i < N; i++)
        assert_int_equal(seen[i], 2);
    assert_memory_not_equal(order[0], order[1], sizeof(order[0]));
    loader_free(l);
    cfg.merge_last = false;
    l = open_loader(&cfg);
    assert_int_equal(loader_batches(l), 6);
    loader_free(l);
}

static void same_for_any_threads(void **state)
{
    (void)state;
    struct loader_config cfg = training();
    uint64_t first = 0;
    for (int n = 1; n <= 8; n = n < 3 ? n + 1 : n + 5) {
        cfg.n_thread = n;
        struct loader *l = open_loader(&cfg);
        uint64_t h = digest(l, 13);
        loader_free(l);
        first = n == 1 ? h : first;
        assert_int_equal(h, first);
    }
    cfg.seed++;
    struct loader *l = open_loader(&cfg);
    assert_int_not_equal(digest(l, 13), first);
    loader_free(l);
}

static void seeks(void **state)
{
    (void)state;
    struct err e;
    struct loader_config cfg = training();
    struct loader *l = open_loader(&cfg);
    digest(l, 8); /* epoch 0, its end, 2 batches of epoch 1 */
    uint64_t rest = digest(l, 6);
    assert_true(loader_seek(l, 1, 2, &e));
    assert_int_equal(digest(l, 6), rest);
    assert_true(loader_seek(l, 0, 5, &e)); /* all of epoch 0 done: its end comes */
    assert_null(next(l));
    digest(l, 2);
    assert_int_equal(digest(l, 6), rest);
    loader_free(l);
    l = open_loader(&cfg);
    assert_true(loader_seek(l, 1, 2, &e));
    assert_int_equal(digest(l, 6), rest);
    assert_false(loader_seek(l, 0, 6, &e));
    loader_free(l);
}

static void mixes(void **state)
{
    (void)state;
    struct augment_config mixup = augment;
    mixup.mixup = 1;
    mixup.mix_probability = 1;
    struct loader_config cfg = training();
    cfg.augment = &mixup;
    struct loader *l = open_loader(&cfg);
    const struct batch *b = next(l);
    int n_soft = 0;
    for (int i = 0; i < b->n; i++) {
        const float *row = b->label + i * N_CLASS;
        n_soft += row[0] != 1 && row[1] != 1 && row[2] != 1;
        assert_true(row[0] + row[1] + row[2] > 0.999f && row[0] + row[1] + row[2] < 1.001f);
    }
    assert_true(n_soft > 0);
    loader_free(l);
    uint64_t first = 0;
    for (int n = 1; n <= 4; n += 3) {
        cfg.n_thread = n;
        l = open_loader(&cfg);
        uint64_t h = digest(l, 7);
        loader_free(l);
        first = n == 1 ? h : first;
        assert_int_equal(h, first);
    }
}

static void balanced(void **state)
{
    (void)state;
    static const uint32_t some[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 14, 15, 16};
    struct loader_config cfg = training();
    cfg.index = some;
    cfg.n_index = COUNT_OF(some);
    cfg.order = ORDER_BALANCED;
    struct loader *l = open_loader(&cfg);
    int count[N_CLASS] = {0};
    for (const struct batch *b; (b = next(l));)
        for (int i = 0; i < b->n; i++)
            count[data->sample[b->sample[i]].label]++;
    for (int c = 0; c < N_CLASS; c++)
        assert_int_equal(count[c], 4);
    loader_free(l);
}

static void permutation(void **state)
{
    (void)state;
    enum { TRIALS = 6000 };
    uint8_t seen[1000];
    for (uint32_t n = 1; n < 1000; n = n * 2 + 1) {
        memset(seen, 0, sizeof(seen));
        for (uint32_t i = 0; i < n; i++)
            seen[order_permute(3, n, 0, n, i)]++;
        for (uint32_t i = 0; i < n; i++)
            assert_int_equal(seen[i], 1);
    }
    int place[3][3] = {{0}}; /* each place equally often: 2000 +- 4 deviations of 36 */
    for (uint64_t t = 0; t < TRIALS; t++)
        for (uint32_t i = 0; i < 3; i++)
            place[i][order_permute(5, t, 0, 3, i)]++;
    for (int i = 0; i < 9; i++)
        assert_in_range(place[i / 3][i % 3], 2000 - 146, 2000 + 146);
}

/* View v of a sample by (seed, v, sample) alone: whatever the order, batches and epoch. */
static void takes_views_in_turn(void **state)
{
    (void)state;
    enum { VIEWS = 2, PICTURE = SIZE * SIZE * 3 };
    static uint8_t seen[VIEWS][N][PICTURE];
    struct err e = {0};
    struct loader_config cfg = training();
    cfg.order = ORDER_SEQUENTIAL;
    cfg.views = VIEWS;
    struct loader *l = open_loader(&cfg);
    for (int v = 0; v < VIEWS; v++)
        for (const struct batch *b; (b = next(l));)
            for (int i = 0; i < b->n; i++) {
                assert_int_equal(b->view[i], v);
                memcpy(seen[v][b->sample[i]], b->pixel + i * PICTURE, PICTURE);
            }
    loader_free(l);
    assert_memory_not_equal(seen[0], seen[1], sizeof(seen[0]));
    cfg = training();
    cfg.batch = 5;
    l = open_loader(&cfg);
    for (int i = 0; i < 2; i++)
        next(l);
    loader_set(l, VIEWS, true); /* in the middle of a stream that ran ahead */
    assert_true(loader_seek(l, 3, 1, &e));
    for (const struct batch *b; (b = next(l));)
        for (int i = 0; i < b->n; i++)
            assert_memory_equal(b->pixel + i * PICTURE, seen[1][b->sample[i]], PICTURE);
    loader_free(l);
}

/* Nothing is decoded, and all else is the same. */
static void goes_without_pixels(void **state)
{
    (void)state;
    struct loader_config cfg = training();
    struct loader *l = open_loader(&cfg), *bare = open_loader(&cfg);
    loader_set(bare, 3, false);
    for (int i = 0; i < 12; i++) {
        const struct batch *a = next(l), *b = next(bare);
        assert_true(!a == !b);
        if (!a)
            continue;
        assert_null(b->pixel);
        assert_int_equal(a->n, b->n);
        assert_memory_equal(a->sample, b->sample, (size_t)a->n * sizeof(*a->sample));
        assert_memory_equal(a->label, b->label, (size_t)(a->n * N_CLASS) * sizeof(float));
    }
    assert_int_equal(loader_decoded(bare), 0);
    loader_free(l);
    loader_set(bare, 0, true);
    assert_non_null(next(bare)->pixel);
    loader_free(bare);
}

static void bad_file_is_named(void **state)
{
    (void)state;
    struct err e = {0};
    const struct batch *b;
    struct loader_config cfg = training();
    cfg.order = ORDER_SEQUENTIAL;
    make_file(at("set/c0/6.jpg"), "no picture", 10);
    struct loader *l = open_loader(&cfg);
    assert_true(loader_next(l, &b, &e));
    for (int i = 0; i < 2; i++) { /* and again */
        assert_false(loader_next(l, &b, &e));
        assert_int_equal(e.kind, ERR_DATA);
        assert_non_null(strstr(e.msg, "c0/6.jpg"));
    }
    assert_int_equal(loader_drifted(l), 1);
    loader_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(epochs),
        cmocka_unit_test(same_for_any_threads),
        cmocka_unit_test(seeks),
        cmocka_unit_test(balanced),
        cmocka_unit_test(mixes),
        cmocka_unit_test(permutation),
        cmocka_unit_test(takes_views_in_turn),
        cmocka_unit_test(goes_without_pixels),
        cmocka_unit_test(bad_file_is_named), /* last: it breaks a file */
    };
    return cmocka_run_group_tests_name("loader", tests, set_up, tear_down);
}
