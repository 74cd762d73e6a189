/* Blocks that several families share. */
#ifndef MODEL_BLOCK_H
#define MODEL_BLOCK_H

#include "model/build.h"

/* torchvision.ops.Conv2dNormActivation: name.0 (convolution), name.1 (batch norm), name.2. */
struct conv_norm_act {
    struct conv conv;
    struct batch_norm_param norm;
    enum activation act; /* ACTIVATION_identity: no node */
};
struct node *block_conv(struct builder *b, struct node *x, const char *name,
                        const struct conv_norm_act *c);

/* BasicConv2d of GoogLeNet and Inception v3: name.conv, name.bn (eps 0.001), ReLU. */
struct node *block_basic(struct builder *b, struct node *x, const char *name,
                         const struct conv *c);
#define basic(b, x, name, ...) block_basic(b, x, name, &(struct conv){__VA_ARGS__})

/* torchvision.ops.SqueezeExcitation (Hu et al., 2018): x times a gate for each channel. */
struct squeeze {
    int channels;
    enum activation act, gate;
};
struct node *block_squeeze(struct builder *b, struct node *x, const char *name,
                           const struct squeeze *s);

/* _make_divisible of the MobileNets: the multiple of 8 nearest to x, not below 0.9 x. */
int round_channels(double x);
/* The MobileNets and VGG: convolutions kaiming_normal_ (fan out), linear normal_(std=0.01),
 * biases zero. */
void init_fan_out(struct node *n);

#endif
