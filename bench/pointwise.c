/* Batch norm + activation + 2x2 max-pool in a training step: the fused kernel's phases and oneDNN's
 * chain (batch norm, eltwise, pooling, forward and backward), in ms and in GB/s of the bytes that the
 * fused passes must move: bench/pointwise [own] [bf16] [cpu] [threads=2] [CxHxW ...]. Medians; `cpu` takes
 * the process's own time, for one thread on a machine that is not idle. */
#include "backend/backend.h"
#include "backend/cpu/isa.h"
#include "backend/cpu/kernels.h"
#include "base/mem.h"
#include "op/activation.h"
#include "op/params.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REPEATS = 9, BATCH = 16 };

static clockid_t clock_used = CLOCK_MONOTONIC;

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(clock_used, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double d = *(const double *)a - *(const double *)b;
    return (d > 0) - (d < 0);
}

static double median(double *ms, int n)
{
    qsort(ms, (size_t)n, sizeof(*ms), compare);
    return ms[n / 2];
}

static void or_stop(bool ok, const struct err *e)
{
    if (ok)
        return;
    fprintf(stderr, "pointwise: %s\n", e->msg);
    exit(1);
}

static void *fill(size_t bytes, bool half)
{
    struct err e;
    uint32_t *block = mem_new(bytes, 1, &e), state = 1;
    or_stop(block != NULL, &e);
    for (size_t i = 0; i < bytes / 4; i++) {
        state = state * 1664525 + 1013904223;
        float f = (float)(state >> 8) / 16777216.0f - 0.5f;
        memcpy(&block[i], &f, 4);
        if (half)
            block[i] = (block[i] & 0xffff0000u) | block[i] >> 16;
    }
    return block;
}

struct bench {
    struct group group;
    struct value in, out;
    float weight[5][4096], grad[2][4096];
};

static void set_value(struct value *v, const struct shape *s, const struct backend *b, bool half)
{
    int V = b->isa->lanes;
    v->shape = *s;
    v->shape.dim[0] = BATCH;
    v->dtype = half ? DTYPE_BF16 : DTYPE_F32;
    v->block = V;
    v->bytes = (size_t)BATCH * (size_t)((s->dim[1] + V - 1) / V * V) *
               (size_t)(s->dim[2] * s->dim[3]) * (half ? 2 : 4);
    v->data = fill(v->bytes, half);
    v->grad = fill(v->bytes, half);
}

