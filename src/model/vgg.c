/* Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015;
 * torchvision's vgg.py. A block ends with its pool; the two hidden dense layers are one block. */
#include "model/block.h"

#include <stdio.h>

enum { STAGES = 5 };

struct vgg {
    int depth[STAGES]; /* convolutions of each stage */
    bool batch_norm;
};

static struct node *stage(struct builder *b, struct node *x, int out, int depth, int *index)
{
    const struct vgg *v = b->arch->spec;
    char name[16];
#define NEXT (snprintf(name, sizeof(name), "%d", (*index)++), name)
    for (int i = 0; i < depth; i++) {
        x = conv(b, x, NEXT, .out = out, .kernel = 3, .bias = true);
        if (v->batch_norm)
            x = build_batch_norm(b, x, NEXT, (struct batch_norm_param){0});
        x = build_act(b, x, NEXT, ACTIVATION_relu);
    }
    x = max_pool(b, x, NEXT, .kernel = 2);
#undef NEXT
    return build_block(b, x, "%s", name);
}

static struct node *build(struct builder *b, struct node *x)
{
    static const int out[STAGES] = {64, 128, 256, 512, 512};
    const struct vgg *v = b->arch->spec;
    int index = 0;
    size_t mark = build_enter(b, "features.");
    for (int i = 0; i < STAGES; i++)
        x = stage(b, x, out[i], v->depth[i], &index);
    build_leave(b, mark);
    x = build_flatten(b, build_adaptive_pool(b, x, "avgpool", 7));
    mark = build_enter(b, "classifier.");
    x = build_act(b, build_linear(b, x, "0", 4096), "1", ACTIVATION_relu);
    x = build_dropout(b, x, "2", b->cfg->dropout);
    x = build_act(b, build_linear(b, x, "3", 4096), "4", ACTIVATION_relu);
    x = build_block(b, build_dropout(b, x, "5", b->cfg->dropout), "5");
    x = build_linear(b, x, "6", b->n_class);
    build_leave(b, mark);
    return x;
}

#define VGG(NAME, TITLE, NORM, ...)                                                            \
    const struct architecture arch_##NAME = {                                                  \
        .name = #NAME,                                                                         \
        .about = TITLE " (Simonyan and Zisserman, 2015)",                                      \
        .build = build,                                                                        \
        .init = init_fan_out,                                                                  \
        .spec = &(const struct vgg){{__VA_ARGS__}, NORM},                                      \
        .head = "classifier.6",                                                                \
        .pre = PREPROCESS(256, 224),                                                           \
        .min_size = 32,                                                                        \
        .dropout = 0.5,                                                                        \
    }
VGG(vgg11, "VGG-11", false, 1, 1, 2, 2, 2);
VGG(vgg11_bn, "VGG-11 with batch norm", true, 1, 1, 2, 2, 2);
VGG(vgg13, "VGG-13", false, 2, 2, 2, 2, 2);
VGG(vgg13_bn, "VGG-13 with batch norm", true, 2, 2, 2, 2, 2);
VGG(vgg16, "VGG-16", false, 2, 2, 3, 3, 3);
VGG(vgg16_bn, "VGG-16 with batch norm", true, 2, 2, 3, 3, 3);
VGG(vgg19, "VGG-19", false, 2, 2, 4, 4, 4);
VGG(vgg19_bn, "VGG-19 with batch norm", true, 2, 2, 4, 4, 4);
