#include "model/cnn5.h"

#include "op/activation.h"
#include "op/params.h"

#include <stddef.h>
#include <stdio.h>

static const char *const filter_rule_name[] = {"same", "double", "halve", NULL};
static const char *const dropout_where_name[] = {"dense", "conv", "both", NULL};

/* clang-format off */
#define FIELD(f) offsetof(struct cnn5_config, f)
const struct option cnn5_options[] = {
    {.name = "filters", .type = OPTION_INT_LIST, .offset = FIELD(filters), .min.i = 1, .max.i = 4096,
     .fallback.s = "32,64,128,256,512", .scale = SCALE_LOG, .group = "Model (cnn5)",
     .help = "filters of the five convolutions: a list of five, or the first count"},
    {.name = "filter-rule", .type = OPTION_CHOICE, .offset = FIELD(filter_rule),
     .fallback.s = "double", .choice = filter_rule_name,
     .help = "how a single filter count goes on"},
    {.name = "kernel", .type = OPTION_INT_LIST, .offset = FIELD(kernel), .min.i = 1, .max.i = 31,
     .fallback.s = "3", .help = "kernel size, odd: one, or a list of five"},
    {.name = "activation", .type = OPTION_CHOICE, .offset = FIELD(activation),
     .fallback.s = "relu", .choice = activation_name, .help = "activation of the convolutions"},
    {.name = "dense-activation", .type = OPTION_CHOICE, .offset = FIELD(dense_activation),
     .fallback.s = "relu", .choice = activation_name, .help = "activation of the dense layers"},
    {.name = "dense", .type = OPTION_INT_LIST, .offset = FIELD(dense), .min.i = 1, .max.i = 65536,
     .fallback.s = "64", .scale = SCALE_LOG, .help = "neurons of each dense layer"},
    {.name = "batch-norm", .type = OPTION_BOOL, .offset = FIELD(batch_norm), .fallback.b = true,
     .help = "batch norm after each convolution"},
    {.name = "dropout", .type = OPTION_REAL, .offset = FIELD(dropout), .min.r = 0, .max.r = 0.95,
     .fallback.r = 0, .help = "probability of dropping an element in training"},
    {.name = "dropout-where", .type = OPTION_CHOICE, .offset = FIELD(dropout_where),
     .fallback.s = "dense", .choice = dropout_where_name, .help = "which layers drop out"},
    {.name = "size", .type = OPTION_INT, .offset = FIELD(size), .min.i = 32, .max.i = 4096,
     .fallback.i = 128, .help = "side of the input, in pixels"},
    {.name = "label-smoothing", .type = OPTION_REAL, .offset = FIELD(label_smoothing), .min.r = 0,
     .max.r = 0.9, .fallback.r = 0.1, .help = "share of the target spread over all classes"},
    {.name = NULL},
};
/* clang-format on */

static bool resolve_list(const struct int_list *l, const char *what, int out[CNN5_BLOCKS],
                         struct err *e)
{
    if (l->n != 1 && l->n != CNN5_BLOCKS)
        return err_set(e, ERR_USAGE, "%s: %d values; expected one or five", what, l->n);
    for (int i = 0; i < CNN5_BLOCKS; i++)
        out[i] = (int)l->at[l->n == 1 ? 0 : i];
    return true;
}

bool cnn5_resolve(const struct cnn5_config *cfg, int filters[CNN5_BLOCKS],
                  int kernel[CNN5_BLOCKS], struct err *e)
{
    if (!resolve_list(&cfg->filters, "filters", filters, e) ||
        !resolve_list(&cfg->kernel, "kernel", kernel, e))
        return false;
    for (int i = 1; i < CNN5_BLOCKS && cfg->filters.n == 1; i++)
        filters[i] = cfg->filter_rule == FILTERS_DOUBLE  ? filters[i - 1] * 2
                     : cfg->filter_rule == FILTERS_HALVE ? (filters[i - 1] + 1) / 2
                                                         : filters[0];
    for (int i = 0; i < CNN5_BLOCKS; i++)
        if (kernel[i] % 2 == 0)
            return err_set(e, ERR_USAGE, "kernel: %d is even; expected an odd size", kernel[i]);
    return true;
}

