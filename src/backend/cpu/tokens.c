/* tokens: from a picture in either layout, a picture a task. */
#include "backend/cpu/kernels.h"
#include "base/bf16.h"
#include "base/parallel.h"

struct sweep {
    const struct group *g;
    enum pass pass;
};

static void run_picture(void *ctx, int n, int thread)
{
    const struct sweep *s = ctx;
    const struct value *in = s->g->in[0], *out = s->g->out;
    size_t T = (size_t)out->shape.dim[1], D = (size_t)out->shape.dim[2];
    size_t V = in->block ? (size_t)in->block : 1, padded = (D + V - 1) / V * V;
    float *token =
        (float *)(s->pass == PASS_FORWARD ? out->data : out->grad) + (size_t)n * T * D;
    void *plane = s->pass == PASS_FORWARD ? in->data : in->grad;
    (void)thread;
    for (size_t d = 0; d < padded; d++)
        for (size_t t = 0; t < T; t++) {
            size_t at = ((size_t)n * padded + d / V * V) * T + t * V + d % V;
            float none = 0, *to = d < D ? token + t * D + d : &none; /* none: padding */
            if (s->pass == PASS_FORWARD)
                *to = in->dtype == DTYPE_F32 ? ((const float *)plane)[at]
                                             : bf16_to_float(((const uint16_t *)plane)[at]);
            else if (in->dtype == DTYPE_F32)
                ((float *)plane)[at] = *to;
            else
                ((uint16_t *)plane)[at] = bf16_from_float(*to);
        }
}

static bool run(struct group *g, enum pass pass, struct err *e)
{
    (void)e;
    parallel_for(g->n_thread, g->n, run_picture, &(struct sweep){g, pass});
    return true;
}

const struct kernel cpu_tokens = {.name = "pictures",
                                  .pattern = "tokens",
                                  .in = LAYOUT_SAME,
                                  .out = LAYOUT_PLAIN,
                                  .run = run};
