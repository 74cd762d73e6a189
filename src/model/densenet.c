/* Huang et al., "Densely connected convolutional networks", 2016; torchvision's densenet.py. */
#include "model/build.h"

#include <stdio.h>

enum { STAGES = 4, GROWTH = 32, INNER = 4 * GROWTH };

static struct node *norm_relu(struct builder *b, struct node *x, const char *norm,
                              const char *relu)
{
    return build_act(b, build_batch_norm(b, x, norm, (struct batch_norm_param){0}), relu,
                     ACTIVATION_relu);
}

/* x and what is learned from it, side by side. */
static struct node *dense_layer(struct builder *b, struct node *x, int i)
{
    char name[32];
    size_t mark = build_enter(b, "denselayer%d.", i);
    struct node *y = norm_relu(b, x, "norm1", "relu1");
    y = norm_relu(b, conv(b, y, "conv1", .out = INNER, .kernel = 1), "norm2", "relu2");
    y = conv(b, y, "conv2", .out = GROWTH, .kernel = 3);
    build_leave(b, mark);
    snprintf(name, sizeof(name), "concat%d", i);
    return build_concat(b, name, (struct node *[]){x, y}, 2);
}

static struct node *transition(struct builder *b, struct node *x, int stage)
{
    if (!x)
        return NULL;
    size_t mark = build_enter(b, "transition%d.", stage);
    x = norm_relu(b, x, "norm", "relu");
    x = conv(b, x, "conv", .out = x ? x->out.dim[1] / 2 : 0, .kernel = 1);
    x = avg_pool(b, x, "pool", .kernel = 2);
    build_leave(b, mark);
    return build_block(b, x, "transition%d", stage);
}

static struct node *features(struct builder *b, struct node *x)
{
    static const int depth[STAGES] = {6, 12, 24, 16};
    size_t mark = build_enter(b, "features.");
    x = conv(b, x, "conv0", .out = 64, .kernel = 7, .stride = 2);
    x = norm_relu(b, x, "norm0", "relu0");
    x = build_block(b, max_pool(b, x, "pool0", .kernel = 3, .stride = 2, .pad = 1), "pool0");
    for (int s = 0; s < STAGES; s++) {
        size_t inner = build_enter(b, "denseblock%d.", s + 1);
        for (int i = 0; i < depth[s]; i++)
            x = dense_layer(b, x, i + 1);
        build_leave(b, inner);
        if (s == STAGES - 1) /* takes the norm behind it in */
            break;
        x = build_block(b, x, "denseblock%d", s + 1);
        x = transition(b, x, s + 1);
    }
    x = build_batch_norm(b, x, "norm5", (struct batch_norm_param){0});
    x = build_block(b, x, "norm5");
    build_leave(b, mark);
    return x;
}

static struct node *build(struct builder *b, struct node *x)
{
    x = build_act(b, features(b, x), "relu", ACTIVATION_relu);
    x = build_flatten(b, build_adaptive_pool(b, x, "avgpool", 1));
    return build_linear(b, x, "classifier", b->n_class);
}

static void init(struct node *n)
{
    if (n->op == &op_conv2d)
        init_kaiming_normal(n, false);
    else if (n->op == &op_linear)
        init_bias(n, 0);
}

const struct architecture arch_densenet121 = {
    .name = "densenet121",
    .about = "DenseNet-121 (Huang et al., 2016)",
    .build = build,
    .init = init,
    .head = "classifier",
    .pre = PREPROCESS(256, 224),
    .min_size = 29,
};
