/* add, alone and with an activation of the sum; mul; layer scale; stochastic depth; activations of
 * plain tensors; and the sum of gradients where branches part. Both layouts: what is added has one
 * layout, and the zeros in padded channels stay zeros. */
#include "backend/cpu/merge.h"
#include "backend/cpu/kernels.h"
#include "backend/ref/ref.h"
#include "base/bf16.h"
#include "base/parallel.h"

#include <string.h>

struct merge {
    const struct merge_kernels *kernels;
    enum activation kind; /* of the sum */
    bool from_y;          /* backward takes the slope from y */
    int V;
    size_t elem; /* bytes */
};

static const struct merge_kernels *kernels_of(const struct backend *b, enum dtype t)
{
    static const struct merge_kernels *const f32[ISA_COUNT] = ISA_BUILDS(merge_f32);
    static const struct merge_kernels *const bf16[ISA_COUNT] = ISA_BF16_ROW(&merge_bf16);
    return t == DTYPE_BF16 ? bf16[b->isa->id] : f32[b->isa->id];
}

static void open_merge(struct group *g)
{
    struct merge *m = g->state;
    m->kernels = kernels_of(g->backend, g->out->dtype);
    m->elem = g->out->dtype == DTYPE_BF16 ? 2 : 4;
    m->V = g->backend->isa->lanes;
}

/* Elements of a batch, padding too. */
static size_t elements(const struct group *g, const struct value *v)
{
    size_t elem = v->dtype == DTYPE_BF16 ? 2 : 4;
    return v->bytes / elem / (size_t)v->shape.dim[0] * (size_t)g->n;
}

/* -- sums -- */

enum { SUM_MAX = NODE_MAX_IN };

/* What is done with a stretch of elements on each thread. */
struct stretch {
    merge_forward_fn *forward;
    merge_gradient_fn *gradient;
    void (*product)(const void *a, const void *b, void *y, size_t count);
    const void *in[SUM_MAX];
    int n_in;
    const void *part[GROUP_MAX_PART]; /* of the gradient */
    int n_part;
    void *out;
    size_t count, elem;
    int n_thread;
};

static void run_stretch(void *ctx, int task, int thread)
{
    const struct stretch *s = ctx;
    enum { LINE = 16 }; /* elements: stretches begin where vectors may */
    int lo, hi;
    (void)thread;
    parallel_range((int)((s->count + LINE - 1) / LINE), task, s->n_thread, &lo, &hi);
    size_t first = (size_t)lo * LINE, at = first * s->elem;
    size_t end = (size_t)hi * LINE < s->count ? (size_t)hi * LINE : s->count;
    const void *in[SUM_MAX], *part[GROUP_MAX_PART];
    for (int i = 0; i < s->n_in; i++)
        in[i] = (const char *)s->in[i] + at;
    for (int i = 0; i < s->n_part; i++)
        part[i] = (const char *)s->part[i] + at;
    void *out = (char *)s->out + at;
    if (first >= end)
        return;
    if (s->product)
        s->product(in[0], in[1], out, end - first);
    else if (s->gradient)
        s->gradient(in, s->n_in, part, s->n_part, out, end - first);
    else
        s->forward(in, s->n_in, out, end - first);
}

static void run_stretches(const struct stretch *s)
{
    struct stretch copy = *s;
    parallel_for(s->n_thread, s->n_thread, run_stretch, &copy);
}

void merge_sum(const struct backend *b, enum dtype t, const void *const *part, int n_part,
               void *out, size_t count)
{
    struct stretch s = {.forward = kernels_of(b, t)->forward[ACTIVATION_identity],
                        .out = out,
                        .count = count,
                        .elem = t == DTYPE_BF16 ? 2 : 4,
                        .n_thread = b->n_thread};
    for (int i = 0; i < n_part;) {
        s.n_in = 0;
        if (i > 0)
            s.in[s.n_in++] = out;
        while (i < n_part && s.n_in < SUM_MAX)
            s.in[s.n_in++] = part[i++];
        run_stretches(&s);
    }
}

static enum activation kind_of(const struct group *g)
{
    const struct node *last = g->node[g->n_node - 1];
    return last->op == &op_activation
               ? (enum activation)((const struct activation_param *)last->param)->kind
               : ACTIVATION_identity;
}

/* Padded channels must stay zero. */
static bool sum_fits(const struct group *g)
{
    enum activation kind = kind_of(g);
    return g->in[0]->shape.rank != 4 ||
           (kind != ACTIVATION_sigmoid && kind != ACTIVATION_hardsigmoid);
}

