#include "train/pretrained.h"

#include "model/adapt.h"
#include "weights/imagenet_classes.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* The file that is meant; in the arena. */
static const char *find_file(struct pretrained *p, const char *weights,
                             const struct architecture *a, struct err *e)
{
    struct stat st;
    if (stat(weights, &st) == 0)
        return weights;
    if (strcmp(weights, "default") == 0)
        return zoo_pulled(a->name, &p->arena, e);
    if (!strchr(weights, '/') && !strchr(weights, '.'))
        return zoo_pulled(weights, &p->arena, e);
    err_errno(e, weights);
    e->kind = ERR_MODEL;
    return NULL;
}

static bool own_preprocess(struct pretrained *p, const struct architecture *a, struct err *e)
{
    const char *slash = strrchr(p->file.path, '/');
    bool found = false;
    p->pre = a->pre;
    p->row = zoo_find_file(slash ? slash + 1 : p->file.path);
    if (p->row) {
        p->pre.size_px = p->row->crop_px;
        p->pre.resize_px = p->row->resize_px;
        p->pre.filter = p->row->filter;
    } else if (strcmp(p->file.format, "safetensors") == 0) {
        return network_preprocess(&p->file.safetensors, &p->pre, &found, e) ||
               err_in(e, "%s", p->file.path);
    }
    return true;
}

/* The same share of the picture is seen at another size. */
static void scale_preprocess(struct preprocess *pre, int size)
{
    double scale = (double)pre->resize_px / pre->size_px;
    if (size == pre->size_px)
        return;
    pre->size_px = size;
    pre->resize_px = (int)lround(size * scale);
}

bool pretrained_open(struct pretrained *p, const char *weights, struct model_config *config,
                     struct err *e)
{
    const struct architecture *a = architectures[config->kind];
    *p = (struct pretrained){0};
    const char *path = find_file(p, weights, a, e);
    bool ok = path && state_dict_open(&p->file, path, e) && own_preprocess(p, a, e);
    if (ok && config->size == 0)
        config->size = p->pre.size_px;
    ok = ok && model_resolve(config, e);
    if (ok)
        scale_preprocess(&p->pre, (int)config->size);
    else
        pretrained_close(p);
    return ok;
}

void pretrained_close(struct pretrained *p)
{
    match_release(&p->match);
    state_dict_close(&p->file);
    arena_release(&p->arena);
    *p = (struct pretrained){0};
}

/* The classes of the file's last layer: the rows of its "<head>.weight". */
static int file_classes(const struct pretrained *p, const struct architecture *a)
{
    char name[256];
    snprintf(name, sizeof(name), "%s.weight", a->head);
    const struct sd_tensor *t = state_dict_find(&p->file, name);
    return t && t->rank > 0 && t->dim[0] > 1 && t->dim[0] < 1 << 20 ? (int)t->dim[0]
                                                                    : IMAGENET_CLASSES;
}

/* ImageNet's names, or "0", "1", ... */
static const char *const *name_classes(struct pretrained *p, int n, struct err *e)
{
    if (n == IMAGENET_CLASSES)
        return imagenet_classes;
    const char **name = arena_new(&p->arena, (size_t)n, sizeof(*name), e);
    for (int i = 0; name && i < n; i++) {
        char text[16];
        snprintf(text, sizeof(text), "%d", i);
        if (!(name[i] = arena_text(&p->arena, text, e)))
            return NULL;
    }
    return name;
}

/* The graph of architecture i as its authors built it, for the guess of match_weights. */
static struct graph *candidate(const void *ctx, int i, const char **name, struct err *e)
{
    (void)ctx;
    *name = architectures[i] ? architectures[i]->name : NULL;
    if (!*name)
        return NULL;
    struct arena a = {0};
    struct model_config config;
    struct option_table table[MODEL_MAX_TABLES];
    struct model m;
    struct model_input in = {.n_class = IMAGENET_CLASSES};
    struct graph *g = NULL;
    if (option_defaults(table, model_tables(&config, table), &a, e)) {
        config.kind = i;
        g = graph_new(e);
        if (!g || !model_resolve(&config, e) || !model_build(&m, g, &config, &in, e)) {
            graph_free(g);
            g = NULL;
        }
    }
    arena_release(&a);
    return g;
}

static bool match(struct pretrained *p, const struct network *n, bool keep_head, struct err *e)
{
    const struct architecture *a = n->model.arch;
    struct match_options o = {.model = a->name,
                              .head = keep_head ? NULL : a->head,
                              .aux = a->aux[0] ? a->aux : NULL,
                              .adapt = model_adapt,
                              .candidate = candidate};
    match_release(&p->match); /* of an earlier network */
    return match_weights(&p->match, n->weights, &p->file, &o, e);
}

bool pretrained_network(struct network *n, struct pretrained *p,
                        const struct pretrained_spec *spec, struct err *e)
{
    struct network_spec all = spec->network;
    bool keep_head = spec->keep_head || all.n_class == 0;
    *n = (struct network){0};
    if (all.n_class == 0) {
        all.n_class = file_classes(p, architectures[all.config->kind]);
        if (!(all.class_name = name_classes(p, all.n_class, e)))
            return false;
    }
    if (!network_build(n, &all, e))
        return false;
    if (!match(p, n, keep_head, e)) {
        network_release(n);
        return false;
    }
    weights_init(n->weights, spec->seed, p->match.copied);
    return true;
}
