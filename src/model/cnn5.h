/* Five blocks convolution - (batch norm) - activation - (dropout) - max-pool, dense layers, output.
 * Names and initialisation are PyTorch's: conv1.weight, bn1.running_mean, ..., fc1.weight,
 * out.weight map one to one to a state_dict. */
#ifndef MODEL_CNN5_H
#define MODEL_CNN5_H

#include "base/option.h"
#include "graph/graph.h"

enum { CNN5_BLOCKS = 5 };

/* How the filters of a single count go on: 32; 32,64,...; 512,256,... */
enum filter_rule { FILTERS_SAME, FILTERS_DOUBLE, FILTERS_HALVE };
enum dropout_where { DROPOUT_DENSE, DROPOUT_CONV, DROPOUT_BOTH };

struct cnn5_config {
    struct int_list filters; /* one count (then filter_rule) or five */
    int filter_rule;         /* enum filter_rule */
    struct int_list kernel;  /* one odd size, or five */
    int activation;          /* of the convolutions: enum activation */
    int dense_activation;
    struct int_list dense; /* neurons of each dense layer */
    bool batch_norm;
    double dropout;    /* probability; 0 = none */
    int dropout_where; /* enum dropout_where */
    int64_t size;      /* input, pixels a side */
    double label_smoothing;
};
/* Rows over struct cnn5_config, ended by name == NULL: flags, YAML keys, sweep bounds. */
extern const struct option cnn5_options[];

/* What the data and the request add to the architecture. */
struct cnn5_input {
    int n_class;
    bool u8;                   /* pictures as the loader gives them, else normalised floats */
    float mean[3], std[3];     /* of u8 pictures, in 0..1 */
    const float *class_weight; /* (n_class), or NULL; outlives the graph */
};

/* Nodes: "input", ("normalize"), conv1, bn1, act1, drop1, pool1 .. pool5, flatten, fc1, fcact1,
 * fcdrop1 .., "out" (logits), "target", "loss". ERR_SHAPE: an architecture that cannot be (an
 * input too small for five pools names the least side). */
MUST_CHECK bool cnn5_build(struct graph *g, const struct cnn5_config *cfg,
                           const struct cnn5_input *in, struct err *e);
/* The five filter counts and kernel sizes that the configuration means. */
MUST_CHECK bool cnn5_resolve(const struct cnn5_config *cfg, int filters[CNN5_BLOCKS],
                             int kernel[CNN5_BLOCKS], struct err *e);

#endif