/* Pictures have rows of their own (fused.c). */
static bool plain_fits(const struct group *g)
{
    return g->in[0]->shape.rank != 4;
}

static bool sum_plan(struct group *g, struct err *e)
{
    struct merge *m = g->state;
    (void)e;
    open_merge(g);
    m->kind = kind_of(g);
    m->from_y = activation_from_y[m->kind];
    if (m->kind == ACTIVATION_identity && g->n_part == 1) {
        g->dx = DX_DY;
        return true;
    }
    g->dx = DX_ONE;
    g->dx_over_in = true;
    g->needs_out = m->from_y && m->kind != ACTIVATION_identity;
    g->needs_in = !m->from_y;
    return true;
}

static struct stretch stretch_of(const struct group *g)
{
    const struct merge *m = g->state;
    struct stretch s = {.n_in = g->n_in,
                        .out = g->out->data,
                        .count = elements(g, g->out),
                        .elem = m->elem,
                        .n_thread = g->n_thread};
    for (int i = 0; i < g->n_in; i++)
        s.in[i] = g->in[i]->data;
    return s;
}

static bool sum_run(struct group *g, enum pass pass, struct err *e)
{
    const struct merge *m = g->state;
    struct stretch s = stretch_of(g);
    (void)e;
    if (pass == PASS_FORWARD) {
        s.forward = m->kernels->forward[m->kind];
        run_stretches(&s);
        return true;
    }
    if (g->dx == DX_DY)
        return true;
    s.gradient = m->from_y ? m->kernels->gradient_y[m->kind] : m->kernels->gradient[m->kind];
    if (m->from_y) {
        s.in[0] = g->out->data;
        s.n_in = 1;
    }
    int first = 0;
    while (!g->want_dx[first])
        first++;
    while (s.n_part < g->n_part) {
        s.part[s.n_part] = g->part[s.n_part]->grad;
        s.n_part++;
    }
    s.out = g->in[first]->grad;
    run_stretches(&s);
    return true;
}

/* -- products: by planes of V channels, each with V factors -- */

struct planes {
    const struct group *g;
    enum pass pass;
};

static int blocks(const struct group *g)
{
    const struct merge *m = g->state;
    return (g->in[0]->shape.dim[1] + m->V - 1) / m->V;
}

static size_t pixels(const struct group *g)
{
    return (size_t)g->in[0]->shape.dim[2] * (size_t)g->in[0]->shape.dim[3];
}

static float load(const void *at, size_t elem, size_t i)
{
    return elem == 4 ? ((const float *)at)[i] : bf16_to_float(((const uint16_t *)at)[i]);
}

float merge_depth_factor(const struct group *g, const struct node *depth, size_t picture)
{
    struct rng r = rng_at(g->seed, RNG_DROPOUT, g->step, (uint64_t)depth->id);
    return dropout_factor(&r, ((const struct dropout_param *)depth->param)->p, picture);
}

/* Of a channel of a picture: the gate's, the layer scale's, or the picture's own. */
static void set_factors(const struct group *g, int plane, float *factor)
{
    const struct merge *m = g->state;
    int first = plane % blocks(g) * m->V, C = g->in[0]->shape.dim[1];
    const struct node *node = g->node[0];
    float kept = 1;
    if (node->op == &op_stochastic_depth && g->mode == MODE_TRAIN)
        kept = merge_depth_factor(g, node, (size_t)(plane / blocks(g)));
    for (int l = 0; l < m->V; l++)
        if (node->op == &op_mul)
            factor[l] = load(g->in[1]->data, m->elem, (size_t)plane * (size_t)m->V + (size_t)l);
        else if (node->op == &op_layer_scale)
            factor[l] = first + l < C ? g->weight[0].value[first + l] : 0;
        else
            factor[l] = kept;
}

static void store_gate(const struct group *g, int plane, const float *sum)
{
    const struct merge *m = g->state;
    size_t at = (size_t)plane * (size_t)m->V;
    if (m->elem == 4)
        memcpy((float *)g->in[1]->grad + at, sum, (size_t)m->V * sizeof(float));
    for (int l = 0; l < m->V && m->elem == 2; l++)
        ((uint16_t *)g->in[1]->grad)[at + (size_t)l] = bf16_from_float(sum[l]);
}

