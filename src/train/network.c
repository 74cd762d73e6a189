/* The file's sections are the state_dict's tensors in graph order, then the items; its metadata
 * tells model, options, classes and preprocessing as JSON texts. */
#include "train/network.h"

#include "base/build.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void network_release(struct network *n)
{
    weights_free(n->weights);
    graph_free(n->graph);
    arena_release(&n->arena);
    *n = (struct network){0};
}

static bool copy_classes(struct network *n, const struct network_spec *spec, struct err *e)
{
    const char **copy = arena_new(&n->arena, (size_t)spec->n_class, sizeof(*copy), e);
    for (int i = 0; copy && i < spec->n_class; i++)
        if (!(copy[i] = arena_text(&n->arena, spec->class_name[i], e)))
            return false;
    n->class_name = copy;
    n->n_class = spec->n_class;
    return copy != NULL;
}

static bool build_graph(struct network *n, const struct network_spec *spec, struct err *e)
{
    struct model_input in = {.n_class = spec->n_class, .u8 = true};
    memcpy(in.mean, spec->pre->mean, sizeof(in.mean));
    memcpy(in.std, spec->pre->std, sizeof(in.std));
    if (spec->class_weight) {
        size_t bytes = (size_t)spec->n_class * sizeof(float);
        float *copy = arena_new(&n->arena, bytes, 1, e);
        if (!copy)
            return false;
        in.class_weight = memcpy(copy, spec->class_weight, bytes);
    }
    n->graph = graph_new(e);
    return n->graph && model_build(&n->model, n->graph, &n->config, &in, e) &&
           (n->weights = weights_new(n->graph, e)) != NULL;
}

bool network_build(struct network *n, const struct network_spec *spec, struct err *e)
{
    *n = (struct network){.config = *spec->config, .pre = *spec->pre};
    if (copy_classes(n, spec, e) && build_graph(n, spec, e))
        return true;
    network_release(n);
    return false;
}

bool network_init(struct network *n, const struct network_spec *spec, uint64_t seed,
                  struct err *e)
{
    if (!network_build(n, spec, e))
        return false;
    weights_init(n->weights, seed, NULL);
    return true;
}

/* The sections of a file: one entry a weight, one an item. */
struct sections {
    struct arena arena;
    struct st_tensor *tensor;
    int n;
};

static bool weight_section(struct sections *s, const struct weights *w, const struct node *node,
                           int i, struct err *e)
{
    const struct weight *spec = &node->weight[i];
    struct st_tensor *t = &s->tensor[s->n++];
    size_t size = (size_t)weight_name(node, i, NULL, 0) + 1;
    char *name = arena_new(&s->arena, size, 1, e);
    if (!name)
        return false;
    weight_name(node, i, name, size);
    *t = (struct st_tensor){.name = name, .dtype = ST_F32, .data = weights_at(w, node, i)};
    t->bytes = shape_count(&spec->shape) * sizeof(float);
    if (spec->integer) { /* a scalar in PyTorch, counted in a float here */
        int64_t *count = arena_new(&s->arena, 1, sizeof(*count), e);
        if (!count)
            return false;
        *count = (int64_t)*weights_at(w, node, i);
        t->dtype = ST_I64;
        t->data = count;
        t->bytes = sizeof(*count);
        return true;
    }
    for (t->rank = 0; t->rank < spec->shape.rank; t->rank++)
        t->dim[t->rank] = spec->shape.dim[t->rank];
    return true;
}

static bool item_section(struct sections *s, const struct state_item *item, struct err *e)
{
    struct st_tensor *t = &s->tensor[s->n++];
    size_t length = strlen(item->name) + sizeof("train.");
    char *name = arena_new(&s->arena, length, 1, e);
    if (!name)
        return false;
    snprintf(name, length, "train.%s", item->name);
    *t = (struct st_tensor){.name = name,
                            .dtype = item->dtype,
                            .rank = 1,
                            .dim = {(int64_t)item->n},
                            .data = item->data,
                            .bytes = item->n * (size_t)st_dtype_bits(item->dtype) / 8};
    return true;
}

static bool list_sections(struct sections *s, const struct graph *g, const struct weights *w,
                          const struct state_item *item, int n_item, struct err *e)
{
    size_t room = (size_t)n_item;
    for (int i = 0; i < g->n_node; i++)
        room += (size_t)g->node[i]->n_weight;
    s->tensor = arena_new(&s->arena, room, sizeof(*s->tensor), e);
    bool ok = s->tensor != NULL;
    for (int i = 0; ok && i < g->n_node; i++)
        for (int k = 0; ok && k < g->node[i]->n_weight; k++)
            ok = weight_section(s, w, g->node[i], k, e);
    for (int i = 0; ok && i < n_item; i++)
        ok = item_section(s, &item[i], e);
    return ok;
}

static bool all_finite(const struct sections *s, struct err *e)
{
    for (int i = 0; i < s->n; i++) {
        const struct st_tensor *t = &s->tensor[i];
        const float *x = t->data;
        for (size_t k = 0; t->dtype == ST_F32 && k < t->bytes / sizeof(*x); k++)
            if (!isfinite(x[k]))
                return err_set(e, ERR_DIVERGED, "%s holds %s at element %zu: not saved",
                               t->name, isnan(x[k]) ? "NaN" : "infinity", k);
    }
    return true;
}

