/* max_pool, avg_pool and adaptive_avg_pool of any window on blocked tensors, a plane of V channels a
 * task. Each output and each gradient is one sum in one order. */
#include "backend/cpu/pool.h"
#include "backend/cpu/kernels.h"
#include "base/parallel.h"
#include "op/params.h"

#include <stddef.h>

struct pool {
    const struct pool_kernels *kernels;
    int *window; /* what the axes point to, and the shares */
    float *share;
    struct pool_axis h, w;
    int kernel_w, V, CB;
    size_t in_plane, out_plane; /* bytes */
};

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* -- windows -- */

/* Takes its arrays from *at and *share on, and moves these behind them. */
static void open_axis(struct pool_axis *a, int n_in, int n_out, int **at, float **share)
{
    a->n_in = n_in;
    a->n_out = n_out;
    a->begin = *at;
    a->from = a->begin + n_out;
    a->to = a->from + n_out;
    a->first = a->to + n_out;
    a->last = a->first + n_in;
    a->share = *share;
    *at = a->last + n_in;
    *share += n_out;
}

/* One dimension of a pool_param. */
struct slide {
    int kernel, stride, pad;
    bool exclude_pad;
};

static void set_slide(const struct pool_axis *a, const struct slide *s)
{
    int stride = s->stride ? s->stride : s->kernel;
    for (int i = 0; i < a->n_out; i++) {
        int begin = i * stride - s->pad;
        /* PyTorch divides by the window's size inside the padded picture. */
        int whole = least(begin + s->kernel, a->n_in + s->pad) - begin;
        a->begin[i] = begin;
        a->from[i] = begin < 0 ? 0 : begin;
        a->to[i] = least(begin + s->kernel, a->n_in);
        a->share[i] = 1 / (float)(s->exclude_pad ? a->to[i] - a->from[i] : whole);
    }
}

static void set_adaptive(const struct pool_axis *a)
{
    for (int i = 0; i < a->n_out; i++) {
        a->begin[i] = a->from[i] = i * a->n_in / a->n_out;
        a->to[i] = ((i + 1) * a->n_in + a->n_out - 1) / a->n_out;
        a->share[i] = 1 / (float)(a->to[i] - a->from[i]);
    }
}

/* Windows begin and end in order, so those that hold a cell are neighbours. */
static void set_readers(const struct pool_axis *a)
{
    for (int c = 0; c < a->n_in; c++) {
        int first = 0, last = a->n_out;
        while (first < a->n_out && a->to[first] <= c)
            first++;
        while (last > first && a->from[last - 1] > c)
            last--;
        a->first[c] = first;
        a->last[c] = last;
    }
}

static bool set_windows(struct group *g, struct err *e)
{
    struct pool *p = g->state;
    const int *x = g->in[0]->shape.dim, *y = g->out->shape.dim;
    int *at = p->window =
        mem_new((size_t)(3 * (y[2] + y[3]) + 2 * (x[2] + x[3])), sizeof(*at), e);
    float *share = p->share = mem_new((size_t)(y[2] + y[3]), sizeof(*share), e);
    if (!at || !share)
        return false;
    open_axis(&p->h, x[2], y[2], &at, &share);
    open_axis(&p->w, x[3], y[3], &at, &share);
    if (g->node[0]->op == &op_adaptive_avg_pool) {
        set_adaptive(&p->h);
        set_adaptive(&p->w);
    } else {
        const struct pool_param *q = g->node[0]->param;
        p->kernel_w = q->kernel_w;
        set_slide(&p->h, &(struct slide){q->kernel_h, q->stride_h, q->pad_h, q->exclude_pad});
        set_slide(&p->w, &(struct slide){q->kernel_w, q->stride_w, q->pad_w, q->exclude_pad});
    }
    set_readers(&p->h);
    set_readers(&p->w);
    return true;
}

/* -- plan and run -- */

static bool max_fits(const struct group *g)
{
    const struct pool_param *p = g->node[0]->param;
    return p->kernel_h * p->kernel_w <= UINT8_MAX; /* winners are bytes */
}

