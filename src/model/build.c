#include "model/build.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

size_t build_enter(struct builder *b, const char *fmt, ...)
{
    size_t mark = strlen(b->scope);
    va_list args;
    va_start(args, fmt);
    vsnprintf(b->scope + mark, sizeof(b->scope) - mark, fmt, args);
    va_end(args);
    return mark;
}

void build_leave(struct builder *b, size_t mark)
{
    b->scope[mark] = '\0';
}

struct node *build_node(struct builder *b, const struct op *op, const char *name,
                        const void *param, struct node *const *in, int n_in)
{
    for (int i = 0; i < n_in; i++)
        if (!in[i])
            return NULL;
    size_t mark = build_enter(b, "%s", name);
    struct node *n = graph_add(b->graph, op, b->scope, param, in, n_in, b->e);
    build_leave(b, mark);
    return n;
}

struct node *build_op(struct builder *b, struct node *x, const char *name, const struct op *op,
                      const void *param)
{
    return build_node(b, op, name, param, &x, 1);
}

struct node *build_conv(struct builder *b, struct node *x, const char *name,
                        const struct conv *c)
{
    int w = c->kernel_w ? c->kernel_w : c->kernel;
    struct conv2d_param p = {.out = c->out,
                             .kernel_h = c->kernel,
                             .kernel_w = w,
                             .stride_h = c->stride,
                             .stride_w = c->stride,
                             .groups = c->groups,
                             .no_bias = !c->bias};
    p.pad_h = c->valid ? 0 : c->pad ? c->pad : c->kernel / 2;
    p.pad_w = c->valid ? 0 : c->pad ? c->pad : w / 2;
    return build_op(b, x, name, &op_conv2d, &p);
}

struct node *build_linear(struct builder *b, struct node *x, const char *name, int out)
{
    return build_op(b, x, name, &op_linear, &(struct linear_param){.out = out});
}

struct node *build_batch_norm(struct builder *b, struct node *x, const char *name,
                              struct batch_norm_param p)
{
    return build_op(b, x, name, &op_batch_norm, &p);
}

struct node *build_act(struct builder *b, struct node *x, const char *name,
                       enum activation kind)
{
    return build_op(b, x, name, &op_activation, &(struct activation_param){(int)kind});
}

struct node *build_dropout(struct builder *b, struct node *x, const char *name, double p)
{
    return build_op(b, x, name, &op_dropout, &(struct dropout_param){(float)p});
}

struct node *build_stochastic_depth(struct builder *b, struct node *x, const char *name,
                                    double p)
{
    return build_op(b, x, name, &op_stochastic_depth, &(struct dropout_param){(float)p});
}

struct node *build_pool(struct builder *b, struct node *x, const char *name,
                        const struct op *op, const struct pool *p)
{
    struct pool_param param = {.kernel_h = p->kernel,
                               .kernel_w = p->kernel,
                               .stride_h = p->stride,
                               .stride_w = p->stride,
                               .pad_h = p->pad,
                               .pad_w = p->pad,
                               .ceil_mode = p->ceil_mode};
    return build_op(b, x, name, op, &param);
}

struct node *build_adaptive_pool(struct builder *b, struct node *x, const char *name, int side)
{
    return build_op(b, x, name, &op_adaptive_avg_pool,
                    &(struct adaptive_pool_param){side, side});
}

struct node *build_flatten(struct builder *b, struct node *x)
{
    return build_op(b, x, "flatten", &op_flatten, NULL);
}

struct node *build_layer_norm(struct builder *b, struct node *x, const char *name, float eps)
{
    return build_op(b, x, name, &op_layer_norm, &(struct layer_norm_param){eps});
}

struct node *build_add(struct builder *b, struct node *x, struct node *y, const char *name)
{
    return build_node(b, &op_add, name, NULL, (struct node *[]){x, y}, 2);
}

struct node *build_concat(struct builder *b, const char *name, struct node *const *x, int n)
{
    return build_node(b, &op_concat, name, NULL, x, n);
}

void build_aux(struct builder *b, struct node *logits)
{
    b->model->aux[b->model->n_aux++] = logits;
}

struct node *build_block(struct builder *b, struct node *x, const char *fmt, ...)
{
    struct model *m = b->model;
    char name[2 * BUILD_NAME_MAX];
    int at = snprintf(name, sizeof(name), "%s", b->scope);
    va_list args;
    va_start(args, fmt);
    vsnprintf(name + at, sizeof(name) - (size_t)at, fmt, args);
    va_end(args);
    if (!x)
        return NULL;
    char *copy = arena_text(&b->graph->arena, name, b->e);
    if (!copy)
        return NULL;
    if (m->n_block == MODEL_MAX_BLOCKS) {
        err_set(b->e, ERR_INTERNAL, "%s has more than %d blocks", b->arch->name, m->n_block);
        return NULL;
    }
    m->block[m->n_block++] = (struct model_block){copy, x};
    return x;
}

/* Of the weight (K, C, R, S) or (K, D): as torch.nn.init._calculate_fan_in_and_fan_out. */
static double fan(const struct node *n, bool out)
{
    const struct shape *s = &n->weight[0].shape;
    return (double)shape_count(s) / s->dim[out ? 1 : 0];
}

static void set(struct weight *w, enum weight_init init, double bound)
{
    w->init = init;
    w->bound = bound;
}

void init_kaiming_normal(struct node *n, bool fan_out)
{
    set(&n->weight[0], INIT_NORMAL, sqrt(2 / fan(n, fan_out)));
}

void init_kaiming_uniform(struct node *n)
{
    set(&n->weight[0], INIT_UNIFORM, sqrt(6 / fan(n, false)));
}

void init_xavier_uniform(struct node *n)
{
    set(&n->weight[0], INIT_UNIFORM, sqrt(6 / (fan(n, false) + fan(n, true))));
}

void init_normal(struct node *n, double deviation)
{
    set(&n->weight[0], INIT_NORMAL, deviation);
}

void init_uniform(struct node *n, double bound)
{
    set(&n->weight[0], INIT_UNIFORM, bound);
}

void init_bias(struct node *n, double deviation)
{
    if (n->n_weight > 1)
        set(&n->weight[1], deviation > 0 ? INIT_NORMAL : INIT_ZEROS, deviation);
}
