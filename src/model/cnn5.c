#include "model/build.h"

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
     .fallback.s = "256", .scale = SCALE_LOG, .help = "neurons of each dense layer"},
    {.name = "batch-norm", .type = OPTION_BOOL, .offset = FIELD(batch_norm), .fallback.b = true,
     .help = "batch norm after each convolution"},
    {.name = "dropout-where", .type = OPTION_CHOICE, .offset = FIELD(dropout_where),
     .fallback.s = "dense", .choice = dropout_where_name, .help = "which layers drop out"},
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

/* "conv1" into text, which it returns. */
static const char *numbered(char text[32], const char *stem, int number)
{
    snprintf(text, 32, "%s%d", stem, number);
    return text;
}

static struct node *add_block(struct builder *b, struct node *x, int i, int filters, int kernel)
{
    const struct cnn5_config *cfg = &b->cfg->cnn5;
    char name[32];
    x = conv(b, x, numbered(name, "conv", i), .out = filters, .kernel = kernel, .bias = true);
    if (cfg->batch_norm)
        x = build_batch_norm(b, x, numbered(name, "bn", i), (struct batch_norm_param){0});
    x = build_act(b, x, numbered(name, "act", i), (enum activation)cfg->activation);
    if (b->cfg->dropout > 0 && cfg->dropout_where != DROPOUT_DENSE)
        x = build_dropout(b, x, numbered(name, "drop", i), b->cfg->dropout);
    x = max_pool(b, x, numbered(name, "pool", i), .kernel = 2);
    return build_block(b, x, "%s", name);
}

static struct node *add_dense(struct builder *b, struct node *x, int i)
{
    const struct cnn5_config *cfg = &b->cfg->cnn5;
    char name[32];
    x = build_linear(b, x, numbered(name, "fc", i + 1), (int)cfg->dense.at[i]);
    x = build_act(b, x, numbered(name, "fcact", i + 1), (enum activation)cfg->dense_activation);
    if (b->cfg->dropout > 0 && cfg->dropout_where != DROPOUT_CONV)
        x = build_dropout(b, x, numbered(name, "fcdrop", i + 1), b->cfg->dropout);
    return build_block(b, x, "%s", name);
}

static struct node *build(struct builder *b, struct node *x)
{
    int filters[CNN5_BLOCKS], kernel[CNN5_BLOCKS];
    if (!cnn5_resolve(&b->cfg->cnn5, filters, kernel, b->e))
        return NULL;
    for (int i = 0; i < CNN5_BLOCKS; i++)
        x = add_block(b, x, i + 1, filters[i], kernel[i]);
    x = build_flatten(b, x);
    for (int i = 0; i < b->cfg->cnn5.dense.n; i++)
        x = add_dense(b, x, i);
    return build_linear(b, x, "out", b->n_class);
}

const struct architecture arch_cnn5 = {
    .name = "cnn5",
    .about = "five blocks convolution - pool, dense layers",
    .build = build,
    .head = "out",
    .pre = PREPROCESS(147, 128), /* 1.15 times the input, as training prepares it */
    .min_size = 1 << CNN5_BLOCKS,
    .options = cnn5_options,
    .options_at = offsetof(struct model_config, cnn5),
};
