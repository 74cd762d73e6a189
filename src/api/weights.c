/* Weights by PyTorch's state_dict names. */
#include "api/api.h"

#include "graph/op.h"

#include <string.h>

static bool name_weights(struct linnet_weights *w, const struct graph *g, struct err *e)
{
    int n = 0;
    for (int i = 0; i < g->n_node; i++)
        n += g->node[i]->n_weight;
    w->at = mem_new((size_t)n, sizeof(*w->at), e);
    if (!w->at)
        return false;
    for (int i = 0; i < g->n_node; i++)
        for (int k = 0; k < g->node[i]->n_weight; k++) {
            struct named_weight *at = &w->at[w->n];
            *at = (struct named_weight){.node = g->node[i], .index = k};
            size_t size = (size_t)weight_name(at->node, k, NULL, 0) + 1;
            if (!(at->name = mem_new(size, 1, e)))
                return false;
            weight_name(at->node, k, at->name, size);
            w->n++;
        }
    return true;
}

struct linnet_weights *linnet_weights_new(const struct linnet_graph *g, uint64_t seed,
                                          struct linnet_error *out)
{
    struct err e = {0};
    struct linnet_weights *w = mem_new(1, sizeof(*w), &e);
    if (w)
        w->weights = weights_new(g->graph, &e);
    if (!w || !w->weights || !name_weights(w, g->graph, &e)) {
        linnet_weights_free(w);
        api_fail(out, &e);
        return NULL;
    }
    weights_init(w->weights, seed, NULL);
    return w;
}

void linnet_weights_free(struct linnet_weights *w)
{
    if (!w)
        return;
    for (int i = 0; i < w->n; i++)
        mem_free(w->at[i].name);
    mem_free(w->at);
    weights_free(w->weights);
    mem_free(w);
}

static const struct weight *spec_of(const struct named_weight *at)
{
    return &at->node->weight[at->index];
}

bool linnet_weights_at(const struct linnet_weights *w, int i, struct linnet_tensor *out)
{
    if (i < 0 || i >= w->n)
        return false;
    const struct weight *spec = spec_of(&w->at[i]);
    *out = (struct linnet_tensor){.name = w->at[i].name,
                                  .op = w->at[i].node->op->name,
                                  .trained = spec->trained,
                                  .rank = spec->shape.rank};
    memcpy(out->dim, spec->shape.dim, sizeof(out->dim));
    return true;
}

/* The weight called so, of count floats. */
static const struct named_weight *find(const struct linnet_weights *w, const char *name,
                                       size_t count, struct linnet_error *out)
{
    struct err e = {0};
    for (int i = 0; i < w->n; i++)
        if (!strcmp(w->at[i].name, name)) {
            size_t has = shape_count(&spec_of(&w->at[i])->shape);
            if (has == count)
                return &w->at[i];
            err_set(&e, ERR_USAGE, "%s has %zu elements, not %zu", name, has, count);
            api_fail(out, &e);
            return NULL;
        }
    err_set(&e, ERR_USAGE, "no weight is called %s", name);
    api_fail(out, &e);
    return NULL;
}

bool linnet_weights_get(const struct linnet_weights *w, const char *name, float *value,
                        size_t count, struct linnet_error *e)
{
    const struct named_weight *at = find(w, name, count, e);
    if (at)
        memcpy(value, weights_at(w->weights, at->node, at->index), count * sizeof(float));
    return at != NULL;
}

bool linnet_weights_set(struct linnet_weights *w, const char *name, const float *value,
                        size_t count, struct linnet_error *e)
{
    const struct named_weight *at = find(w, name, count, e);
    if (!at)
        return false;
    memcpy(weights_at(w->weights, at->node, at->index), value, count * sizeof(float));
    weights_changed(w->weights);
    return true;
}

bool linnet_weights_grad(const struct linnet_weights *w, const char *name, float *value,
                         size_t count, struct linnet_error *out)
{
    const struct named_weight *at = find(w, name, count, out);
    if (!at)
        return false;
    const struct weight *spec = spec_of(at);
    if (!spec->trained) {
        struct err e = {0};
        err_set(&e, ERR_USAGE, "%s is not trained and has no gradient", name);
        return api_fail(out, &e);
    }
    memcpy(value, w->weights->grad + spec->offset, count * sizeof(float));
    return true;
}
