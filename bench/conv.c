/* Own convolution kernels against oneDNN's best (direct or Winograd, blocked layouts), in GFLOP/s
 * of a direct convolution: bench/conv [own] [bf16] [cpu] [batch=16] [threads=2] [name ...]. The sides
 * run in turn, and each number is the median of the rounds, the ratio's too; `own` leaves oneDNN out;
 * `cpu` takes the process's own time, for one thread on a machine that is not idle. The largest layer
 * takes 7 GB for a batch of 16. */
#include "backend/cpu/first.h"
#include "backend/cpu/winograd.h"
#include "base/mem.h"

#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 9, SHORT = 5, PASSES = 3, SIDES = 3 /* own, oneDNN direct and Winograd */ };
static const char *const pass_names[PASSES] = {"forward", "data", "weights"};

struct layer {
    const char *name;
    int c, k, size;
};

/* The 3x3 layers of the three cnn5 networks, VGG-19 and ResNet. */
static const struct layer layers[] = {
    {"a1", 3, 32, 256},      {"c1", 3, 512, 256},    {"a2", 32, 32, 128},
    {"a3", 32, 32, 64},      {"a4", 32, 32, 32},     {"a5", 32, 32, 16},
    {"b2", 32, 64, 128},     {"b3", 64, 128, 64},    {"b4", 128, 256, 32},
    {"b5", 256, 512, 16},    {"c2", 512, 256, 128},  {"c3", 256, 128, 64},
    {"c4", 128, 64, 32},     {"c5", 64, 32, 16},     {"vgg1", 64, 64, 224},
    {"vgg2", 128, 128, 112}, {"vgg4", 512, 512, 28}, {"vgg5", 512, 512, 14},
    {"res1", 64, 64, 56},    {"res2", 128, 128, 28},  {"res3", 256, 256, 14},
    {"res4", 512, 512, 7},
};

static clockid_t clock_used = CLOCK_MONOTONIC;

static double now(void)
{
    struct timespec t;
    clock_gettime(clock_used, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double d = *(const double *)a - *(const double *)b;
    return (d > 0) - (d < 0);
}

static double median(double *s, int n)
{
    qsort(s, (size_t)n, sizeof(s[0]), compare);
    return s[n / 2];
}

/* One pass of one layer, as one side does it. */
struct side {
    void (*run)(void *ctx);
    void *ctx;
    int inner;              /* runs a round */
    double seconds[ROUNDS]; /* of one */
};

static double time_of(const struct side *s, int n)
{
    double start = now();
    for (int i = 0; i < n; i++)
        s->run(s->ctx);
    return (now() - start) / n;
}

/* All sides in turn, as the machine's speed drifts; a side of a third of the first one's speed is left at
 * that. Returns the rounds. */
static int time_sides(struct side *side, int n)
{
    double all = 0, first[SIDES];
    for (int i = 0; i < n; i++) {
        side[i].run(side[i].ctx);
        all += first[i] = time_of(&side[i], 1);
        side[i].inner = (int)(0.01 / first[i]) + 1;
    }
    int rounds = all > 2 ? SHORT : ROUNDS;
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < n; i++)
            side[i].seconds[round] =
                first[i] > 3 * first[0] ? first[i] : time_of(&side[i], side[i].inner);
    return rounds;
}

/* How often `own` runs while `peer` runs once, pair by pair. */
static double ratio_of(const struct side *own, const struct side *peer, int rounds)
{
    double ratio[ROUNDS];
    for (int i = 0; i < rounds; i++)
        ratio[i] = peer->seconds[i] / own->seconds[i];
    return median(ratio, rounds);
}

/* -- own -- */

struct own {
    const struct wino_ops *ops;
    struct wino_shape shape;
    int n_thread, pass;
    void *x, *y, *scratch;
    float *w, *bias;
};

static void own_run(void *ctx)
{
    struct own *o = ctx;
    struct wino_shape s = o->shape;
    if (o->pass == 2) {
        int n_shard = wino_shards(o->ops, &s, o->n_thread, o->n_thread);
        o->ops->grad(&(struct wino_grad){s, o->x, o->y, o->w, o->bias, o->scratch, o->n_thread,
                                         n_shard});
        return;
    }
    bool back = o->pass == 1;
    if (back)
        s.c = o->shape.k, s.k = o->shape.c;
    o->ops->conv(&(struct wino_conv){.shape = s,
                                     .x = back ? o->y : o->x,
                                     .y = back ? o->x : o->y,
                                     .w = o->w,
                                     .transposed = back,
                                     .bias = back ? NULL : o->bias,
                                     .kind = ACTIVATION_identity,
                                     .scratch = o->scratch,
                                     .n_thread = o->n_thread});
}

