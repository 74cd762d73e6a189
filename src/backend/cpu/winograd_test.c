/* Winograd's kernels of every instruction set against a plain convolution in double, over odd
 * shapes; how large their errors are; that neither threads nor old scratch change a bit. */
#include "backend/cpu/winograd.h"

#include "base/bf16.h"
#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct wino_shape shapes[] = {
    {.n = 1, .c = 8, .k = 8, .h = 1, .w = 1},     {.n = 2, .c = 9, .k = 7, .h = 1, .w = 5},
    {.n = 1, .c = 16, .k = 16, .h = 4, .w = 4},   {.n = 3, .c = 17, .k = 33, .h = 5, .w = 2},
    {.n = 1, .c = 31, .k = 16, .h = 8, .w = 7},   {.n = 2, .c = 24, .k = 40, .h = 13, .w = 6},
    {.n = 5, .c = 8, .k = 12, .h = 9, .w = 11},   {.n = 1, .c = 48, .k = 20, .h = 16, .w = 17},
    {.n = 2, .c = 16, .k = 50, .h = 3, .w = 37},  {.n = 1, .c = 11, .k = 16, .h = 37, .w = 10},
    {.n = 4, .c = 33, .k = 8, .h = 14, .w = 14},  {.n = 1, .c = 150, .k = 24, .h = 6, .w = 5},
    {.n = 2, .c = 20, .k = 140, .h = 7, .w = 4},  {.n = 3, .c = 8, .k = 8, .h = 32, .w = 31},
    {.n = 1, .c = 256, .k = 260, .h = 4, .w = 6}, {.n = 5, .c = 19, .k = 21, .h = 12, .w = 20},
};

struct data {
    float *x, *w, *bias, *dy; /* plain */
    double *y, *dx, *dw, *db; /* wanted */
};

static struct err e;

static void *fresh(size_t n, size_t size)
{
    void *block = mem_new(n, size, &e);
    assert_non_null(block);
    return block;
}

/* Of numbers that bf16 holds exactly, so that one oracle serves both. */
static float *noise(size_t n, uint64_t index)
{
    float *f = fresh(n, sizeof(float));
    struct rng r = rng_at(7, RNG_TEST, index, n);
    for (size_t i = 0; i < n; i++)
        f[i] = bf16_to_float(bf16_from_float((float)rng_range(&r, -1, 1)));
    return f;
}

/* One tap's worth of all three passes for an output and an input position. */
static void direct_cell(const struct wino_shape *s, struct data *d, size_t y, size_t x,
                        size_t plane, int tap)
{
    for (int k = 0; k < s->k; k++)
        for (int c = 0; c < s->c; c++) {
            size_t w = (size_t)(k * s->c + c) * 9 + (size_t)tap;
            size_t yi = y + (size_t)k * plane, xi = x + (size_t)c * plane;
            d->y[yi] += (double)d->x[xi] * d->w[w];
            d->dx[xi] += (double)d->dy[yi] * d->w[w];
            d->dw[w] += (double)d->dy[yi] * d->x[xi];
        }
}

static void direct(const struct wino_shape *s, struct data *d)
{
    size_t plane = (size_t)s->h * (size_t)s->w;
    for (int n = 0; n < s->n; n++) {
        size_t x = (size_t)n * (size_t)s->c * plane, y = (size_t)n * (size_t)s->k * plane;
        for (size_t i = 0; i < (size_t)s->k * plane; i++) {
            d->y[y + i] += d->bias[i / plane];
            d->db[i / plane] += d->dy[y + i];
        }
        for (int i = 0; i < s->h * s->w; i++)
            for (int tap = 0; tap < 9; tap++) {
                int row = i / s->w + tap / 3 - 1, col = i % s->w + tap % 3 - 1;
                if (row >= 0 && row < s->h && col >= 0 && col < s->w)
                    direct_cell(s, d, y + (size_t)i, x + (size_t)(row * s->w + col), plane,
                                tap);
            }
    }
}

static size_t plain_size(const struct wino_shape *s, int channels)
{
    return (size_t)s->n * (size_t)channels * (size_t)s->h * (size_t)s->w;
}

static struct data data_new(const struct wino_shape *s)
{
    size_t x = plain_size(s, s->c), y = plain_size(s, s->k), w = (size_t)(s->k * s->c * 9);
    struct data d = {.x = noise(x, 1), .w = noise(w, 2), .bias = noise((size_t)s->k, 3)};
    d.dy = noise(y, 4);
    d.y = fresh(y, sizeof(double));
    d.dx = fresh(x, sizeof(double));
    d.dw = fresh(w, sizeof(double));
    d.db = fresh((size_t)s->k, sizeof(double));
    direct(s, &d);
    return d;
}

