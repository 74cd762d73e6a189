/* An update rule by the options of `linnet train`. */
#include "api/api.h"

#include "optim/optimiser.h"

#include <string.h>

struct linnet_optimiser {
    struct optim_config config;
    struct optimiser optimiser;
};

static bool make(struct linnet_optimiser *o, const struct linnet_backend *b,
                 const struct graph *g, const char *json, struct arena *a, struct err *e)
{
    struct option_table table = {optim_options, &o->config};
    const struct json *root = json_parse(json, strlen(json), a, e);
    return root && option_defaults(&table, 1, a, e) &&
           option_read_json(&table, 1, root, a, e) && optim_resolve(&o->config, e) &&
           optimiser_init(&o->optimiser, &o->config, b->backend, g, NULL, e);
}

struct linnet_optimiser *linnet_optimiser_new(const struct linnet_backend *b,
                                              const struct linnet_graph *g, const char *json,
                                              struct linnet_error *out)
{
    struct err e = {0};
    struct arena a = {0};
    struct linnet_optimiser *o = mem_new(1, sizeof(*o), &e);
    bool ok = o && make(o, b, g->graph, json, &a, &e);
    arena_release(&a);
    if (ok)
        return o;
    linnet_optimiser_free(o);
    api_fail(out, &e);
    return NULL;
}

void linnet_optimiser_free(struct linnet_optimiser *o)
{
    if (!o)
        return;
    optimiser_release(&o->optimiser);
    mem_free(o);
}

void linnet_optimiser_step(struct linnet_optimiser *o, struct linnet_weights *w)
{
    optimiser_step(&o->optimiser, w->weights, w->weights->grad, o->config.lr, 1);
}
