#include "augment/mix.h"

#include <math.h>
#include <string.h>

bool mix_active(const struct augment_config *cfg)
{
    return (cfg->mixup > 0 || cfg->cutmix > 0) && cfg->mix_probability > 0;
}

/* Gamma(shape, 1): Marsaglia and Tsang 2000; below 1 by their boost. */
static double gamma_draw(struct rng *r, double shape)
{
    if (shape < 1) {
        double u = 1 - rng_range(r, 0, 1); /* never 0 */
        return gamma_draw(r, shape + 1) * pow(u, 1 / shape);
    }
    double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double x = rng_normal(r), v = 1 + c * x;
        v = v * v * v;
        double u = 1 - rng_range(r, 0, 1);
        if (v > 0 && log(u) < 0.5 * x * x + d - d * v + d * log(v))
            return d * v;
    }
}

/* Beta(alpha, alpha), in 0 .. 1. */
static double beta_draw(struct rng *r, double alpha)
{
    double a = gamma_draw(r, alpha), b = gamma_draw(r, alpha);
    return a + b > 0 ? a / (a + b) : 0.5; /* both underflow only for a tiny alpha */
}

/* The part of each picture that takes the one before it: all of it at weight 1 - keep, or a box
 * entirely. */
struct blend {
    double keep; /* of the own label */
    bool cut;
    int x0, y0, x1, y1;
};

static void mix_rows(const struct mix_batch *b, const struct blend *m, const uint8_t *before,
                     uint8_t *own)
{
    size_t stride = 3 * (size_t)b->w;
    if (m->cut) {
        for (int y = m->y0; y < m->y1; y++) {
            size_t at = stride * (size_t)y + 3 * (size_t)m->x0;
            memcpy(own + at, before + at, 3 * (size_t)(m->x1 - m->x0));
        }
        return;
    }
    uint32_t keep = (uint32_t)lrint(m->keep * 65536), rest = 65536 - keep;
    for (size_t i = 0; i < stride * (size_t)b->h; i++)
        own[i] = (uint8_t)((keep * own[i] + rest * before[i] + 32768) >> 16);
}

/* From the last to the first, so that each meets its predecessor unmixed; the first meets the
 * last, of which a copy was kept. */
static bool mix_all(const struct mix_batch *b, const struct blend *m, struct err *e)
{
    size_t picture = 3 * (size_t)b->h * (size_t)b->w, row = (size_t)b->n_class;
    uint8_t *kept = mem_new(picture + row * sizeof(float), 1, e);
    if (!kept)
        return false;
    float *kept_label = (float *)(void *)kept;
    uint8_t *kept_pixel = kept + row * sizeof(float);
    memcpy(kept_label, b->label + row * (size_t)(b->n - 1), row * sizeof(float));
    memcpy(kept_pixel, b->pixel + picture * (size_t)(b->n - 1), picture);
    for (int i = b->n - 1; i >= 0; i--) {
        const uint8_t *before = i ? b->pixel + picture * (size_t)(i - 1) : kept_pixel;
        const float *label = i ? b->label + row * (size_t)(i - 1) : kept_label;
        float *own = b->label + row * (size_t)i;
        mix_rows(b, m, before, b->pixel + picture * (size_t)i);
        for (size_t k = 0; k < row; k++)
            own[k] = (float)(m->keep * (double)own[k] + (1 - m->keep) * (double)label[k]);
    }
    mem_free(kept);
    return true;
}

static int clip(int v, int max)
{
    return v < 0 ? 0 : v > max ? max : v;
}

static struct blend cut(const struct mix_batch *b, struct rng *r, double lambda)
{
    int x = (int)rng_below(r, (uint32_t)b->w), y = (int)rng_below(r, (uint32_t)b->h);
    double half = 0.5 * sqrt(1 - lambda);
    int w = (int)(half * b->w), h = (int)(half * b->h);
    struct blend m = {.cut = true,
                      .x0 = clip(x - w, b->w),
                      .y0 = clip(y - h, b->h),
                      .x1 = clip(x + w, b->w),
                      .y1 = clip(y + h, b->h)};
    double area = (double)(m.x1 - m.x0) * (m.y1 - m.y0);
    m.keep = 1 - area / ((double)b->w * b->h);
    return m;
}

bool mix_apply(const struct augment_config *cfg, struct rng *r, const struct mix_batch *b,
               struct err *e)
{
    if (!mix_active(cfg) || b->n < 2 || rng_uniform(r) >= (float)cfg->mix_probability)
        return true;
    bool both = cfg->mixup > 0 && cfg->cutmix > 0;
    bool box = both ? rng_below(r, 2) : cfg->cutmix > 0;
    double lambda = beta_draw(r, box ? cfg->cutmix : cfg->mixup);
    struct blend m = box ? cut(b, r, lambda) : (struct blend){.keep = lambda};
    return mix_all(b, &m, e);
}

const struct option mix_options[] = {
    {.name = "mixup",
     .type = OPTION_REAL,
     .offset = offsetof(struct augment_config, mixup),
     .min.r = 0,
     .max.r = 10,
     .fallback.r = 0,
     .help = "mixup: alpha of its Beta distribution (0.2 is usual, 0 = off)"},
    {.name = "cutmix",
     .type = OPTION_REAL,
     .offset = offsetof(struct augment_config, cutmix),
     .min.r = 0,
     .max.r = 10,
     .fallback.r = 0,
     .help = "CutMix: alpha of its Beta distribution (1 is usual, 0 = off)"},
    {.name = "mix-probability",
     .type = OPTION_REAL,
     .offset = offsetof(struct augment_config, mix_probability),
     .min.r = 0,
     .max.r = 1,
     .fallback.r = 1,
     .help = "share of the batches that mixup or CutMix changes"},
    {.name = NULL},
};
