/* linear on the tokens of sequences: many rows, so that products by oneDNN pay. */
#include "backend/cpu/kernels.h"
#include "backend/cpu/product.h"

static bool fits(const struct group *g)
{
    return g->in[0]->shape.rank == 3;
}

static bool plan(struct group *g, struct err *e)
{
    (void)e;
    g->needs_in = g->want_dw;
    g->dx_over_in = true; /* the gradient of weights comes first */
    return true;
}

static bool backward(struct group *g, int rows, int D, int K, struct err *e)
{
    const struct product dw = {.M = K,
                               .N = D,
                               .K = rows,
                               .turn_a = true,
                               .a = g->out->grad,
                               .ld_a = K,
                               .b = g->in[0]->data,
                               .ld_b = D,
                               .c = g->weight[0].grad,
                               .ld_c = D};
    const struct product dx = {.M = rows,
                               .N = D,
                               .K = K,
                               .a = g->out->grad,
                               .ld_a = K,
                               .b = g->weight[0].value,
                               .ld_b = D,
                               .c = g->in[0]->grad,
                               .ld_c = D};
    if (g->want_dw && g->n_weight > 1)
        column_sums(g->out->grad, rows, K, K, g->weight[1].grad, g->n_thread);
    return (!g->want_dw || product_run(&dw, g->n_thread, e)) &&
           (!g->want_dx[0] || product_run(&dx, g->n_thread, e));
}

static bool run(struct group *g, enum pass pass, struct err *e)
{
    const int *dim = g->in[0]->shape.dim;
    int rows = g->n * dim[1], D = dim[2], K = g->out->shape.dim[2];
    if (pass == PASS_BACKWARD)
        return backward(g, rows, D, K, e);
    const struct product y = {.M = rows,
                              .N = K,
                              .K = D,
                              .turn_b = true,
                              .a = g->in[0]->data,
                              .ld_a = D,
                              .b = g->weight[0].value,
                              .ld_b = D,
                              .c = g->out->data,
                              .ld_c = K,
                              .bias = g->n_weight > 1 ? g->weight[1].value : NULL};
    return product_run(&y, g->n_thread, e);
}

const struct kernel cpu_linear_gemm = {.name = "products",
                                       .pattern = "linear",
                                       .in = LAYOUT_PLAIN,
                                       .out = LAYOUT_PLAIN,
                                       .fits = fits,
                                       .plan = plan,
                                       .run = run};
