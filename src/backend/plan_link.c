/* What neighbours do for each other beside data and gradients: the step that writes a tensor takes the
 * moments that the one behind it wants; the step that reads it makes the gradient in rows, for the one
 * that wrote it. Before the kernels' own plan(), which may decline. */
#include "backend/plan_internal.h"
#include "op/params.h"

/* Does the step want its input's moments, and can the step that writes it take them? */
static bool link_moments(struct plan *p, struct step *s, struct err *e)
{
    const struct tensor *in = s->group.n_in ? s->in[0]->data_of : NULL;
    if (!in || in->producer < 0 || !s->group.kernel->takes_moments ||
        s->group.node[0]->op != &op_batch_norm || s->group.mode != MODE_TRAIN)
        return true;
    const struct step *writer = p->step[in->producer];
    if (!writer->group.kernel->gives_moments)
        return true;
    struct value *out = &writer->out->value;
    if (!out->moments && !(out->moments = arena_new(&p->arena, 1, sizeof(*out->moments), e)))
        return false;
    s->in[0]->value.moments = out->moments;
    return true;
}

/* Is the gradient of the step's input for one reader alone, which takes rows of it? */
static bool link_rows(struct plan *p, struct step *s, struct err *e)
{
    const struct group *g = &s->group;
    struct tensor *in = g->n_in ? s->in[0] : NULL;
    if (!in || in->producer < 0 || in->data_of != in || in->wanted || !g->kernel->makes_rows ||
        !g->want_dx[0] || s->rule)
        return true;
    const struct step *taker = p->step[in->producer];
    if (!taker->group.kernel->takes_rows || !taker->group.want_dw || taker->rule ||
        in->readers != 1)
        return true;
    struct gradient_rows *rows = arena_new(&p->arena, 1, sizeof(*rows), e);
    if (!rows)
        return false;
    rows->maker = g;
    in->value.rows = rows;
    return true;
}

bool plan_link(struct plan *p, struct err *e)
{
    for (int i = 0; i < p->n_step; i++)
        if (!link_moments(p, p->step[i], e) || !link_rows(p, p->step[i], e))
            return false;
    return true;
}
