#include "model/block.h"

struct node *block_conv(struct builder *b, struct node *x, const char *name,
                        const struct conv_norm_act *c)
{
    size_t mark = build_enter(b, "%s.", name);
    x = build_batch_norm(b, build_conv(b, x, "0", &c->conv), "1", c->norm);
    if (c->act != ACTIVATION_identity)
        x = build_act(b, x, "2", c->act);
    build_leave(b, mark);
    return x;
}

struct node *block_basic(struct builder *b, struct node *x, const char *name,
                         const struct conv *c)
{
    size_t mark = build_enter(b, "%s.", name);
    x = build_batch_norm(b, build_conv(b, x, "conv", c), "bn",
                         (struct batch_norm_param){.eps = 0.001F});
    x = build_act(b, x, "relu", ACTIVATION_relu);
    build_leave(b, mark);
    return x;
}

struct node *block_squeeze(struct builder *b, struct node *x, const char *name,
                           const struct squeeze *s)
{
    if (!x)
        return NULL;
    size_t mark = build_enter(b, "%s.", name);
    struct node *gate = build_adaptive_pool(b, x, "avgpool", 1);
    gate = conv(b, gate, "fc1", .out = s->channels, .kernel = 1, .bias = true);
    gate = build_act(b, gate, "activation", s->act);
    gate = conv(b, gate, "fc2", .out = x->out.dim[1], .kernel = 1, .bias = true);
    gate = build_act(b, gate, "scale_activation", s->gate);
    x = build_node(b, &op_mul, "mul", NULL, (struct node *[]){x, gate}, 2);
    build_leave(b, mark);
    return x;
}

int round_channels(double x)
{
    int n = (int)(x + 4) / 8 * 8;
    if (n < 8)
        n = 8;
    return n < 0.9 * x ? n + 8 : n;
}

void init_fan_out(struct node *n)
{
    if (n->op == &op_conv2d)
        init_kaiming_normal(n, true);
    else if (n->op == &op_linear)
        init_normal(n, 0.01);
    else
        return;
    init_bias(n, 0);
}
