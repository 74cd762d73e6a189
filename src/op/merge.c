/* Where branches of a network meet: add, multiply, concatenate. */
#include "op/infer.h"

static bool add_infer(struct node *n, struct err *e)
{
    n->out = n->in[0]->out;
    return infer_same(n, 1, -1, e);
}

static bool mul_infer(struct node *n, struct err *e)
{
    const struct shape *x = &n->in[0]->out, *gate = &n->in[1]->out;
    n->out = *x;
    bool a_channel = x->rank == 4 && gate->rank == 4 && x->dim[1] == gate->dim[1] &&
                     gate->dim[2] == 1 && gate->dim[3] == 1;
    return a_channel || infer_same(n, 1, -1, e);
}

static bool concat_infer(struct node *n, struct err *e)
{
    n->out = n->in[0]->out;
    for (int i = 1; i < n->n_in; i++) {
        if (!infer_same(n, i, 1, e))
            return false;
        n->out.dim[1] += n->in[i]->out.dim[1];
    }
    return true;
}

const struct op op_add = {.name = "add", .n_in = 2, .infer = add_infer};
const struct op op_mul = {.name = "mul", .n_in = 2, .infer = mul_infer};
const struct op op_concat = {.name = "concat", .n_in = -1, .infer = concat_infer};
