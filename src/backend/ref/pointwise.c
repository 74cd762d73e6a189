/* Ops that go element by element: normalize, activation, dropout, flatten. */
#include "backend/ref/ref.h"
#include "base/rng.h"
#include "op/activation.h"

#include <math.h>
#include <string.h>

/* activation.def in double precision. */
#define EXP        exp
#define EXPM1      expm1
#define LOG1P      log1p
#define TANH       tanh
#define ERF        erf
#define SIGMOID(x) (1 / (1 + exp(-(x))))

static double gelu_tanh_slope(double x)
{
    double t = tanh(0.79788456080286536 * (x + 0.044715 * x * x * x));
    return 0.5 * (1 + t) +
           0.5 * x * (1 - t * t) * 0.79788456080286536 * (1 + 3 * 0.044715 * x * x);
}

static double mish_slope(double x)
{
    double t = tanh(log1p(exp(x)));
    return t + x * (1 - t * t) * SIGMOID(x);
}
#define GELU_TANH_SLOPE gelu_tanh_slope
#define MISH_SLOPE      mish_slope

static double value_of(int kind, double x)
{
    switch (kind) {
#define ACTIVATION(name, from_y, f, slope)                                                     \
    case ACTIVATION_##name:                                                                    \
        return (double)(f);
#include "op/activation.def"
#undef ACTIVATION
    default:
        return x;
    }
}

static double slope_of(int kind, double x, double y)
{
    switch (kind) {
#define ACTIVATION(name, from_y, f, slope)                                                     \
    case ACTIVATION_##name:                                                                    \
        return (double)(slope);
#include "op/activation.def"
#undef ACTIVATION
    default:
        (void)y;
        return x;
    }
}

static bool keep_input(struct group *g, struct err *e)
{
    (void)e;
    g->needs_in = true;
    return true;
}

static bool activation_run(struct group *g, enum pass pass, struct err *e)
{
    (void)e;
    int kind = ((const struct activation_param *)g->node[0]->param)->kind;
    const float *x = g->in[0]->data;
    size_t n = count_of(g, g->out);
    if (pass == PASS_FORWARD) {
        float *y = g->out->data;
        for (size_t i = 0; i < n; i++)
            y[i] = (float)value_of(kind, (double)x[i]);
        return true;
    }
    const float *dy = g->out->grad;
    float *dx = g->in[0]->grad;
    for (size_t i = 0; i < n; i++)
        dx[i] =
            (float)((double)dy[i] * slope_of(kind, (double)x[i], value_of(kind, (double)x[i])));
    return true;
}

/* How many neighbours of a tensor are dropped together. */
static size_t dropped_at_once(const struct group *g)
{
    const struct node *node = g->node[0];
    struct dims d = dims_of(g, g->in[0]);
    if (node->op == &op_stochastic_depth)
        return shape_count(&node->out);
    return node->op == &op_dropout2d ? (size_t)d.H * (size_t)d.W : 1;
}

float dropout_factor(const struct rng *stream, float p, size_t i)
{
    uint32_t counter[4] = {(uint32_t)(i / 4), stream->counter[1], stream->counter[2],
                           stream->counter[3]};
    uint32_t word[4];
    rng_philox(stream->key, counter, word);
    return (float)(word[i % 4] >> 8) * 0x1p-24f >= p ? 1 / (1 - p) : 0;
}

static bool dropout_run(struct group *g, enum pass pass, struct err *e)
{
    (void)e;
    const struct node *node = g->node[0];
    float p = g->mode == MODE_TRAIN ? ((const struct dropout_param *)node->param)->p : 0;
    size_t unit = dropped_at_once(g);
    struct rng stream = rng_at(g->seed, RNG_DROPOUT, g->step, (uint64_t)node->id);
    const float *from = pass == PASS_FORWARD ? g->in[0]->data : g->out->grad;
    float *to = pass == PASS_FORWARD ? g->out->data : g->in[0]->grad;
    size_t n = count_of(g, g->out);
    for (size_t i = 0; i < n; i++)
        to[i] = from[i] * dropout_factor(&stream, p, i / unit);
    return true;
}

static bool flatten_run(struct group *g, enum pass pass, struct err *e)
{
    (void)e;
    size_t bytes = count_of(g, g->out) * sizeof(float);
    if (pass == PASS_FORWARD)
        memcpy(g->out->data, g->in[0]->data, bytes);
    else
        memcpy(g->in[0]->grad, g->out->grad, bytes);
    return true;
}

/* From uint8 (N, H, W, C), or from float in logical order, without the division by 255 then. */
static bool normalize_run(struct group *g, enum pass pass, struct err *e)
{
    (void)e;
    const struct normalize_param *p = g->node[0]->param;
    struct dims d = dims_of(g, g->out);
    bool u8 = g->in[0]->dtype == DTYPE_U8;
    size_t n = count_of(g, g->out), plane = (size_t)d.H * (size_t)d.W, C = (size_t)d.C;
    for (size_t i = 0; i < n; i++) {
        size_t c = i / plane % C;
        float std = p->std[c];
        if (pass == PASS_BACKWARD) {
            ((float *)g->in[0]->grad)[i] = ((const float *)g->out->grad)[i] / std;
            continue;
        }
        double v = u8 ? ((const uint8_t *)g->in[0]
                             ->data)[(i / (plane * C) * plane + i % plane) * C + c] /
                            255.0
                      : (double)((const float *)g->in[0]->data)[i];
        ((float *)g->out->data)[i] = (float)((v - (double)p->mean[c]) / (double)std);
    }
    return true;
}

const struct kernel ref_normalize = {
    .name = "reference", .pattern = "normalize", .run = normalize_run};
const struct kernel ref_activation = {
    .name = "reference", .pattern = "activation", .plan = keep_input, .run = activation_run};
const struct kernel ref_dropout = {
    .name = "reference", .pattern = "dropout", .run = dropout_run};
const struct kernel ref_dropout2d = {
    .name = "reference", .pattern = "dropout2d", .run = dropout_run};
const struct kernel ref_stochastic_depth = {
    .name = "reference", .pattern = "stochastic_depth", .run = dropout_run};
const struct kernel ref_flatten = {
    .name = "reference", .pattern = "flatten", .run = flatten_run};
