#include "op/infer.h"

bool infer_rank(const struct node *n, int rank, struct err *e)
{
    const struct shape *s = &n->in[0]->out;
    char text[64];
    if (s->rank == rank)
        return true;
    return err_set(e, ERR_SHAPE, "%s needs an input of %d dimensions, %s gives %s", n->op->name,
                   rank - 1, n->in[0]->name, shape_text(s, text, sizeof(text)));
}

int infer_features(const struct node *n, struct err *e)
{
    const struct shape *s = &n->in[0]->out;
    char text[64];
    if (s->rank >= 2 && s->rank <= 4)
        return s->rank == 3 ? 2 : 1;
    err_set(e, ERR_SHAPE, "%s needs an input of 1 to 3 dimensions, %s gives %s", n->op->name,
            n->in[0]->name, shape_text(s, text, sizeof(text)));
    return 0;
}

bool infer_same(const struct node *n, int i, int but, struct err *e)
{
    const struct shape *a = &n->in[0]->out, *b = &n->in[i]->out;
    char first[64], other[64];
    bool same = a->rank == b->rank && a->rank > but;
    for (int k = 0; same && k < a->rank; k++)
        same = k == but || a->dim[k] == b->dim[k];
    return same || err_set(e, ERR_SHAPE, "%s of %s, which is %s, and %s, which is %s",
                           n->op->name, n->in[0]->name, shape_text(a, first, sizeof(first)),
                           n->in[i]->name, shape_text(b, other, sizeof(other)));
}

bool infer_window(const struct window *w, int *out, struct err *e)
{
    int reach = or_one(w->dilation) * (w->kernel - 1) + 1, stride = or_one(w->stride);
    int room = w->in + 2 * w->pad - reach + (w->ceil_mode ? stride - 1 : 0);
    if (w->kernel < 1 || w->pad < 0 || stride < 1 || room < 0)
        return err_set(e, ERR_SHAPE,
                       "a window of %d does not fit into an input of %d (padding %d)", reach,
                       w->in, w->pad);
    *out = room / stride + 1;
    /* PyTorch: the last window must start inside the input or its left padding. */
    if (w->ceil_mode && (*out - 1) * stride >= w->in + w->pad)
        (*out)--;
    return true;
}

struct weight *infer_weight(struct node *n, const char *name, int d0, int d1, int d2, int d3)
{
    struct weight *w = &n->weight[n->n_weight++];
    int dim[4] = {d0, d1, d2, d3};
    *w = (struct weight){.name = name, .trained = true};
    for (int i = 0; i < 4 && dim[i]; i++)
        w->shape.dim[w->shape.rank++] = dim[i];
    return w;
}
