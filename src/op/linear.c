/* torch.nn.Linear (weight (K, D), bias (K)) and flatten. */
#include "op/infer.h"

#include <math.h>

static bool linear_infer(struct node *n, struct err *e)
{
    const struct linear_param *p = n->param;
    int at = infer_features(n, e);
    if (!at)
        return false;
    int D = n->in[0]->out.dim[at];
    if (p->out < 1)
        return err_set(e, ERR_SHAPE, "%d outputs; at least 1", p->out);
    n->out = n->in[0]->out;
    n->out.dim[at] = p->out;
    struct weight *w = infer_weight(n, "weight", p->out, D, 0, 0);
    w->init = INIT_UNIFORM;
    w->bound = 1 / sqrt((double)D);
    w->decay = true;
    if (!p->no_bias) {
        struct weight *b = infer_weight(n, "bias", p->out, 0, 0, 0);
        b->init = INIT_UNIFORM;
        b->bound = 1 / sqrt((double)D);
    }
    return true;
}

static int64_t linear_macs(const struct node *n)
{
    return (int64_t)shape_count(&n->out) * n->weight[0].shape.dim[1];
}

const struct op op_linear = {.name = "linear",
                             .n_in = 1,
                             .param_size = sizeof(struct linear_param),
                             .infer = linear_infer,
                             .macs = linear_macs};

static bool flatten_infer(struct node *n, struct err *e)
{
    (void)e;
    n->out = (struct shape){.rank = 2, .dim = {1, (int)shape_count(&n->in[0]->out)}};
    return true;
}

const struct op op_flatten = {.name = "flatten", .n_in = 1, .infer = flatten_infer};
