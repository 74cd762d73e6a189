/* Three arenas; initialisation draws tensor by tensor, in graph order. */
#include "graph/weights.h"

#include "base/rng.h"

struct weights *weights_new(const struct graph *g, struct err *e)
{
    struct weights *w = mem_new(1, sizeof(*w), e);
    if (!w)
        return NULL;
    w->graph = g;
    w->value = mem_new(g->n_value, sizeof(float), e);
    w->grad = mem_new(g->n_value, sizeof(float), e);
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
    mem_free(w->grad);
    mem_free(w->buffer);
    mem_free(w);
}

static void init_tensor(float *at, const struct weight *spec, struct rng *r)
{
    size_t n = shape_count(&spec->shape);
    for (size_t i = 0; i < n; i++)
        switch (spec->init) {
        case INIT_ZEROS:
            at[i] = 0;
            break;
        case INIT_ONES:
            at[i] = 1;
            break;
        case INIT_UNIFORM:
            at[i] = (float)rng_range(r, -spec->bound, spec->bound);
            break;
        case INIT_NORMAL:
            at[i] = (float)(spec->bound * rng_normal(r));
            break;
        case INIT_FILL:
            at[i] = (float)spec->bound;
            break;
        }
}

void weights_init(struct weights *w, uint64_t seed)
{
    uint64_t index = 0;
    for (int i = 0; i < w->graph->n_node; i++) {
        const struct node *n = w->graph->node[i];
        for (int k = 0; k < n->n_weight; k++) {
            struct rng r = rng_at(seed, RNG_INIT, index++, 0);
            init_tensor(weights_at(w, n, k), &n->weight[k], &r);
        }
    }
    weights_changed(w);
}
