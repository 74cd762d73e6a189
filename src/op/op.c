/* The table of ops. */
#include "op/params.h"

#include <string.h>

const struct op *const ops[] = {
    &op_input,     &op_normalize,         &op_conv2d,     &op_linear,        &op_max_pool,
    &op_avg_pool,  &op_adaptive_avg_pool, &op_batch_norm, &op_activation,    &op_dropout,
    &op_dropout2d, &op_flatten,           &op_softmax,    &op_cross_entropy, NULL,
};

const struct op *op_find(const char *name)
{
    for (int i = 0; ops[i]; i++)
        if (!strcmp(ops[i]->name, name))
            return ops[i];
    return NULL;
}
