/* The rows of cpu's table (cpu.c), each at the foot of its source. */
#ifndef BACKEND_CPU_KERNELS_H
#define BACKEND_CPU_KERNELS_H

#include "backend/backend.h"

extern const struct kernel cpu_conv_norm_add_act_winograd, cpu_conv_norm_add_winograd,
    cpu_conv_norm_act_winograd, cpu_conv_norm_winograd, cpu_conv_act_winograd,
    cpu_conv_winograd;

extern const struct kernel cpu_conv_implicit_wide, cpu_conv_implicit;

/* conv_first.c */
extern const struct kernel cpu_conv_norm_act_first_pixels, cpu_conv_norm_act_first,
    cpu_conv_act_first_pixels, cpu_conv_act_first, cpu_conv_first_pixels, cpu_conv_first;

/* fused.c */
extern const struct kernel cpu_norm_act_drop_pool, cpu_norm_act_drop2d_pool, cpu_norm_act_pool,
    cpu_norm_act_drop, cpu_norm_act_drop2d, cpu_act_drop_pool, cpu_act_drop2d_pool,
    cpu_norm_act, cpu_norm_pool, cpu_act_pool, cpu_act_drop, cpu_act_drop2d, cpu_norm, cpu_act,
    cpu_pool_2x2, cpu_drop, cpu_drop2d;

/* fused_add.c */
extern const struct kernel cpu_norm_add_act, cpu_norm_depth_add, cpu_norm_add;

extern const struct kernel cpu_linear, cpu_linear_gemm, cpu_concat, cpu_attention,
    cpu_layer_norm, cpu_tokens, cpu_normalize;

/* conv_dnnl.c */
extern const struct kernel cpu_conv_norm_add_act_dnnl, cpu_conv_norm_add_dnnl,
    cpu_conv_norm_act_dnnl, cpu_conv_norm_dnnl, cpu_conv_act_dnnl, cpu_conv_dnnl,
    cpu_linear_map_dnnl, cpu_conv_plain_dnnl;

/* pool.c */
extern const struct kernel cpu_max_pool, cpu_avg_pool, cpu_adaptive_avg_pool;

/* merge.c */
extern const struct kernel cpu_add_act, cpu_add, cpu_act_plain, cpu_mul, cpu_layer_scale,
    cpu_stochastic_depth;
void merge_sum(const struct backend *b, enum dtype t, const void *const *part, int n_part,
               void *out, size_t count);
/* Stochastic depth's of a picture: 0 or 1 / (1 - p). */
float merge_depth_factor(const struct group *g, const struct node *depth, size_t picture);

#endif
