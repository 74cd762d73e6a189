/* conv2d by Winograd F(4x4,3x3): 3x3, stride 1, padding 1, on blocked activations. In training each
 * pass packs the weights; else they are kept packed, and renewed when the weights' version changes,
 * with the batch norm that follows in them. */
#include "backend/cpu/kernels.h"
#include "backend/cpu/moments.h"
#include "backend/cpu/tail.h"
#include "backend/cpu/winograd.h"
#include "op/params.h"

struct winograd {
    const struct wino_ops *ops;
    void *packed[2]; /* kept weights: forward, backward data; NULL in training */
    uint64_t version[2];
    bool valid[2];
    struct tail tail;
    float *bias; /* with the batch norm in it, or NULL */
};

static struct wino_shape shape_of(const struct group *g, enum pass pass, int n)
{
    const int *x = g->in[0]->shape.dim, *y = g->out->shape.dim;
    bool back = pass == PASS_BACKWARD;
    return (struct wino_shape){.n = n,
                               .c = back ? y[1] : x[1],
                               .k = back ? x[1] : y[1],
                               .h = x[2],
                               .w = x[3],
                               .half = g->compute == DTYPE_BF16};
}

/* At least this many channels, and tiles that are not mostly padding: 36 products for a tile, against
 * 9 for an output. */
