/* Szegedy et al., "Going deeper with convolutions", 2014; torchvision's googlenet.py, whose "5x5"
 * branch has a 3x3 kernel (its issue 906) and whose pools round up. */
#include "model/block.h"

/* Channels: of the 1x1 branch; before and after the 3x3; before and after the "5x5"; behind the
 * pool. */
struct inception {
    const char *name;
    int one, reduce3, three, reduce5, five, pool;
};

static struct node *inception(struct builder *b, struct node *x, const struct inception *i)
{
    size_t mark = build_enter(b, "%s.", i->name);
    struct node *out[4];
    out[0] = basic(b, x, "branch1", .out = i->one, .kernel = 1);
    out[1] = basic(b, x, "branch2.0", .out = i->reduce3, .kernel = 1);
    out[1] = basic(b, out[1], "branch2.1", .out = i->three, .kernel = 3);
    out[2] = basic(b, x, "branch3.0", .out = i->reduce5, .kernel = 1);
    out[2] = basic(b, out[2], "branch3.1", .out = i->five, .kernel = 3);
    out[3] = max_pool(b, x, "branch4.0", .kernel = 3, .stride = 1, .pad = 1, .ceil_mode = true);
    out[3] = basic(b, out[3], "branch4.1", .out = i->pool, .kernel = 1);
    x = build_concat(b, "concat", out, 4);
    build_leave(b, mark);
    return build_block(b, x, "%s", i->name);
}

/* Reads the output of an inner block: torchvision adds it to the loss in training. */
static void aux(struct builder *b, struct node *x, const char *name)
{
    size_t mark = build_enter(b, "%s.", name);
    x = basic(b, build_adaptive_pool(b, x, "avgpool", 4), "conv", .out = 128, .kernel = 1);
    x = build_linear(b, build_flatten(b, x), "fc1", 1024);
    x = build_act(b, x, "relu", ACTIVATION_relu);
    x = build_dropout(b, x, "dropout", b->cfg->dropout > 0 ? 0.7 : 0);
    build_aux(b, build_linear(b, x, "fc2", b->n_class));
    build_leave(b, mark);
}

static struct node *stem(struct builder *b, struct node *x)
{
    x = basic(b, x, "conv1", .out = 64, .kernel = 7, .stride = 2);
    x = max_pool(b, x, "maxpool1", .kernel = 3, .stride = 2, .ceil_mode = true);
    x = build_block(b, x, "maxpool1");
    x = basic(b, x, "conv2", .out = 64, .kernel = 1);
    x = basic(b, x, "conv3", .out = 192, .kernel = 3);
    x = max_pool(b, x, "maxpool2", .kernel = 3, .stride = 2, .ceil_mode = true);
    return build_block(b, x, "maxpool2");
}

static struct node *build(struct builder *b, struct node *x)
{
    static const struct inception row[] = {{"inception3a", 64, 96, 128, 16, 32, 32},
                                           {"inception3b", 128, 128, 192, 32, 96, 64},
                                           {"inception4a", 192, 96, 208, 16, 48, 64},
                                           {"inception4b", 160, 112, 224, 24, 64, 64},
                                           {"inception4c", 128, 128, 256, 24, 64, 64},
                                           {"inception4d", 112, 144, 288, 32, 64, 64},
                                           {"inception4e", 256, 160, 320, 32, 128, 128},
                                           {"inception5a", 256, 160, 320, 32, 128, 128},
                                           {"inception5b", 384, 192, 384, 48, 128, 128}};
    struct node *of_4a = NULL, *of_4d = NULL;
    x = stem(b, x);
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        if (i == 2)
            x = max_pool(b, x, "maxpool3", .kernel = 3, .stride = 2, .ceil_mode = true);
        if (i == 7)
            x = max_pool(b, x, "maxpool4", .kernel = 2, .stride = 2, .ceil_mode = true);
        x = inception(b, x, &row[i]);
        of_4a = i == 2 ? x : of_4a;
        of_4d = i == 5 ? x : of_4d;
    }
    x = build_flatten(b, build_adaptive_pool(b, x, "avgpool", 1));
    x = build_dropout(b, x, "dropout", b->cfg->dropout);
    x = build_linear(b, x, "fc", b->n_class);
    if (b->cfg->aux) {
        aux(b, of_4a, "aux1");
        aux(b, of_4d, "aux2");
    }
    return x;
}

static void init(struct node *n)
{
    if (n->op == &op_conv2d || n->op == &op_linear)
        init_normal(n, 0.01);
}

const struct architecture arch_googlenet = {
    .name = "googlenet",
    .about = "GoogLeNet (Szegedy et al., 2014)",
    .build = build,
    .init = init,
    .head = "fc",
    .aux = {"aux1", "aux2"},
    .aux_share = 0.3F,
    .pre = PREPROCESS(256, 224),
    .remap = true,
    .min_size = 15,
    .dropout = 0.2,
};
