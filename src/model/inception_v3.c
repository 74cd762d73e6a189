/* Szegedy et al., "Rethinking the Inception architecture for computer vision", 2015; torchvision's
 * inception.py. */
#include "model/block.h"

#include <string.h>

/* A 7x7 in two steps. */
#define ROW7    .kernel = 1, .kernel_w = 7
#define COLUMN7 .kernel = 7, .kernel_w = 1

static struct node *average(struct builder *b, struct node *x, int out)
{
    x = avg_pool(b, x, "pool", .kernel = 3, .stride = 1, .pad = 1);
    return basic(b, x, "branch_pool", .out = out, .kernel = 1);
}

static struct node *block_a(struct builder *b, struct node *x, int pool)
{
    struct node *out[4];
    out[0] = basic(b, x, "branch1x1", .out = 64, .kernel = 1);
    out[1] = basic(b, x, "branch5x5_1", .out = 48, .kernel = 1);
    out[1] = basic(b, out[1], "branch5x5_2", .out = 64, .kernel = 5);
    out[2] = basic(b, x, "branch3x3dbl_1", .out = 64, .kernel = 1);
    out[2] = basic(b, out[2], "branch3x3dbl_2", .out = 96, .kernel = 3);
    out[2] = basic(b, out[2], "branch3x3dbl_3", .out = 96, .kernel = 3);
    out[3] = average(b, x, pool);
    return build_concat(b, "concat", out, 4);
}

static struct node *block_b(struct builder *b, struct node *x, int ignored)
{
    struct node *out[3];
    (void)ignored;
    out[0] = basic(b, x, "branch3x3", .out = 384, .kernel = 3, .stride = 2, .valid = true);
    out[1] = basic(b, x, "branch3x3dbl_1", .out = 64, .kernel = 1);
    out[1] = basic(b, out[1], "branch3x3dbl_2", .out = 96, .kernel = 3);
    out[1] =
        basic(b, out[1], "branch3x3dbl_3", .out = 96, .kernel = 3, .stride = 2, .valid = true);
    out[2] = max_pool(b, x, "pool", .kernel = 3, .stride = 2);
    return build_concat(b, "concat", out, 3);
}

static struct node *block_c(struct builder *b, struct node *x, int c7)
{
    struct node *out[4];
    out[0] = basic(b, x, "branch1x1", .out = 192, .kernel = 1);
    out[1] = basic(b, x, "branch7x7_1", .out = c7, .kernel = 1);
    out[1] = basic(b, out[1], "branch7x7_2", .out = c7, ROW7);
    out[1] = basic(b, out[1], "branch7x7_3", .out = 192, COLUMN7);
    out[2] = basic(b, x, "branch7x7dbl_1", .out = c7, .kernel = 1);
    out[2] = basic(b, out[2], "branch7x7dbl_2", .out = c7, COLUMN7);
    out[2] = basic(b, out[2], "branch7x7dbl_3", .out = c7, ROW7);
    out[2] = basic(b, out[2], "branch7x7dbl_4", .out = c7, COLUMN7);
    out[2] = basic(b, out[2], "branch7x7dbl_5", .out = 192, ROW7);
    out[3] = average(b, x, 192);
    return build_concat(b, "concat", out, 4);
}

static struct node *block_d(struct builder *b, struct node *x, int ignored)
{
    struct node *out[3];
    (void)ignored;
    out[0] = basic(b, x, "branch3x3_1", .out = 192, .kernel = 1);
    out[0] =
        basic(b, out[0], "branch3x3_2", .out = 320, .kernel = 3, .stride = 2, .valid = true);
    out[1] = basic(b, x, "branch7x7x3_1", .out = 192, .kernel = 1);
    out[1] = basic(b, out[1], "branch7x7x3_2", .out = 192, ROW7);
    out[1] = basic(b, out[1], "branch7x7x3_3", .out = 192, COLUMN7);
    out[1] =
        basic(b, out[1], "branch7x7x3_4", .out = 192, .kernel = 3, .stride = 2, .valid = true);
    out[2] = max_pool(b, x, "pool", .kernel = 3, .stride = 2);
    return build_concat(b, "concat", out, 3);
}

