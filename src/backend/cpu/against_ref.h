/* For tests: one small graph on ref and on cpu, outputs and gradients compared. Include after
 * cmocka.h. */
#ifndef BACKEND_CPU_AGAINST_REF_H
#define BACKEND_CPU_AGAINST_REF_H

#include "backend/backend.h"
#include "backend/cpu/isa.h"
#include "base/bf16.h"
#include "base/rng.h"
#include "graph/plan.h"
#include "op/params.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TRIAL_MAX_MORE = 3 };

struct trial {
    struct graph *graph;
    struct node *in, *out, *pool;          /* pool: whose decisions are read, or NULL */
    struct node *more[TRIAL_MAX_MORE + 1]; /* further inputs, NULL-ended */
    int n, n_shard;
    enum mode mode;
    enum dtype compute;
    bool needs_bf16;          /* the row is for instruction sets with bf16 products only */
    bool frozen;              /* no gradient of weights */
    bool forward;             /* no gradient at all */
    const float *value;       /* of the weights; NULL = drawn */
    const char *row;          /* kernel that cpu must choose */
    const char *const *avoid; /* kernels not to use, NULL-ended; NULL = none */
    const void *x;            /* the input; NULL = drawn */
};

struct outcome {
    /* dx: of all inputs, one behind the other */
    float *y, *dx, *grad, *buffer;
    int32_t *winner;
    size_t n_y, n_x, n_winner;
};

static inline struct node *trial_add(struct graph *g, const struct op *op, const void *param,
                                     struct node *const *in, int n_in)
{
    char name[32];
    struct err e;
    snprintf(name, sizeof(name), "%s%d", op->name, g->n_node);
    struct node *n = graph_add(g, op, name, param, in, n_in, &e);
    if (!n)
        fail_msg("%s", e.msg);
    return n;
}

/* An input of a shape whose dim[0] is the batch. */
static inline struct node *trial_input(struct graph *g, const struct shape *s)
{
    struct input_param p = {.shape = *s};
    p.shape.dim[0] = 1;
    return trial_add(g, &op_input, &p, NULL, 0);
}

/* A square kernel, padded so that stride 1 keeps the plane; no bias, whose gradient is 0 before a batch
 * norm. */
static inline struct conv2d_param trial_square(int out, int kernel, int stride)
{
    return (struct conv2d_param){.out = out,
                                 .kernel_h = kernel,
                                 .kernel_w = kernel,
                                 .stride_h = stride,
                                 .stride_w = stride,
                                 .pad_h = kernel / 2,
                                 .pad_w = kernel / 2,
                                 .no_bias = true};
}

/* The sum of what n_reader nodes make of y, each with another gradient; the first is an add. */
static inline struct node *trial_readers(struct graph *g, struct node *y,
                                         struct node *const in[2], int n_reader)
{
    struct node *out = y;
    for (int i = 1; i < n_reader; i++) {
        struct node *p = trial_add(g, &op_mul, NULL, (struct node *[]){y, in[i % 2]}, 2);
        out = trial_add(g, &op_add, NULL, (struct node *[]){out, p}, 2);
    }
    return out;
}

static inline void trial_fill(float *x, size_t n, uint64_t stream, enum dtype rounding)
{
    struct rng r = rng_at(3, RNG_TEST, stream, 0);
    for (size_t i = 0; i < n; i++) {
        x[i] = (float)rng_normal(&r);
        if (rounding == DTYPE_BF16)
            x[i] = bf16_to_float(bf16_from_float(x[i]));
    }
}

static inline float *trial_new(size_t n)
{
    struct err e;
    float *x = mem_new(n, sizeof(*x), &e);
    assert_non_null(x);
    return x;
}

static inline void outcome_release(struct outcome *o)
{
    mem_free(o->y);
    mem_free(o->dx);
    mem_free(o->grad);
    mem_free(o->buffer);
    mem_free(o->winner);
    *o = (struct outcome){0};
}

static inline struct weights *trial_weights(const struct trial *t, struct err *e)
{
    struct weights *w = weights_new(t->graph, e);
    assert_non_null(w);
    trial_fill(w->value, t->graph->n_value, 1, DTYPE_F32);
    if (t->value)
        memcpy(w->value, t->value, t->graph->n_value * sizeof(float));
    struct rng r = rng_at(3, RNG_TEST, 2, 0);
    for (size_t i = 0; i < t->graph->n_buffer; i++)
        w->buffer[i] = (float)rng_range(&r, 0.5, 1.5);
    return w;
}

static inline size_t trial_inputs(const struct trial *t, struct node **list)
{
    size_t n = 0;
    list[n++] = t->in;
    while (t->more[n - 1]) {
        list[n] = t->more[n - 1];
        n++;
    }
    list[n] = NULL;
    return n;
}

/* Feeds x, the inputs one behind the other; or reads their gradients into it. */
static inline bool trial_move(const struct trial *t, struct plan *p, const void *x, float *dx,
                              struct err *e)
{
    struct node *list[TRIAL_MAX_MORE + 2];
    trial_inputs(t, list);
    bool ok = true;
    for (size_t i = 0, at = 0; list[i] && ok; i++) {
        ok = dx ? plan_read_grad(p, list[i], dx + at, e)
                : plan_feed(p, list[i], (const float *)x + at, t->n, e);
        at += (size_t)t->n * shape_count(&list[i]->out);
    }
    return ok;
}