static bool pool_plan(struct group *g, struct err *e)
{
    static const struct pool_kernels *const f32[ISA_COUNT] = ISA_BUILDS(pool_f32);
    static const struct pool_kernels *const bf16[ISA_COUNT] = ISA_BF16_ROW(&pool_bf16);
    struct pool *p = g->state;
    const struct value *x = g->in[0], *y = g->out;
    enum isa_id id = g->backend->isa->id;
    p->kernels = y->dtype == DTYPE_BF16 ? bf16[id] : f32[id];
    p->V = g->backend->isa->lanes;
    p->CB = (x->shape.dim[1] + p->V - 1) / p->V;
    size_t planes = (size_t)g->max_n * (size_t)p->CB;
    p->in_plane = x->bytes / planes;
    p->out_plane = y->bytes / planes;
    if (g->node[0]->op == &op_max_pool && g->backward)
        g->saved_bytes =
            planes * (size_t)y->shape.dim[2] * (size_t)y->shape.dim[3] * (size_t)p->V;
    return set_windows(g, e);
}

static void pool_drop(struct group *g)
{
    struct pool *p = g->state;
    mem_free(p->window);
    mem_free(p->share);
}

struct sweep {
    const struct group *g;
    void (*fn)(const struct pool_task *t);
};

static void run_plane(void *ctx, int task, int thread)
{
    const struct sweep *s = ctx;
    const struct group *g = s->g;
    const struct pool *p = g->state;
    size_t plane = (size_t)task, outputs = (size_t)p->h.n_out * (size_t)p->w.n_out;
    (void)thread;
    struct pool_task t = {.h = p->h, .w = p->w, .kernel_w = p->kernel_w};
    t.x = (const char *)g->in[0]->data + plane * p->in_plane;
    t.y = (char *)g->out->data + plane * p->out_plane;
    if (g->out->grad && g->in[0]->grad) {
        t.dy = (const char *)g->out->grad + plane * p->out_plane;
        t.dx = (char *)g->in[0]->grad + plane * p->in_plane;
    }
    if (g->saved)
        t.winner = (uint8_t *)g->saved + plane * outputs * (size_t)p->V;
    s->fn(&t);
}

static bool pool_run(struct group *g, enum pass pass, struct err *e)
{
    const struct pool *p = g->state;
    const struct pool_kernels *k = p->kernels;
    bool max = g->node[0]->op == &op_max_pool;
    (void)e;
    struct sweep s = {g, pass == PASS_FORWARD ? (max ? k->max : k->average)
                                              : (max ? k->max_back : k->average_back)};
    parallel_for(g->n_thread, g->n * p->CB, run_plane, &s);
    return true;
}

static bool decisions(const struct group *g, int32_t *winner)
{
    const struct pool *p = g->state;
    int C = g->out->shape.dim[1], OW = p->w.n_out;
    for (int n = 0; g->saved && n < g->n; n++)
        for (int c = 0; c < C; c++)
            for (int at = 0; at < p->h.n_out * OW; at++) {
                size_t plane = (size_t)n * (size_t)p->CB + (size_t)(c / p->V);
                size_t pixel = plane * (size_t)(p->h.n_out * OW) + (size_t)at;
                int cell =
                    ((const uint8_t *)g->saved)[pixel * (size_t)p->V + (size_t)(c % p->V)];
                int h = p->h.begin[at / OW] + cell / p->kernel_w;
                int w = p->w.begin[at % OW] + cell % p->kernel_w;
                *winner++ = h * p->w.n_in + w;
            }
    return g->saved != NULL;
}

#define POOL(id, text, fits_fn, decisions_fn)                                                  \
    const struct kernel cpu_##id = {                                                           \
        .name = "windows",                                                                     \
        .pattern = text,                                                                       \
        .in = LAYOUT_BLOCKED,                                                                  \
        .out = LAYOUT_BLOCKED,                                                                 \
        .plan_size = sizeof(struct pool),                                                      \
        .fits = fits_fn,                                                                       \
        .plan = pool_plan,                                                                     \
        .run = pool_run,                                                                       \
        .drop = pool_drop,                                                                     \
        .decisions = decisions_fn,                                                             \
    }
POOL(max_pool, "max_pool", max_fits, decisions);
POOL(avg_pool, "avg_pool", NULL, NULL);
POOL(adaptive_avg_pool, "adaptive_avg_pool", NULL, NULL);