/* The graph so far, and the node that the next one reads; at = NULL once something failed. */
struct builder {
    struct graph *graph;
    struct node *at;
    struct err *e;
};

static void add(struct builder *b, const struct op *op, const char *stem, int number,
                const void *param)
{
    char name[32];
    snprintf(name, sizeof(name), number ? "%s%d" : "%s", stem, number);
    if (b->at)
        b->at = graph_add(b->graph, op, name, param, &b->at, 1, b->e);
}

static void add_block(struct builder *b, const struct cnn5_config *cfg, int i, int filters,
                      int kernel)
{
    struct conv2d_param conv = {.out = filters,
                                .kernel_h = kernel,
                                .kernel_w = kernel,
                                .pad_h = kernel / 2,
                                .pad_w = kernel / 2};
    add(b, &op_conv2d, "conv", i, &conv);
    if (cfg->batch_norm)
        add(b, &op_batch_norm, "bn", i, NULL);
    add(b, &op_activation, "act", i, &(struct activation_param){cfg->activation});
    if (cfg->dropout > 0 && cfg->dropout_where != DROPOUT_DENSE)
        add(b, &op_dropout, "drop", i, &(struct dropout_param){(float)cfg->dropout});
    add(b, &op_max_pool, "pool", i, &(struct pool_param){.kernel_h = 2, .kernel_w = 2});
}

static void add_dense(struct builder *b, const struct cnn5_config *cfg, int n_class)
{
    add(b, &op_flatten, "flatten", 0, NULL);
    for (int i = 0; i < cfg->dense.n; i++) {
        add(b, &op_linear, "fc", i + 1, &(struct linear_param){.out = (int)cfg->dense.at[i]});
        add(b, &op_activation, "fcact", i + 1,
            &(struct activation_param){cfg->dense_activation});
        if (cfg->dropout > 0 && cfg->dropout_where != DROPOUT_CONV)
            add(b, &op_dropout, "fcdrop", i + 1, &(struct dropout_param){(float)cfg->dropout});
    }
    add(b, &op_linear, "out", 0, &(struct linear_param){.out = n_class});
}

static void add_loss(struct builder *b, const struct cnn5_config *cfg,
                     const struct cnn5_input *in)
{
    struct input_param target = {.shape = {.rank = 2, .dim = {1, in->n_class}}};
    struct node *pair[2] = {b->at, NULL};
    if (!b->at ||
        !(pair[1] = graph_add(b->graph, &op_input, "target", &target, NULL, 0, b->e))) {
        b->at = NULL;
        return;
    }
    struct cross_entropy_param loss = {(float)cfg->label_smoothing, in->class_weight};
    b->at = graph_add(b->graph, &op_cross_entropy, "loss", &loss, pair, 2, b->e);
}

bool cnn5_build(struct graph *g, const struct cnn5_config *cfg, const struct cnn5_input *in,
                struct err *e)
{
    int filters[CNN5_BLOCKS], kernel[CNN5_BLOCKS], side = (int)cfg->size;
    if (side < 1 << CNN5_BLOCKS)
        return err_set(e, ERR_SHAPE,
                       "an input of %d px is too small for five pools; at least %d", side,
                       1 << CNN5_BLOCKS);
    if (!cnn5_resolve(cfg, filters, kernel, e))
        return false;
    struct input_param input = {.shape = {.rank = 4, .dim = {1, 3, side, side}}, .u8 = in->u8};
    struct builder b = {g, graph_add(g, &op_input, "input", &input, NULL, 0, e), e};
    if (in->u8) {
        struct normalize_param n = {{0}, {0}};
        for (int c = 0; c < 3; c++) {
            n.mean[c] = in->mean[c];
            n.std[c] = in->std[c];
        }
        add(&b, &op_normalize, "normalize", 0, &n);
    }
    for (int i = 0; i < CNN5_BLOCKS; i++)
        add_block(&b, cfg, i + 1, filters[i], kernel[i]);
    add_dense(&b, cfg, in->n_class);
    add_loss(&b, cfg, in);
    return b.at != NULL;
}
