#include "train/freeze.h"

#include "graph/op.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const strategies[] = {"auto", "none", "backbone", NULL};

#define AT(field) offsetof(struct freeze_config, field)
/* clang-format off */
const struct option freeze_options[] = {
    {.name = "weights", .type = OPTION_STRING, .offset = AT(weights), .group = "Fine-tuning",
     .help = "begin with these: a file (.safetensors, .pth), a name that linnet zoo lists, or default = the zoo's for --model"},
    {.name = "freeze", .type = OPTION_CHOICE, .offset = AT(strategy), .choice = strategies,
     .fallback.s = "auto",
     .help = "backbone = only the last layer trains; auto = backbone with --weights, else none"},
    {.name = "unfreeze", .type = OPTION_INT, .offset = AT(unfreeze), .max.i = MODEL_MAX_BLOCKS,
     .help = "so many blocks at the end train too"},
    {.name = "freeze-until", .type = OPTION_STRING, .offset = AT(until),
     .help = "freeze up to this block or layer, itself included"},
    {.name = "unfreeze-every", .type = OPTION_INT, .offset = AT(every), .max.i = 100000,
     .help = "one block more trains after so many epochs; 0 = never"},
    {.name = "head-epochs", .type = OPTION_INT, .offset = AT(head_epochs), .max.i = 100000,
     .help = "first the last layer alone, for so many epochs"},
    {.name = "head-lr", .type = OPTION_REAL, .offset = AT(head_lr), .min.r = -1, .max.r = 1000,
     .fallback.r = -1,
     .help = "learning rate while the last layer trains alone and more will; -1 = --lr, or where that is not given the optimiser's own for new layers"},
    {.name = "layer-decay", .type = OPTION_REAL, .offset = AT(layer_decay), .min.r = 0.01, .max.r = 1,
     .fallback.r = 1, .help = "learning rate times this for each block away from the end"},
    {.name = "frozen-dropout", .type = OPTION_BOOL, .offset = AT(frozen_dropout),
     .help = "dropout of frozen layers stays random"},
    {.name = "views", .type = OPTION_INT, .offset = AT(views), .max.i = 65535, .fallback.i = 4,
     .help = "with frozen layers: augmented views of a picture, in turn; 0 = a new one each epoch, nothing is kept"},
    {.name = "feature-cache", .type = OPTION_BOOL, .offset = AT(feature_cache), .fallback.b = true,
     .help = "keep what frozen layers make of each view on the disk, for later epochs and runs"},
    {.name = NULL},
};
/* clang-format on */

static bool resolve_auto(struct freeze_config *c)
{
    if (c->unfreeze > 0 || c->until || c->every > 0)
        return true;
    return c->weights && c->head_epochs == 0 && c->layer_decay >= 1;
}

bool freeze_resolve(struct freeze_config *c, struct err *e)
{
    if (c->strategy == FREEZE_AUTO)
        c->strategy = resolve_auto(c) ? FREEZE_BACKBONE : FREEZE_NONE;
    if (c->unfreeze > 0 && c->until)
        return err_set(e, ERR_USAGE,
                       "--unfreeze %lld and --freeze-until %s: both say where training begins; "
                       "give one",
                       (long long)c->unfreeze, c->until);
    const char *given = c->unfreeze > 0 ? "--unfreeze"
                        : c->until      ? "--freeze-until"
                        : c->every > 0  ? "--unfreeze-every"
                                        : NULL;
    return c->strategy != FREEZE_NONE || !given ||
           err_set(e, ERR_USAGE, "%s with --freeze none: nothing is frozen then", given);
}

bool freeze_moves_learnt(const struct freeze_config *c)
{
    return c->weights &&
           (c->strategy == FREEZE_NONE || c->unfreeze > 0 || c->until || c->every > 0);
}

static bool is_aux(const struct freeze *f, const struct node *n)
{
    const char *const *aux = f->model->arch->aux;
    for (; *aux; aux++)
        if (strncmp(n->name, *aux, strlen(*aux)) == 0)
            return true;
    return false;
}

/* Frozen up to here, `level` blocks and what is behind them train. */
static int level_upto(const struct freeze *f, int64_t level)
{
    int64_t last = f->model->n_block - 1 - level;
    if (level == 0)
        return f->head;
    return last >= 0 ? f->model->block[last].out->id : -1;
}

