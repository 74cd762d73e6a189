/* Tan and Le, "EfficientNet: rethinking model scaling for convolutional neural networks", 2019, and
 * "EfficientNetV2: smaller models and faster training", 2021; torchvision's efficientnet.py. */
#include "model/block.h"

#include <math.h>
#include <stdio.h>

/* One stage: the first of its layers strides, the others keep size and channels. */
struct stage {
    bool fused; /* the expanding and the depthwise convolution in one */
    int expand, kernel, stride, out, repeat;
};

struct efficientnet {
    const struct stage *stage;
    int n_stage, stem, last;
    double width, depth; /* factors; 0 = 1 */
    struct batch_norm_param norm;
};

static const struct efficientnet *spec(const struct builder *b)
{
    return b->arch->spec;
}

static int widened(const struct efficientnet *n, int channels)
{
    return n->width > 0 ? round_channels(channels * n->width) : channels;
}

static int deepened(const struct efficientnet *n, int repeat)
{
    return n->depth > 0 ? (int)ceil(repeat * n->depth) : repeat;
}

static struct node *layer(struct builder *b, struct node *x, const char *name, struct conv c,
                          enum activation act)
{
    return block_conv(b, x, name, &(struct conv_norm_act){c, spec(b)->norm, act});
}

static struct node *mbconv(struct builder *b, struct node *x, const struct stage *s, int stride)
{
    int in = x->out.dim[1], hidden = round_channels(in * s->expand), at = 0;
    char name[16];
#define NEXT (snprintf(name, sizeof(name), "%d", at++), name)
    if (hidden != in)
        x = layer(b, x, NEXT, (struct conv){.out = hidden, .kernel = 1}, ACTIVATION_silu);
    x = layer(
        b, x, NEXT,
        (struct conv){.out = hidden, .kernel = s->kernel, .stride = stride, .groups = hidden},
        ACTIVATION_silu);
    x = block_squeeze(b, x, NEXT,
                      &(struct squeeze){in / 4, ACTIVATION_silu, ACTIVATION_sigmoid});
    return layer(b, x, NEXT, (struct conv){.out = s->out, .kernel = 1}, ACTIVATION_identity);
#undef NEXT
}

static struct node *fused_mbconv(struct builder *b, struct node *x, const struct stage *s,
                                 int stride)
{
    int in = x->out.dim[1], hidden = round_channels(in * s->expand);
    struct conv first = {.out = hidden, .kernel = s->kernel, .stride = stride};
    if (hidden != in) {
        x = layer(b, x, "0", first, ACTIVATION_silu);
        return layer(b, x, "1", (struct conv){.out = s->out, .kernel = 1}, ACTIVATION_identity);
    }
    first.out = s->out;
    return layer(b, x, "0", first, ACTIVATION_silu);
}

/* Skipped in training with a probability that grows with depth (Huang et al., 2016). */
static struct node *residual(struct builder *b, struct node *x, const struct stage *s,
                             int stride, double drop)
{
    if (!x)
        return NULL;
    size_t mark = build_enter(b, "block.");
    struct node *y = s->fused ? fused_mbconv(b, x, s, stride) : mbconv(b, x, s, stride);
    build_leave(b, mark);
    if (stride > 1 || x->out.dim[1] != s->out)
        return y;
    y = build_stochastic_depth(b, y, "stochastic_depth", drop);
    return build_add(b, y, x, "add");
}

static struct node *stages(struct builder *b, struct node *x)
{
    const struct efficientnet *n = spec(b);
    int total = 0, at = 0;
    for (int s = 0; s < n->n_stage; s++)
        total += deepened(n, n->stage[s].repeat);
    for (int s = 0; s < n->n_stage; s++) {
        struct stage own = n->stage[s];
        own.out = widened(n, own.out);
        own.repeat = deepened(n, own.repeat);
        for (int i = 0; i < own.repeat; i++, at++) {
            size_t mark = build_enter(b, "%d.%d.", s + 1, i);
            x = residual(b, x, &own, i == 0 ? own.stride : 1,
                         b->cfg->stochastic_depth * at / total);
            build_leave(b, mark);
        }
        x = build_block(b, x, "%d", s + 1);
    }
    return x;
}