/* Forward and backward on the backend of this name. The plan's lines land in `text`, if given. */
static inline void trial_run(const struct trial *t, const char *backend, int n_thread,
                             struct outcome *o, char text[512])
{
    struct err e = {0};
    struct backend *b = backend_open(backend, n_thread, &e);
    if (!b)
        fail_msg("%s", e.msg);
    struct weights *w = trial_weights(t, &e);
    bool u8 = t->in->op == &op_input && ((const struct input_param *)t->in->param)->u8;
    struct node *inputs[TRIAL_MAX_MORE + 2];
    size_t n_input = trial_inputs(t, inputs);
    struct plan_request r = {.graph = t->graph,
                             .max_n = t->n + 1, /* a last batch is smaller than the others */
                             .mode = t->mode,
                             .compute = t->compute,
                             .keep = (struct node *[]){t->out, NULL},
                             .want = u8 || t->forward ? NULL : inputs,
                             .want_weights =
                                 t->graph->n_value > 0 && !t->frozen && t->mode == MODE_TRAIN,
                             .n_shard = t->n_shard,
                             .avoid = t->avoid,
                             .seed = 11};
    struct plan *p = plan_new(b, &r, w, &e);
    if (!p)
        fail_msg("%s", e.msg);
    for (int i = 0; text && plan_describe(p, i); i++)
        snprintf(text + strlen(text), 512 - strlen(text), "%s\n", plan_describe(p, i));
    size_t n = (size_t)t->n;
    *o = (struct outcome){.n_y = n * shape_count(&t->out->out)};
    for (size_t i = 0; i < n_input; i++)
        o->n_x += n * shape_count(&inputs[i]->out);
    float *x = trial_new(o->n_x), *dy = trial_new(o->n_y);
    trial_fill(x, o->n_x, 3, t->compute);
    trial_fill(dy, o->n_y, 4, t->compute);
    o->y = trial_new(o->n_y);
    o->dx = trial_new(o->n_x);
    o->grad = trial_new(t->graph->n_value + 1);
    o->buffer = trial_new(t->graph->n_buffer + 1);
    bool ok = trial_move(t, p, t->x ? t->x : x, NULL, &e) && plan_forward(p, 7, &e) &&
              plan_read(p, t->out, o->y, &e);
    if (ok && t->pool) {
        o->n_winner = n * shape_count(&t->pool->out);
        o->winner = (int32_t *)trial_new(o->n_winner);
        ok = plan_decisions(p, t->pool, o->winner, &e);
    }
    ok = ok &&
         (t->forward || (plan_seed(p, t->out, dy, 1, &e) && plan_backward(p, NULL, NULL, &e) &&
                         (u8 || trial_move(t, p, NULL, o->dx, &e))));
    if (!ok)
        fail_msg("%s", e.msg);
    memcpy(o->grad, w->grad, t->graph->n_value * sizeof(float));
    memcpy(o->buffer, w->buffer, t->graph->n_buffer * sizeof(float));
    mem_free(x);
    mem_free(dy);
    plan_free(p);
    weights_free(w);
    backend_close(b);
}

static inline void trial_near(const char *what, const float *a, const float *b, size_t n,
                              double tolerance)
{
    double most = 0, apart = 0;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fabs((double)b[i]));
        double d = fabs((double)a[i] - (double)b[i]);
        if (!(d <= apart)) {
            apart = d;
            at = i;
        }
    }
    if (!(apart <= tolerance * most))
        fail_msg("%s: element %zu of %zu is %.9g, the reference's %.9g; the largest %.3g", what,
                 at, n, (double)a[at], (double)b[at], most);
}

/* cpu in each instruction set present, on 1 and 3 threads, against ref: within tolerance of the
 * largest element of each tensor; the thread counts agree exactly. */
static inline void trial_check(const struct trial *t, const char *what, double tolerance)
{
    struct outcome ref, cpu, first;
    struct trial exact = *t;
    trial_run(t, "ref", 1, &ref, NULL);
    for (int i = 0; i < ISA_COUNT; i++) {
        if (!isa_present(&isas[i]) || (t->needs_bf16 && !isas[i].bf16))
            continue;
        setenv("LINNET_ISA", isas[i].name, 1);
        for (int threads = 1; threads <= 3; threads += 2) {
            char text[512] = "", label[640];
            exact.n_shard = 2;
            trial_run(&exact, "cpu", threads, &cpu, text);
            snprintf(label, sizeof(label), "%s, %s, %d threads: %s", what, isas[i].name,
                     threads, text);
            if (!strstr(text, t->row))
                fail_msg("%s: not by %s", label, t->row);
            trial_near(label, cpu.y, ref.y, ref.n_y, tolerance);
            trial_near(label, cpu.dx, ref.dx, ref.n_x, tolerance);
            for (int k = 0; k < t->graph->n_node && !t->frozen && t->mode == MODE_TRAIN; k++) {
                const struct node *node = t->graph->node[k];
                for (int j = 0; j < node->n_weight; j++) {
                    const struct weight *w = &node->weight[j];
                    bool trained = w->trained;
                    trial_near(label, (trained ? cpu.grad : cpu.buffer) + w->offset,
                               (trained ? ref.grad : ref.buffer) + w->offset,
                               shape_count(&w->shape), tolerance);
                }
            }
            if (ref.winner)
                assert_memory_equal(cpu.winner, ref.winner, ref.n_winner * sizeof(int32_t));
            if (threads == 1) {
                first = cpu;
                continue;
            }
            assert_memory_equal(cpu.y, first.y, first.n_y * sizeof(float));
            assert_memory_equal(cpu.dx, first.dx, first.n_x * sizeof(float));
            assert_memory_equal(cpu.grad, first.grad, t->graph->n_value * sizeof(float));
            outcome_release(&cpu);
        }
        outcome_release(&first);
    }
    unsetenv("LINNET_ISA");
    outcome_release(&ref);
}

#endif
