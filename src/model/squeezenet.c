/* Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters", 2016; torchvision's
 * squeezenet.py. The head is a convolution; its outputs are averaged over the picture. */
#include "model/build.h"

#include <stdio.h>
#include <string.h>

struct squeezenet {
    int stem, stem_kernel;
    const char *order; /* after the stem's convolution and ReLU: Pool or Fire */
};

static struct node *fire(struct builder *b, struct node *x, int squeeze, int expand)
{
    x = conv(b, x, "squeeze", .out = squeeze, .kernel = 1, .bias = true);
    x = build_act(b, x, "squeeze_activation", ACTIVATION_relu);
    struct node *half[2];
    half[0] = conv(b, x, "expand1x1", .out = expand, .kernel = 1, .bias = true);
    half[0] = build_act(b, half[0], "expand1x1_activation", ACTIVATION_relu);
    half[1] = conv(b, x, "expand3x3", .out = expand, .kernel = 3, .bias = true);
    half[1] = build_act(b, half[1], "expand3x3_activation", ACTIVATION_relu);
    return build_concat(b, "concat", half, 2);
}

static struct node *features(struct builder *b, struct node *x)
{
    static const int squeeze[] = {16, 16, 32, 32, 48, 48, 64, 64};
    const struct squeezenet *s = b->arch->spec;
    x = conv(b, x, "0", .out = s->stem, .kernel = s->stem_kernel, .stride = 2, .valid = true,
             .bias = true);
    x = build_act(b, x, "1", ACTIVATION_relu);
    for (int i = 0, n_fire = 0; s->order[i]; i++) {
        char name[16];
        snprintf(name, sizeof(name), "%d", i + 2);
        if (s->order[i] == 'P') {
            x = max_pool(b, x, name, .kernel = 3, .stride = 2, .ceil_mode = true);
        } else {
            size_t mark = build_enter(b, "%s.", name);
            x = fire(b, x, squeeze[n_fire], 4 * squeeze[n_fire]);
            build_leave(b, mark);
            n_fire++;
        }
        if (s->order[i] == 'F' || i == 0) /* a later pool opens the block behind it */
            x = build_block(b, x, "%s", name);
    }
    return x;
}

static struct node *build(struct builder *b, struct node *x)
{
    size_t mark = build_enter(b, "features.");
    x = features(b, x);
    build_leave(b, mark);
    mark = build_enter(b, "classifier.");
    x = build_dropout(b, x, "0", b->cfg->dropout);
    x = conv(b, x, "1", .out = b->n_class, .kernel = 1, .bias = true);
    x = build_act(b, x, "2", ACTIVATION_relu);
    x = build_adaptive_pool(b, x, "3", 1);
    build_leave(b, mark);
    return build_flatten(b, x);
}

static void init(struct node *n)
{
    if (n->op != &op_conv2d)
        return;
    if (strcmp(n->name, "classifier.1") == 0)
        init_normal(n, 0.01);
    else
        init_kaiming_uniform(n);
    init_bias(n, 0);
}

#define SQUEEZENET(NAME, TITLE, MIN, ...)                                                      \
    const struct architecture arch_##NAME = {                                                  \
        .name = #NAME,                                                                         \
        .about = TITLE " (Iandola et al., 2016)",                                              \
        .build = build,                                                                        \
        .init = init,                                                                          \
        .spec = &(const struct squeezenet){__VA_ARGS__},                                       \
        .head = "classifier.1",                                                                \
        .pre = PREPROCESS(256, 224),                                                           \
        .min_size = MIN,                                                                       \
        .dropout = 0.5,                                                                        \
    }
SQUEEZENET(squeezenet1_0, "SqueezeNet 1.0", 21, 96, 7, "PFFFPFFFFPF");
SQUEEZENET(squeezenet1_1, "SqueezeNet 1.1", 17, 64, 3, "PFFPFFPFFFF");
