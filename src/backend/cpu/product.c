#include "backend/cpu/product.h"

#include "backend/cpu/dnnl.h"
#include "base/parallel.h"

#include <stdatomic.h>
#include <string.h>

enum { BLOCK_M = 256, BLOCK_N = 512, BLOCK_COLUMNS = 64 };

int product_one(const struct product *p)
{
    for (int i = 0; p->bias && i < p->M; i++)
        memcpy(p->c + (size_t)i * (size_t)p->ld_c, p->bias, (size_t)p->N * sizeof(float));
    return (int)dnnl_sgemm(p->turn_a ? 'T' : 'N', p->turn_b ? 'T' : 'N', p->M, p->N, p->K,
                           p->scale > 0 ? p->scale : 1, p->a, p->ld_a, p->b, p->ld_b,
                           p->bias ? 1 : 0, p->c, p->ld_c);
}

bool product_ok(int status, struct err *e)
{
    return dnnl_ok((dnnl_status_t)status, "product", e);
}

struct blocks {
    const struct product *whole;
    int columns; /* blocks in a row */
    atomic_int status;
};

static int extent(int n, int size, int block)
{
    return n - block * size < size ? n - block * size : size;
}

static void run_block(void *ctx, int task, int thread)
{
    struct blocks *b = ctx;
    struct product p = *b->whole;
    int row = task / b->columns, column = task % b->columns;
    size_t i = (size_t)row * BLOCK_M, j = (size_t)column * BLOCK_N;
    (void)thread;
    p.M = extent(p.M, BLOCK_M, row);
    p.N = extent(p.N, BLOCK_N, column);
    p.a += p.turn_a ? i : i * (size_t)p.ld_a;
    p.b += p.turn_b ? j * (size_t)p.ld_b : j;
    p.c += i * (size_t)p.ld_c + j;
    if (p.bias)
        p.bias += j;
    int status = product_one(&p);
    if (status)
        atomic_store(&b->status, status);
}

bool product_run(const struct product *p, int n_thread, struct err *e)
{
    struct blocks b = {.whole = p, .columns = (p->N + BLOCK_N - 1) / BLOCK_N};
    dnnl_use_threads(n_thread);
    int rows = (p->M + BLOCK_M - 1) / BLOCK_M;
    /* Inside a parallel region oneDNN stays on its thread. */
    parallel_for(n_thread, rows * b.columns, run_block, &b);
    return product_ok(atomic_load(&b.status), e);
}

struct columns {
    const float *a;
    float *sum;
    int M, N, ld;
};

static void sum_columns(void *ctx, int task, int thread)
{
    const struct columns *c = ctx;
    int first = task * BLOCK_COLUMNS, n = extent(c->N, BLOCK_COLUMNS, task);
    double sum[BLOCK_COLUMNS] = {0};
    (void)thread;
    for (int i = 0; i < c->M; i++)
        for (int j = 0; j < n; j++)
            sum[j] += (double)c->a[(size_t)i * (size_t)c->ld + (size_t)(first + j)];
    for (int j = 0; j < n; j++)
        c->sum[first + j] = (float)sum[j];
}

void column_sums(const float *a, int M, int N, int ld, float *sum, int n_thread)
{
    struct columns c = {a, sum, M, N, ld};
    parallel_for(n_thread, (N + BLOCK_COLUMNS - 1) / BLOCK_COLUMNS, sum_columns, &c);
}
