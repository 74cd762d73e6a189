/* torch.nn.BatchNorm1d and 2d: over the whole batch (Ioffe and Szegedy, 2015). */
#include "op/infer.h"

static bool batch_norm_infer(struct node *n, struct err *e)
{
    const struct shape *in = &n->in[0]->out;
    if (in->rank != 2 && in->rank != 4)
        return infer_rank(n, 4, e);
    n->out = *in;
    int C = in->dim[1];
    infer_weight(n, "weight", C, 0, 0, 0)->init = INIT_ONES;
    infer_weight(n, "bias", C, 0, 0, 0);
    infer_weight(n, "running_mean", C, 0, 0, 0)->trained = false;
    struct weight *var = infer_weight(n, "running_var", C, 0, 0, 0);
    var->trained = false;
    var->init = INIT_ONES;
    struct weight *count = infer_weight(n, "num_batches_tracked", 0, 0, 0, 0);
    count->trained = false;
    count->integer = true;
    return true;
}

const struct op op_batch_norm = {.name = "batch_norm",
                                 .n_in = 1,
                                 .param_size = sizeof(struct batch_norm_param),
                                 .infer = batch_norm_infer,
                                 .batch_statistics = true};