/* All tensors of one layer lie in one mapping, on huge pages, as in a plan: all sides'. */
static struct {
    char *at;
    size_t used, size;
} pool = {.size = (size_t)12 << 30};

static void *take(size_t bytes)
{
    struct err e = {.msg = "layers of such a batch do not fit in 12 GiB"};
    if (!pool.at)
        pool.at = mem_map(pool.size, &e);
    void *block = pool.at + pool.used;
    pool.used += (bytes + 63) / 64 * 64;
    if (pool.at && pool.used <= pool.size)
        return block;
    fprintf(stderr, "conv: %s\n", e.msg);
    exit(1);
}

static void *fill(size_t bytes, bool half)
{
    uint32_t *block = take(bytes), state = 1;
    for (size_t i = 0; i < bytes / 4; i++) {
        state = state * 1664525 + 1013904223;
        float f = (float)(state >> 8) / 16777216.0f - 0.5f;
        memcpy(&block[i], &f, 4);
        if (half)
            block[i] = (block[i] & 0xffff0000u) | block[i] >> 16;
    }
    return block;
}

static void own_layer(struct own *o, const struct isa *isa, const struct wino_shape *s,
                      int n_thread)
{
    size_t V = (size_t)isa->lanes, plane = (size_t)(s->n * s->h * s->w);
    size_t element = s->half ? 2 : 4;
    *o = (struct own){.ops = wino_ops(isa), .shape = *s, .n_thread = n_thread};
    struct wino_shape back = *s;
    back.c = s->k, back.k = s->c;
    size_t bytes = o->ops->scratch_grad(s, n_thread, n_thread);
    size_t more[] = {o->ops->scratch_conv(s, n_thread, true),
                     o->ops->scratch_conv(&back, n_thread, true)};
    for (int i = 0; i < 2; i++)
        bytes = more[i] > bytes ? more[i] : bytes;
    o->x = fill(plane * (((size_t)s->c + V - 1) / V * V) * element, s->half);
    o->y = fill(plane * (((size_t)s->k + V - 1) / V * V) * element, s->half);
    o->w = fill((size_t)(s->k * s->c * 9) * 4, false);
    o->bias = fill((size_t)s->k * 4, false);
    o->scratch = fill(bytes, false);
}

/* -- own, first layer: 8-bit pixels in, no gradient of them -- */

struct own_first {
    const struct first_ops *ops;
    struct first_conv conv;
    int pass;
};

static void own_first_run(void *ctx)
{
    struct own_first *o = ctx;
    (o->pass == 0 ? o->ops->forward : o->ops->grad)(&o->conv);
}

static void own_first_layer(struct own_first *o, const struct isa *isa,
                            const struct wino_shape *s, int n_thread)
{
    size_t V = (size_t)isa->lanes, cells = (size_t)(s->n * s->h * s->w);
    void *pixel = fill(cells * (size_t)s->c, false);
    size_t y_bytes = cells * (((size_t)s->k + V - 1) / V * V) * (s->half ? 2 : 4);
    void *y = fill(y_bytes, s->half);
    float *weight = fill((size_t)(s->k * s->c * 9) * 4, false);
    float *bias = fill((size_t)s->k * 4, false);
    *o = (struct own_first){first_ops(isa),
                          {.n = s->n,
                           .c = s->c,
                           .k = s->k,
                           .h = s->h,
                           .w = s->w,
                           .oh = s->h,
                           .ow = s->w,
                           .kernel_h = 3,
                           .kernel_w = 3,
                           .stride_h = 1,
                           .stride_w = 1,
                           .pad_h = 1,
                           .pad_w = 1,
                           .half = s->half,
                           .pixel = pixel,
                           .scale = {0.017f, 0.017f, 0.017f},
                           .weight = weight,
                           .bias = bias,
                           .stores = first_stores(y_bytes, s->half),
                           .y = y,
                           .dy = y,
                           .dweight = weight,
                           .dbias = bias,
                           .n_thread = n_thread,
                           .n_shard = n_thread},
                          0};
    o->conv.scratch = fill(o->ops->scratch_bytes(&o->conv), false);
}

