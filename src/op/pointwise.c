/* Ops that keep their input's shape: activation, dropout, stochastic depth, softmax. */
#include "op/activation.h"
#include "op/infer.h"

#include <string.h>

const char *const activation_name[] = {
#define ACTIVATION(name, from_y, f, slope) #name,
#include "op/activation.def"
#undef ACTIVATION
    NULL,
};

const bool activation_from_y[] = {
#define ACTIVATION(name, from_y, f, slope) from_y,
#include "op/activation.def"
#undef ACTIVATION
};

static bool same_infer(struct node *n, struct err *e)
{
    (void)e;
    n->out = n->in[0]->out;
    return true;
}

static bool activation_infer(struct node *n, struct err *e)
{
    const struct activation_param *p = n->param;
    if (p->kind < 0 || p->kind >= ACTIVATION_COUNT)
        return err_set(e, ERR_INTERNAL, "no activation %d", p->kind);
    return same_infer(n, e);
}

static bool dropout_infer(struct node *n, struct err *e)
{
    const struct dropout_param *p = n->param;
    if (!(p->p >= 0 && p->p < 1))
        return err_set(e, ERR_SHAPE, "a dropout of %g; expected 0 <= p < 1", (double)p->p);
    return same_infer(n, e);
}

static bool dropout2d_infer(struct node *n, struct err *e)
{
    return infer_rank(n, 4, e) && dropout_infer(n, e);
}

static bool softmax_infer(struct node *n, struct err *e)
{
    return infer_rank(n, 2, e) && same_infer(n, e);
}

const struct op op_activation = {.name = "activation",
                                 .n_in = 1,
                                 .param_size = sizeof(struct activation_param),
                                 .infer = activation_infer};
const struct op op_dropout = {.name = "dropout",
                              .n_in = 1,
                              .param_size = sizeof(struct dropout_param),
                              .infer = dropout_infer,
                              .random = true};
const struct op op_dropout2d = {.name = "dropout2d",
                                .n_in = 1,
                                .param_size = sizeof(struct dropout_param),
                                .infer = dropout2d_infer,
                                .random = true};
const struct op op_stochastic_depth = {.name = "stochastic_depth",
                                       .n_in = 1,
                                       .param_size = sizeof(struct dropout_param),
                                       .infer = dropout_infer,
                                       .random = true};
const struct op op_softmax = {.name = "softmax", .n_in = 1, .infer = softmax_infer};
