/* First passes of a plan: which nodes take part, and what is asked of each. */
#include "backend/plan_internal.h"
#include "op/params.h"

#include <string.h>

static bool flag_list(struct plan *p, struct node *const *list, size_t flag, const char *what,
                      struct err *e)
{
    for (; list && *list; list++) {
        if ((*list)->id >= p->n_node || p->weights->graph->node[(*list)->id] != *list)
            return err_set(e, ERR_INTERNAL, "%s: %s is not a node of this graph", what,
                           (*list)->name);
        *(bool *)((char *)fact_of(p, *list) + flag) = true;
    }
    return true;
}

static bool is_identity(const struct plan *p, const struct node *n, enum mode mode)
{
    if (n->op != &op_dropout && n->op != &op_dropout2d && n->op != &op_stochastic_depth)
        return false;
    const struct dropout_param *d = n->param;
    return mode == MODE_EVAL || fact_of(p, n)->frozen || d->p <= 0;
}

/* From the last node to the first: what is needed for what is kept or differentiated. */
static bool mark_needed(struct plan *p, const struct graph *g, struct err *e)
{
    for (int i = g->n_node - 1; i >= 0; i--) {
        struct node_facts *f = &p->fact[i];
        f->needed |= f->kept || f->wanted;
        if (!f->needed || f->fed)
            continue;
        if (g->node[i]->op == &op_input)
            f->fed = true;
        for (int k = 0; k < g->node[i]->n_in; k++)
            fact_of(p, g->node[i]->in[k])->needed = true;
    }
    for (int i = 0; i < g->n_node; i++)
        if (p->fact[i].needed)
            return true;
    return err_set(e, ERR_INTERNAL, "a plan that keeps nothing");
}

static bool has_trained(const struct node *n)
{
    for (int i = 0; i < n->n_weight; i++)
        if (n->weight[i].trained)
            return true;
    return false;
}

/* Forward: aliases of pruned nodes, readers, and where a gradient must flow. */
static void mark_flow(struct plan *p, const struct plan_request *r)
{
    for (int i = 0; i < p->n_node; i++) {
        const struct node *n = r->graph->node[i];
        struct node_facts *f = &p->fact[i];
        f->alias = n;
        if (!f->needed)
            continue;
        f->grad = f->wanted;
        if (f->fed)
            continue;
        if (is_identity(p, n, r->mode)) {
            f->alias = fact_of(p, n->in[0])->alias;
            struct node_facts *to = &p->fact[f->alias->id];
            to->kept |= f->kept;
            to->wanted |= f->wanted;
            to->grad |= f->wanted;
            continue;
        }
        f->grad |= r->want_weights && !f->frozen && has_trained(n);
        for (int k = 0; k < n->n_in; k++) {
            resolved(p, n->in[k])->readers++;
            f->grad |= resolved(p, n->in[k])->grad;
        }
    }
}

bool plan_mark(struct plan *p, const struct plan_request *r, struct err *e)
{
    if (r->mode != MODE_TRAIN && r->want_weights)
        return err_set(e, ERR_INTERNAL, "gradients of weights need MODE_TRAIN");
    if (!flag_list(p, r->from, offsetof(struct node_facts, fed), "from", e) ||
        !flag_list(p, r->keep, offsetof(struct node_facts, kept), "keep", e) ||
        !flag_list(p, r->want, offsetof(struct node_facts, wanted), "want", e) ||
        !flag_list(p, r->frozen, offsetof(struct node_facts, frozen), "frozen", e) ||
        !mark_needed(p, r->graph, e))
        return false;
    for (int i = 0; i < p->n_node; i++)
        for (int k = 0; r->rule && r->rule[k] && !p->fact[i].rule; k++)
            if (r->rule[k]->matches(r->graph->node[i]))
                p->fact[i].rule = r->rule[k];
    mark_flow(p, r);
    p->backward = r->want_weights || (r->want && r->want[0]);
    return true;
}
