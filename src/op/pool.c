/* torch.nn.MaxPool2d, AvgPool2d, AdaptiveAvgPool2d. */
#include "op/infer.h"

static bool pool_infer(struct node *n, struct err *e)
{
    const struct pool_param *p = n->param;
    if (!infer_rank(n, 4, e))
        return false;
    const struct shape *in = &n->in[0]->out;
    if (2 * p->pad_h > p->kernel_h || 2 * p->pad_w > p->kernel_w)
        return err_set(e, ERR_SHAPE, "padding %dx%d is more than half of the window %dx%d",
                       p->pad_h, p->pad_w, p->kernel_h, p->kernel_w);
    n->out = (struct shape){.rank = 4, .dim = {1, in->dim[1], 0, 0}};
    struct window h = {.in = in->dim[2],
                       .kernel = p->kernel_h,
                       .pad = p->pad_h,
                       .stride = p->stride_h ? p->stride_h : p->kernel_h,
                       .ceil_mode = p->ceil_mode};
    struct window w = {.in = in->dim[3],
                       .kernel = p->kernel_w,
                       .pad = p->pad_w,
                       .stride = p->stride_w ? p->stride_w : p->kernel_w,
                       .ceil_mode = p->ceil_mode};
    return infer_window(&h, &n->out.dim[2], e) && infer_window(&w, &n->out.dim[3], e);
}

const struct op op_max_pool = {.name = "max_pool",
                               .n_in = 1,
                               .param_size = sizeof(struct pool_param),
                               .infer = pool_infer};
const struct op op_avg_pool = {.name = "avg_pool",
                               .n_in = 1,
                               .param_size = sizeof(struct pool_param),
                               .infer = pool_infer};

static bool adaptive_infer(struct node *n, struct err *e)
{
    const struct adaptive_pool_param *p = n->param;
    if (!infer_rank(n, 4, e))
        return false;
    if (p->out_h < 1 || p->out_w < 1)
        return err_set(e, ERR_SHAPE, "an output of %dx%d", p->out_h, p->out_w);
    n->out = (struct shape){.rank = 4, .dim = {1, n->in[0]->out.dim[1], p->out_h, p->out_w}};
    return true;
}

const struct op op_adaptive_avg_pool = {.name = "adaptive_avg_pool",
                                        .n_in = 1,
                                        .param_size = sizeof(struct adaptive_pool_param),
                                        .infer = adaptive_infer};
