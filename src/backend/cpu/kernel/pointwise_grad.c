/* 1x1 convolution backward weights. In: blocked x and dy; out: canonical dw (K, C) and db (K). A task
 * owns some channels in and some out and sums over all pixels, a block of them at a time. */
#include "backend/cpu/kernel/pointwise.h"
#include "backend/cpu/kernel/transpose.h"
#include "base/parallel.h"

enum {
    BLOCK_PIXELS = 112,
    MAX_CHANNELS = 128,     /* of a task, both ways; multiples of 2V */
    NEAR_BYTES = 512 << 10, /* of x and dy, that stay in L2 after the first task */
};

/* Sizes in floats. */
struct job {
    const struct pointwise_grad *a;
    int pixels, c_blocks, k_blocks;
    int c_size, k_size, c_parts, k_parts; /* vectors of a task; tasks */
    size_t plane, du_size;
};

static struct job job_of(const struct pointwise_shape *s, int n_thread)
{
    struct planes planes = planes_of(s);
    struct job j = {.pixels = planes.oh * planes.ow, .plane = planes.out};
    j.c_blocks = blocks_of(s->c, V);
    j.k_blocks = blocks_of(s->k, V);
    j.c_size = j.k_size = MAX_CHANNELS / V;
    for (;;) {
        j.c_parts = blocks_of(j.c_blocks, j.c_size);
        j.k_parts = blocks_of(j.k_blocks, j.k_size);
        if (j.c_parts * j.k_parts >= 2 * n_thread || (j.c_size <= 2 && j.k_size <= 2))
            break;
        *(j.c_size >= j.k_size ? &j.c_size : &j.k_size) /= 2;
    }
    j.du_size = (size_t)j.c_size * V * (size_t)blocks_of(j.k_size, 2) * PANEL;
    return j;
}

/* The channels of a task, in vectors. */
struct part {
    int c, c_count, k, k_count;
    bool more; /* than the first block: du holds sums */
    float *du;
};

/* n pixels of x and of dy. */
struct block {
    const float *v, *z;
    int n;
};

/* A vector's planes lie `plane` floats apart. Meanwhile `next` comes nearer, each product its part of x and
 * of dy. */
static void sum_block(const struct part *p, size_t plane, struct block b, struct block next)
{
    size_t row = (size_t)p->c_count * V * PANEL;
    int rows = p->c_count * V / GRAD_ROWS, pairs = blocks_of(p->k_count, 2),
        halves = V / GRAD_ROWS;
    int x_run = blocks_of(next.n, pairs * halves), z_run = blocks_of(2 * next.n, rows);
    int steps = blocks_of(b.n, RUN_TILES);
    struct runs ahead = {.lines = {blocks_of(x_run, steps), blocks_of(z_run, steps)}};
    for (int k = 0; k < p->k_count; k += 2)
        for (int i = 0; i < rows; i++) {
            float *du = p->du + (size_t)(k / 2) * row + (size_t)(i * GRAD_ROWS) * PANEL;
            const float *v = b.v + (size_t)(i / halves) * plane + i % halves * GRAD_ROWS;
            const float *z = b.z + (size_t)k * plane;
            int at = 2 * i / rows; /* of the two vectors */
            ahead.at[0] = (const char *)(next.v + (size_t)(i / halves) * plane +
                                         (i % halves * pairs + k / 2) * x_run * V);
            ahead.at[1] = (const char *)(next.z + (size_t)(k + at) * plane +
                                         (i - at * (rows / 2)) * z_run * V);
            if (k + 1 < p->k_count)
                grad_rows(2, v, z, plane, b.n, p->more, du, ahead);
            else
                grad_rows(1, v, z, plane, b.n, p->more, du, ahead);
        }
}

static void add_bias(const struct part *p, const float *z, size_t z_block, int n, float *sums)
{
    for (int k = 0; k < p->k_count; k++) {
        vec sum = vset(0);
        for (int i = 0; i < n; i++)
            sum += vload(z + (size_t)k * z_block + (size_t)i * V);
        vstore(sums + k * V, vload(sums + k * V) + sum);
    }
}

