/* torch.nn.MultiheadAttention of a sequence with itself (Vaswani et al., 2017), and the sequence's
 * beginning and end in a vision transformer (Dosovitskiy et al., 2021). */
#include "op/infer.h"

#include <math.h>

static bool attention_infer(struct node *n, struct err *e)
{
    const struct attention_param *p = n->param;
    if (!infer_rank(n, 3, e))
        return false;
    int D = n->in[0]->out.dim[2];
    if (p->heads < 1 || D % p->heads)
        return err_set(e, ERR_SHAPE, "%d heads do not divide %d features", p->heads, D);
    n->out = n->in[0]->out;
    struct weight *in = infer_weight(n, "in_proj_weight", 3 * D, D, 0, 0);
    in->init = INIT_UNIFORM;
    in->bound = sqrt(6 / (4.0 * D)); /* xavier_uniform_ */
    in->decay = true;
    infer_weight(n, "in_proj_bias", 3 * D, 0, 0, 0);
    struct weight *out = infer_weight(n, "out_proj.weight", D, D, 0, 0);
    out->init = INIT_UNIFORM;
    out->bound = 1 / sqrt((double)D);
    out->decay = true;
    infer_weight(n, "out_proj.bias", D, 0, 0, 0);
    return true;
}

/* The four projections, every token with every other, and the values so weighted. */
static int64_t attention_macs(const struct node *n)
{
    int64_t T = n->out.dim[1], D = n->out.dim[2];
    return 4 * T * D * D + 2 * T * T * D;
}

const struct op op_attention = {.name = "attention",
                                .n_in = 1,
                                .param_size = sizeof(struct attention_param),
                                .infer = attention_infer,
                                .macs = attention_macs};

static bool tokens_infer(struct node *n, struct err *e)
{
    const struct shape *in = &n->in[0]->out;
    if (!infer_rank(n, 4, e))
        return false;
    n->out = (struct shape){.rank = 3, .dim = {1, in->dim[2] * in->dim[3], in->dim[1]}};
    return true;
}

static bool class_token_infer(struct node *n, struct err *e)
{
    if (!infer_rank(n, 3, e))
        return false;
    n->out = n->in[0]->out;
    n->out.dim[1]++;
    infer_weight(n, "", 1, 1, n->out.dim[2], 0);
    return true;
}

static bool position_infer(struct node *n, struct err *e)
{
    if (!infer_rank(n, 3, e))
        return false;
    n->out = n->in[0]->out;
    struct weight *w = infer_weight(n, "", 1, n->out.dim[1], n->out.dim[2], 0);
    w->init = INIT_NORMAL;
    w->bound = 0.02;
    return true;
}

static bool select_infer(struct node *n, struct err *e)
{
    if (!infer_rank(n, 3, e))
        return false;
    n->out = (struct shape){.rank = 2, .dim = {1, n->in[0]->out.dim[2]}};
    return true;
}

const struct op op_tokens = {.name = "tokens", .n_in = 1, .infer = tokens_infer};
const struct op op_class_token = {.name = "class_token", .n_in = 1, .infer = class_token_infer};
const struct op op_position_embedding = {
    .name = "position_embedding", .n_in = 1, .infer = position_infer};
const struct op op_select_token = {.name = "select_token", .n_in = 1, .infer = select_infer};
