/* Batch norm of the fused kernels: statistics of the batch, the coefficients of a plane's tasks, and
 * the gradients of gamma and beta from the sums of the backward pass. */
#include "backend/cpu/fused_group.h"
#include "base/parallel.h"

#include <math.h>
#include <string.h>

float *fused_coef_of(const struct group *g, const struct fused *f, int cb)
{
    return (float *)g->saved + (size_t)cb * COEF_COUNT * (size_t)f->V;
}

/* Rounding of y is seen in z - beta, magnified by beta / gamma. */
bool fused_gamma_is_small(const struct fused *f, const struct group *g, int cb)
{
    const float limit = f->elem == 4 ? 64 : 4;
    for (int c = cb * f->V; c < f->C && c < (cb + 1) * f->V; c++) {
        float gamma = fabsf(g->weight[0].value[c]);
        if (!(gamma > 1e-12f && fabsf(g->weight[1].value[c]) <= limit * gamma))
            return true;
    }
    return false;
}

/* The partial sums of one channel, in a fixed order: a sweep's, of pictures and bands, or the moments
 * that the kernel which wrote x took. */
struct partials {
    const struct group *g;
    const struct fused *f;
    const struct moments *given; /* or NULL */
    int c;
};

static int count_partials(const struct partials *p)
{
    return p->given ? p->given->n_part : p->g->n * p->f->n_band;
}

static const float *partial(const struct partials *p, int i)
{
    const struct fused *f = p->f;
    size_t CB = (size_t)f->CB, band = (size_t)f->n_band, cb = (size_t)(p->c / f->V);
    size_t at =
        p->given ? (size_t)i * CB + cb : ((size_t)i / band * CB + cb) * band + (size_t)i % band;
    const float *from = p->given ? p->given->at : p->g->scratch;
    return from + at * 2 * (size_t)f->V + p->c % f->V;
}

static double pixels_of(const struct partials *p, int i)
{
    const struct fused *f = p->f;
    if (p->given)
        return (double)p->given->count[i];
    int step = f->pool ? 2 * f->band_rows : f->band_rows, band = i % f->n_band;
    return (double)(band == f->n_band - 1 ? f->H - band * step : step) * f->W;
}

/* Chan, Golub, LeVeque: "Updating formulae and a pairwise algorithm for computing sample
 * variances", 1979. */
static void merge_moments(const struct partials *p, double *mean, double *square)
{
    const struct fused *f = p->f;
    double sum = 0;
    for (int i = 0; i < count_partials(p); i++)
        sum += pixels_of(p, i) * (double)*partial(p, i);
    *mean = sum / ((double)p->g->n * f->H * f->W);
    *square = 0;
    for (int i = 0; i < count_partials(p); i++) {
        const float *at = partial(p, i);
        double apart = (double)at[0] - *mean;
        *square += (double)at[f->V] + pixels_of(p, i) * apart * apart;
    }
}

/* Those of x, if they were taken as it was written. */
static const struct moments *given_moments(const struct group *g)
{
    const struct moments *m = g->in[0]->moments;
    return m && m->n_part > 0 ? m : NULL;
}

static void update_running(const struct group *g, const struct fused *f, int c, double mean,
                           double square)
{
    float momentum = f->norm->momentum > 0 ? f->norm->momentum : 0.1f;
    double count = (double)g->n * f->H * f->W;
    float *running_mean = g->weight[2].value + c, *running_var = g->weight[3].value + c;
    float var = (float)(square / (count > 1 ? count - 1 : 1));
    *running_mean += momentum * ((float)mean - *running_mean);
    *running_var += momentum * (var - *running_var);
}