static void put_reals(struct json_writer *w, const char *key, const double x[3])
{
    json_open(w, key, '[');
    for (int c = 0; c < 3; c++)
        json_put_real(w, NULL, x[c]);
    json_close(w, ']');
}

static const char *const filters[] = {"bilinear", "bicubic", NULL}; /* enum resize_filter */

static bool preprocess_text(const struct preprocess *p, char **out, struct err *e)
{
    struct json_writer w = {0};
    json_open(&w, NULL, '{');
    json_put_int(&w, "size", p->size_px);
    json_put_int(&w, "resize_shorter", p->resize_px);
    json_put_text(&w, "filter", filters[p->filter]);
    json_put_bool(&w, "antialias", true);
    json_put_text(&w, "crop", "center");
    json_put_text(&w, "background", "white");
    put_reals(&w, "mean", p->mean);
    put_reals(&w, "std", p->std);
    json_close(&w, '}');
    *out = w.text;
    return json_done(&w, e);
}

static bool classes_text(const struct network *n, char **out, struct err *e)
{
    struct json_writer w = {0};
    json_open(&w, NULL, '[');
    for (int i = 0; i < n->n_class; i++)
        json_put_text(&w, NULL, n->class_name[i]);
    json_close(&w, ']');
    *out = w.text;
    return json_done(&w, e);
}

static bool model_text(const struct network *n, char **out, struct err *e)
{
    struct model_config copy = n->config;
    struct option_table table[MODEL_MAX_TABLES];
    int n_table = model_tables(&copy, table);
    struct json_writer w = {0};
    json_open(&w, NULL, '{');
    bool ok = option_write_json(table, n_table, &w, e);
    json_close(&w, '}');
    *out = w.text;
    return ok && json_done(&w, e);
}

bool network_save(const struct network *n, const struct weights *w,
                  const struct state_item *item, int n_item, const char *path, struct err *e)
{
    struct sections s = {0};
    char *model = NULL, *classes = NULL, *pre = NULL;
    bool ok = list_sections(&s, n->graph, w, item, n_item, e) && all_finite(&s, e) &&
              model_text(n, &model, e) && classes_text(n, &classes, e) &&
              preprocess_text(&n->pre, &pre, e);
    if (ok) {
        struct st_note note[] = {{"format", "pt"},
                                 {"linnet.version", LINNET_VERSION},
                                 {"linnet.model", n->model.arch->name},
                                 {"linnet.options", model},
                                 {"linnet.classes", classes},
                                 {"linnet.preprocess", pre}};
        ok = seal_write(path, s.tensor, s.n, note, (int)COUNT_OF(note), e);
    }
    mem_free(model);
    mem_free(classes);
    mem_free(pre);
    arena_release(&s.arena);
    return ok;
}

size_t network_bytes(const struct network *n, const struct state_item *item, int n_item)
{
    size_t bytes = (n->graph->n_value + n->graph->n_buffer) * sizeof(float);
    for (int i = 0; i < n_item; i++)
        bytes += item[i].n * (size_t)st_dtype_bits(item[i].dtype) / 8;
    return bytes;
}

/* Copies one section of the file to where list_sections said it lies. */
static bool read_section(const struct safetensors *file, const struct st_tensor *want,
                         const char *path, struct err *e)
{
    const struct st_tensor *t = safetensors_find(file, want->name);
    if (!t)
        return err_set(e, ERR_MODEL, "%s: has no tensor %s", path, want->name);
    bool same = t->dtype == want->dtype && t->rank == want->rank && t->bytes == want->bytes;
    for (int i = 0; same && i < t->rank; i++)
        same = t->dim[i] == want->dim[i];
    if (!same)
        return err_set(e, ERR_MODEL, "%s: %s has another type or shape than this network's",
                       path, want->name);
    memcpy((void *)(uintptr_t)want->data, t->data, t->bytes);
    return true;
}

static bool restore(const struct network *n, struct weights *w, const struct state_item *item,
                    int n_item, const struct safetensors *file, const char *path, struct err *e)
{
    struct sections s = {0};
    bool ok = list_sections(&s, n->graph, w, item, n_item, e);
    for (int i = 0; ok && i < s.n; i++)
        ok = read_section(file, &s.tensor[i], path, e);
    int at = 0;
    for (int i = 0; ok && i < n->graph->n_node; i++)
        for (int k = 0; k < n->graph->node[i]->n_weight; k++, at++)
            if (n->graph->node[i]->weight[k].integer)
                *weights_at(w, n->graph->node[i], k) =
                    (float)*(const int64_t *)s.tensor[at].data;
    ok = ok && all_finite(&s, e);
    if (!ok && e->kind == ERR_DIVERGED)
        e->kind = ERR_MODEL;
    arena_release(&s.arena);
    weights_changed(w);
    return ok;
}

