/* The table of ops. */
#include "op/params.h"

#include <string.h>

const struct op *const ops[] = {
    &op_input,
    &op_normalize,
    &op_conv2d,
    &op_linear,
    &op_max_pool,
    &op_avg_pool,
    &op_adaptive_avg_pool,
    &op_batch_norm,
    &op_layer_norm,
    &op_layer_scale,
    &op_activation,
    &op_dropout,
    &op_dropout2d,
    &op_stochastic_depth,
    &op_add,
    &op_concat,
    &op_mul,
    &op_flatten,
    &op_tokens,
    &op_class_token,
    &op_position_embedding,
    &op_select_token,
    &op_attention,
    &op_softmax,
    &op_cross_entropy,
    NULL,
};

const struct op *op_find(const char *name)
{
    for (int i = 0; ops[i]; i++)
        if (!strcmp(ops[i]->name, name))
            return ops[i];
    return NULL;
}
