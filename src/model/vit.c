/* Dosovitskiy et al., "An image is worth 16x16 words", 2020; torchvision's vision_transformer.py. */
#include "model/build.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LAYERS = 12, HEADS = 12, HIDDEN = 768, MLP = 3072 };

static const float eps = 1e-6F;

struct vit {
    int patch; /* pixels a side */
};

static struct node *encoder_layer(struct builder *b, struct node *x)
{
    struct node *y = build_layer_norm(b, x, "ln_1", eps);
    y = build_op(b, y, "self_attention", &op_attention, &(struct attention_param){HEADS});
    x = build_add(b, build_dropout(b, y, "dropout", b->cfg->dropout), x, "add");
    y = build_linear(b, build_layer_norm(b, x, "ln_2", eps), "mlp.0", MLP);
    y = build_act(b, y, "mlp.1", ACTIVATION_gelu);
    y = build_dropout(b, y, "mlp.2", b->cfg->dropout);
    y = build_dropout(b, build_linear(b, y, "mlp.3", HIDDEN), "mlp.4", b->cfg->dropout);
    return build_add(b, x, y, "add_mlp");
}

static struct node *build(struct builder *b, struct node *x)
{
    const struct vit *v = b->arch->spec;
    x = conv(b, x, "conv_proj", .out = HIDDEN, .kernel = v->patch, .stride = v->patch,
             .valid = true, .bias = true);
    x = build_op(b, x, "tokens", &op_tokens, NULL);
    x = build_op(b, x, "class_token", &op_class_token, NULL);
    size_t mark = build_enter(b, "encoder.");
    x = build_op(b, x, "pos_embedding", &op_position_embedding, NULL);
    x = build_block(b, build_dropout(b, x, "dropout", b->cfg->dropout), "dropout");
    for (int i = 0; i < LAYERS; i++) {
        size_t inner = build_enter(b, "layers.encoder_layer_%d.", i);
        x = encoder_layer(b, x);
        build_leave(b, inner);
        if (i < LAYERS - 1) /* the last one takes the norm behind it in */
            x = build_block(b, x, "layers.encoder_layer_%d", i);
    }
    x = build_block(b, build_layer_norm(b, x, "ln", eps), "ln");
    build_leave(b, mark);
    x = build_op(b, x, "select_token", &op_select_token, NULL);
    return build_linear(b, x, "heads.head", b->n_class);
}

static void init(struct node *n)
{
    if (n->op == &op_conv2d) {
        init_normal(n, sqrt(1.0 / (double)(shape_count(&n->weight[0].shape) / HIDDEN)));
        init_bias(n, 0);
    } else if (n->op == &op_linear && strstr(n->name, ".mlp.")) {
        init_xavier_uniform(n);
        init_bias(n, 1e-6);
    } else if (n->op == &op_linear) {
        init_uniform(n, 0); /* the head begins at zero */
        init_bias(n, 0);
    }
}

#define VIT(NAME, TITLE, PATCH)                                                                \
    const struct architecture arch_##NAME = {                                                  \
        .name = #NAME,                                                                         \
        .about = TITLE " (Dosovitskiy et al., 2020)",                                          \
        .build = build,                                                                        \
        .init = init,                                                                          \
        .spec = &(const struct vit){PATCH},                                                    \
        .head = "heads.head",                                                                  \
        .pre = PREPROCESS(256, 224),                                                           \
        .min_size = PATCH,                                                                     \
        .size_step = PATCH,                                                                    \
    }
VIT(vit_b_16, "ViT-B/16", 16);
VIT(vit_b_32, "ViT-B/32", 32);
