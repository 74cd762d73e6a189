/* Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", 2018; torchvision's
 * mobilenetv2.py. */
#include "model/block.h"

#include <stdio.h>

struct stage {
    int expand, out, repeat, stride;
};

static struct node *inverted_residual(struct builder *b, struct node *x, const struct stage *s,
                                      int stride)
{
    if (!x)
        return NULL;
    int in = x->out.dim[1], hidden = in * s->expand, at = 0;
    char name[16];
    struct node *y = x;
#define NEXT (snprintf(name, sizeof(name), "%d", at++), name)
    size_t mark = build_enter(b, "conv.");
    if (s->expand > 1)
        y = block_conv(b, y, NEXT,
                       &(struct conv_norm_act){.conv = {.out = hidden, .kernel = 1},
                                               .act = ACTIVATION_relu6});
    y = block_conv(b, y, NEXT,
                   &(struct conv_norm_act){
                       .conv = {.out = hidden, .kernel = 3, .stride = stride, .groups = hidden},
                       .act = ACTIVATION_relu6});
    y = conv(b, y, NEXT, .out = s->out, .kernel = 1);
    y = build_batch_norm(b, y, NEXT, (struct batch_norm_param){0});
#undef NEXT
    build_leave(b, mark);
    return stride == 1 && in == s->out ? build_add(b, x, y, "add") : y;
}

static struct node *build(struct builder *b, struct node *x)
{
    static const struct stage stages[] = {{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2},
                                          {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2},
                                          {6, 320, 1, 1}};
    size_t mark = build_enter(b, "features.");
    int at = 0;
    x = block_conv(b, x, "0",
                   &(struct conv_norm_act){.conv = {.out = 32, .kernel = 3, .stride = 2},
                                           .act = ACTIVATION_relu6});
    x = build_block(b, x, "%d", at++);
    for (size_t s = 0; s < COUNT_OF(stages); s++)
        for (int i = 0; i < stages[s].repeat; i++) {
            size_t inner = build_enter(b, "%d.", at);
            x = inverted_residual(b, x, &stages[s], i == 0 ? stages[s].stride : 1);
            build_leave(b, inner);
            x = build_block(b, x, "%d", at++);
        }
    x = block_conv(
        b, x, "18",
        &(struct conv_norm_act){.conv = {.out = 1280, .kernel = 1}, .act = ACTIVATION_relu6});
    x = build_block(b, x, "18");
    build_leave(b, mark);
    x = build_flatten(b, build_adaptive_pool(b, x, "avgpool", 1));
    x = build_dropout(b, x, "classifier.0", b->cfg->dropout);
    return build_linear(b, x, "classifier.1", b->n_class);
}

const struct architecture arch_mobilenet_v2 = {
    .name = "mobilenet_v2",
    .about = "MobileNetV2 (Sandler et al., 2018)",
    .build = build,
    .init = init_fan_out,
    .head = "classifier.1",
    .pre = PREPROCESS(232, 224),
    .min_size = 1,
    .dropout = 0.2,
};
