/* layer_norm of plain rows and of the channels of blocked pictures. A task is a band of rows; the bands'
 * parts of the weights' gradients are added in their order, so that the result is the same for any
 * number of threads. */
#include "backend/cpu/layer_norm.h"
#include "backend/cpu/kernels.h"
#include "base/parallel.h"
#include "op/params.h"

#include <string.h>

enum { BAND = 128 }; /* rows */

struct layer_norm {
    const struct norm_kernels *kernels;
    int D, V;
    int rows, bands; /* of one item */
    size_t elem;
};

/* Floats of a band's part of one weight's gradient. */
static size_t part(const struct layer_norm *l)
{
    return (size_t)((l->D + l->V - 1) / l->V * l->V);
}

static bool plan(struct group *g, struct err *e)
{
    static const struct norm_kernels *const f32[ISA_COUNT] = ISA_BUILDS(norm_f32);
    static const struct norm_kernels *const bf16[ISA_COUNT] = ISA_BF16_ROW(&norm_bf16);
    struct layer_norm *l = g->state;
    const struct value *x = g->in[0];
    const int *dim = x->shape.dim;
    bool half = x->dtype == DTYPE_BF16;
    (void)e;
    l->kernels = half ? bf16[g->backend->isa->id] : f32[g->backend->isa->id];
    l->elem = half ? 2 : 4;
    l->V = g->backend->isa->lanes;
    l->D = x->shape.rank == 3 ? dim[2] : dim[1];
    l->rows = x->shape.rank == 4 ? dim[2] * dim[3] : x->shape.rank == 3 ? dim[1] : 1;
    l->bands = (l->rows + BAND - 1) / BAND;
    g->needs_in = true;
    g->dx_over_in = true; /* a vector is read once more before it is written */
    if (g->want_dw)
        g->scratch_bytes = (size_t)g->max_n * (size_t)l->bands * 2 * part(l) * sizeof(float);
    return true;
}

struct sweep {
    const struct group *g;
    enum pass pass;
};

static void run_band(void *ctx, int task, int thread)
{
    const struct sweep *s = ctx;
    const struct group *g = s->g;
    const struct layer_norm *l = g->state;
    const struct layer_norm_param *p = g->node[0]->param;
    const struct value *x = g->in[0];
    int first = task % l->bands * BAND;
    (void)thread;
    struct norm_task t = {.D = l->D,
                          .n_row = l->rows - first < BAND ? l->rows - first : BAND,
                          .row = (size_t)(x->block ? l->V : l->D),
                          .step = (size_t)l->V * (size_t)(x->block ? l->rows : 1),
                          .padded = x->block > 0,
                          .eps = p->eps > 0 ? p->eps : 1e-5f,
                          .gamma = g->weight[0].value,
                          .beta = g->weight[1].value};
    size_t at = x->bytes / (size_t)x->shape.dim[0] * (size_t)(task / l->bands) +
                (size_t)first * t.row * l->elem;
    t.x = (const char *)x->data + at;
    t.y = (char *)g->out->data + at;
    if (s->pass == PASS_FORWARD) {
        l->kernels->forward(&t);
        return;
    }
    t.dy = (const char *)g->out->grad + at;
    t.dx = g->want_dx[0] ? (char *)x->grad + at : NULL;
    t.sum = g->want_dw ? (float *)g->scratch + (size_t)task * 2 * part(l) : NULL;
    if (t.sum)
        memset(t.sum, 0, 2 * part(l) * sizeof(float));
    l->kernels->backward(&t);
}

static void weight_gradient(void *ctx, int d, int thread)
{
    const struct group *g = ctx;
    const struct layer_norm *l = g->state;
    (void)thread;
    for (int w = 0; w < 2; w++) {
        const float *at = (const float *)g->scratch + (size_t)w * part(l) + d;
        double sum = 0;
        for (int band = 0; band < g->n * l->bands; band++)
            sum += (double)at[(size_t)band * 2 * part(l)];
        g->weight[w].grad[d] = (float)sum;
    }
}

static bool run(struct group *g, enum pass pass, struct err *e)
{
    const struct layer_norm *l = g->state;
    (void)e;
    parallel_for(g->n_thread, g->n * l->bands, run_band, &(struct sweep){g, pass});
    if (pass == PASS_BACKWARD && g->want_dw)
        parallel_for(g->n_thread, l->D, weight_gradient, g);
    return true;
}

const struct kernel cpu_layer_norm = {.name = "rows",
                                      .pattern = "layer_norm",
                                      .in = LAYOUT_BLOCKED,
                                      .out = LAYOUT_BLOCKED,
                                      .plan_size = sizeof(struct layer_norm),
                                      .plan = plan,
                                      .run = run};