static struct node *block_e(struct builder *b, struct node *x, int ignored)
{
    struct node *out[6];
    (void)ignored;
    out[0] = basic(b, x, "branch1x1", .out = 320, .kernel = 1);
    struct node *y = basic(b, x, "branch3x3_1", .out = 384, .kernel = 1);
    out[1] = basic(b, y, "branch3x3_2a", .out = 384, .kernel = 1, .kernel_w = 3);
    out[2] = basic(b, y, "branch3x3_2b", .out = 384, .kernel = 3, .kernel_w = 1);
    y = basic(b, x, "branch3x3dbl_1", .out = 448, .kernel = 1);
    y = basic(b, y, "branch3x3dbl_2", .out = 384, .kernel = 3);
    out[3] = basic(b, y, "branch3x3dbl_3a", .out = 384, .kernel = 1, .kernel_w = 3);
    out[4] = basic(b, y, "branch3x3dbl_3b", .out = 384, .kernel = 3, .kernel_w = 1);
    out[5] = average(b, x, 192);
    return build_concat(b, "concat", out, 6);
}

struct mixed {
    const char *name;
    struct node *(*build)(struct builder *b, struct node *x, int channels);
    int channels; /* behind the pool (a), of the 7x7 branches (c) */
};

static struct node *stem(struct builder *b, struct node *x)
{
    x = basic(b, x, "Conv2d_1a_3x3", .out = 32, .kernel = 3, .stride = 2, .valid = true);
    x = basic(b, x, "Conv2d_2a_3x3", .out = 32, .kernel = 3, .valid = true);
    x = basic(b, x, "Conv2d_2b_3x3", .out = 64, .kernel = 3);
    x = build_block(b, max_pool(b, x, "maxpool1", .kernel = 3, .stride = 2), "maxpool1");
    x = basic(b, x, "Conv2d_3b_1x1", .out = 80, .kernel = 1);
    x = basic(b, x, "Conv2d_4a_3x3", .out = 192, .kernel = 3, .valid = true);
    return build_block(b, max_pool(b, x, "maxpool2", .kernel = 3, .stride = 2), "maxpool2");
}

static void aux(struct builder *b, struct node *x)
{
    size_t mark = build_enter(b, "AuxLogits.");
    x = avg_pool(b, x, "pool", .kernel = 5, .stride = 3);
    x = basic(b, x, "conv0", .out = 128, .kernel = 1);
    x = basic(b, x, "conv1", .out = 768, .kernel = 5, .valid = true);
    x = build_flatten(b, build_adaptive_pool(b, x, "avgpool", 1));
    build_aux(b, build_linear(b, x, "fc", b->n_class));
    build_leave(b, mark);
}

static struct node *build(struct builder *b, struct node *x)
{
    static const struct mixed row[] = {
        {"Mixed_5b", block_a, 32},  {"Mixed_5c", block_a, 64},  {"Mixed_5d", block_a, 64},
        {"Mixed_6a", block_b, 0},   {"Mixed_6b", block_c, 128}, {"Mixed_6c", block_c, 160},
        {"Mixed_6d", block_c, 160}, {"Mixed_6e", block_c, 192}, {"Mixed_7a", block_d, 0},
        {"Mixed_7b", block_e, 0},   {"Mixed_7c", block_e, 0}};
    struct node *of_6e = NULL;
    x = stem(b, x);
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        size_t mark = build_enter(b, "%s.", row[i].name);
        x = row[i].build(b, x, row[i].channels);
        build_leave(b, mark);
        x = build_block(b, x, "%s", row[i].name);
        of_6e = i == 7 ? x : of_6e;
    }
    x = build_flatten(b, build_adaptive_pool(b, x, "avgpool", 1));
    x = build_dropout(b, x, "dropout", b->cfg->dropout);
    x = build_linear(b, x, "fc", b->n_class);
    if (b->cfg->aux)
        aux(b, of_6e);
    return x;
}

static void init(struct node *n)
{
    if (n->op != &op_conv2d && n->op != &op_linear)
        return;
    init_normal(n, strcmp(n->name, "AuxLogits.fc") == 0 ? 0.001 : 0.1);
}

const struct architecture arch_inception_v3 = {
    .name = "inception_v3",
    .about = "Inception v3 (Szegedy et al., 2015)",
    .build = build,
    .init = init,
    .head = "fc",
    .aux = {"AuxLogits"},
    .aux_share = 0.4F,
    .pre = PREPROCESS(342, 299),
    .remap = true,
    .min_size = 75,
    .dropout = 0.5,
};
