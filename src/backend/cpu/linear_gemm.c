/* linear on the tokens of sequences: many rows, so that packing both sides of the products pays. */
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
    g->scratch_bytes = (size_t)g->n_thread * PRODUCT_PACK;
    g->dx_over_in = true; /* the gradient of weights comes first */
    return true;
}

static void backward(const struct group *g, int rows, int D, int K)
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
        column_sums(g, g->out->grad, rows, K, g->weight[1].grad);
    if (g->want_dw)
        product_run(g, &dw, g->scratch);
    if (g->want_dx[0])
        product_run(g, &dx, g->scratch);
}

static bool run(struct group *g, enum pass pass, struct err *e)
{
    const int *dim = g->in[0]->shape.dim;
    int rows = g->n * dim[1], D = dim[2], K = g->out->shape.dim[2];
    (void)e;
    if (pass == PASS_BACKWARD) {
        backward(g, rows, D, K);
        return true;
    }
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
    product_run(g, &y, g->scratch);
    return true;
}

const struct kernel cpu_linear_gemm = {.name = "products",
                                       .pattern = "linear",
                                       .in = LAYOUT_PLAIN,
                                       .out = LAYOUT_PLAIN,
                                       .fits = fits,
                                       .plan = plan,
                                       .run = run};
