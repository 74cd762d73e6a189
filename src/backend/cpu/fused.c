/* Batch norm, activation, dropout and 2x2 max-pool, any of them left out, on blocked tensors: plans,
 * threads and sums around the tasks of fused.h.
 *
 * Forward reads x once for the statistics, unless they were taken as x was written, and once for y.
 * Backward reads the pooled tensors for the sums and x once for the gradient, which may lie over x, or
 * is made in rows where it is read. For activations whose z cannot be had from y, forward keeps x of
 * each winner, and the pass of the sums turns it into dz.
 *
 * Sums are taken over bands of rows whose number depends on shapes alone, and added in double in
 * their order: the result is the same for any number of threads and shards. */
#include "backend/cpu/fused_group.h"
#include "backend/cpu/kernels.h"
#include "base/parallel.h"
#include "base/rng.h"

#include <math.h>
#include <string.h>

/* -- plan -- */

static bool is_plain_2x2(const struct pool_param *p, const struct shape *in)
{
    bool even = in->dim[2] % 2 == 0 && in->dim[3] % 2 == 0;
    return p->kernel_h == 2 && p->kernel_w == 2 && (p->stride_h == 0 || p->stride_h == 2) &&
           (p->stride_w == 0 || p->stride_w == 2) && p->pad_h == 0 && p->pad_w == 0 &&
           (!p->ceil_mode || even) && in->dim[2] > 1 && in->dim[3] > 1;
}

static bool fits(const struct group *g)
{
    const struct node *last = g->node[g->n_node - 1];
    const struct shape *in = &g->in[0]->shape;
    return in->rank == 4 && (last->op != &op_max_pool || is_plain_2x2(last->param, in));
}

static void read_nodes(const struct group *g, struct fused *f)
{
    f->kind = ACTIVATION_identity;
    f->factor = 1;
    for (int i = 0; i < g->n_node; i++) {
        const struct node *n = g->node[i];
        if (n->op == &op_batch_norm)
            f->norm = n->param;
        else if (n->op == &op_activation)
            f->kind = (enum activation)((const struct activation_param *)n->param)->kind;
        else if (n->op == &op_max_pool)
            f->pool = true;
        else if (n->op == &op_add)
            f->adds = true;
        else if (n->op == &op_stochastic_depth)
            f->depth = g->mode == MODE_TRAIN ? n : NULL;
        else if (g->mode == MODE_TRAIN)
            f->drop = n;
    }
    if (f->drop)
        f->factor = 1 / (1 - ((const struct dropout_param *)f->drop->param)->p);
    f->statistics = f->norm && g->mode == MODE_TRAIN;
}

static void choose_kernels(const struct group *g, struct fused *f)
{
    static const struct fused_kernels *const f32[ISA_COUNT] = ISA_ROWS(&fused_f32);
    static const struct fused_kernels *const bf16[ISA_COUNT] = ISA_BF16_ROW(&fused_bf16);
    static void (*const draw[ISA_COUNT])(const struct fused_draw *) = ISA_ROWS(fused_draw);
    enum isa_id id = g->backend->isa->id;
    bool half = g->in[0]->dtype == DTYPE_BF16;
    f->kernels = half ? bf16[id] : f32[id];
    f->draw = draw[id];
    f->elem = half ? 2 : 4;
    f->V = g->backend->isa->lanes;
}

