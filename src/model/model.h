/* Architectures: a row each in model.def, built into a graph under the names of the published
 * weights' state_dict (torchvision's; timm's where torchvision has none), so that their tensors map
 * one to one. */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include "base/option.h"
#include "graph/graph.h"
#include "model/cnn5.h"
#include "model/preprocess.h"

struct architecture;
/* NULL-ended, in the order of the option's choices. */
extern const struct architecture *const architectures[];

/* What a user says of a model. -1 and a size of 0 stand for "the model's own" until
 * model_resolve() fills it in. */
struct model_config {
    int kind;     /* index into architectures */
    int64_t size; /* input, pixels a side */
    double dropout, stochastic_depth;
    bool aux; /* GoogLeNet and Inception v3: the auxiliary heads, and their part of the loss */
    double label_smoothing;
    struct cnn5_config cnn5;
};
/* Rows over struct model_config, ended by name == NULL: flags, YAML keys, sweep bounds. */
extern const struct option model_options[];

enum { MODEL_MAX_TABLES = 4, MODEL_MAX_BLOCKS = 64, MODEL_MAX_AUX = 2 };
/* model_options and the rows of single architectures, over cfg; returns how many tables. */
int model_tables(struct model_config *cfg, struct option_table table[MODEL_MAX_TABLES]);

struct builder;
struct architecture {
    const char *name;  /* of torchvision's (timm's) function: "resnet18" */
    const char *about; /* for people: "ResNet-18 (He et al., 2015)" */
    /* Adds the nodes from the normalised pictures x to the logits, which it returns. */
    struct node *(*build)(struct builder *b, struct node *x);
    /* How the weights of a node begin, where that is not PyTorch's default; may be NULL. */
    void (*init)(struct node *n);
    const void *spec; /* what tells it from others of its family */
    const char *head; /* the node whose outputs are the classes: "fc" */
    /* Auxiliary heads: prefixes of their nodes, which published files hold; NULL-ended. */
    const char *aux[MODEL_MAX_AUX + 1];
    float aux_share; /* of an auxiliary loss in the sum */
    struct preprocess pre;
    /* The published weights saw normalised pictures x through x (s / 0.5) + (m - 0.5) / 0.5, m and
     * s being ImageNet's statistics (torchvision: transform_input). */
    bool remap;
    int min_size, size_step; /* least input; what it must be a multiple of (0 = nothing) */
    double dropout, stochastic_depth;
    const struct option *options; /* its own rows over struct model_config + at; may be NULL */
    size_t options_at;
};
/* Index into architectures; -1 when unknown. */
int model_find(const char *name);

/* Puts the architecture's own values in; ERR_USAGE names an option that it does not have or a size
 * that it cannot take. */
MUST_CHECK bool model_resolve(struct model_config *cfg, struct err *e);

/* What the data and the request add to the architecture. */
struct model_input {
    int n_class;
    /* Pictures as the loader gives them, normalised by mean and std (of values in 0 .. 1), else
     * floats as the first layer takes them: normalised, and (v - 0.5) / 0.5 where `remap` is set. */
    bool u8;
    double mean[3], std[3];
    const float *class_weight; /* (n_class), or NULL; outlives the graph */
};

/* A part that is frozen or trained as one: the nodes after the previous block's `out` up to its own.
 * Its name is the module's, in torchvision, that gives the same output. */
struct model_block {
    const char *name;
    const struct node *out;
};

/* A built architecture; lives as long as the graph. */
struct model {
    const struct architecture *arch;
    struct node *input, *logits, *target, *loss;
    struct node *head; /* the layer to replace for other classes; the blocks end before it */
    int n_block;
    struct model_block block[MODEL_MAX_BLOCKS];
    int n_aux;
    struct node *aux[MODEL_MAX_AUX]; /* logits of the auxiliary heads that were built */
};

/* cfg is resolved. Nodes: "input", ("normalize"), the architecture's, ("loss.main", "loss.aux1"),
 * "target", "loss". ERR_SHAPE: an architecture that cannot be. */
MUST_CHECK bool model_build(struct model *m, struct graph *g, const struct model_config *cfg,
                            const struct model_input *in, struct err *e);

#endif
