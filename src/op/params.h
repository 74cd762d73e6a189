/* The parameter structs of the ops: what graph_add copies into a node. Zero means "as usual". */
#ifndef OP_PARAMS_H
#define OP_PARAMS_H

#include "graph/op.h"

/* "input": a graph's input. With u8 set it is a picture as the loader gives it: uint8, (N, H, W, C)
 * in memory, logical shape (N, C, H, W); else float in logical order. */
struct input_param {
    struct shape shape; /* of one item, with dim[0] = 1 */
    bool u8;
};

/* "normalize": (v / 255 - mean[c]) / std[c], torchvision's ToTensor and Normalize. */
struct normalize_param {
    float mean[4], std[4];
};

/* "conv2d": torch.nn.Conv2d. weight (K, C/groups, R, S), bias (K). Square or not, all may differ. */
struct conv2d_param {
    int out; /* K, output channels */
    int kernel_h, kernel_w;
    int stride_h, stride_w; /* 0 = 1 */
    int pad_h, pad_w;
    int dilation_h, dilation_w; /* 0 = 1 */
    int groups;                 /* 0 = 1 */
    bool no_bias;
};

/* Such a 0 read as 1. */
static inline int or_one(int value)
{
    return value ? value : 1;
}

/* "linear": torch.nn.Linear. Input (N, D), (N, T, D), or (N, D, H, W) as if its channels came last;
 * weight (K, D), bias (K). */
struct linear_param {
    int out;
    bool no_bias;
};

/* "max_pool", "avg_pool": torch.nn.MaxPool2d, AvgPool2d. */
struct pool_param {
    int kernel_h, kernel_w;
    int stride_h, stride_w; /* 0 = kernel */
    int pad_h, pad_w;
    bool ceil_mode;
    bool exclude_pad; /* avg: count_include_pad=False */
};

/* "adaptive_avg_pool": torch.nn.AdaptiveAvgPool2d. */
struct adaptive_pool_param {
    int out_h, out_w;
};

/* "batch_norm": torch.nn.BatchNorm2d (rank 4) or 1d (rank 2). weight, bias (C), buffers
 * running_mean, running_var, num_batches_tracked. */
struct batch_norm_param {
    float eps;      /* 0 = 1e-5 */
    float momentum; /* 0 = 0.1: running = (1 - momentum) running + momentum batch */
};

/* "activation": f by its row in op/activation.def. */
struct activation_param {
    int kind; /* enum activation */
};

/* "dropout" (each element), "dropout2d" (whole channels) and "stochastic_depth" (whole items:
 * torchvision.ops.StochasticDepth(p, "row")), in training only: 1/(1-p) scaling. */
struct dropout_param {
    float p;
};

/* Without parameters: "add" of two tensors of one shape; "concat" of 1 to NODE_MAX_IN tensors along
 * dimension 1; "mul" of two tensors of one shape, or of (N, C, H, W) and (N, C, 1, 1)
 * (squeeze-and-excitation). */

/* "layer_norm": torch.nn.LayerNorm over the last dimension of (N, D) or (N, T, D); over the channels
 * of (N, C, H, W), as torchvision's LayerNorm2d. weight, bias (D). */
struct layer_norm_param {
    float eps; /* 0 = 1e-5 */
};

/* "attention": torch.nn.MultiheadAttention(D, heads, batch_first=True) of x with itself, (N, T, D).
 * in_proj_weight (3D, D) and in_proj_bias (3D) give queries, keys, values, a head after the other in
 * each; out_proj.weight (D, D), out_proj.bias (D). */
struct attention_param {
    int heads; /* divides D */
};

/* "layer_scale": x (N, C, H, W) times a weight (C, 1, 1) that has the node's name. */
struct layer_scale_param {
    float value; /* it begins with; ConvNeXt's is 1e-6 */
};

/* Without parameters, for vision transformers: "tokens" (N, D, h, w) to (N, h*w, D), row by row;
 * "class_token" puts a weight (1, 1, D) before the tokens: (N, T, D) to (N, T+1, D);
 * "position_embedding" adds a weight (1, T, D); both weights have the node's name. "select_token"
 * takes the first: (N, T, D) to (N, D). */

/* "cross_entropy": inputs logits (N, K) and target (N, K), soft or one-hot; output (N, 1), the loss
 * of each sample: -sum_k w_k t'_k log softmax(x)_k, t' = (1 - s) t + s / K
 * (torch.nn.functional.cross_entropy, reduction="none"). */
struct cross_entropy_param {
    float label_smoothing;
    const float *class_weight; /* (K) or NULL; lives as long as the graph */
};

extern const struct op op_input, op_normalize, op_conv2d, op_linear, op_max_pool, op_avg_pool,
    op_adaptive_avg_pool, op_batch_norm, op_activation, op_dropout, op_dropout2d, op_flatten,
    op_softmax, op_cross_entropy, op_add, op_concat, op_mul, op_layer_norm, op_attention,
    op_layer_scale, op_tokens, op_class_token, op_position_embedding, op_select_token,
    op_stochastic_depth;

#endif