static struct node *build(struct builder *b, struct node *x)
{
    const struct efficientnet *n = spec(b);
    char last[16];
    size_t mark = build_enter(b, "features.");
    x = layer(b, x, "0", (struct conv){.out = widened(n, n->stem), .kernel = 3, .stride = 2},
              ACTIVATION_silu);
    x = stages(b, build_block(b, x, "0"));
    int out = n->last ? n->last : x ? 4 * x->out.dim[1] : 0;
    snprintf(last, sizeof(last), "%d", n->n_stage + 1);
    x = layer(b, x, last, (struct conv){.out = out, .kernel = 1}, ACTIVATION_silu);
    x = build_block(b, x, "%s", last);
    build_leave(b, mark);
    x = build_flatten(b, build_adaptive_pool(b, x, "avgpool", 1));
    x = build_dropout(b, x, "classifier.0", b->cfg->dropout);
    return build_linear(b, x, "classifier.1", b->n_class);
}

static void init(struct node *n)
{
    if (n->op == &op_conv2d)
        init_kaiming_normal(n, true);
    else if (n->op == &op_linear)
        init_uniform(n, 1 / sqrt(n->out.dim[1]));
    else
        return;
    init_bias(n, 0);
}

/* clang-format off */
static const struct stage v1[] = { /* fused, expand, kernel, stride, out, repeat */
    {false, 1, 3, 1,  16, 1}, {false, 6, 3, 2,  24, 2}, {false, 6, 5, 2,  40, 2}, {false, 6, 3, 2, 80, 3},
    {false, 6, 5, 1, 112, 3}, {false, 6, 5, 2, 192, 4}, {false, 6, 3, 1, 320, 1}};
static const struct stage v2_s[] = {
    {true,  1, 3, 1,  24, 2}, {true,  4, 3, 2,  48, 4}, {true,  4, 3, 2,  64, 4},
    {false, 4, 3, 2, 128, 6}, {false, 6, 3, 1, 160, 9}, {false, 6, 3, 2, 256, 15}};
static const struct stage v2_m[] = {
    {true,  1, 3, 1,  24, 3}, {true,  4, 3, 2,  48,  5}, {true,  4, 3, 2,  80,  5},
    {false, 4, 3, 2, 160, 7}, {false, 6, 3, 1, 176, 14}, {false, 6, 3, 2, 304, 18}, {false, 6, 3, 1, 512, 5}};
/* clang-format on */

#define EFFICIENTNET(NAME, TITLE, ROWS, STEM, LAST, RESIZE, SIZE, MIN, DROPOUT, ...)           \
    const struct architecture arch_##NAME = {                                                  \
        .name = #NAME,                                                                         \
        .about = TITLE,                                                                        \
        .build = build,                                                                        \
        .init = init,                                                                          \
        .spec =                                                                                \
            &(const struct efficientnet){ROWS, (int)COUNT_OF(ROWS), STEM, LAST, __VA_ARGS__},  \
        .head = "classifier.1",                                                                \
        .pre = PREPROCESS(RESIZE, SIZE),                                                       \
        .min_size = MIN,                                                                       \
        .dropout = DROPOUT,                                                                    \
        .stochastic_depth = 0.2,                                                               \
    }
#define V1(NAME, TITLE, RESIZE, SIZE, WIDTH, DEPTH, DROPOUT)                                   \
    EFFICIENTNET(NAME, TITLE " (Tan and Le, 2019)", v1, 32, 0, RESIZE, SIZE, 1, DROPOUT,       \
                 .width = WIDTH, .depth = DEPTH)
#define V2(NAME, TITLE, ROWS, SIZE, DROPOUT)                                                   \
    EFFICIENTNET(NAME, TITLE " (Tan and Le, 2021)", ROWS, 24, 1280, SIZE, SIZE, 33, DROPOUT,   \
                 .norm = {.eps = 0.001F})
V1(efficientnet_b0, "EfficientNet-B0", 256, 224, 1.0, 1.0, 0.2);
V1(efficientnet_b1, "EfficientNet-B1", 255, 240, 1.0, 1.1, 0.2);
V1(efficientnet_b2, "EfficientNet-B2", 288, 288, 1.1, 1.2, 0.3);
V1(efficientnet_b3, "EfficientNet-B3", 320, 300, 1.2, 1.4, 0.3);
V2(efficientnet_v2_s, "EfficientNetV2-S", v2_s, 384, 0.2);
V2(efficientnet_v2_m, "EfficientNetV2-M", v2_m, 480, 0.3);
