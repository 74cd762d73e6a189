/* The gradient of weights of depthwise convolutions: oneDNN has it for 3x3 alone. */
#include "backend/cpu/depthwise.h"
#include "base/parallel.h"
#include "op/params.h"

bool is_depthwise(const struct group *g)
{
    const struct conv2d_param *p = g->node[0]->param;
    return g->node[0]->op == &op_conv2d && p->groups > 1 &&
           p->groups == g->in[0]->shape.dim[1] && p->groups == p->out;
}

static int blocks_of(const struct group *g)
{
    int V = g->backend->isa->lanes;
    return (g->out->shape.dim[1] + V - 1) / V;
}

/* Floats of a plane's sums. */
static size_t sums_of(const struct group *g)
{
    const struct conv2d_param *p = g->node[0]->param;
    return (size_t)(p->kernel_h * p->kernel_w + 1) * (size_t)g->backend->isa->lanes;
}

size_t depthwise_scratch(const struct group *g)
{
    return (size_t)g->max_n * (size_t)blocks_of(g) * sums_of(g) * sizeof(float);
}

static void run_plane(void *ctx, int plane, int thread)
{
    static depthwise_fn *const f32[ISA_COUNT] = ISA_ROWS(depthwise_f32);
    static depthwise_fn *const bf16[ISA_COUNT] = ISA_BF16_ROW(depthwise_bf16);
    const struct group *g = ctx;
    const struct conv2d_param *p = g->node[0]->param;
    const struct value *x = g->in[0], *y = g->out;
    size_t planes = (size_t)g->max_n * (size_t)blocks_of(g), at = (size_t)plane;
    (void)thread;
    struct depthwise_task t = {.x = (const char *)x->data + x->bytes / planes * at,
                               .dy = (const char *)y->grad + y->bytes / planes * at,
                               .sum = (float *)g->scratch + at * sums_of(g),
                               .H = x->shape.dim[2],
                               .W = x->shape.dim[3],
                               .OH = y->shape.dim[2],
                               .OW = y->shape.dim[3],
                               .R = p->kernel_h,
                               .S = p->kernel_w,
                               .stride_h = or_one(p->stride_h),
                               .stride_w = or_one(p->stride_w),
                               .pad_h = p->pad_h,
                               .pad_w = p->pad_w,
                               .dilation_h = or_one(p->dilation_h),
                               .dilation_w = or_one(p->dilation_w)};
    enum isa_id id = g->backend->isa->id;
    (x->dtype == DTYPE_BF16 ? bf16[id] : f32[id])(&t);
}

void depthwise_gradient(const struct group *g)
{
    int V = g->backend->isa->lanes, blocks = blocks_of(g), C = g->out->shape.dim[1];
    int taps = (int)(sums_of(g) / (size_t)V) - 1;
    parallel_for(g->n_thread, g->n * blocks, run_plane, (void *)(uintptr_t)g);
    for (int c = 0; c < C; c++)
        for (int tap = 0; tap <= taps; tap++) {
            const float *at =
                (const float *)g->scratch + (size_t)(c / V) * sums_of(g) + tap * V + c % V;
            double sum = 0;
            for (int n = 0; n < g->n; n++)
                sum += (double)at[(size_t)n * (size_t)blocks * sums_of(g)];
            if (tap < taps)
                g->weight[0].grad[c * taps + tap] = (float)sum;
            else if (g->n_weight > 1)
                g->weight[1].grad[c] = (float)sum;
        }
}