static void data_free(struct data *d)
{
    void *all[] = {d->x, d->w, d->bias, d->dy, d->y, d->dx, d->dw, d->db};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        mem_free(all[i]);
}

static size_t blocked_size(const struct wino_shape *s, int channels, int V)
{
    return plain_size(s, (channels + V - 1) / V * V);
}

static size_t blocked_at(const struct wino_shape *s, int channels, int V, size_t plain)
{
    size_t plane = (size_t)s->h * (size_t)s->w, c = plain / plane % (size_t)channels;
    size_t n = plain / plane / (size_t)channels, blocks = (size_t)((channels + V - 1) / V);
    return ((n * blocks + c / (size_t)V) * plane + plain % plane) * (size_t)V + c % (size_t)V;
}

static size_t blocked_bytes(const struct wino_shape *s, int channels, int V)
{
    return blocked_size(s, channels, V) * (s->half ? 2 : 4);
}

static void *blocked(const struct wino_shape *s, int channels, int V, const float *plain)
{
    void *b = fresh(blocked_size(s, channels, V), s->half ? 2 : 4);
    for (size_t i = 0; i < plain_size(s, channels); i++) {
        size_t at = blocked_at(s, channels, V, i);
        if (s->half)
            ((uint16_t *)b)[at] = bf16_from_float(plain[i]);
        else
            ((float *)b)[at] = plain[i];
    }
    return b;
}

static double value_at(bool half, const void *b, size_t i)
{
    return half ? (double)bf16_to_float(((const uint16_t *)b)[i])
                : (double)((const float *)b)[i];
}

/* fmax leaves NaN out: a result that is none must not pass for exact. */
static double larger_of(double a, double b)
{
    return isnan(b) ? INFINITY : fmax(a, b);
}

/* The largest |got - want| over the largest |want|; padding channels must be zero. */
static double blocked_error(const struct wino_shape *s, int channels, int V, const void *got,
                            const double *want)
{
    double worst = 0, most = 1e-30, sum = 0, all = 0;
    for (size_t i = 0; i < plain_size(s, channels); i++) {
        double g = value_at(s->half, got, blocked_at(s, channels, V, i));
        worst = larger_of(worst, fabs(g - want[i]));
        most = fmax(most, fabs(want[i]));
        sum += fabs(g);
    }
    for (size_t i = 0; i < blocked_size(s, channels, V); i++)
        all += fabs(value_at(s->half, got, i));
    assert_true(fabs(all - sum) <= 1e-9 * all); /* nothing in the padding */
    return worst / most;
}

static double error_of(const float *got, const double *want, size_t n)
{
    double worst = 0, most = 1e-30;
    for (size_t i = 0; i < n; i++) {
        worst = larger_of(worst, fabs((double)got[i] - want[i]));
        most = fmax(most, fabs(want[i]));
    }
    return worst / most;
}

struct result {
    void *y, *dx;
    float *dw, *db;
};

/* With weights packed by the caller and by the threads that use them: the same bits. */
static void *convolved(const struct wino_ops *ops, const struct wino_shape *s, const void *x,
                       const struct data *d, bool transposed, int n_thread, int V)
{
    size_t bytes = blocked_bytes(s, s->k, V), room = ops->scratch_conv(s, n_thread, true);
    void *u = fresh(ops->packed_bytes(s), 1), *scratch = fresh(room, 1), *y[2];
    ops->pack(s, d->w, transposed, u, n_thread);
    for (int i = 0; i < 2; i++) {
        y[i] = fresh(bytes, 1);
        memset(y[i], 0xff, bytes);
        memset(scratch, 0xff, room);
        ops->conv(&(struct wino_conv){.shape = *s,
                                      .x = x,
                                      .y = y[i],
                                      .u = i ? u : NULL,
                                      .w = d->w,
                                      .transposed = transposed,
                                      .bias = transposed ? NULL : d->bias,
                                      .scratch = scratch,
                                      .n_thread = n_thread});
    }
    assert_memory_equal(y[0], y[1], bytes);
    void *all[] = {scratch, u, y[1]};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        mem_free(all[i]);
    return y[0];
}

