/* Sums are integers, so the order of the threads does not matter. */
#include "train/statistics.h"

#include "base/parallel.h"
#include "data/picture.h"

#include <math.h>

struct sums {
    uint64_t n, sum[3], square[3];
    struct err e;
};

struct job {
    const struct dataset *d;
    const int *index;
    int n, side_px;
    struct sums *of; /* one a task */
};

static void count(void *ctx, int task, int thread)
{
    (void)thread;
    const struct job *j = ctx;
    struct sums *s = &j->of[task];
    struct image im;
    struct picture_rule rule = {j->side_px, RESIZE_BILINEAR};
    if (!picture_read(j->d, j->index[task], rule, &im, NULL, &s->e))
        return;
    s->n = (uint64_t)im.w * (uint64_t)im.h;
    for (uint64_t i = 0; i < 3 * s->n; i++) {
        s->sum[i % 3] += im.pixel[i];
        s->square[i % 3] += (uint64_t)im.pixel[i] * im.pixel[i];
    }
    image_release(&im);
}

static bool add_up(const struct sums *of, int n, double mean[3], double std[3], struct err *e)
{
    struct sums all = {0};
    for (int i = 0; i < n; i++) {
        if (of[i].e.kind != ERR_NONE) {
            *e = of[i].e;
            return false;
        }
        all.n += of[i].n;
        for (int c = 0; c < 3; c++) {
            all.sum[c] += of[i].sum[c];
            all.square[c] += of[i].square[c];
        }
    }
    for (int c = 0; c < 3; c++) {
        double m = (double)all.sum[c] / (double)all.n;
        double var = (double)all.square[c] / (double)all.n - m * m;
        mean[c] = m / 255;
        std[c] = var > 1 ? sqrt(var) / 255 : 1.0 / 255; /* a set of one colour */
    }
    return true;
}

bool picture_statistics(const struct dataset *d, const uint8_t *in_val, int side_px,
                        int n_thread, double mean[3], double std[3], struct err *e)
{
    int *index = mem_new((size_t)d->n_sample, sizeof(*index), e);
    struct sums *of = mem_new(STATISTICS_MAX, sizeof(*of), e);
    struct job j = {.d = d, .index = index, .side_px = side_px, .of = of};
    bool ok = index && of;
    int n = 0;
    for (int i = 0; ok && i < d->n_sample; i++)
        if (!in_val[i])
            index[n++] = i;
    j.n = n < STATISTICS_MAX ? n : STATISTICS_MAX;
    for (int i = 0; ok && i < j.n; i++)
        index[i] = index[(int64_t)i * n / j.n];
    if (ok)
        parallel_for(n_thread, j.n, count, &j);
    ok = ok && add_up(of, j.n, mean, std, e);
    mem_free(index);
    mem_free(of);
    return ok;
}