bool network_restore(const struct network *n, struct weights *w, const struct state_item *item,
                     int n_item, const char *path, struct err *e)
{
    struct safetensors file;
    if (!safetensors_open(&file, path, e))
        return false;
    bool ok = seal_check(&file, path, e) && restore(n, w, item, n_item, &file, path, e);
    safetensors_close(&file);
    return ok;
}

static const struct json *note_json(const struct safetensors *s, const char *key,
                                    struct arena *a, struct err *e)
{
    const char *text = safetensors_metadata(s, key);
    if (text)
        return json_parse(text, strlen(text), a, e);
    err_set(e, ERR_MODEL, "no %s in its metadata: not a model of linnet", key);
    return NULL;
}

static bool read_reals(const struct json *v, double out[3])
{
    bool ok = v && v->type == JSON_ARRAY && v->n == 3;
    for (int c = 0; ok && c < 3; c++) {
        ok = v->item[c].type == JSON_NUMBER;
        out[c] = v->item[c].number;
    }
    return ok;
}

static bool read_filter(const struct json *v, enum resize_filter *out)
{
    const char *name = json_text(v, "filter", filters[RESIZE_BILINEAR]);
    for (int i = 0; filters[i]; i++)
        if (strcmp(name, filters[i]) == 0) {
            *out = (enum resize_filter)i;
            return true;
        }
    return false;
}

static bool read_preprocess(const struct json *v, struct preprocess *p, struct err *e)
{
    p->size_px = (int)json_int(v, "size", 0);
    p->resize_px = (int)json_int(v, "resize_shorter", 0);
    bool ok = read_reals(json_get(v, "mean"), p->mean) &&
              read_reals(json_get(v, "std"), p->std) && read_filter(v, &p->filter);
    for (int c = 0; ok && c < 3; c++)
        ok = p->std[c] > 0;
    ok = ok && p->size_px > 0 && p->resize_px >= p->size_px && p->resize_px / 4 <= p->size_px;
    return ok || err_set(e, ERR_MODEL, "its preprocessing is not one that linnet %s knows",
                         LINNET_VERSION);
}

bool network_preprocess(const struct safetensors *file, struct preprocess *out, bool *found,
                        struct err *e)
{
    struct arena a = {0};
    *found = safetensors_metadata(file, "linnet.preprocess") != NULL;
    const struct json *how = *found ? note_json(file, "linnet.preprocess", &a, e) : NULL;
    bool ok = !*found || (how && read_preprocess(how, out, e));
    arena_release(&a);
    return ok;
}

static bool read_classes(const struct json *v, struct arena *a, struct network_spec *spec,
                         struct err *e)
{
    bool ok = v->type == JSON_ARRAY && v->n > 1;
    for (int i = 0; ok && i < v->n; i++)
        ok = v->item[i].type == JSON_STRING;
    if (!ok)
        return err_set(e, ERR_MODEL, "its list of classes is none");
    const char **name = arena_new(a, (size_t)v->n, sizeof(*name), e);
    for (int i = 0; name && i < v->n; i++)
        name[i] = v->item[i].text;
    spec->class_name = name;
    spec->n_class = v->n;
    return name != NULL;
}

static bool read_network(struct network *n, const struct safetensors *file, struct arena *a,
                         struct err *e)
{
    struct model_config config;
    struct preprocess pre;
    struct network_spec spec = {.config = &config, .pre = &pre};
    struct option_table table[MODEL_MAX_TABLES];
    int n_table = model_tables(&config, table);
    const char *name = safetensors_metadata(file, "linnet.model");
    int kind = name ? model_find(name) : -1;
    if (kind < 0)
        return err_set(e, ERR_MODEL, "its model is %s, which linnet %s does not know",
                       name ? name : "not stated", LINNET_VERSION);
    const struct json *options = note_json(file, "linnet.options", a, e);
    const struct json *classes = options ? note_json(file, "linnet.classes", a, e) : NULL;
    const struct json *how = classes ? note_json(file, "linnet.preprocess", a, e) : NULL;
    if (!how || !option_defaults(table, n_table, a, e) ||
        !option_read_json(table, n_table, options, a, e))
        return false;
    config.kind = kind;
    if (!model_resolve(&config, e) || !read_preprocess(how, &pre, e))
        return false;
    if (pre.size_px != config.size)
        return err_set(e, ERR_MODEL, "pictures become %d px, its model takes %lld px",
                       pre.size_px, (long long)config.size);
    return read_classes(classes, a, &spec, e) && network_build(n, &spec, e);
}

bool network_load(struct network *n, const char *path, struct err *e)
{
    struct safetensors file;
    struct arena a = {0};
    *n = (struct network){0};
    if (!safetensors_open(&file, path, e))
        return false;
    bool ok = seal_check(&file, path, e);
    if (ok && !read_network(n, &file, &a, e)) {
        if (e->kind != ERR_NOMEM)
            e->kind = ERR_MODEL;
        ok = err_in(e, "%s", path);
    }
    ok = ok && restore(n, n->weights, NULL, 0, &file, path, e);
    if (!ok)
        network_release(n);
    arena_release(&a);
    safetensors_close(&file);
    return ok;
}
