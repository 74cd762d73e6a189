/* Three arenas; initialisation draws tensor by tensor, in graph order. */
#include "graph/weights.h"

#include "base/parallel.h"
#include "base/rng.h"

struct weights *weights_new(const struct graph *g, struct err *e)
{
    struct weights *w = mem_new(1, sizeof(*w), e);
    if (!w)
        return NULL;
    w->graph = g;
    w->grad_bytes = g->n_value * sizeof(float);
    w->value = mem_new(g->n_value, sizeof(float), e);
    w->grad = mem_map(w->grad_bytes, e);
    w->buffer = mem_new(g->n_buffer, sizeof(float), e);
    if (!w->value || !w->grad || !w->buffer) {
        weights_free(w);
        return NULL;
    }
    return w;
}

void weights_free(struct weights *w)
{
    if (!w)
        return;
    mem_free(w->value);
    mem_unmap(w->grad, w->grad_bytes);
    mem_free(w->buffer);
    mem_free(w);
}

/* A tensor is drawn in parts of this many elements, each from where its numbers begin. */
enum { INIT_PART = 1 << 16 };

struct init {
    const struct weight *spec;
    float *at;
    struct rng stream;
};

static void init_part(void *ctx, int part, int thread)
{
    const struct init *t = ctx;
    const struct weight *w = t->spec;
    size_t n = shape_count(&w->shape), lo = (size_t)part * INIT_PART;
    size_t hi = n - lo < INIT_PART ? n : lo + INIT_PART;
    struct rng r = t->stream;
    (void)thread;
    rng_seek(&r, lo * (w->init == INIT_NORMAL ? 4 : 2));
    for (size_t i = lo; i < hi; i++)
        switch (w->init) {
        case INIT_ZEROS:
            t->at[i] = 0;
            break;
        case INIT_ONES:
            t->at[i] = 1;
            break;
        case INIT_UNIFORM:
            t->at[i] = (float)rng_range(&r, -w->bound, w->bound);
            break;
        case INIT_NORMAL:
            t->at[i] = (float)(w->bound * rng_normal(&r));
            break;
        case INIT_FILL:
            t->at[i] = (float)w->bound;
            break;
        }
}

void weights_init(struct weights *w, uint64_t seed, const bool *given)
{
    uint64_t index = 0;
    int n_thread = parallel_threads();
    for (int i = 0; i < w->graph->n_node; i++) {
        const struct node *n = w->graph->node[i];
        for (int k = 0; k < n->n_weight; k++, index++) {
            if (given && given[index])
                continue;
            struct init t = {&n->weight[k], weights_at(w, n, k),
                             rng_at(seed, RNG_INIT, index, 0)};
            int n_part = (int)((shape_count(&t.spec->shape) + INIT_PART - 1) / INIT_PART);
            parallel_for(n_part < n_thread ? n_part : n_thread, n_part, init_part, &t);
        }
    }
    weights_changed(w);
}
