/* Pictures of a folder to normalised float batches through the loader: two epochs, the first decodes,
 * the second reads the cache. Prints one line of JSON; bench/loader.py sets PyTorch beside it.
 *
 *     loader FOLDER CACHE_FOLDER SIZE BATCH THREADS */
#include "base/clock.h"
#include "base/parallel.h"
#include "data/cache.h"
#include "data/loader.h"
#include "data/picture.h"

#include <stdio.h>
#include <stdlib.h>

enum { CHANNELS = 3, PERIOD = 8 * CHANNELS }; /* bytes after which channels and vectors both begin */

struct normalise {
    const struct batch *b;
    float *out; /* (n, h, w, 3) */
    float scale[PERIOD], shift[PERIOD];
};

static void normalise_plain(const struct normalise *n, const uint8_t *pixel, size_t count,
                            float *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (float)pixel[i] * n->scale[i % CHANNELS] + n->shift[i % CHANNELS];
}

#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("avx2,fma"))) static void
normalise_avx2(const struct normalise *n, const uint8_t *pixel, size_t count, float *out)
{
    __m256 scale[CHANNELS], shift[CHANNELS];
    for (int k = 0; k < CHANNELS; k++) {
        scale[k] = _mm256_loadu_ps(n->scale + 8 * k);
        shift[k] = _mm256_loadu_ps(n->shift + 8 * k);
    }
    size_t i = 0;
    for (; i + PERIOD <= count; i += PERIOD)
        for (int k = 0; k < CHANNELS; k++) {
            __m128i byte = _mm_loadl_epi64((const void *)(pixel + i + 8 * k));
            __m256 v = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(byte));
            _mm256_storeu_ps(out + i + 8 * k, _mm256_fmadd_ps(v, scale[k], shift[k]));
        }
    normalise_plain(n, pixel + i, count - i, out + i);
}
#endif

static void normalise_picture(void *ctx, int picture, int thread)
{
    const struct normalise *n = ctx;
    size_t count = CHANNELS * (size_t)n->b->h * (size_t)n->b->w, at = (size_t)picture * count;
    (void)thread;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        normalise_avx2(n, n->b->pixel + at, count, n->out + at);
        return;
    }
#endif
    normalise_plain(n, n->b->pixel + at, count, n->out + at);
}

/* Batches as ToTensor and Normalize leave them, channels last; meanwhile the loader's threads go on. */
static bool epoch(struct loader *l, struct normalise *n, int n_thread, struct err *e)
{
    double start = clock_s();
    int64_t pictures = 0, before = loader_decoded(l);
    while (loader_next(l, &n->b, e) && n->b) {
        parallel_for(n_thread, n->b->n, normalise_picture, n);
        pictures += n->b->n;
    }
    if (e->kind)
        return false;
    double seconds = clock_s() - start;
    printf("{\"pictures\": %lld, \"decoded\": %lld, \"seconds\": %.4f, \"images_s\": %.1f}",
           (long long)pictures, (long long)(loader_decoded(l) - before), seconds,
           (double)pictures / seconds);
    return true;
}

static bool two_epochs(char **arg, struct err *e)
{
    struct dataset_config from = {.path = arg[1]};
    struct dataset *d = dataset_open(&from, PART_TRAIN, e);
    if (!d)
        return false;
    struct augment_config flip = {.hflip = 0.5};
    struct loader_config cfg = {.n_index = d->n_sample,
                                .size_px = atoi(arg[3]),
                                .batch = atoi(arg[4]),
                                .n_thread = atoi(arg[5]),
                                .n_class = d->n_class,
                                .order = ORDER_SHUFFLED,
                                .seed = 1,
                                .augment = &flip};
    struct cache_config keep = {
        .dir = arg[2],
        .root = d->root,
        .rule = {picture_side(d, cfg.size_px, 0), RESIZE_BILINEAR},
        .n_expected = d->n_sample,
    };
    struct normalise n = {0};
    static const float mean[3] = {0.485F, 0.456F, 0.406F}, std[3] = {0.229F, 0.224F, 0.225F};
    for (int k = 0; k < PERIOD; k++) {
        n.scale[k] = 1 / (255 * std[k % CHANNELS]);
        n.shift[k] = -mean[k % CHANNELS] / std[k % CHANNELS];
    }
    uint32_t *index = mem_new((size_t)d->n_sample, sizeof(*index), e);
    n.out = mem_new((size_t)cfg.batch * 3, (size_t)(cfg.size_px * cfg.size_px) * sizeof(float), e);
    struct loader *l = NULL;
    bool ok = index && n.out && (cfg.cache = cache_open(&keep, e));
    for (int i = 0; ok && i < d->n_sample; i++)
        index[i] = (uint32_t)i;
    cfg.index = index;
    ok = ok && (l = loader_new(d, &cfg, e));
    printf("[");
    ok = ok && epoch(l, &n, cfg.n_thread, e);
    printf(", ");
    ok = ok && epoch(l, &n, cfg.n_thread, e);
    printf("]\n");
    loader_free(l);
    cache_close(cfg.cache);
    mem_free(n.out);
    mem_free(index);
    dataset_free(d);
    return ok;
}

int main(int argc, char **argv)
{
    struct err e = {0};
    parallel_settle(argv);
    if (argc != 6)
        err_set(&e, ERR_USAGE, "loader FOLDER CACHE_FOLDER SIZE BATCH THREADS");
    else if (two_epochs(argv, &e))
        return 0;
    fprintf(stderr, "%s\n", e.msg);
    return 1;
}