enum { MIN_CHANNELS = 8 };
static bool fits(const struct group *g)
{
    const struct conv2d_param *p = g->node[0]->param;
    const struct shape *x = &g->in[0]->shape;
    enum activation kind = tail_of(g).kind;
    if (!tail_fits(g) ||
        (kind != ACTIVATION_identity && kind != ACTIVATION_relu && kind != ACTIVATION_silu))
        return false;
    if (p->kernel_h != 3 || p->kernel_w != 3 || p->pad_h != 1 || p->pad_w != 1 ||
        or_one(p->stride_h) != 1 || or_one(p->stride_w) != 1 || or_one(p->groups) != 1 ||
        or_one(p->dilation_h) != 1 || or_one(p->dilation_w) != 1)
        return false;
    int tiles = (x->dim[2] + 3) / 4 * ((x->dim[3] + 3) / 4);
    return x->dim[1] >= MIN_CHANNELS && p->out >= MIN_CHANNELS &&
           36 * tiles * 2 <= 9 * x->dim[2] * x->dim[3];
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static bool keeps_packed(const struct group *g)
{
    return !g->want_dw;
}

/* Their parts depend on the number of threads. */
static bool takes_moments(const struct group *g)
{
    return g->out->moments && !g->exact;
}

/* As many parts of the batch as were asked for, or as are good. */
static int shards_of(const struct group *g)
{
    const struct winograd *p = g->state;
    struct wino_shape s = shape_of(g, PASS_FORWARD, g->max_n);
    return g->exact ? g->n_shard : wino_shards(p->ops, &s, g->n_thread, g->n_shard);
}

static bool plan(struct group *g, struct err *e)
{
    struct winograd *p = g->state;
    p->ops = wino_ops(g->backend->isa);
    p->tail = tail_of(g);
    g->needs_in = g->want_dw;
    g->dx_over_in = true;
    struct wino_shape s = shape_of(g, PASS_FORWARD, g->max_n);
    for (enum pass pass = PASS_FORWARD; pass <= PASS_BACKWARD; pass++) {
        if (pass == PASS_BACKWARD && !(g->backward && g->want_dx[0]))
            continue;
        struct wino_shape t = shape_of(g, pass, g->max_n);
        if (keeps_packed(g) && !(p->packed[pass] = mem_new(p->ops->packed_bytes(&t), 1, e)))
            return false;
        g->scratch_bytes =
            larger(g->scratch_bytes, p->ops->scratch_conv(&t, g->n_thread, !keeps_packed(g)));
    }
    if (takes_moments(g))
        g->saved_bytes = moments_bytes(g, p->ops->parts(&s, g->n_thread));
    if (p->tail.norm) {
        if (!(p->bias = mem_new((size_t)s.k, sizeof(float), e)))
            return false;
        g->scratch_bytes =
            larger(g->scratch_bytes, shape_count(&g->weight[0].spec->shape) * sizeof(float));
    }
    if (g->backward && g->want_dw)
        g->scratch_bytes =
            larger(g->scratch_bytes, p->ops->scratch_grad(&s, g->n_thread, shards_of(g)));
    return true;
}

/* A batch norm's weights are folded in the scratch, which is free until the convolution begins. */
static void pack(struct group *g, enum pass pass)
{
    struct winograd *p = g->state;
    struct wino_shape s = shape_of(g, pass, g->n);
    const float *weights = g->weight[0].value;
    if (p->tail.norm) {
        weights = g->scratch;
        tail_fold(g, &p->tail, g->scratch, p->bias);
    }
    p->ops->pack(&s, weights, pass == PASS_BACKWARD, p->packed[pass], g->n_thread);
    p->valid[pass] = true;
    p->version[pass] = g->version;
}

static void convolve(struct group *g, enum pass pass)
{
    struct winograd *p = g->state;
    struct wino_shape s = shape_of(g, pass, g->n);
    bool back = pass == PASS_BACKWARD;
    if (keeps_packed(g) && (!p->valid[pass] || p->version[pass] != g->version))
        pack(g, pass);
    struct wino_conv a = {.shape = s,
                          .u = p->packed[pass],
                          .w = g->weight[0].value,
                          .transposed = back,
                          .kind = p->tail.kind,
                          .scratch = g->scratch,
                          .n_thread = g->n_thread};
    a.x = back ? g->out->grad : g->in[0]->data;
    a.y = back ? g->in[0]->grad : g->out->data;
    a.more = p->tail.more ? p->tail.more->data : NULL;
    if (!back && takes_moments(g)) {
        struct moments *m = g->out->moments;
        *m = moments_of(g, p->ops->parts(&s, g->n_thread));
        a.moments = m->at;
        a.count = m->count;
    }
    if (!back)
        a.bias = p->bias ? p->bias : g->node[0]->n_weight > 1 ? g->weight[1].value : NULL;
    p->ops->conv(&a);
}

static bool run(struct group *g, enum pass pass, struct err *e)
{
    (void)e;
    const struct winograd *p = g->state;
    if (pass == PASS_BACKWARD && g->want_dw) {
        struct wino_grad a = {.shape = shape_of(g, PASS_FORWARD, g->n),
                              .x = g->in[0]->data,
                              .dy = g->out->grad,
                              .dw = g->weight[0].grad,
                              .db = g->n_weight > 1 ? g->weight[1].grad : NULL,
                              .scratch = g->scratch,
                              .n_thread = g->n_thread,
                              .n_shard = shards_of(g)};
        p->ops->grad(&a);
    }
    if (pass == PASS_FORWARD || g->want_dx[0])
        convolve(g, pass);
    return true;
}

static void drop(struct group *g)
{
    struct winograd *p = g->state;
    for (int i = 0; i < 2; i++)
        mem_free(p->packed[i]);
    mem_free(p->bias);
}

#define WINOGRAD(id, text)                                                                     \
    const struct kernel cpu_##id = {                                                           \
        .name = "winograd",                                                                    \
        .pattern = text,                                                                       \
        .in = LAYOUT_BLOCKED,                                                                  \
        .out = LAYOUT_BLOCKED,                                                                 \
        .gives_moments = true,                                                                 \
        .plan_size = sizeof(struct winograd),                                                  \
        .fits = fits,                                                                          \
        .plan = plan,                                                                          \
        .run = run,                                                                            \
        .drop = drop,                                                                          \
    }
WINOGRAD(conv_norm_add_act_winograd, "conv2d+batch_norm+add+activation");
WINOGRAD(conv_norm_add_winograd, "conv2d+batch_norm+add");
WINOGRAD(conv_norm_act_winograd, "conv2d+batch_norm+activation");
WINOGRAD(conv_norm_winograd, "conv2d+batch_norm");
WINOGRAD(conv_act_winograd, "conv2d+activation");
WINOGRAD(conv_winograd, "conv2d");