static void run_plane(void *ctx, int plane, int thread)
{
    enum { MAX_V = 16 };
    const struct planes *p = ctx;
    const struct group *g = p->g;
    const struct merge *m = g->state;
    size_t n = pixels(g), at = (size_t)plane * n * (size_t)m->V * m->elem;
    float factor[MAX_V], unwanted[MAX_V];
    (void)thread;
    set_factors(g, plane, factor);
    const char *x = (const char *)g->in[0]->data + at;
    if (p->pass == PASS_FORWARD) {
        m->kernels->scale(x, factor, (char *)g->out->data + at, n);
        return;
    }
    const char *dy = (const char *)g->out->grad + at;
    char *dx = g->want_dx[0] ? (char *)g->in[0]->grad + at : NULL;
    bool gated = g->n_in > 1 && g->want_dx[1];
    if (!gated && !g->want_dw) {
        m->kernels->scale(dy, factor, dx, n);
        return;
    }
    float *sum = g->want_dw ? (float *)g->scratch + (size_t)plane * (size_t)m->V : unwanted;
    m->kernels->scale_back(x, dy, factor, dx, sum, n);
    if (gated)
        store_gate(g, plane, sum);
}

/* Layer scale's, over the pictures in their order. */
static void weight_gradient(const struct group *g)
{
    const struct merge *m = g->state;
    const float *part = g->scratch;
    for (int c = 0; c < g->in[0]->shape.dim[1]; c++) {
        double sum = 0;
        for (int n = 0; n < g->n; n++)
            sum += (double)part[(size_t)n * (size_t)(blocks(g) * m->V) + (size_t)c];
        g->weight[0].grad[c] = (float)sum;
    }
}

/* Two tensors of one shape: as flat arrays, whatever their layout. */
static void run_equal(const struct group *g, enum pass pass)
{
    const struct merge *m = g->state;
    struct stretch s = stretch_of(g);
    s.product = m->kernels->product;
    if (pass == PASS_FORWARD)
        run_stretches(&s);
    for (int k = 0; k < 2 && pass == PASS_BACKWARD; k++) {
        if (!g->want_dx[k])
            continue;
        s.in[0] = g->out->grad;
        s.in[1] = g->in[1 - k]->data;
        s.out = g->in[k]->grad;
        run_stretches(&s);
    }
}

static bool is_equal_product(const struct group *g)
{
    return g->n_in == 2 && shape_equal(&g->in[0]->shape, &g->in[1]->shape);
}

static bool product_fits(const struct group *g)
{
    return g->in[0]->shape.rank == 4 || is_equal_product(g);
}

static bool product_plan(struct group *g, struct err *e)
{
    (void)e;
    open_merge(g);
    const struct merge *m = g->state;
    g->needs_in = g->node[0]->op != &op_stochastic_depth;
    if (g->want_dw)
        g->scratch_bytes = (size_t)g->max_n * (size_t)(blocks(g) * m->V) * sizeof(float);
    return true;
}

static bool product_run(struct group *g, enum pass pass, struct err *e)
{
    (void)e;
    if (is_equal_product(g)) {
        run_equal(g, pass);
        return true;
    }
    parallel_for(g->n_thread, g->n * blocks(g), run_plane, &(struct planes){g, pass});
    if (pass == PASS_BACKWARD && g->want_dw)
        weight_gradient(g);
    return true;
}

#define MERGE(id, text, parts, fits_fn, plan_fn, run_fn)                                       \
    const struct kernel cpu_##id = {                                                           \
        .name = "merge",                                                                       \
        .pattern = text,                                                                       \
        .in = LAYOUT_BLOCKED,                                                                  \
        .out = LAYOUT_BLOCKED,                                                                 \
        .takes_parts = parts,                                                                  \
        .plan_size = sizeof(struct merge),                                                     \
        .fits = fits_fn,                                                                       \
        .plan = plan_fn,                                                                       \
        .run = run_fn,                                                                         \
    }
MERGE(add_act, "add+activation", true, sum_fits, sum_plan, sum_run);
MERGE(add, "add", true, sum_fits, sum_plan, sum_run);
MERGE(act_plain, "activation", true, plain_fits, sum_plan, sum_run);
MERGE(mul, "mul", false, product_fits, product_plan, product_run);
MERGE(layer_scale, "layer_scale", false, product_fits, product_plan, product_run);
MERGE(stochastic_depth, "stochastic_depth", false, product_fits, product_plan, product_run);