static size_t rounded(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* Bands of about 4096 pixels: some 256 KiB, and enough of them for many threads. */
static void set_bands(struct fused *f)
{
    int rows = f->pool ? f->H / 2 : f->H, per_row = f->pool ? 2 * f->W : f->W;
    f->band_rows = 4096 / per_row > 1 ? 4096 / per_row : 1;
    f->n_band = (rows + f->band_rows - 1) / f->band_rows;
}

bool fused_plan(struct group *g, struct err *e)
{
    (void)e;
    struct fused *f = g->state;
    const struct shape *s = &g->in[0]->shape;
    read_nodes(g, f);
    choose_kernels(g, f);
    f->C = s->dim[1];
    f->CB = (f->C + f->V - 1) / f->V;
    f->H = s->dim[2];
    f->W = s->dim[3];
    set_bands(f);
    size_t pixels = (size_t)f->H * (size_t)f->W, V = (size_t)f->V;
    size_t pooled = (size_t)(f->H / 2) * (size_t)(f->W / 2);
    size_t planes = (size_t)g->max_n * (size_t)f->CB;
    f->in_plane = pixels * V * f->elem;
    f->out_plane = f->pool ? pooled * V * f->elem : f->in_plane;
    bool simple = f->kernels->sums_pool[f->kind] && !f->drop;
    bool sums = f->statistics || (f->norm && g->want_dw);
    f->from_y = f->pool ? simple : activation_from_y[f->kind] && !f->drop && !sums;
    f->win_at = rounded((size_t)f->CB * COEF_COUNT * V * sizeof(float));
    f->index_at = f->win_at + (g->backward && f->pool && !simple ? planes * f->out_plane : 0);
    f->keep_at = f->index_at + (g->backward && f->pool ? rounded(planes * pooled * V / 4) : 0);
    size_t keep_words = f->drop ? f->drop->op == &op_dropout2d ? planes : planes * pixels : 0;
    g->saved_bytes = f->keep_at + rounded(keep_words * V / 8);
    g->scratch_bytes = planes * (size_t)f->n_band * 2 * V * sizeof(float);
    g->needs_in = sums || (!f->pool && !f->from_y);
    g->needs_out = f->from_y;
    g->dx_over_in = true;
    return true;
}

/* -- tasks -- */

static void *offset(void *base, size_t bytes)
{
    return base ? (char *)base + bytes : NULL;
}

static void set_rows(const struct sweep *s, struct fused_task *t, int band)
{
    const struct fused *f = s->f;
    int rows = f->pool ? f->H / 2 : f->H;
    t->row0 = band * f->band_rows;
    t->row1 = band == f->n_band - 1 ? rows : t->row0 + f->band_rows;
    if (f->pool && s->all_rows) {
        t->row0 *= 2;
        t->row1 = band == f->n_band - 1 ? f->H : 2 * t->row1;
    }
}

/* What an add adds, where its gradient goes, and what adds up to y's. */
static void set_added(const struct group *g, struct fused_task *t, size_t at)
{
    t->more = offset(g->in[1]->data, at);
    t->dz = offset(g->in[1]->grad, at);
    while (t->n_part < g->n_part) {
        t->part[t->n_part] = offset(g->part[t->n_part]->grad, at);
        t->n_part++;
    }
}

static struct fused_task task_of(const struct sweep *s, size_t plane)
{
    const struct fused *f = s->f;
    const struct group *g = s->g;
    size_t pooled = f->out_plane / f->elem;
    bool word = f->drop && f->drop->op == &op_dropout2d; /* one for the whole plane */
    size_t pixels = word ? 1 : f->in_plane / f->elem / (size_t)f->V;
    char *saved = g->saved;
    const char *dy = s->dy ? s->dy : g->out->grad;
    bool keeps_x = f->index_at > f->win_at, indexed = f->keep_at > f->index_at;
    return (struct fused_task){
        .x = offset(g->in[0]->data, plane * f->in_plane),
        .y = offset(g->out->data, plane * f->out_plane),
        .dy = dy ? dy + plane * f->out_plane : NULL,
        .dx = offset(g->in[0]->grad, plane * f->in_plane),
        .win = keeps_x ? saved + f->win_at + plane * f->out_plane : NULL,
        .index = indexed ? saved + f->index_at + plane * pooled / 4 : NULL,
        .keep = f->drop ? saved + f->keep_at + plane * pixels * (size_t)f->V / 8 : NULL,
        .keep_step = word ? 0 : 1,
        .factor = f->factor,
        .H = f->H,
        .W = f->W,
        .coef = fused_coef_of(g, f, (int)plane % f->CB),
    };
}

static void run_task(void *ctx, int task, int thread)
{
    const struct sweep *s = ctx;
    const struct fused *f = s->f;
    const struct group *g = s->g;
    (void)thread;
    if (s->back_to_front)
        task = g->n * f->CB * f->n_band - 1 - task;
    size_t plane = (size_t)(task / f->n_band);
    struct fused_task t = task_of(s, plane);
    t.sum = (float *)g->scratch + (size_t)task * 2 * (size_t)f->V;
    set_rows(s, &t, task % f->n_band);
    if (f->adds)
        set_added(g, &t, plane * f->in_plane);
    if (f->depth)
        t.factor = merge_depth_factor(g, f->depth, plane / (size_t)f->CB);
    (s->instead && fused_gamma_is_small(f, g, (int)plane % f->CB) ? s->instead : s->fn)(&t);
}

void fused_sweep(const struct sweep *s)
{
    struct sweep copy = *s;
    parallel_for(s->g->n_thread, s->g->n * s->f->CB * s->f->n_band, run_task, &copy);
}

/* -- dropout -- */

static struct fused_draw draw_of(const struct group *g, const struct fused *f)
{
    struct rng r = rng_at(g->seed, RNG_DROPOUT, g->step, (uint64_t)f->drop->id);
    float p = ((const struct dropout_param *)f->drop->param)->p;
    struct fused_draw d = {.threshold = (uint32_t)ceil((double)p * 0x1p24)};
    memcpy(d.key, r.key, sizeof(d.key));
    memcpy(d.counter, r.counter, sizeof(d.counter));
    return d;
}

/* dropout2d's element is a channel of a picture, dropout's a pixel of it. */
static void draw_plane(void *ctx, int plane, int thread)
{
    const struct sweep *s = ctx;
    const struct fused *f = s->f;
    (void)thread;
    struct fused_draw d = draw_of(s->g, f);
    d.stride = f->drop->op == &op_dropout2d ? 1 : (uint64_t)f->H * (uint64_t)f->W;
    d.count = (int)d.stride;
    int n = plane / f->CB, c = plane % f->CB * f->V;
    d.first = ((uint64_t)n * (uint64_t)f->C + (uint64_t)c) * d.stride;
    d.keep =
        (char *)s->g->saved + f->keep_at + (size_t)plane * (size_t)d.count * (size_t)f->V / 8;
    f->draw(&d);
}

/* -- run -- */

static void run_forward(struct group *g, const struct fused *f)
{
    const struct fused_kernels *k = f->kernels;
    struct sweep s = {.g = g, .f = f, .back_to_front = f->statistics};
    fused_set_coefs(g, f);
    if (f->drop)
        parallel_for(g->n_thread, g->n * f->CB, draw_plane, &s);
    s.fn = !f->pool  ? k->forward[f->kind]
           : f->drop ? k->forward_pool_dropped[f->kind]
                     : k->forward_pool[f->kind];
    fused_sweep(&s);
}

static bool keeps_winners(const struct fused *f)
{
    return f->pool && !f->from_y;
}

/* The pass that writes dx. */
static struct sweep gradient_of(const struct group *g, const struct fused *f)
{
    const struct fused_kernels *k = f->kernels;
    bool keeps_x = keeps_winners(f);
    return (struct sweep){
        .g = g,
        .f = f,
        .back_to_front = true,
        .dy = keeps_x ? (const char *)g->saved + f->win_at : NULL,
        .fn = f->pool ? k->gradient_pool[keeps_x ? ACTIVATION_identity : f->kind][f->statistics]
              : f->from_y ? k->gradient_y[f->kind]
                          : k->gradient[f->kind]};
}

/* A task's rows are counted from the plane's first. */
static void make_rows(const struct group *g, int picture, int block, int row0, int row1,
                      void *rows)
{
    const struct fused *f = g->state;
    struct sweep s = gradient_of(g, f);
    struct fused_task t = task_of(&s, (size_t)picture * (size_t)f->CB + (size_t)block);
    size_t before = (size_t)row0 * (size_t)f->W * (size_t)f->V * f->elem;
    t.dx = (void *)((uintptr_t)rows - before);
    t.H = row1; /* the odd last row of a plane comes with its end alone */
    t.row0 = f->pool ? row0 / 2 : row0;
    t.row1 = f->pool ? row1 / 2 : row1;
    s.fn(&t);
}

static void run_backward(struct group *g, const struct fused *f)
{
    const struct fused_kernels *k = f->kernels;
    struct sweep s = {.g = g, .f = f};
    bool keeps_x = keeps_winners(f);
    if (f->statistics || keeps_x || (f->norm && g->want_dw)) {
        s.fn = !f->pool  ? k->sums[f->kind]
               : keeps_x ? k->sums_win[f->kind]
                         : k->sums_pool[f->kind];
        s.instead = f->pool && !keeps_x ? k->sums_gather[f->kind] : NULL;
        fused_sweep(&s);
        if (f->norm)
            fused_close_sums(&s);
    }
    if (!g->want_dx[0] || g->in[0]->rows)
        return;
    s = gradient_of(g, f);
    fused_sweep(&s);
}

static bool fused_run(struct group *g, enum pass pass, struct err *e)
{
    (void)e;
    if (pass == PASS_FORWARD)
        run_forward(g, g->state);
    else
        run_backward(g, g->state);
    return true;
}

static bool decisions(const struct group *g, int32_t *winner)
{
    const struct fused *f = g->state;
    if (!f->pool || f->keep_at == f->index_at)
        return false;
    int OH = f->H / 2, OW = f->W / 2, bytes = f->V / 8;
    for (int n = 0; n < g->n; n++)
        for (int c = 0; c < f->C; c++)
            for (int at = 0; at < OH * OW; at++) {
                size_t plane = (size_t)n * (size_t)f->CB + (size_t)(c / f->V);
                size_t pixel = plane * (size_t)(OH * OW) + (size_t)at;
                const uint8_t *word = (const uint8_t *)g->saved + f->index_at +
                                      pixel * 2 * (size_t)bytes + c % f->V / 8;
                int low = word[0] >> c % 8 & 1, high = word[bytes] >> c % 8 & 1;
                *winner++ = (2 * (at / OW) + high) * f->W + 2 * (at % OW) + low;
            }
    return true;
}

static bool plan(struct group *g, struct err *e)
{
    if (g->in[0]->rows)
        g->in[0]->rows->make = make_rows;
    return fused_plan(g, e);
}

#define FUSED(id, text)                                                                        \
    const struct kernel cpu_##id = {                                                           \
        .name = "fused",                                                                       \
        .pattern = text,                                                                       \
        .in = LAYOUT_BLOCKED,                                                                  \
        .out = LAYOUT_BLOCKED,                                                                 \
        .takes_moments = true,                                                                 \
        .makes_rows = true,                                                                    \
        .plan_size = sizeof(struct fused),                                                     \
        .fits = fits,                                                                          \
        .plan = plan,                                                                          \
        .run = fused_run,                                                                      \
        .decisions = decisions,                                                                \
    }
FUSED(norm_act_drop_pool, "batch_norm+activation+dropout+max_pool");
FUSED(norm_act_drop2d_pool, "batch_norm+activation+dropout2d+max_pool");
FUSED(norm_act_pool, "batch_norm+activation+max_pool");
FUSED(norm_act_drop, "batch_norm+activation+dropout");
FUSED(norm_act_drop2d, "batch_norm+activation+dropout2d");
FUSED(act_drop_pool, "activation+dropout+max_pool");
FUSED(act_drop2d_pool, "activation+dropout2d+max_pool");
FUSED(norm_act, "batch_norm+activation");
FUSED(norm_pool, "batch_norm+max_pool");
FUSED(act_pool, "activation+max_pool");
FUSED(act_drop, "activation+dropout");
FUSED(act_drop2d, "activation+dropout2d");
FUSED(norm, "batch_norm");
FUSED(act, "activation");
FUSED(pool_2x2, "max_pool");
FUSED(drop, "dropout");
FUSED(drop2d, "dropout2d");
