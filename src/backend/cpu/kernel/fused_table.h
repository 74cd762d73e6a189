/* Included last by fused_f32.c and fused_bf16.c, which define FUSED_TABLE: one function for each
 * activation, with its formula inlined. */

#define ACTIVATION(name, from_y, f, slope)                                                     \
    static void forward_##name(const struct fused_task *t)                                     \
    {                                                                                          \
        forward(t, ACTIVATION_##name);                                                         \
    }                                                                                          \
    static void forward_pool_##name(const struct fused_task *t)                                \
    {                                                                                          \
        forward_pool(t, ACTIVATION_##name, false);                                             \
    }                                                                                          \
    static void forward_pool_dropped_##name(const struct fused_task *t)                        \
    {                                                                                          \
        forward_pool(t, ACTIVATION_##name, true);                                              \
    }                                                                                          \
    static void sums_##name(const struct fused_task *t)                                        \
    {                                                                                          \
        sums(t, ACTIVATION_##name);                                                            \
    }                                                                                          \
    static void forward_add_##name(const struct fused_task *t)                                 \
    {                                                                                          \
        forward_add(t, ACTIVATION_##name);                                                     \
    }                                                                                          \
    static void sums_add_##name(const struct fused_task *t)                                    \
    {                                                                                          \
        sums_add(t, ACTIVATION_##name, from_y);                                                \
    }                                                                                          \
    static void sums_win_##name(const struct fused_task *t)                                    \
    {                                                                                          \
        sums_win(t, ACTIVATION_##name);                                                        \
    }                                                                                          \
    static void gradient_##name(const struct fused_task *t)                                    \
    {                                                                                          \
        gradient(t, ACTIVATION_##name);                                                        \
    }                                                                                          \
    static void gradient_y_##name(const struct fused_task *t)                                  \
    {                                                                                          \
        gradient_y(t, ACTIVATION_##name);                                                      \
    }
#include "op/activation.def"
#undef ACTIVATION

/* The kinds whose z is plain from y. */
#define SIMPLE(name)                                                                           \
    static void sums_pool_##name(const struct fused_task *t)                                   \
    {                                                                                          \
        sums_pool(t, ACTIVATION_##name);                                                       \
    }                                                                                          \
    static void sums_gather_##name(const struct fused_task *t)                                 \
    {                                                                                          \
        sums_gather(t, ACTIVATION_##name);                                                     \
    }                                                                                          \
    static void gradient_pool_##name(const struct fused_task *t)                               \
    {                                                                                          \
        gradient_pool(t, ACTIVATION_##name, false);                                            \
    }                                                                                          \
    static void gradient_pool_affine_##name(const struct fused_task *t)                        \
    {                                                                                          \
        gradient_pool(t, ACTIVATION_##name, true);                                             \
    }
SIMPLE(identity)
SIMPLE(relu)
SIMPLE(leaky_relu)

#define SIMPLE_ROWS(table)                                                                     \
    {                                                                                          \
        [ACTIVATION_identity] = table##_identity, [ACTIVATION_relu] = table##_relu,            \
        [ACTIVATION_leaky_relu] = table##_leaky_relu                                           \
    }

const struct fused_kernels FUSED_TABLE = {
    .moments = moments,
#define ACTIVATION(name, from_y, f, slope) forward_##name,
    .forward =
        {
#include "op/activation.def"
        },
#undef ACTIVATION
#define ACTIVATION(name, from_y, f, slope) forward_pool_##name,
    .forward_pool =
        {
#include "op/activation.def"
        },
#undef ACTIVATION
#define ACTIVATION(name, from_y, f, slope) forward_pool_dropped_##name,
    .forward_pool_dropped =
        {
#include "op/activation.def"
        },
#undef ACTIVATION
#define ACTIVATION(name, from_y, f, slope) sums_##name,
    .sums =
        {
#include "op/activation.def"
        },
#undef ACTIVATION
#define ACTIVATION(name, from_y, f, slope) forward_add_##name,
    .forward_add =
        {
#include "op/activation.def"
        },
#undef ACTIVATION
#define ACTIVATION(name, from_y, f, slope) sums_add_##name,
    .sums_add =
        {
#include "op/activation.def"
        },
#undef ACTIVATION
#define ACTIVATION(name, from_y, f, slope) sums_win_##name,
    .sums_win =
        {
#include "op/activation.def"
        },
#undef ACTIVATION
#define ACTIVATION(name, from_y, f, slope) gradient_##name,
    .gradient =
        {
#include "op/activation.def"
        },
#undef ACTIVATION
#define ACTIVATION(name, from_y, f, slope) from_y ? gradient_y_##name : NULL,
    .gradient_y =
        {
#include "op/activation.def"
        },
#undef ACTIVATION
    .sums_pool = SIMPLE_ROWS(sums_pool),
    .sums_gather = SIMPLE_ROWS(sums_gather),
    .gradient_pool = {[ACTIVATION_identity] = {gradient_pool_identity,
                                               gradient_pool_affine_identity},
                      [ACTIVATION_relu] = {gradient_pool_relu, gradient_pool_affine_relu},
                      [ACTIVATION_leaky_relu] = {gradient_pool_leaky_relu,
                                                 gradient_pool_affine_leaky_relu}},
};
