/* Architectures by the options of `linnet model`, as JSON; beside them "classes" (10) and
 * "u8" (true: pictures as uint8, normalised as the
 * published weights want it; false: floats). */
#include "api/api.h"

#include <string.h>

static bool is_own(const char *key)
{
    return !strcmp(key, "classes") || !strcmp(key, "u8");
}

/* The members that are options of models. */
static bool options_of(const struct json *root, struct json *out, struct arena *a,
                       struct err *e)
{
    struct json *item = arena_new(a, (size_t)root->n, sizeof(*item), e);
    const char **key = arena_new(a, (size_t)root->n, sizeof(*key), e);
    if (!item || !key)
        return false;
    *out = (struct json){.type = JSON_OBJECT, .item = item, .key = key};
    for (int i = 0; i < root->n; i++)
        if (!is_own(root->key[i])) {
            item[out->n] = root->item[i];
            key[out->n++] = root->key[i];
        }
    return true;
}

static bool build(struct linnet_graph *g, const char *text, struct arena *a, struct err *e)
{
    struct model_config cfg;
    struct option_table table[MODEL_MAX_TABLES];
    int n_table = model_tables(&cfg, table);
    const struct json *root = json_parse(text, strlen(text), a, e);
    if (!root)
        return false;
    if (root->type != JSON_OBJECT)
        return err_set(e, ERR_USAGE, "model: expected {\"model\": \"cnn5\", ...}");
    struct json options;
    if (!option_defaults(table, n_table, a, e) || !options_of(root, &options, a, e) ||
        !option_read_json(table, n_table, &options, a, e) || !model_resolve(&cfg, e))
        return false;
    const struct preprocess *pre = &architectures[cfg.kind]->pre;
    struct model_input in = {.n_class = (int)json_int(root, "classes", 10),
                             .u8 = json_bool(root, "u8", true)};
    memcpy(in.mean, pre->mean, sizeof(in.mean));
    memcpy(in.std, pre->std, sizeof(in.std));
    return model_build(&g->model, g->graph, &cfg, &in, e);
}

struct linnet_graph *linnet_model_new(const char *json, struct linnet_error *out)
{
    struct err e = {0};
    struct arena a = {0};
    struct linnet_graph *g = mem_new(1, sizeof(*g), &e);
    if (g)
        g->graph = graph_new(&e);
    bool ok = g && g->graph && build(g, json, &a, &e);
    arena_release(&a);
    if (ok)
        return g;
    linnet_graph_free(g);
    api_fail(out, &e);
    return NULL;
}

bool linnet_graph_block(const struct linnet_graph *g, int i, const char **name,
                        const char **out)
{
    if (i < 0 || i >= g->model.n_block)
        return false;
    *name = g->model.block[i].name;
    *out = g->model.block[i].out->name;
    return true;
}
