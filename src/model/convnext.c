/* Liu et al., "A ConvNet for the 2020s", 2022; torchvision's convnext.py. */
#include "model/build.h"

#include <stdio.h>

enum { STAGES = 4 };

static const float eps = 1e-6F;

static struct node *cn_block(struct builder *b, struct node *x, int channels, double drop)
{
    struct node *y =
        conv(b, x, "block.0", .out = channels, .kernel = 7, .groups = channels, .bias = true);
    y = build_layer_norm(b, y, "block.2", eps);
    y = build_act(b, build_linear(b, y, "block.3", 4 * channels), "block.4", ACTIVATION_gelu);
    y = build_linear(b, y, "block.5", channels);
    y = build_op(b, y, "layer_scale", &op_layer_scale, &(struct layer_scale_param){1e-6F});
    y = build_stochastic_depth(b, y, "stochastic_depth", drop);
    return build_add(b, y, x, "add");
}

/* The stem, or what halves the picture between two stages. */
static struct node *shrink(struct builder *b, struct node *x, int stage, int channels)
{
    size_t mark = build_enter(b, "%d.", 2 * stage);
    if (stage == 0) {
        x = conv(b, x, "0", .out = channels, .kernel = 4, .stride = 4, .valid = true,
                 .bias = true);
        x = build_layer_norm(b, x, "1", eps);
    } else {
        x = build_layer_norm(b, x, "0", eps);
        x = conv(b, x, "1", .out = channels, .kernel = 2, .stride = 2, .valid = true,
                 .bias = true);
    }
    build_leave(b, mark);
    return build_block(b, x, "%d", 2 * stage);
}

static struct node *build(struct builder *b, struct node *x)
{
    static const int depth[STAGES] = {3, 3, 9, 3}, channels[STAGES] = {96, 192, 384, 768};
    int at = 0, total = 0;
    for (int s = 0; s < STAGES; s++)
        total += depth[s];
    size_t mark = build_enter(b, "features.");
    for (int s = 0; s < STAGES; s++) {
        x = shrink(b, x, s, channels[s]);
        for (int i = 0; i < depth[s]; i++) {
            size_t inner = build_enter(b, "%d.%d.", 2 * s + 1, i);
            x = cn_block(b, x, channels[s], b->cfg->stochastic_depth * at++ / (total - 1));
            build_leave(b, inner);
            if (at < total) /* the last one takes the norm behind it in */
                x = build_block(b, x, "%d.%d", 2 * s + 1, i);
        }
    }
    build_leave(b, mark);
    x = build_layer_norm(b, build_adaptive_pool(b, x, "avgpool", 1), "classifier.0", eps);
    x = build_block(b, x, "classifier.0");
    return build_linear(b, build_flatten(b, x), "classifier.2", b->n_class);
}

static void init(struct node *n)
{
    if (n->op != &op_conv2d && n->op != &op_linear)
        return;
    init_normal(n, 0.02);
    init_bias(n, 0);
}

const struct architecture arch_convnext_tiny = {
    .name = "convnext_tiny",
    .about = "ConvNeXt-Tiny (Liu et al., 2022)",
    .build = build,
    .init = init,
    .head = "classifier.2",
    .pre = PREPROCESS(236, 224),
    .min_size = 32,
    .stochastic_depth = 0.1,
};
