/* concat along the channels of blocked tensors. A block of V channels is one block of another tensor
 * where channels divide by V, else it is put together from stretches of two or more. */
#include "backend/cpu/isa.h"
#include "backend/cpu/kernels.h"
#include "base/parallel.h"

#include <string.h>

struct concat {
    int V;
    int first[NODE_MAX_IN +
              1]; /* channel of the output at which an input begins; all channels */
    int block[NODE_MAX_IN + 1]; /* the same in blocks of the inputs */
    size_t elem, pixels;
};

static bool concat_fits(const struct group *g)
{
    return g->out->shape.rank == 4;
}

static bool concat_plan(struct group *g, struct err *e)
{
    struct concat *c = g->state;
    const int *dim = g->out->shape.dim;
    (void)e;
    c->V = g->backend->isa->lanes;
    c->elem = g->out->dtype == DTYPE_BF16 ? 2 : 4;
    c->pixels = (size_t)dim[2] * (size_t)dim[3];
    for (int k = 0; k < g->n_in; k++) {
        int C = g->in[k]->shape.dim[1];
        c->first[k + 1] = c->first[k] + C;
        c->block[k + 1] = c->block[k] + (C + c->V - 1) / c->V;
    }
    return true;
}

/* Block `block` of picture n. */
static char *plane_of(const struct concat *c, const struct value *v, void *data, int n,
                      int block)
{
    size_t plane = c->pixels * (size_t)c->V * c->elem;
    return (char *)data + v->bytes / (size_t)v->shape.dim[0] * (size_t)n +
           (size_t)block * plane;
}

/* `count` channels of every pixel, from a lane of one block to a lane of another. */
static void move(const struct concat *c, char *to, int to_lane, const char *from, int from_lane,
                 int count)
{
    size_t pixel = (size_t)c->V * c->elem, bytes = (size_t)count * c->elem;
    if (count == c->V) {
        memcpy(to, from, c->pixels * pixel);
        return;
    }
    to += (size_t)to_lane * c->elem;
    from += (size_t)from_lane * c->elem;
    for (size_t i = 0; i < c->pixels; i++, to += pixel, from += pixel)
        memcpy(to, from, bytes);
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* A block of the output from the inputs. */
static void gather(void *ctx, int task, int thread)
{
    const struct group *g = ctx;
    const struct concat *c = g->state;
    int C = c->first[g->n_in], blocks = (C + c->V - 1) / c->V, n = task / blocks;
    int begin = task % blocks * c->V, end = least(begin + c->V, C);
    char *to = plane_of(c, g->out, g->out->data, n, begin / c->V);
    (void)thread;
    if (end < begin + c->V)
        memset(to, 0, c->pixels * (size_t)c->V * c->elem);
    for (int at = begin, k = 0, count; at < end; at += count) {
        while (at >= c->first[k + 1])
            k++;
        int channel = at - c->first[k], lane = channel % c->V;
        count = least(least(end, c->first[k + 1]) - at, c->V - lane);
        move(c, to, at - begin, plane_of(c, g->in[k], g->in[k]->data, n, channel / c->V), lane,
             count);
    }
}

/* A block of an input's gradient from the output's. */
static void scatter(void *ctx, int task, int thread)
{
    const struct group *g = ctx;
    const struct concat *c = g->state;
    int blocks = c->block[g->n_in], n = task / blocks, block = task % blocks, k = 0;
    (void)thread;
    while (block >= c->block[k + 1])
        k++;
    if (!g->want_dx[k])
        return;
    block -= c->block[k];
    int begin = c->first[k] + block * c->V, end = least(begin + c->V, c->first[k + 1]);
    char *to = plane_of(c, g->in[k], g->in[k]->grad, n, block);
    if (end < begin + c->V)
        memset(to, 0, c->pixels * (size_t)c->V * c->elem);
    for (int at = begin, count; at < end; at += count) {
        int lane = at % c->V;
        count = least(end - at, c->V - lane);
        move(c, to, at - begin, plane_of(c, g->out, g->out->grad, n, at / c->V), lane, count);
    }
}

static bool concat_run(struct group *g, enum pass pass, struct err *e)
{
    const struct concat *c = g->state;
    (void)e;
    if (pass == PASS_FORWARD)
        parallel_for(g->n_thread, g->n * ((c->first[g->n_in] + c->V - 1) / c->V), gather, g);
    else
        parallel_for(g->n_thread, g->n * c->block[g->n_in], scatter, g);
    return true;
}

const struct kernel cpu_concat = {.name = "blocks",
                                  .pattern = "concat",
                                  .in = LAYOUT_BLOCKED,
                                  .out = LAYOUT_BLOCKED,
                                  .plan_size = sizeof(struct concat),
                                  .fits = concat_fits,
                                  .plan = concat_plan,
                                  .run = concat_run};
