/* torch.nn.functional.cross_entropy(..., reduction="none") with soft or one-hot targets. */
#include "op/infer.h"

static bool cross_entropy_infer(struct node *n, struct err *e)
{
    const struct cross_entropy_param *p = n->param;
    if (!infer_rank(n, 2, e))
        return false;
    char a[64], b[64];
    if (!shape_equal(&n->in[0]->out, &n->in[1]->out))
        return err_set(e, ERR_SHAPE, "logits %s, targets %s",
                       shape_text(&n->in[0]->out, a, sizeof(a)),
                       shape_text(&n->in[1]->out, b, sizeof(b)));
    if (!(p->label_smoothing >= 0 && p->label_smoothing < 1))
        return err_set(e, ERR_SHAPE, "label smoothing %g; expected 0 <= s < 1",
                       (double)p->label_smoothing);
    n->out = (struct shape){.rank = 2, .dim = {1, 1}};
    return true;
}

const struct op op_cross_entropy = {.name = "cross_entropy",
                                    .n_in = 2,
                                    .param_size = sizeof(struct cross_entropy_param),
                                    .infer = cross_entropy_infer};
