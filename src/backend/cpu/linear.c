/* linear on plain tensors: memory holds the weights' rows once in each pass, whatever the batch. Each
 * sum has one order, so the result is the same for any number of threads and shards. */
#include "backend/cpu/linear.h"
#include "backend/cpu/kernels.h"
#include "base/parallel.h"

#include <stddef.h>

struct linear {
    const struct linear_ops *ops;
    int D, K;
    int columns; /* of w, a task of the backward pass */
};

static bool linear_fits(const struct group *g)
{
    return g->in[0]->shape.rank == 2;
}

/* Tasks are bands of rows or of columns of w: the longer the runs of memory, the faster. */
enum { BAND_ROWS = 16, MIN_COLUMNS = 256, MAX_COLUMNS = 1024 };

static int columns_of(int D, int n_thread)
{
    int fair = D / (2 * n_thread) / MIN_COLUMNS * MIN_COLUMNS;
    return fair < MIN_COLUMNS ? MIN_COLUMNS : fair > MAX_COLUMNS ? MAX_COLUMNS : fair;
}

static bool linear_plan(struct group *g, struct err *e)
{
    static const struct linear_ops *const rows[ISA_COUNT] = ISA_ROWS(&linear_ops);
    (void)e;
    struct linear *l = g->state;
    l->ops = rows[g->backend->isa->id];
    l->D = g->in[0]->shape.dim[1];
    l->K = g->out->shape.dim[1];
    l->columns = columns_of(l->D, g->n_thread);
    g->needs_in = g->want_dw;
    g->dx_over_in = true;
    return true;
}

static int bands(int n, int size)
{
    return (n + size - 1) / size;
}
static int extent(int n, int size, int band)
{
    return n - band * size < size ? n - band * size : size;
}

static void forward(void *ctx, int band, int thread)
{
    const struct group *g = ctx;
    const struct linear *l = g->state;
    (void)thread;
    size_t k = (size_t)band * BAND_ROWS;
    struct linear_dot t = {.x = g->in[0]->data,
                           .w = g->weight[0].value + k * (size_t)l->D,
                           .bias = g->n_weight > 1 ? g->weight[1].value + k : NULL,
                           .y = (float *)g->out->data + k,
                           .N = g->n,
                           .K = extent(l->K, BAND_ROWS, band),
                           .D = l->D,
                           .ldy = l->K};
    l->ops->dot(&t);
}

/* dw = dy' x and then, perhaps over x, dx = dy w: a band of columns of each. */
static void backward(void *ctx, int band, int thread)
{
    const struct group *g = ctx;
    const struct linear *l = g->state;
    (void)thread;
    long d = (long)band * l->columns;
    struct linear_mix t = {.a = g->out->grad, .J = extent(l->D, l->columns, band), .ld = l->D};
    if (g->weight[0].grad) {
        t.b = (const float *)g->in[0]->data + d;
        t.c = g->weight[0].grad + d;
        t.I = l->K;
        t.P = g->n;
        t.a_row = 1;
        t.a_col = l->K;
        l->ops->mix(&t);
    }
    if (g->want_dx[0]) {
        t.b = g->weight[0].value + d;
        t.c = (float *)g->in[0]->grad + d;
        t.I = g->n;
        t.P = l->K;
        t.a_row = l->K;
        t.a_col = 1;
        l->ops->mix(&t);
    }
}

static void bias_gradient(const struct group *g)
{
    const struct linear *l = g->state;
    const float *dy = g->out->grad;
    for (int k = 0; k < l->K; k++) {
        double sum = 0;
        for (int n = 0; n < g->n; n++)
            sum += (double)dy[n * l->K + k];
        g->weight[1].grad[k] = (float)sum;
    }
}

static bool linear_run(struct group *g, enum pass pass, struct err *e)
{
    (void)e;
    const struct linear *l = g->state;
    if (pass == PASS_FORWARD) {
        parallel_for(g->n_thread, bands(l->K, BAND_ROWS), forward, g);
        return true;
    }
    if (g->want_dx[0] || g->want_dw)
        parallel_for(g->n_thread, bands(l->D, l->columns), backward, g);
    if (g->n_weight > 1 && g->weight[1].grad)
        bias_gradient(g);
    return true;
}

const struct kernel cpu_linear = {.name = "rows",
                                  .pattern = "linear",
                                  .in = LAYOUT_PLAIN,
                                  .out = LAYOUT_PLAIN,
                                  .plan_size = sizeof(struct linear),
                                  .fits = linear_fits,
                                  .plan = linear_plan,
                                  .run = linear_run};