/* 1 / sigma of a channel is stored with its mean: both are wanted again in backward. */
static void set_channel(const struct group *g, const struct fused *f, int c)
{
    float *coef = fused_coef_of(g, f, c / f->V) + c % f->V;
    size_t V = (size_t)f->V;
    coef[COEF_REAL * V] = 1;
    if (!f->norm) {
        coef[COEF_SCALE * V] = coef[COEF_DZ * V] = 1;
        return;
    }
    double mean, square, var;
    if (f->statistics) {
        merge_moments(&(struct partials){g, f, given_moments(g), c}, &mean, &square);
        var = square / ((double)g->n * f->H * f->W);
        update_running(g, f, c, mean, square);
    } else {
        mean = (double)g->weight[2].value[c];
        var = (double)g->weight[3].value[c];
    }
    double eps = f->norm->eps > 0 ? (double)f->norm->eps : 1e-5;
    double gamma = (double)g->weight[0].value[c], beta = (double)g->weight[1].value[c];
    double inverse = 1 / sqrt(var + eps);
    coef[COEF_SCALE * V] = coef[COEF_DZ * V] = (float)(gamma * inverse);
    coef[COEF_SHIFT * V] = (float)(beta - mean * gamma * inverse);
    coef[COEF_MEAN * V] = (float)mean;
    coef[COEF_BETA * V] = (float)beta;
    coef[COEF_INVERSE * V] = (float)inverse;
}

static void set_block(void *ctx, int cb, int thread)
{
    const struct sweep *s = ctx;
    const struct fused *f = s->f;
    (void)thread;
    memset(fused_coef_of(s->g, f, cb), 0, COEF_COUNT * (size_t)f->V * sizeof(float));
    for (int c = cb * f->V; c < f->C && c < (cb + 1) * f->V; c++)
        set_channel(s->g, f, c);
}

void fused_set_coefs(struct group *g, const struct fused *f)
{
    struct sweep s = {.g = g, .f = f, .fn = f->kernels->moments, .all_rows = true};
    if (f->statistics && !given_moments(g))
        fused_sweep(&s);
    parallel_for(g->n_thread, f->CB, set_block, &s);
    if (f->statistics)
        g->weight[4].value[0] += 1; /* num_batches_tracked */
}

/* dx = gamma / sigma (dz - mean dz - xhat mean (dz xhat)), and the gradients of gamma and beta. */
static void close_channel(const struct sweep *s, int c)
{
    const struct group *g = s->g;
    const struct fused *f = s->f;
    size_t V = (size_t)f->V;
    float *coef = fused_coef_of(g, f, c / f->V) + c % f->V;
    const struct partials p = {g, f, NULL, c};
    double dz = 0, product = 0; /* sum dz, sum dz (x - mean) */
    for (int i = 0; i < count_partials(&p); i++) {
        const float *at = partial(&p, i);
        dz += (double)at[0];
        product += (double)at[f->V];
    }
    if (s->instead && !fused_gamma_is_small(f, g, c / f->V)) /* was dz (z - beta) */
        product /= (double)coef[COEF_SCALE * V];
    double inverse = (double)coef[COEF_INVERSE * V];
    if (g->weight[0].grad)
        g->weight[0].grad[c] = (float)(product * inverse);
    if (g->weight[1].grad)
        g->weight[1].grad[c] = (float)dz;
    if (f->statistics) {
        double count = (double)g->n * f->H * f->W, k = (double)coef[COEF_DZ * V];
        double x = -k * inverse * inverse * product / count;
        coef[COEF_X * V] = (float)x;
        coef[COEF_ONE * V] = (float)(-k * dz / count - x * (double)coef[COEF_MEAN * V]);
    }
}

static void close_block(void *ctx, int cb, int thread)
{
    const struct sweep *s = ctx;
    (void)thread;
    for (int c = cb * s->f->V; c < s->f->C && c < (cb + 1) * s->f->V; c++)
        close_channel(s, c);
}

void fused_close_sums(const struct sweep *s)
{
    struct sweep copy = *s;
    parallel_for(s->g->n_thread, s->f->CB, close_block, &copy);
}
