/* normalize of 8-bit pixels, where the convolution behind does not read them itself: a picture a task,
 * the 256 values that a channel can have looked up. */
#include "backend/cpu/kernels.h"
#include "base/parallel.h"
#include "op/params.h"

enum { MAX_C = 4, VALUES = 256 };

struct normalize {
    float value[MAX_C][VALUES];
};

static bool fits(const struct group *g)
{
    return g->in[0]->dtype == DTYPE_U8;
}

static bool plan(struct group *g, struct err *e)
{
    struct normalize *t = g->state;
    const struct normalize_param *p = g->node[0]->param;
    (void)e;
    for (int c = 0; c < g->out->shape.dim[1]; c++)
        for (int v = 0; v < VALUES; v++)
            t->value[c][v] = (float)((v / 255.0 - (double)p->mean[c]) / (double)p->std[c]);
    return true;
}

static void run_picture(void *ctx, int n, int thread)
{
    const struct group *g = ctx;
    const struct normalize *t = g->state;
    const int *dim = g->out->shape.dim;
    size_t C = (size_t)dim[1], plane = (size_t)dim[2] * (size_t)dim[3];
    const uint8_t *x = (const uint8_t *)g->in[0]->data + (size_t)n * C * plane;
    float *y = (float *)g->out->data + (size_t)n * C * plane;
    (void)thread;
    for (size_t c = 0; c < C; c++, y += plane)
        for (size_t i = 0; i < plane; i++)
            y[i] = t->value[c][x[i * C + c]];
}

static bool run(struct group *g, enum pass pass, struct err *e)
{
    (void)e;
    if (pass == PASS_FORWARD) /* pixels have no gradient */
        parallel_for(g->n_thread, g->n, run_picture, g);
    return true;
}

const struct kernel cpu_normalize = {.name = "lookup",
                                     .pattern = "normalize",
                                     .in = LAYOUT_PLAIN,
                                     .out = LAYOUT_PLAIN,
                                     .plan_size = sizeof(struct normalize),
                                     .fits = fits,
                                     .plan = plan,
                                     .run = run};
