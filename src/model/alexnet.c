/* Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014; torchvision's
 * alexnet.py. */
#include "model/build.h"

static struct node *relu(struct builder *b, struct node *x, const char *name)
{
    return build_act(b, x, name, ACTIVATION_relu);
}

static struct node *features(struct builder *b, struct node *x)
{
    size_t mark = build_enter(b, "features.");
    x = conv(b, x, "0", .out = 64, .kernel = 11, .stride = 4, .pad = 2, .bias = true);
    x = max_pool(b, relu(b, x, "1"), "2", .kernel = 3, .stride = 2);
    x = build_block(b, x, "2");
    x = conv(b, x, "3", .out = 192, .kernel = 5, .bias = true);
    x = max_pool(b, relu(b, x, "4"), "5", .kernel = 3, .stride = 2);
    x = build_block(b, x, "5");
    x = relu(b, conv(b, x, "6", .out = 384, .kernel = 3, .bias = true), "7");
    x = relu(b, conv(b, x, "8", .out = 256, .kernel = 3, .bias = true), "9");
    x = relu(b, conv(b, x, "10", .out = 256, .kernel = 3, .bias = true), "11");
    x = build_block(b, max_pool(b, x, "12", .kernel = 3, .stride = 2), "12");
    build_leave(b, mark);
    return x;
}

static struct node *build(struct builder *b, struct node *x)
{
    x = features(b, x);
    x = build_flatten(b, build_adaptive_pool(b, x, "avgpool", 6));
    size_t mark = build_enter(b, "classifier.");
    x = build_dropout(b, x, "0", b->cfg->dropout);
    x = relu(b, build_linear(b, x, "1", 4096), "2");
    x = build_dropout(b, x, "3", b->cfg->dropout);
    x = build_block(b, relu(b, build_linear(b, x, "4", 4096), "5"), "5");
    x = build_linear(b, x, "6", b->n_class);
    build_leave(b, mark);
    return x;
}

const struct architecture arch_alexnet = {
    .name = "alexnet",
    .about = "AlexNet (Krizhevsky, 2014)",
    .build = build,
    .head = "classifier.6",
    .pre = PREPROCESS(256, 224),
    .min_size = 63,
    .dropout = 0.5,
};
