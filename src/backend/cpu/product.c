#include "backend/cpu/product.h"

#include "base/parallel.h"

enum { WIDE = 256, NARROW = 64, BLOCK_COLUMNS = 64 };

const struct product_kernels *product_of(const struct group *g)
{
    static const struct product_kernels *const f32[ISA_COUNT] = ISA_BUILDS(product_f32);
    static const struct product_kernels *const bf16[ISA_COUNT] = ISA_BF16_ROW(&product_bf16);
    const struct isa *isa = g->backend->isa;
    return (g->compute == DTYPE_BF16 && isa->bf16 ? bf16 : f32)[isa->id];
}

static int blocks(int n, int size)
{
    return (n + size - 1) / size;
}

static int extent(int n, int size, int block)
{
    return n - block * size < size ? n - block * size : size;
}

struct sweep {
    const struct product *whole;
    const struct product_kernels *kernels;
    char *pack;
    int width; /* columns of a block */
};

static void run_block(void *ctx, int task, int thread)
{
    const struct sweep *s = ctx;
    struct product p = *s->whole;
    int columns = blocks(p.N, s->width), row = task / columns, column = task % columns;
    size_t i = (size_t)row * PRODUCT_ROWS, j = (size_t)column * (size_t)s->width;
    p.M = extent(p.M, PRODUCT_ROWS, row);
    p.N = extent(p.N, s->width, column);
    p.a += p.turn_a ? i : i * (size_t)p.ld_a;
    p.b += p.turn_b ? j * (size_t)p.ld_b : j;
    p.c += i * (size_t)p.ld_c + j;
    if (p.bias)
        p.bias += j;
    s->kernels->one(&p, s->pack + (size_t)thread * PRODUCT_PACK);
}

void product_run(const struct group *g, const struct product *p, void *pack)
{
    struct sweep s = {p, product_of(g), pack, WIDE};
    int rows = blocks(p->M, PRODUCT_ROWS);
    if (rows * blocks(p->N, WIDE) < 4 * g->n_thread) /* a is packed once for each block */
        s.width = NARROW;
    parallel_for(g->n_thread, rows * blocks(p->N, s.width), run_block, &s);
}

struct columns {
    const float *a;
    float *sum;
    int M, N;
};

static void sum_columns(void *ctx, int task, int thread)
{
    const struct columns *c = ctx;
    int first = task * BLOCK_COLUMNS, n = extent(c->N, BLOCK_COLUMNS, task);
    double sum[BLOCK_COLUMNS] = {0};
    (void)thread;
    for (int i = 0; i < c->M; i++) {
        const float *row = c->a + (size_t)i * (size_t)c->N + first;
        for (int j = 0; j < n; j++)
            sum[j] += (double)row[j];
    }
    for (int j = 0; j < n; j++)
        c->sum[first + j] = (float)sum[j];
}

void column_sums(const struct group *g, const float *a, int M, int N, float *sum)
{
    parallel_for(g->n_thread, blocks(N, BLOCK_COLUMNS), sum_columns,
                 &(struct columns){a, sum, M, N});
}
