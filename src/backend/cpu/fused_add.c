/* Batch norm, perhaps stochastic depth, an add, perhaps an activation: where the branches of a
 * residual block meet.
 *
 * Forward reads x for the statistics, then x and what is added for y. Backward reads the gradients
 * of y's readers, x, and y or what is added; it writes dz, which is the gradient of what is added,
 * and takes its sums on the way; dz may lie over a gradient it is made of. Then it reads dz and x for
 * dx, which may lie over x. */
#include "backend/cpu/fused_group.h"
#include "backend/cpu/kernels.h"

/* dz has no place of its own where nobody wants it. */
static bool fits(const struct group *g)
{
    return g->in[0]->shape.rank == 4 &&
           (!g->backward || (g->mode == MODE_TRAIN && g->want_dx[1]));
}

static bool plan(struct group *g, struct err *e)
{
    if (!fused_plan(g, e))
        return false;
    const struct fused *f = g->state;
    bool from_y = activation_from_y[f->kind];
    g->dx_over_part = true;
    g->needs_first = true;
    g->needs_in = !from_y;
    g->needs_out = from_y && f->kind != ACTIVATION_identity;
    return true;
}

static void run_forward(struct group *g, const struct fused *f)
{
    fused_set_coefs(g, f);
    fused_sweep(&(struct sweep){.g = g,
                                .f = f,
                                .fn = f->kernels->forward_add[f->kind],
                                .back_to_front = f->statistics});
}

static void run_backward(struct group *g, const struct fused *f)
{
    struct sweep s = {.g = g, .f = f, .fn = f->kernels->sums_add[f->kind]};
    fused_sweep(&s);
    fused_close_sums(&s);
    if (!g->want_dx[0])
        return;
    s.fn = f->kernels->gradient[ACTIVATION_identity];
    s.dy = g->in[1]->grad;
    s.back_to_front = true;
    fused_sweep(&s);
}

static bool run(struct group *g, enum pass pass, struct err *e)
{
    (void)e;
    if (pass == PASS_FORWARD)
        run_forward(g, g->state);
    else
        run_backward(g, g->state);
    return true;
}

#define FUSED_ADD(id, text)                                                                    \
    const struct kernel cpu_##id = {                                                           \
        .name = "fused",                                                                       \
        .pattern = text,                                                                       \
        .in = LAYOUT_BLOCKED,                                                                  \
        .out = LAYOUT_BLOCKED,                                                                 \
        .takes_moments = true,                                                                 \
        .takes_parts = true,                                                                   \
        .plan_size = sizeof(struct fused),                                                     \
        .fits = fits,                                                                          \
        .plan = plan,                                                                          \
        .run = run,                                                                            \
    }
FUSED_ADD(norm_add_act, "batch_norm+add+activation");
FUSED_ADD(norm_depth_add, "batch_norm+stochastic_depth+add");
FUSED_ADD(norm_add, "batch_norm+add");