/* Times of forward and of backward. The gradient lies over the input, as plans place it. */
static void own(const struct backend *b, int C, int H, int W, enum activation kind, bool half,
                double ms[2])
{
    struct err e;
    struct graph *g = graph_new(&e);
    or_stop(g != NULL, &e);
    struct input_param shape = {.shape = {4, {1, C, H, W}}};
    struct node *in = graph_add(g, &op_input, "x", &shape, NULL, 0, &e);
    or_stop(in != NULL, &e);
    struct node *norm = graph_add(g, &op_batch_norm, "norm", NULL, &in, 1, &e);
    or_stop(norm != NULL, &e);
    struct node *act = graph_add(g, &op_activation, "act", &(struct activation_param){(int)kind},
                                 &norm, 1, &e);
    or_stop(act != NULL, &e);
    struct pool_param two = {.kernel_h = 2, .kernel_w = 2};
    struct node *pool = graph_add(g, &op_max_pool, "pool", &two, &act, 1, &e);
    or_stop(pool != NULL, &e);

    static struct bench t;
    memset(&t, 0, sizeof(t));
    set_value(&t.in, &in->out, b, half);
    set_value(&t.out, &pool->out, b, half);
    mem_free(t.in.grad);
    t.in.grad = t.in.data;
    t.group = (struct group){.kernel = &cpu_norm_act_pool, .node = {norm, act, pool},
                             .n_node = 3, .in = {&t.in}, .n_in = 1, .out = &t.out,
                             .n_weight = 5, .mode = MODE_TRAIN, .backward = true,
                             .want_dw = true, .want_dx = {true}, .max_n = BATCH,
                             .n = BATCH, .n_thread = b->n_thread, .n_shard = b->n_thread,
                             .compute = half ? DTYPE_BF16 : DTYPE_F32, .backend = b};
    for (int i = 0; i < 5; i++) {
        t.group.weight[i].value = t.weight[i];
        t.group.weight[i].grad = i < 2 ? t.grad[i] : NULL;
        for (int c = 0; c < C; c++)
            t.weight[i][c] = i == 0 || i == 3 ? 1 : 0.1f;
    }
    const struct kernel *k = &cpu_norm_act_pool;
    t.group.state = mem_new(1, k->plan_size, &e);
    or_stop(t.group.state && k->plan(&t.group, &e), &e);
    t.group.saved = mem_new(1, t.group.saved_bytes, &e);
    t.group.scratch = mem_new(1, t.group.scratch_bytes, &e);
    or_stop(t.group.saved && t.group.scratch, &e);
    double time[2][REPEATS];
    for (int i = -1; i < REPEATS; i++) {
        for (int pass = 0; pass < 2; pass++) {
            double from = now_ms();
            or_stop(k->run(&t.group, pass ? PASS_BACKWARD : PASS_FORWARD, &e), &e);
            if (i >= 0)
                time[pass][i] = now_ms() - from;
        }
        void *fresh = fill(t.in.bytes, half); /* the gradient overwrote x */
        memcpy(t.in.data, fresh, t.in.bytes);
        mem_free(fresh);
    }
    for (int pass = 0; pass < 2; pass++)
        ms[pass] = median(time[pass], REPEATS);
    void *all[] = {t.in.data, t.out.data, t.out.grad, t.group.state, t.group.saved,
                   t.group.scratch};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        mem_free(all[i]);
    graph_free(g);
}

int main(int argc, char **argv)
{
    int n_thread = 2;
    bool half = false, given = false;
    static const int usual[][3] = {{32, 256, 256}, {32, 128, 128}, {64, 128, 128},
                                   {128, 64, 64},  {256, 32, 32},  {512, 16, 16}};
    int shape[16][3], n_shape = 0;
    for (int i = 1; i < argc; i++) {
        int C, H, W;
        if (!strncmp(argv[i], "threads=", 8))
            n_thread = atoi(argv[i] + 8);
        else if (!strcmp(argv[i], "bf16"))
            half = true;
        else if (!strcmp(argv[i], "cpu"))
            clock_used = CLOCK_PROCESS_CPUTIME_ID;
        else if (n_shape < 16 && sscanf(argv[i], "%dx%dx%d", &C, &H, &W) == 3) {
            memcpy(shape[n_shape++], (int[3]){C, H, W}, sizeof(shape[0]));
            given = true;
        }
    }
    if (!given) {
        memcpy(shape, usual, sizeof(usual));
        n_shape = (int)COUNT_OF(usual);
    }
    struct err e;
    struct backend *b = backend_open("cpu", n_thread, &e);
    or_stop(b != NULL, &e);
    printf("%s, %d threads, %s, batch %d\n", b->isa->name, n_thread, half ? "bf16" : "fp32", BATCH);
    static const enum activation kinds[] = {ACTIVATION_relu, ACTIVATION_silu, ACTIVATION_gelu,
                                            ACTIVATION_mish};
    for (int i = 0; i < n_shape; i++)
        for (size_t k = 0; k < COUNT_OF(kinds); k++) {
            double ms[2], elements = (double)BATCH * shape[i][0] * shape[i][1] * shape[i][2];
            own(b, shape[i][0], shape[i][1], shape[i][2], kinds[k], half, ms);
            double forward = elements * (half ? 2 : 4) * 2.25e-6;
            double backward = elements * (half ? 2 : 4) * 3e-6;
            printf("%3dx%dx%d %-6s forward %7.2f ms %5.1f GB/s, backward %7.2f ms %5.1f GB/s\n",
                   shape[i][0], shape[i][1], shape[i][2], activation_name[kinds[k]], ms[0],
                   forward / ms[0], ms[1], backward / ms[1]);
        }
    backend_close(b);
    return 0;
}
