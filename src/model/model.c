/* The table of architectures, their options, and what surrounds each: pictures in, a loss out. */
#include "model/build.h"

#include <string.h>

const struct architecture *const architectures[] = {
#define MODEL(name) &arch_##name,
#include "model/model.def"
#undef MODEL
    NULL,
};

static const char *const names[] = {
#define MODEL(name) #name,
#include "model/model.def"
#undef MODEL
    NULL,
};

#define FIELD(f) offsetof(struct model_config, f)
/* clang-format off */
const struct option model_options[] = {
    {.name = "model", .type = OPTION_CHOICE, .offset = FIELD(kind), .choice = names,
     .fallback.s = "cnn5", .group = "Model", .help = "architecture"},
    {.name = "size", .type = OPTION_INT, .offset = FIELD(size), .max.i = 4096, .scale = SCALE_LOG,
     .help = "side of the input, in pixels; 0 = the model's own (cnn5: 128)"},
    {.name = "dropout", .type = OPTION_REAL, .offset = FIELD(dropout), .min.r = -1, .max.r = 0.95,
     .fallback.r = -1, .help = "probability of dropping an element in training; -1 = the model's own (cnn5: 0)"},
    {.name = "stochastic-depth", .type = OPTION_REAL, .offset = FIELD(stochastic_depth), .min.r = -1,
     .max.r = 0.95, .fallback.r = -1, .when = "model=efficientnet*|convnext*",
     .help = "probability of skipping the last block in training; -1 = the model's own"},
    {.name = "aux", .type = OPTION_BOOL, .offset = FIELD(aux), .when = "model=googlenet|inception_v3",
     .help = "train auxiliary heads too"},
    {.name = "label-smoothing", .type = OPTION_REAL, .offset = FIELD(label_smoothing), .max.r = 0.9,
     .fallback.r = 0.1, .help = "share of the target spread over all classes"},
    {.name = NULL},
};
/* clang-format on */

int model_tables(struct model_config *cfg, struct option_table table[MODEL_MAX_TABLES])
{
    int n = 0;
    table[n++] = (struct option_table){model_options, cfg};
    for (int i = 0; architectures[i]; i++)
        if (architectures[i]->options)
            table[n++] = (struct option_table){architectures[i]->options,
                                               (char *)cfg + architectures[i]->options_at};
    return n;
}

int model_find(const char *name)
{
    for (int i = 0; architectures[i]; i++)
        if (!strcmp(architectures[i]->name, name))
            return i;
    return -1;
}

/* Options that belong to another architecture keep their fallback. */
static bool refuse_foreign(const struct model_config *cfg, struct err *e)
{
    const struct architecture *own = architectures[cfg->kind];
    for (int i = 0; architectures[i]; i++) {
        const struct architecture *a = architectures[i];
        for (const struct option *row = a->options; a != own && row && row->name; row++) {
            char is[512], usual[512];
            option_text(row, (const char *)cfg + a->options_at, is, sizeof(is));
            if (strcmp(is, option_fallback_text(row, usual, sizeof(usual))) != 0)
                return err_set(e, ERR_USAGE, "--%s %s: %s has no such option, %s has",
                               row->name, is, own->name, a->name);
        }
    }
    return true;
}

static bool check_size(const struct architecture *a, int64_t size, struct err *e)
{
    if (size < a->min_size)
        return err_set(e, ERR_SHAPE, "an input of %lld px is too small for %s; at least %d",
                       (long long)size, a->name, a->min_size);
    if (a->size_step && size % a->size_step)
        return err_set(e, ERR_SHAPE, "an input of %lld px: %s takes multiples of %d",
                       (long long)size, a->name, a->size_step);
    return true;
}