/* -- oneDNN -- */

static void ok(dnnl_status_t s, const char *what)
{
    if (s != dnnl_success) {
        fprintf(stderr, "conv: oneDNN: %s: status %d\n", what, (int)s);
        exit(1);
    }
}

struct peer {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t arg[4];
    int n_arg;
};

static void peer_run(void *ctx)
{
    struct peer *p = ctx;
    ok(dnnl_primitive_execute(p->primitive, p->stream, p->n_arg, p->arg), "execute");
    ok(dnnl_stream_wait(p->stream), "wait");
}

static dnnl_status_t describe(const struct wino_shape *s, int pass, dnnl_alg_kind_t algorithm,
                              dnnl_convolution_desc_t *d)
{
    dnnl_dims_t x = {s->n, s->c, s->h, s->w}, y = {s->n, s->k, s->h, s->w};
    dnnl_dims_t w = {s->k, s->c, 3, 3}, b = {s->k}, one = {1, 1};
    dnnl_data_type_t type = s->half ? dnnl_bf16 : dnnl_f32;
    dnnl_memory_desc_t xd, yd, wd, bd;
    ok(dnnl_memory_desc_init_by_tag(&xd, 4, x, type, dnnl_format_tag_any), "x");
    ok(dnnl_memory_desc_init_by_tag(&yd, 4, y, type, dnnl_format_tag_any), "y");
    dnnl_data_type_t w_type = pass == 2 ? dnnl_f32 : type;
    ok(dnnl_memory_desc_init_by_tag(&wd, 4, w, w_type, dnnl_format_tag_any), "w");
    ok(dnnl_memory_desc_init_by_tag(&bd, 1, b, dnnl_f32, dnnl_x), "b");
    if (pass == 0)
        return dnnl_convolution_forward_desc_init(d, dnnl_forward_training, algorithm, &xd, &wd,
                                                  &bd, &yd, one, one, one);
    if (pass == 1)
        return dnnl_convolution_backward_data_desc_init(d, algorithm, &xd, &wd, &yd, one, one,
                                                        one);
    return dnnl_convolution_backward_weights_desc_init(d, algorithm, &xd, &wd, &bd, &yd, one,
                                                       one, one);
}

static void bind(struct peer *p, dnnl_query_t query, int arg)
{
    const dnnl_memory_desc_t *md = dnnl_primitive_desc_query_md(p->pd, query, 0);
    if (!md || md->ndims == 0)
        return;
    p->arg[p->n_arg].arg = arg;
    void *data = fill(dnnl_memory_desc_get_size(md), true);
    ok(dnnl_memory_create(&p->arg[p->n_arg++].memory, md, p->engine, data), "memory");
}

/* False: oneDNN has no such implementation. */
static bool peer_layer(struct peer *p, const struct wino_shape *s, int pass,
                       dnnl_alg_kind_t algorithm)
{
    dnnl_convolution_desc_t d;
    if (describe(s, pass, algorithm, &d) != dnnl_success ||
        dnnl_primitive_desc_create(&p->pd, &d, NULL, p->engine, NULL) != dnnl_success)
        return false;
    p->n_arg = 0;
    bind(p, pass == 1 ? dnnl_query_diff_src_md : dnnl_query_src_md,
         pass == 1 ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC);
    bind(p, pass == 2 ? dnnl_query_diff_weights_md : dnnl_query_weights_md,
         pass == 2 ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS);
    bind(p, pass == 0 ? dnnl_query_dst_md : dnnl_query_diff_dst_md,
         pass == 0 ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST);
    if (pass != 1) {
        dnnl_memory_desc_t bd;
        dnnl_dims_t b = {s->k};
        ok(dnnl_memory_desc_init_by_tag(&bd, 1, b, dnnl_f32, dnnl_x), "bias");
        p->arg[p->n_arg].arg = pass == 0 ? DNNL_ARG_BIAS : DNNL_ARG_DIFF_BIAS;
        ok(dnnl_memory_create(&p->arg[p->n_arg++].memory, &bd, p->engine,
                              fill((size_t)s->k * 4, false)),
           "bias");
    }
    ok(dnnl_primitive_create(&p->primitive, p->pd), "primitive");
    return true;
}

