/* EfficientNet-Lite (Tan and Le, 2019, without squeeze-and-excitation, ReLU6 for swish, stem and head
 * not scaled), under the names of timm's efficientnet_lite0 .. 2. */
#include "model/block.h"

#include <math.h>
#include <stdio.h>

struct stage {
    int expand, kernel, stride, out, repeat;
};

struct lite {
    double width, depth;
};

static struct node *conv_norm(struct builder *b, struct node *x, const char *name,
                              const char *norm, struct conv c)
{
    x = build_conv(b, x, name, &c);
    return build_batch_norm(b, x, norm, (struct batch_norm_param){0});
}

static struct node *relu6(struct builder *b, struct node *x, const char *name)
{
    return build_act(b, x, name, ACTIVATION_relu6);
}

/* timm's DepthwiseSeparableConv (nothing to expand) and InvertedResidual. */
static struct node *residual(struct builder *b, struct node *x, const struct stage *s,
                             int stride, double drop)
{
    if (!x)
        return NULL;
    int in = x->out.dim[1], hidden = in * s->expand;
    bool expands = s->expand > 1;
    struct conv depthwise = {
        .out = hidden, .kernel = s->kernel, .stride = stride, .groups = hidden};
    struct node *y = x;
    if (expands)
        y = relu6(b,
                  conv_norm(b, y, "conv_pw", "bn1", (struct conv){.out = hidden, .kernel = 1}),
                  "act1");
    y = relu6(b, conv_norm(b, y, "conv_dw", expands ? "bn2" : "bn1", depthwise),
              expands ? "act2" : "act1");
    y = conv_norm(b, y, expands ? "conv_pwl" : "conv_pw", expands ? "bn3" : "bn2",
                  (struct conv){.out = s->out, .kernel = 1});
    if (stride > 1 || in != s->out)
        return y;
    y = build_stochastic_depth(b, y, "drop_path", drop);
    return build_add(b, y, x, "add");
}

/* The first and the last stage are not deepened. */
static int repeats(const struct lite *l, const struct stage *s)
{
    return s->repeat > 1 ? (int)ceil(s->repeat * l->depth) : 1;
}

static struct node *build(struct builder *b, struct node *x)
{
    static const struct stage row[] = {{1, 3, 1, 16, 1}, {6, 3, 2, 24, 2},  {6, 5, 2, 40, 2},
                                       {6, 3, 2, 80, 3}, {6, 5, 1, 112, 3}, {6, 5, 2, 192, 4},
                                       {6, 3, 1, 320, 1}};
    const struct lite *l = b->arch->spec;
    int total = 0, at = 0;
    for (size_t s = 0; s < COUNT_OF(row); s++)
        total += repeats(l, &row[s]);
    x = conv_norm(b, x, "conv_stem", "bn1", (struct conv){.out = 32, .kernel = 3, .stride = 2});
    x = build_block(b, relu6(b, x, "act1"), "bn1");
    for (int s = 0; s < (int)COUNT_OF(row); s++) {
        struct stage own = row[s];
        own.out = round_channels(own.out * l->width);
        for (int i = 0; i < repeats(l, &row[s]); i++, at++) {
            size_t mark = build_enter(b, "blocks.%d.%d.", s, i);
            x = residual(b, x, &own, i == 0 ? own.stride : 1,
                         b->cfg->stochastic_depth * at / total);
            build_leave(b, mark);
        }
        x = build_block(b, x, "blocks.%d", s);
    }
    x = conv_norm(b, x, "conv_head", "bn2", (struct conv){.out = 1280, .kernel = 1});
    x = build_block(b, relu6(b, x, "act2"), "bn2");
    x = build_flatten(b, build_adaptive_pool(b, x, "global_pool", 1));
    x = build_dropout(b, x, "dropout", b->cfg->dropout);
    return build_linear(b, x, "classifier", b->n_class);
}

static void init(struct node *n)
{
    if (n->op == &op_conv2d) {
        const struct conv2d_param *p = n->param;
        double fan_out = (double)p->kernel_h * p->kernel_w * p->out / or_one(p->groups);
        init_normal(n, sqrt(2 / fan_out));
    } else if (n->op == &op_linear) {
        init_uniform(n, 1 / sqrt(n->out.dim[1]));
        init_bias(n, 0);
    }
}

#define LITE(NAME, TITLE, RESIZE, SIZE, WIDTH, DEPTH, DROPOUT)                                 \
    const struct architecture arch_##NAME = {                                                  \
        .name = #NAME,                                                                         \
        .about = TITLE " (Tan and Le, 2019)",                                                  \
        .build = build,                                                                        \
        .init = init,                                                                          \
        .spec = &(const struct lite){WIDTH, DEPTH},                                            \
        .head = "classifier",                                                                  \
        .pre = PREPROCESS(RESIZE, SIZE),                                                       \
        .pre.filter = RESIZE_BICUBIC,                                                          \
        .min_size = 1,                                                                         \
        .dropout = DROPOUT,                                                                    \
        .stochastic_depth = 0.2,                                                               \
    }
LITE(efficientnet_lite0, "EfficientNet-Lite0", 256, 224, 1.0, 1.0, 0.2);
LITE(efficientnet_lite1, "EfficientNet-Lite1", 272, 240, 1.0, 1.1, 0.2);
LITE(efficientnet_lite2, "EfficientNet-Lite2", 292, 260, 1.1, 1.2, 0.3);