static void finish(const struct job *j, const struct part *p, const float *sums)
{
    const struct pointwise_grad *a = j->a;
    size_t C = (size_t)a->shape.c, row = (size_t)p->c_count * V * PANEL;
    for (int k = 0; k < p->k_count; k++) {
        int k0 = (p->k + k) * V, n_k = min_of(V, a->shape.k - k0);
        for (int c = 0; c < p->c_count; c++) {
            _Alignas(64) float square[V * V];
            int c0 = (p->c + c) * V;
            const float *du =
                p->du + (size_t)(k / 2) * row + (size_t)(c * V) * PANEL + k % 2 * V;
            for (int i = 0; i < V; i++)
                vstore(square + i * V, vload(du + (size_t)i * PANEL));
            rows_of(square, min_of(V, a->shape.c - c0), a->dw + (size_t)k0 * C + (size_t)c0, C,
                    n_k);
        }
        if (a->db && p->c == 0)
            vstore_some(a->db + k0, vload(sums + k * V), n_k);
    }
}

/* Block i of a picture. */
static struct block block_of(const struct job *j, const struct part *p, int picture, int i)
{
    const struct pointwise_grad *a = j->a;
    int lo, hi;
    parallel_range(j->pixels, i, blocks_of(j->pixels, BLOCK_PIXELS), &lo, &hi);
    size_t x = (size_t)picture * (size_t)j->c_blocks + (size_t)p->c;
    size_t z = (size_t)picture * (size_t)j->k_blocks + (size_t)p->k;
    return (struct block){.v = a->x + x * j->plane + (size_t)lo * V,
                          .z = a->dy + z * j->plane + (size_t)lo * V,
                          .n = hi - lo};
}

static void run_part(void *ctx, int task, int thread)
{
    const struct job *j = ctx;
    const struct pointwise_grad *a = j->a;
    int blocks = blocks_of(j->pixels, BLOCK_PIXELS);
    _Alignas(64) float sums[MAX_CHANNELS] = {0};
    struct part p = {.c = task % j->c_parts * j->c_size, .k = task / j->c_parts * j->k_size};
    p.c_count = min_of(j->c_size, j->c_blocks - p.c);
    p.k_count = min_of(j->k_size, j->k_blocks - p.k);
    p.du = (float *)a->scratch + (size_t)thread * j->du_size;
    size_t bytes = (size_t)(p.c_count + p.k_count) * j->plane * sizeof(float);
    bool near = bytes * (size_t)a->shape.n <= NEAR_BYTES;
    struct block next = block_of(j, &p, 0, 0);
    for (int i = 0; i < a->shape.n * blocks; i++) {
        struct block b = next;
        next.n = 0;
        if (i + 1 < a->shape.n * blocks)
            next = block_of(j, &p, (i + 1) / blocks, (i + 1) % blocks);
        sum_block(&p, j->plane, b, near ? (struct block){b.v, b.z, 0} : next);
        if (a->db && p.c == 0)
            add_bias(&p, b.z, j->plane, b.n, sums);
        p.more = true;
    }
    finish(j, &p, sums);
}

size_t ISA_NAME(pointwise_scratch_grad)(const struct pointwise_shape *s, int n_thread)
{
    struct job j = job_of(s, n_thread);
    return (size_t)n_thread * j.du_size * sizeof(float);
}

void ISA_NAME(pointwise_grad)(const struct pointwise_grad *a)
{
    struct job j = job_of(&a->shape, a->n_thread);
    j.a = a;
    parallel_for(a->n_thread, j.c_parts * j.k_parts, run_part, &j);
}

static size_t scratch(const struct pointwise_shape *s, int n_thread)
{
    size_t conv = ISA_NAME(pointwise_scratch_conv)(s);
    size_t grad = ISA_NAME(pointwise_scratch_grad)(s, n_thread);
    return conv > grad ? conv : grad;
}

const struct pointwise_ops ISA_NAME(pointwise) = {
    .scratch = scratch,
    .parts = ISA_NAME(pointwise_parts),
    .gather = ISA_NAME(pointwise_gather),
    .conv = ISA_NAME(pointwise_conv),
    .grad = ISA_NAME(pointwise_grad),
};
