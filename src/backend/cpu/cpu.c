/* The table of the CPU's kernels, tried first to last, and the reorders between layouts. */
#include "backend/cpu/cpu.h"

#include "backend/cpu/isa.h"
#include "backend/cpu/kernels.h"
#include "backend/ref/ref.h"
#include "base/bf16.h"
#include "base/parallel.h"

#include <string.h>

static int one(void)
{
    return 1;
}

static bool open_cpu(struct backend *b, struct err *e)
{
    b->isa = isa_choose(e);
    return b->isa != NULL;
}

static void close_cpu(struct backend *b)
{
    (void)b;
}

static int block_of(const struct backend *b, enum dtype compute)
{
    (void)compute;
    return b->isa->lanes;
}

/* -- reorders: any layout and dtype to any other, a picture a task -- */

struct reorder {
    const struct value *from, *to;
    const char *src;
    char *dst;
    size_t C, plane; /* channels and cells a channel */
};

static float load(const void *at, enum dtype t, size_t i)
{
    return t == DTYPE_F32 ? ((const float *)at)[i] : bf16_to_float(((const uint16_t *)at)[i]);
}

static void store(void *at, enum dtype t, size_t i, float f)
{
    if (t == DTYPE_F32)
        ((float *)at)[i] = f;
    else
        ((uint16_t *)at)[i] = bf16_from_float(f);
}

/* A channel's cells in one picture: the first, and how far apart they are. */
struct cells {
    size_t first, step;
};

static struct cells cells_of(const struct value *v, size_t plane, size_t c)
{
    size_t V = v->block ? (size_t)v->block : 1;
    return (struct cells){c / V * plane * V + c % V, V};
}

static void reorder_one(void *ctx, int n, int thread)
{
    const struct reorder *r = ctx;
    (void)thread;
    const char *src = r->src + r->from->bytes / (size_t)r->from->shape.dim[0] * (size_t)n;
    char *dst = r->dst + r->to->bytes / (size_t)r->to->shape.dim[0] * (size_t)n;
    size_t V = r->to->block ? (size_t)r->to->block : 1, padded = (r->C + V - 1) / V * V;
    for (size_t c = 0; c < padded; c++) {
        struct cells from = cells_of(r->from, r->plane, c), to = cells_of(r->to, r->plane, c);
        for (size_t i = 0; i < r->plane; i++)
            store(dst, r->to->dtype, to.first + i * to.step,
                  c < r->C ? load(src, r->from->dtype, from.first + i * from.step) : 0);
    }
}

static void reorder(const struct value *from, const void *src, const struct value *to,
                    void *dst, int n, int n_thread)
{
    struct reorder r = {.from = from, .to = to, .src = src, .dst = dst, .C = 1, .plane = 1};
    const struct shape *s = &to->shape;
    if (s->rank > 1)
        r.C = (size_t)s->dim[1];
    for (int i = 2; i < s->rank; i++)
        r.plane *= (size_t)s->dim[i];
    parallel_for(n_thread, n, reorder_one, &r);
}

static const struct kernel *const kernels[] = {
    &cpu_conv_norm_act_first_pixels,
    &cpu_conv_norm_add_act_winograd,
    &cpu_conv_norm_add_act_dnnl,
    &cpu_conv_norm_add_winograd,
    &cpu_conv_norm_add_dnnl,
    &cpu_conv_act_first_pixels,
    &cpu_conv_norm_act_first,
    &cpu_conv_norm_act_winograd,
    &cpu_conv_norm_act_dnnl,
    &cpu_conv_norm_winograd,
    &cpu_conv_norm_dnnl,
    &cpu_conv_act_first,
    &cpu_conv_act_winograd,
    &cpu_conv_act_dnnl,
    &cpu_norm_act_drop_pool,
    &cpu_norm_act_drop2d_pool,
    &cpu_norm_act_pool,
    &cpu_norm_add_act,
    &cpu_norm_depth_add,
    &cpu_norm_act_drop,
    &cpu_norm_act_drop2d,
    &cpu_act_drop_pool,
    &cpu_act_drop2d_pool,
    &cpu_norm_add,
    &cpu_norm_act,
    &cpu_norm_pool,
    &cpu_act_pool,
    &cpu_act_drop,
    &cpu_act_drop2d,
    &cpu_conv_first_pixels,
    &cpu_conv_first,
    &cpu_conv_winograd,
    &cpu_conv_implicit_wide,
    &cpu_conv_dnnl,
    &cpu_conv_implicit,
    &cpu_conv_plain_dnnl,
    &cpu_linear_map_dnnl,
    &cpu_norm,
    &cpu_act,
    &cpu_pool_2x2,
    &cpu_max_pool,
    &cpu_avg_pool,
    &cpu_adaptive_avg_pool,
    &cpu_drop,
    &cpu_drop2d,
    &cpu_linear,
    &cpu_linear_gemm,
    &cpu_layer_norm,
    &cpu_attention,
    &cpu_tokens,
    &cpu_normalize,
    &cpu_add_act,
    &cpu_add,
    &cpu_act_plain,
    &cpu_mul,
    &cpu_concat,
    &cpu_layer_scale,
    &cpu_stochastic_depth,
    REF_KERNELS,
    NULL,
};

const struct backend_ops cpu_backend = {.name = "cpu",
                                        .count = one,
                                        .open = open_cpu,
                                        .close = close_cpu,
                                        .block = block_of,
                                        .reorder = reorder,
                                        .sum = merge_sum,
                                        .kernel = kernels};
