/* torch.nn.Conv2d: cross-correlation, weight (K, C/groups, R, S), bias (K). */
#include "op/infer.h"

#include <math.h>

static bool conv2d_infer(struct node *n, struct err *e)
{
    const struct conv2d_param *p = n->param;
    if (!infer_rank(n, 4, e))
        return false;
    const struct shape *in = &n->in[0]->out;
    int groups = or_one(p->groups), C = in->dim[1];
    if (p->out < 1 || groups < 1 || C % groups || p->out % groups)
        return err_set(e, ERR_SHAPE, "%d to %d channels in %d groups", C, p->out, groups);
    n->out = (struct shape){.rank = 4, .dim = {1, p->out, 0, 0}};
    struct window h = {in->dim[2], p->kernel_h, p->stride_h, p->pad_h, p->dilation_h, false};
    struct window w = {in->dim[3], p->kernel_w, p->stride_w, p->pad_w, p->dilation_w, false};
    if (!infer_window(&h, &n->out.dim[2], e) || !infer_window(&w, &n->out.dim[3], e))
        return false;
    /* kaiming_uniform_(a=sqrt(5)) is U(-1/sqrt(fan_in), 1/sqrt(fan_in)), for the bias too. */
    double bound = 1 / sqrt((double)(C / groups) * p->kernel_h * p->kernel_w);
    struct weight *k = infer_weight(n, "weight", p->out, C / groups, p->kernel_h, p->kernel_w);
    k->init = INIT_UNIFORM;
    k->bound = bound;
    k->decay = true;
    if (!p->no_bias) {
        struct weight *b = infer_weight(n, "bias", p->out, 0, 0, 0);
        b->init = INIT_UNIFORM;
        b->bound = bound;
    }
    return true;
}

static int64_t conv2d_macs(const struct node *n)
{
    return (int64_t)shape_count(&n->out) *
           (int64_t)(shape_count(&n->weight[0].shape) / (size_t)n->weight[0].shape.dim[0]);
}

const struct op op_conv2d = {.name = "conv2d",
                             .n_in = 1,
                             .param_size = sizeof(struct conv2d_param),
                             .infer = conv2d_infer,
                             .macs = conv2d_macs};
