#include "backend/cpu/tail.h"

#include "op/params.h"

#include <math.h>
#include <string.h>

static int conv_at(const struct group *g)
{
    return g->node[0]->op == &op_normalize;
}

const struct node *tail_conv(const struct group *g)
{
    return g->node[conv_at(g)];
}

struct tail tail_of(const struct group *g)
{
    struct tail t = {.kind = ACTIVATION_identity};
    int weight = tail_conv(g)->n_weight;
    for (int i = conv_at(g) + 1; i < g->n_node; i++) {
        const struct node *n = g->node[i];
        if (n->op == &op_batch_norm) {
            t.norm = n->param;
            t.norm_weight = &g->weight[weight];
        } else if (n->op == &op_add) {
            t.more = g->in[1];
        } else if (n->op == &op_activation) {
            t.kind = (enum activation)((const struct activation_param *)n->param)->kind;
        }
    }
    return t;
}

bool tail_fits(const struct group *g)
{
    return g->n_node == conv_at(g) + 1 ||
           (!g->backward && (!tail_of(g).norm || g->mode == MODE_EVAL));
}

void tail_fold(const struct group *g, const struct tail *t, float *weight, float *bias)
{
    enum { GAMMA, BETA, MEAN, VAR };
    const struct weight_ref *w = g->weight;
    size_t K = (size_t)w[0].spec->shape.dim[0], row = shape_count(&w[0].spec->shape) / K;
    double eps = t->norm->eps > 0 ? (double)t->norm->eps : 1e-5;
    for (size_t k = 0; k < K; k++) {
        double scale = (double)t->norm_weight[GAMMA].value[k] /
                       sqrt((double)t->norm_weight[VAR].value[k] + eps);
        double shift = tail_conv(g)->n_weight > 1 ? (double)w[1].value[k] : 0;
        bias[k] = (float)((shift - (double)t->norm_weight[MEAN].value[k]) * scale +
                          (double)t->norm_weight[BETA].value[k]);
        for (size_t i = k * row; i < (k + 1) * row; i++)
            weight[i] = (float)(scale * (double)w[0].value[i]);
    }
}