static void peer_drop(struct peer *p)
{
    dnnl_primitive_destroy(p->primitive);
    for (int i = 0; i < p->n_arg; i++)
        dnnl_memory_destroy(p->arg[i].memory);
    dnnl_primitive_desc_destroy(p->pd);
}

/* -- all -- */

/* Own GFLOP/s and, beside oneDNN, its own and the ratio. */
static void one_pass(struct side own, const struct wino_shape *s, int pass, const struct peer *peer)
{
    static const dnnl_alg_kind_t algorithms[] = {dnnl_convolution_direct,
                                                 dnnl_convolution_winograd};
    struct peer peers[2];
    struct side side[SIDES] = {own};
    int n = 1;
    for (int i = 0; peer && i < (s->half ? 1 : 2); i++) {
        peers[n - 1] = *peer;
        if (peer_layer(&peers[n - 1], s, pass, algorithms[i])) {
            side[n] = (struct side){.run = peer_run, .ctx = &peers[n - 1]};
            n++;
        }
    }
    int rounds = time_sides(side, n);
    double work = 18e-9 * s->n * (double)s->h * s->w * s->c * s->k, least = 0;
    for (int i = 1; i < n; i++) {
        double ratio = ratio_of(&side[0], &side[i], rounds);
        least = i == 1 || ratio < least ? ratio : least;
        peer_drop(&peers[i - 1]);
    }
    printf(" %s %5.0f", pass_names[pass], work / median(side[0].seconds, rounds));
    if (peer)
        printf(" (%4.0f %4.0f %4.2fx)", n > 1 ? work / median(side[1].seconds, rounds) : 0,
               n > 2 ? work / median(side[2].seconds, rounds) : 0, least);
}

static void one_layer(const struct layer *l, const struct isa *isa, bool half, int batch,
                      int n_thread, const struct peer *peer)
{
    struct wino_shape s = {batch, l->c, l->k, l->size, l->size, half};
    bool first = s.c <= FIRST_MAX_C;
    struct own own;
    struct own_first own_first;
    if (first)
        own_first_layer(&own_first, isa, &s, n_thread);
    else
        own_layer(&own, isa, &s, n_thread);
    printf("%-5s %3d to %3d, %3d ", l->name, l->c, l->k, l->size);
    size_t used = pool.used;
    for (int pass = 0; pass < PASSES; pass += first ? 2 : 1, pool.used = used) {
        own.pass = own_first.pass = pass;
        one_pass(first ? (struct side){.run = own_first_run, .ctx = &own_first}
                       : (struct side){.run = own_run, .ctx = &own},
                 &s, pass, peer);
    }
    printf("\n");
    fflush(stdout);
    pool.used = 0;
}

int main(int argc, char **argv)
{
    struct err e = {0};
    const struct isa *isa = isa_choose(&e);
    int batch = 16, n_thread = 2, n_name = 0;
    bool own_only = false, half = false;
    if (!isa) {
        fprintf(stderr, "conv: %s\n", e.msg);
        return 1;
    }
    for (int i = 1; i < argc; i++) {
        if (sscanf(argv[i], "batch=%d", &batch) == 1 ||
            sscanf(argv[i], "threads=%d", &n_thread) == 1)
            continue;
        if (strcmp(argv[i], "own") == 0)
            own_only = true;
        else if (strcmp(argv[i], "bf16") == 0)
            half = true;
        else if (strcmp(argv[i], "cpu") == 0)
            clock_used = CLOCK_PROCESS_CPUTIME_ID;
        else
            argv[1 + n_name++] = argv[i];
    }
    struct peer peer;
    ok(dnnl_engine_create(&peer.engine, dnnl_cpu, 0), "engine");
    ok(dnnl_stream_create(&peer.stream, peer.engine, dnnl_stream_default_flags), "stream");
    printf(
        "%s, batch %d, %d threads, GFLOP/s: own (oneDNN direct, Winograd, own over its best)\n",
        isa->name, batch, n_thread);
    for (size_t i = 0; i < COUNT_OF(layers); i++) {
        bool wanted = n_name == 0;
        for (int j = 0; j < n_name; j++)
            wanted |= strncmp(layers[i].name, argv[1 + j], strlen(argv[1 + j])) == 0;
        if (wanted)
            one_layer(&layers[i], isa, half, batch, n_thread, own_only ? NULL : &peer);
    }
    dnnl_stream_destroy(peer.stream);
    dnnl_engine_destroy(peer.engine);
    return 0;
}