bool model_resolve(struct model_config *cfg, struct err *e)
{
    const struct architecture *a = architectures[cfg->kind];
    if (cfg->stochastic_depth > 0 && a->stochastic_depth <= 0)
        return err_set(e, ERR_USAGE, "--stochastic-depth %g: %s has none",
                       cfg->stochastic_depth, a->name);
    if (cfg->aux && !a->aux[0])
        return err_set(e, ERR_USAGE, "--aux: %s has no auxiliary heads", a->name);
    if (!refuse_foreign(cfg, e))
        return false;
    if (cfg->size == 0)
        cfg->size = a->pre.size_px;
    if (cfg->dropout < 0)
        cfg->dropout = a->dropout;
    if (cfg->stochastic_depth < 0)
        cfg->stochastic_depth = a->stochastic_depth;
    return check_size(a, cfg->size, e);
}

/* ImageNet's statistics, which a remapping takes away again. */
static const double imagenet_mean[3] = {0.485, 0.456, 0.406};
static const double imagenet_std[3] = {0.229, 0.224, 0.225};

/* Normalisation, and the remapping behind it, in one node:
 * ((v - mean) / std) (s / 0.5) + (m - 0.5) / 0.5 = (v - mean') / std'. */
static struct node *add_normalize(struct builder *b, struct node *x,
                                  const struct model_input *in)
{
    struct normalize_param p = {{0}, {0}};
    for (int c = 0; c < 3; c++) {
        double mean = in->mean[c], std = in->std[c];
        if (b->arch->remap) {
            std *= 0.5 / imagenet_std[c];
            mean -= (imagenet_mean[c] - 0.5) / 0.5 * std;
        }
        p.mean[c] = (float)mean;
        p.std[c] = (float)std;
    }
    return build_op(b, x, "normalize", &op_normalize, &p);
}

static struct node *add_input(struct builder *b, const char *name, struct shape shape, bool u8)
{
    return build_node(b, &op_input, name, &(struct input_param){shape, u8}, NULL, 0);
}

static struct node *add_loss(struct builder *b, struct node *logits, const char *name,
                             const float *class_weight)
{
    struct cross_entropy_param p = {(float)b->cfg->label_smoothing, class_weight};
    return build_node(b, &op_cross_entropy, name, &p,
                      (struct node *[]){logits, b->model->target}, 2);
}

/* Class weights times the share that the auxiliary losses have. */
static const float *aux_weights(struct builder *b, const struct model_input *in)
{
    float *w = arena_new(&b->graph->arena, (size_t)in->n_class, sizeof(*w), b->e);
    for (int c = 0; w && c < in->n_class; c++)
        w[c] = b->arch->aux_share * (in->class_weight ? in->class_weight[c] : 1);
    return w;
}

/* The loss, or its sum with the shares of the auxiliary heads. */
static struct node *add_losses(struct builder *b, const struct model_input *in)
{
    const struct model *m = b->model;
    struct node *sum =
        add_loss(b, m->logits, m->n_aux ? "loss.main" : "loss", in->class_weight);
    const float *w = m->n_aux ? aux_weights(b, in) : NULL;
    for (int i = 0; w && i < m->n_aux; i++) {
        size_t mark = build_enter(b, "loss.");
        struct node *part = add_loss(b, m->aux[i], b->arch->aux[i], w);
        build_leave(b, mark);
        sum = build_add(b, sum, part, i < m->n_aux - 1 ? "loss.sum" : "loss");
    }
    return sum;
}

bool model_build(struct model *m, struct graph *g, const struct model_config *cfg,
                 const struct model_input *in, struct err *e)
{
    const struct architecture *a = architectures[cfg->kind];
    struct builder b = {
        .graph = g, .cfg = cfg, .arch = a, .n_class = in->n_class, .model = m, .e = e};
    int side = (int)cfg->size;
    *m = (struct model){.arch = a};
    if (!check_size(a, side, e))
        return false;
    m->input = add_input(&b, "input", (struct shape){4, {1, 3, side, side}}, in->u8);
    m->logits = a->build(&b, in->u8 ? add_normalize(&b, m->input, in) : m->input);
    if (m->logits)
        m->target = add_input(&b, "target", (struct shape){2, {1, in->n_class}}, false);
    m->loss = add_losses(&b, in);
    m->head = graph_find(g, a->head);
    for (int i = 0; a->init && i < g->n_node; i++)
        a->init(g->node[i]);
    return m->loss != NULL;
}
