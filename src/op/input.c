/* A graph's input, and the normalisation of a picture. */
#include "op/infer.h"

static bool input_infer(struct node *n, struct err *e)
{
    const struct input_param *p = n->param;
    for (int i = 0; i < p->shape.rank; i++)
        if (p->shape.dim[i] < 1)
            return err_set(e, ERR_SHAPE, "an input of %d cells in dimension %d",
                           p->shape.dim[i], i);
    n->out = p->shape;
    return true;
}

const struct op op_input = {
    .name = "input", .n_in = 0, .param_size = sizeof(struct input_param), .infer = input_infer};

static bool normalize_infer(struct node *n, struct err *e)
{
    if (!infer_rank(n, 4, e))
        return false;
    if (n->in[0]->out.dim[1] > 4)
        return err_set(e, ERR_SHAPE, "a picture of %d channels; at most 4",
                       n->in[0]->out.dim[1]);
    n->out = n->in[0]->out;
    return true;
}

const struct op op_normalize = {.name = "normalize",
                                .n_in = 1,
                                .param_size = sizeof(struct normalize_param),
                                .infer = normalize_infer};
