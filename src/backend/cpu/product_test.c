/* Products of odd extents, of matrices within larger ones, against sums in double precision, in every
 * instruction set; the same bits on any number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "backend/cpu/against_ref.h"
#include "backend/cpu/product.h"

enum { MARGIN = 3 }; /* columns of a larger matrix, which stay as they are */

static const struct {
    int M, N, K;
} cases[] = {{1, 1, 1},   {3, 2, 5},      {14, 32, 256}, {13, 31, 2},
             {15, 33, 3}, {50, 50, 64},   {197, 64, 7},  {6, 16, 513},
             {29, 9, 64}, {337, 131, 40}, {7, 600, 257}, {345, 70, 1030}};

static float at(const float *m, int ld, bool turn, int i, int j)
{
    return turn ? m[j * ld + i] : m[i * ld + j];
}

/* Of what c would be, element by element: the sum, and that of the products' sizes. */
static double exact(const struct product *p, int i, int j, double *size)
{
    double sum = 0;
    *size = p->bias ? fabs((double)p->bias[j]) : 0;
    for (int k = 0; k < p->K; k++) {
        double x = (double)at(p->a, p->ld_a, p->turn_a, i, k) *
                   (double)at(p->b, p->ld_b, p->turn_b, k, j);
        sum += x;
        *size += fabs(x);
    }
    return (p->scale > 0 ? (double)p->scale : 1) * sum + (p->bias ? (double)p->bias[j] : 0);
}

static void check(const struct product *p, const char *what, double tolerance)
{
    for (int i = 0; i < p->M; i++) {
        for (int j = 0; j < p->N; j++) {
            double size, want = exact(p, i, j, &size), got = (double)p->c[i * p->ld_c + j];
            if (!(fabs(got - want) <= tolerance * size))
                fail_msg("%s: (%d, %d) is %g, not %g", what, i, j, got, want);
        }
        for (int j = p->N; j < p->ld_c; j++)
            assert_true(p->c[i * p->ld_c + j] == 7); /* as it was */
    }
}

static float *matrix(int rows, int ld, uint64_t stream)
{
    size_t n = (size_t)rows * (size_t)ld;
    float *m = trial_new(n);
    trial_fill(m, n, stream, DTYPE_F32);
    return m;
}

static void one(struct group *g, struct product p, const char *what)
{
    int a_rows = p.turn_a ? p.K : p.M, b_rows = p.turn_b ? p.N : p.K;
    p.ld_a = (p.turn_a ? p.M : p.K) + MARGIN;
    p.ld_b = (p.turn_b ? p.K : p.N) + MARGIN;
    p.ld_c = p.N + MARGIN;
    float *a = matrix(a_rows, p.ld_a, 1), *b = matrix(b_rows, p.ld_b, 2);
    float *bias = matrix(1, p.N, 3), *c[2];
    size_t n = (size_t)p.M * (size_t)p.ld_c;
    p.a = a;
    p.b = b;
    p.bias = p.scale > 0 ? NULL : bias;
    for (int t = 0; t < 2; t++) {
        g->n_thread = 1 + 2 * t;
        float *pack = trial_new((size_t)g->n_thread * PRODUCT_PACK / sizeof(float));
        p.c = c[t] = trial_new(n);
        for (size_t i = 0; i < n; i++)
            c[t][i] = 7;
        product_run(g, &p, pack);
        mem_free(pack);
    }
    check(&p, what, g->compute == DTYPE_BF16 ? 8e-3 : 1e-6);
    assert_memory_equal(c[0], c[1], n * sizeof(float));
    float *all[] = {a, b, bias, c[0], c[1]};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        mem_free(all[i]);
}

static void every_case(void **state)
{
    (void)state;
    for (int i = 0; i < ISA_COUNT; i++)
        for (int half = 0; half < (isas[i].bf16 ? 2 : 1) && isa_present(&isas[i]); half++) {
            struct backend backend = {.isa = &isas[i]};
            struct group g = {.backend = &backend, .compute = half ? DTYPE_BF16 : DTYPE_F32};
            for (size_t k = 0; k < 8 * COUNT_OF(cases); k++) {
                struct product p = {.M = cases[k / 8].M,
                                    .N = cases[k / 8].N,
                                    .K = cases[k / 8].K,
                                    .turn_a = k & 1,
                                    .turn_b = k & 2,
                                    .scale = k & 4 ? 0.3f : 0};
                char what[96];
                snprintf(what, sizeof(what), "%s%s, (%d, %d, %d)%s%s", isas[i].name,
                         half ? " in bf16" : "", p.M, p.N, p.K, p.turn_a ? ", a turned" : "",
                         p.turn_b ? ", b turned" : "");
                one(&g, p, what);
            }
        }
}

static void sums_of_columns(void **state)
{
    (void)state;
    enum { ROWS = 301, COLUMNS = 130 };
    float *a = matrix(ROWS, COLUMNS, 1), sum[COLUMNS];
    struct group g = {.n_thread = 3};
    column_sums(&g, a, ROWS, COLUMNS, sum);
    for (int j = 0; j < COLUMNS; j++) {
        double want = 0;
        for (int i = 0; i < ROWS; i++)
            want += (double)a[i * COLUMNS + j];
        assert_true(sum[j] == (float)want);
    }
    mem_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_case),
                                       cmocka_unit_test(sums_of_columns)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