static struct result run(const struct isa *isa, const struct wino_shape *s,
                         const struct data *d, int n_thread, int n_shard)
{
    const struct wino_ops *ops = wino_ops(isa);
    struct wino_shape back = *s;
    back.c = s->k;
    back.k = s->c;
    void *x = blocked(s, s->c, isa->lanes, d->x), *dy = blocked(s, s->k, isa->lanes, d->dy);
    void *scratch = fresh(ops->scratch_grad(s, n_thread, n_shard), 1);
    memset(scratch, 0xff, ops->scratch_grad(s, n_thread, n_shard));
    struct result r = {.y = convolved(ops, s, x, d, false, n_thread, isa->lanes),
                       .dx = convolved(ops, &back, dy, d, true, n_thread, isa->lanes),
                       .dw = fresh((size_t)(s->k * s->c * 9), sizeof(float)),
                       .db = fresh((size_t)s->k, sizeof(float))};
    ops->grad(&(struct wino_grad){.shape = *s,
                                  .x = x,
                                  .dy = dy,
                                  .dw = r.dw,
                                  .db = r.db,
                                  .scratch = scratch,
                                  .n_thread = n_thread,
                                  .n_shard = n_shard});
    mem_free(scratch);
    mem_free(x);
    mem_free(dy);
    return r;
}

static void result_free(struct result *r)
{
    mem_free(r->y);
    mem_free(r->dx);
    mem_free(r->dw);
    mem_free(r->db);
}

enum { Y, DX, DW, DB, RESULTS };

/* One shape on one instruction set; the largest errors so far are kept in worst. */
static void check(const struct isa *isa, const struct wino_shape *s, const struct data *d,
                  int n_thread, int n_shard, double worst[RESULTS])
{
    struct result r = run(isa, s, d, n_thread, n_shard);
    double bf16 = 1.0 / 256; /* half a unit in the last place, of the largest */
    double bound[RESULTS] = {s->half ? bf16 : 1e-5, s->half ? bf16 : 1e-5, 1e-5, 1e-5};
    double error[RESULTS] = {blocked_error(s, s->k, isa->lanes, r.y, d->y),
                             blocked_error(s, s->c, isa->lanes, r.dx, d->dx),
                             error_of(r.dw, d->dw, (size_t)(s->k * s->c * 9)),
                             error_of(r.db, d->db, (size_t)s->k)};
    for (int j = 0; j < RESULTS; j++) {
        worst[j] = fmax(worst[j], error[j]);
        if (!(error[j] < bound[j]))
            fail_msg("%s%s: %d to %d, %dx%d, result %d: error %g", isa->name,
                     s->half ? " bf16" : "", s->c, s->k, s->h, s->w, j, error[j]);
    }
    result_free(&r);
}

static void near_direct(void **state)
{
    (void)state;
    double worst[ISA_COUNT][2][RESULTS] = {{{0}}};
    for (int i = 0; i < (int)COUNT_OF(shapes); i++) {
        struct data d = data_new(&shapes[i]);
        for (int k = 0; k < 2 * ISA_COUNT; k++) {
            const struct isa *isa = &isas[k / 2];
            struct wino_shape s = shapes[i];
            s.half = k % 2;
            if (isa_present(isa))
                check(isa, &s, &d, 1 + i % 3, 1 + i / 3 % 4, worst[k / 2][k % 2]);
        }
        data_free(&d);
    }
    for (int k = 0; k < 2 * ISA_COUNT; k++) {
        const double *w = worst[k / 2][k % 2];
        print_message("%s%s: y %.1e dx %.1e dw %.1e db %.1e of the largest\n", isas[k / 2].name,
                      k % 2 ? " bf16" : "", w[Y], w[DX], w[DW], w[DB]);
    }
}

/* The same bits for any number of threads, at a fixed number of shards: where they share out tiles, and
 * where few of them share out channels. */
static void threads_change_nothing(void **state)
{
    const struct wino_shape all[] = {{.n = 5, .c = 40, .k = 24, .h = 21, .w = 18},
                                     {.n = 2, .c = 260, .k = 310, .h = 7, .w = 6}};
    (void)state;
    for (int k = 0; k < 4 * ISA_COUNT; k++) {
        const struct isa *isa = &isas[k / 4];
        struct wino_shape s = all[k % 2];
        if (!isa_present(isa))
            continue;
        struct data d = data_new(&s);
        s.half = k / 2 % 2;
        struct result one = run(isa, &s, &d, 1, 3);
        for (int n_thread = 2; n_thread < 5; n_thread++) {
            struct result r = run(isa, &s, &d, n_thread, 3);
            assert_memory_equal(one.y, r.y, blocked_bytes(&s, s.k, isa->lanes));
            assert_memory_equal(one.dx, r.dx, blocked_bytes(&s, s.c, isa->lanes));
            assert_memory_equal(one.dw, r.dw, (size_t)(s.k * s.c * 9) * sizeof(float));
            assert_memory_equal(one.db, r.db, (size_t)s.k * sizeof(float));
            result_free(&r);
        }
        result_free(&one);
        data_free(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(near_direct),
        cmocka_unit_test(threads_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