static bool find_until(struct freeze *f, const char *name, struct err *e)
{
    const struct model *m = f->model;
    for (int i = 0; i < m->n_block; i++)
        if (strcmp(m->block[i].name, name) == 0) {
            f->end = m->block[i].out->id;
            return true;
        }
    const struct node *n = graph_find(f->graph, name);
    if (n && n->id < m->head->id) {
        f->end = n->id;
        return true;
    }
    if (n)
        return err_set(e, ERR_USAGE,
                       "--freeze-until %s: nothing would train; expected a layer before %s",
                       name, m->head->name);
    struct arena a = {0};
    int n_known = m->n_block + f->graph->n_node;
    const char **known = arena_new(&a, (size_t)n_known, sizeof(*known), e);
    if (!known)
        return false;
    for (int i = 0; i < n_known; i++)
        known[i] = i < m->n_block ? m->block[i].name : f->graph->node[i - m->n_block]->name;
    const char *nearest = nearest_name(name, known, n_known);
    err_set(e, ERR_USAGE, "--freeze-until %s: %s has no such block or layer; %s %s", name,
            m->arch->name, nearest ? "did you mean" : "its first block is",
            nearest ? nearest : known[0]);
    arena_release(&a);
    return false;
}

bool freeze_init(struct freeze *f, const struct freeze_config *c, const struct model *m,
                 const struct graph *g, struct err *e)
{
    *f = (struct freeze){.cfg = c, .model = m, .graph = g, .head = -1, .end = -1};
    for (int i = 0; i < m->head->id; i++)
        if (g->node[i]->n_weight > 0 && !is_aux(f, g->node[i]))
            f->head = i;
    if (c->unfreeze > m->n_block)
        return err_set(e, ERR_USAGE, "--unfreeze %lld: %s has %d blocks",
                       (long long)c->unfreeze, m->arch->name, m->n_block);
    if (c->until)
        return find_until(f, c->until, e);
    if (c->strategy == FREEZE_BACKBONE)
        f->end = level_upto(f, c->unfreeze);
    return true;
}

int freeze_upto(const struct freeze *f, int64_t epoch)
{
    const struct freeze_config *c = f->cfg;
    if (epoch < c->head_epochs)
        return f->head;
    if (c->every == 0)
        return f->end;
    /* Block by block from where it begins to the input, or to --freeze-until. */
    int64_t level = c->unfreeze + (epoch - c->head_epochs) / c->every;
    int upto = level_upto(f, level < f->model->n_block ? level : f->model->n_block);
    return c->until && upto < f->end ? f->end : upto;
}

bool freeze_holds(const struct freeze *f, const struct node *n, int upto)
{
    return n->id <= upto && !is_aux(f, n);
}

/* Blocks between a node and the end: 0 behind the last block. */
static int depth_of(const struct freeze *f, const struct node *n)
{
    int depth = f->model->n_block;
    while (depth > 0 && f->model->block[f->model->n_block - depth].out->id < n->id)
        depth--;
    return is_aux(f, n) ? 0 : depth;
}

void freeze_rates(const struct freeze *f, int upto, double *rate)
{
    double alone = upto == f->head && f->cfg->head_scale > 0 ? f->cfg->head_scale : 1;
    for (int i = 0; i < f->graph->n_node; i++) {
        const struct node *n = f->graph->node[i];
        rate[i] =
            freeze_holds(f, n, upto) ? 0 : alone * pow(f->cfg->layer_decay, depth_of(f, n));
    }
}

void freeze_list(const struct freeze *f, int upto, struct node **list)
{
    for (int i = 0; i < f->graph->n_node; i++) {
        struct node *n = f->graph->node[i];
        if (freeze_holds(f, n, upto) && !(f->cfg->frozen_dropout && n->op->random))
            *list++ = n;
    }
    *list = NULL;
}

size_t freeze_trained(const struct freeze *f, int upto)
{
    size_t sum = 0;
    for (int i = 0; i < f->graph->n_node; i++) {
        const struct node *n = f->graph->node[i];
        for (int k = 0; k < n->n_weight; k++)
            if (n->weight[k].trained && !freeze_holds(f, n, upto))
                sum += shape_count(&n->weight[k].shape);
    }
    return sum;
}

char *freeze_text(const struct freeze *f, int upto, char *text, size_t size)
{
    size_t trained = freeze_trained(f, upto);
    int at = snprintf(text, size, "training %zu of %zu parameters", trained, f->graph->n_value);
    if (upto >= 0 && at > 0 && (size_t)at < size)
        snprintf(text + at, size - (size_t)at, "; frozen up to %s, run as in evaluation%s",
                 f->graph->node[upto]->name, f->cfg->frozen_dropout ? " but for dropout" : "");
    return text;
}
