/* Five blocks convolution - (batch norm) - activation - (dropout) - max-pool, dense layers, output.
 * Nodes: conv1, bn1, act1, drop1, pool1 .. pool5, flatten, fc1, fcact1, fcdrop1 .., "out" (logits).
 * Initialisation is PyTorch's own. */
#ifndef MODEL_CNN5_H
#define MODEL_CNN5_H

#include "base/option.h"

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
    int dropout_where; /* enum dropout_where */
};
/* Rows over struct cnn5_config, ended by name == NULL: flags, YAML keys, sweep bounds. */
extern const struct option cnn5_options[];

/* The five filter counts and kernel sizes that the configuration means. */
MUST_CHECK bool cnn5_resolve(const struct cnn5_config *cfg, int filters[CNN5_BLOCKS],
                             int kernel[CNN5_BLOCKS], struct err *e);

#endif
