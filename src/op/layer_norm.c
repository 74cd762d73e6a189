/* torch.nn.LayerNorm (Ba, Kiros, Hinton, 2016), and layer scale (Touvron et al., "Going deeper with
 * image transformers", 2021) as ConvNeXt has it. */
#include "op/infer.h"

static bool layer_norm_infer(struct node *n, struct err *e)
{
    int at = infer_features(n, e);
    if (!at)
        return false;
    n->out = n->in[0]->out;
    infer_weight(n, "weight", n->out.dim[at], 0, 0, 0)->init = INIT_ONES;
    infer_weight(n, "bias", n->out.dim[at], 0, 0, 0);
    return true;
}

static bool layer_scale_infer(struct node *n, struct err *e)
{
    const struct layer_scale_param *p = n->param;
    if (!infer_rank(n, 4, e))
        return false;
    n->out = n->in[0]->out;
    struct weight *w = infer_weight(n, "", n->out.dim[1], 1, 1, 0);
    w->init = INIT_FILL;
    w->bound = (double)p->value;
    return true;
}

const struct op op_layer_norm = {.name = "layer_norm",
                                 .n_in = 1,
                                 .param_size = sizeof(struct layer_norm_param),
                                 .infer = layer_norm_infer};
const struct op op_layer_scale = {.name = "layer_scale",
                                  .n_in = 1,
                                  .param_size = sizeof(struct layer_scale_param),
                                  .infer = layer_scale_infer};
