/* Howard et al., "Searching for MobileNetV3", 2019; torchvision's mobilenetv3.py. */
#include "model/block.h"

#include <stdio.h>

struct row {
    int kernel, expand, out;
    bool squeeze, hard_swish;
    int stride;
};

struct mobilenet_v3 {
    const struct row *row;
    int n_row;
    int last; /* neurons of the hidden dense layer */
};

static const struct batch_norm_param norm = {.eps = 0.001F, .momentum = 0.01F};

static struct node *inverted_residual(struct builder *b, struct node *x, const struct row *r)
{
    if (!x)
        return NULL;
    int in = x->out.dim[1], at = 0;
    enum activation act = r->hard_swish ? ACTIVATION_hardswish : ACTIVATION_relu;
    char name[16];
    struct node *y = x;
#define NEXT (snprintf(name, sizeof(name), "%d", at++), name)
    size_t mark = build_enter(b, "block.");
    if (r->expand != in)
        y = block_conv(b, y, NEXT,
                       &(struct conv_norm_act){{.out = r->expand, .kernel = 1}, norm, act});
    y = block_conv(
        b, y, NEXT,
        &(struct conv_norm_act){
            {.out = r->expand, .kernel = r->kernel, .stride = r->stride, .groups = r->expand},
            norm,
            act});
    if (r->squeeze)
        y = block_squeeze(b, y, NEXT,
                          &(struct squeeze){round_channels(r->expand / 4), ACTIVATION_relu,
                                            ACTIVATION_hardsigmoid});
    y = block_conv(
        b, y, NEXT,
        &(struct conv_norm_act){{.out = r->out, .kernel = 1}, norm, ACTIVATION_identity});
#undef NEXT
    build_leave(b, mark);
    return r->stride == 1 && in == r->out ? build_add(b, y, x, "add") : y;
}

static struct node *features(struct builder *b, struct node *x)
{
    const struct mobilenet_v3 *m = b->arch->spec;
    char name[16];
    size_t mark = build_enter(b, "features.");
    x = block_conv(b, x, "0",
                   &(struct conv_norm_act){
                       {.out = 16, .kernel = 3, .stride = 2}, norm, ACTIVATION_hardswish});
    x = build_block(b, x, "0");
    for (int i = 0; i < m->n_row; i++) {
        size_t inner = build_enter(b, "%d.", i + 1);
        x = inverted_residual(b, x, &m->row[i]);
        build_leave(b, inner);
        x = build_block(b, x, "%d", i + 1);
    }
    snprintf(name, sizeof(name), "%d", m->n_row + 1);
    int out = 6 * m->row[m->n_row - 1].out;
    x = block_conv(
        b, x, name,
        &(struct conv_norm_act){{.out = out, .kernel = 1}, norm, ACTIVATION_hardswish});
    x = build_block(b, x, "%s", name);
    build_leave(b, mark);
    return x;
}

static struct node *build(struct builder *b, struct node *x)
{
    const struct mobilenet_v3 *m = b->arch->spec;
    x = build_flatten(b, build_adaptive_pool(b, features(b, x), "avgpool", 1));
    size_t mark = build_enter(b, "classifier.");
    x = build_act(b, build_linear(b, x, "0", m->last), "1", ACTIVATION_hardswish);
    x = build_block(b, build_dropout(b, x, "2", b->cfg->dropout), "2");
    x = build_linear(b, x, "3", b->n_class);
    build_leave(b, mark);
    return x;
}

/* clang-format off */
static const struct row large[] = { /* kernel, expand, out, squeeze, hard swish, stride */
    {3,  16,  16, false, false, 1}, {3,  64,  24, false, false, 2}, {3,  72,  24, false, false, 1},
    {5,  72,  40, true,  false, 2}, {5, 120,  40, true,  false, 1}, {5, 120,  40, true,  false, 1},
    {3, 240,  80, false, true,  2}, {3, 200,  80, false, true,  1}, {3, 184,  80, false, true,  1},
    {3, 184,  80, false, true,  1}, {3, 480, 112, true,  true,  1}, {3, 672, 112, true,  true,  1},
    {5, 672, 160, true,  true,  2}, {5, 960, 160, true,  true,  1}, {5, 960, 160, true,  true,  1}};
static const struct row small[] = {
    {3,  16,  16, true,  false, 2}, {3,  72,  24, false, false, 2}, {3,  88,  24, false, false, 1},
    {5,  96,  40, true,  true,  2}, {5, 240,  40, true,  true,  1}, {5, 240,  40, true,  true,  1},
    {5, 120,  48, true,  true,  1}, {5, 144,  48, true,  true,  1}, {5, 288,  96, true,  true,  2},
    {5, 576,  96, true,  true,  1}, {5, 576,  96, true,  true,  1}};
/* clang-format on */

#define MOBILENET_V3(NAME, TITLE, RESIZE, ROWS, LAST)                                          \
    const struct architecture arch_##NAME = {                                                  \
        .name = #NAME,                                                                         \
        .about = TITLE " (Howard et al., 2019)",                                               \
        .build = build,                                                                        \
        .init = init_fan_out,                                                                  \
        .spec = &(const struct mobilenet_v3){ROWS, (int)COUNT_OF(ROWS), LAST},                 \
        .head = "classifier.3",                                                                \
        .pre = PREPROCESS(RESIZE, 224),                                                        \
        .min_size = 1,                                                                         \
        .dropout = 0.2,                                                                        \
    }
MOBILENET_V3(mobilenet_v3_large, "MobileNetV3, large", 232, large, 1280);
MOBILENET_V3(mobilenet_v3_small, "MobileNetV3, small", 256, small, 1024);
