/* He, Zhang, Ren, Sun, "Deep residual learning for image recognition", 2015; torchvision's resnet.py,
 * whose bottleneck strides in its 3x3 convolution. */
#include "model/build.h"

enum { STAGES = 4 };

struct resnet {
    bool bottleneck;
    int depth[STAGES]; /* blocks of each stage */
};

static struct node *norm(struct builder *b, struct node *x, const char *name)
{
    return build_batch_norm(b, x, name, (struct batch_norm_param){0});
}

/* conv<i>, bn<i> */
static struct node *conv_norm(struct builder *b, struct node *x, const char *conv_name,
                              const char *norm_name, const struct conv *c)
{
    return norm(b, build_conv(b, x, conv_name, c), norm_name);
}

/* out: of the block; a bottleneck's inner layers have a quarter. */
static struct node *block(struct builder *b, struct node *x, int out, int stride)
{
    const struct resnet *r = b->arch->spec;
    struct node *y, *shortcut = x;
    if (r->bottleneck) {
        y = conv_norm(b, x, "conv1", "bn1", &(struct conv){.out = out / 4, .kernel = 1});
        y = build_act(b, y, "relu1", ACTIVATION_relu);
        y = conv_norm(b, y, "conv2", "bn2",
                      &(struct conv){.out = out / 4, .kernel = 3, .stride = stride});
        y = build_act(b, y, "relu2", ACTIVATION_relu);
        y = conv_norm(b, y, "conv3", "bn3", &(struct conv){.out = out, .kernel = 1});
    } else {
        y = conv_norm(b, x, "conv1", "bn1",
                      &(struct conv){.out = out, .kernel = 3, .stride = stride});
        y = build_act(b, y, "relu1", ACTIVATION_relu);
        y = conv_norm(b, y, "conv2", "bn2", &(struct conv){.out = out, .kernel = 3});
    }
    if (x && (stride > 1 || x->out.dim[1] != out))
        shortcut = conv_norm(b, x, "downsample.0", "downsample.1",
                             &(struct conv){.out = out, .kernel = 1, .stride = stride});
    y = build_add(b, y, shortcut, "add");
    return build_act(b, y, "relu", ACTIVATION_relu);
}

static struct node *build(struct builder *b, struct node *x)
{
    const struct resnet *r = b->arch->spec;
    x = conv_norm(b, x, "conv1", "bn1", &(struct conv){.out = 64, .kernel = 7, .stride = 2});
    x = build_act(b, x, "relu", ACTIVATION_relu);
    x = max_pool(b, x, "maxpool", .kernel = 3, .stride = 2, .pad = 1);
    x = build_block(b, x, "maxpool");
    for (int s = 0; s < STAGES; s++)
        for (int i = 0; i < r->depth[s]; i++) {
            size_t mark = build_enter(b, "layer%d.%d.", s + 1, i);
            x = block(b, x, (r->bottleneck ? 256 : 64) << s, i == 0 && s > 0 ? 2 : 1);
            build_leave(b, mark);
            x = build_block(b, x, "layer%d.%d", s + 1, i);
        }
    x = build_flatten(b, build_adaptive_pool(b, x, "avgpool", 1));
    return build_linear(b, x, "fc", b->n_class);
}

static void init(struct node *n)
{
    if (n->op == &op_conv2d)
        init_kaiming_normal(n, true);
}

#define RESNET(NAME, TITLE, BOTTLENECK, RESIZE, ...)                                           \
    const struct architecture arch_##NAME = {                                                  \
        .name = #NAME,                                                                         \
        .about = TITLE " (He et al., 2015)",                                                   \
        .build = build,                                                                        \
        .init = init,                                                                          \
        .spec = &(const struct resnet){BOTTLENECK, {__VA_ARGS__}},                             \
        .head = "fc",                                                                          \
        .pre = PREPROCESS(RESIZE, 224),                                                        \
        .min_size = 1,                                                                         \
    }
RESNET(resnet18, "ResNet-18", false, 256, 2, 2, 2, 2);
RESNET(resnet34, "ResNet-34", false, 256, 3, 4, 6, 3);
RESNET(resnet50, "ResNet-50", true, 232, 3, 4, 6, 3);
RESNET(resnet101, "ResNet-101", true, 232, 3, 4, 23, 3);
