/* Plans by the names of nodes. */
#include "api/api.h"

#include "op/params.h"

#include <string.h>

static bool is_activation(const struct node *n)
{
    return n->op == &op_activation;
}

void linnet_rule_guided(const float *x, const float *y, const float *dy, float *dx,
                        size_t count)
{
    (void)x;
    for (size_t i = 0; i < count; i++)
        dx[i] = y[i] > 0 && dy[i] > 0 ? dy[i] : 0;
}

/* Names to nodes, NULL-ended, in the arena; NULL stays NULL. */
static bool find_nodes(const struct graph *g, const char *const *name, struct node *const **out,
                       struct arena *a, struct err *e)
{
    *out = NULL;
    if (!name)
        return true;
    size_t n = 0;
    while (name[n])
        n++;
    struct node **list = arena_new(a, n + 1, sizeof(struct node *), e);
    if (!list)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!(list[i] = api_node(g, name[i], e)))
            return false;
    *out = list;
    return true;
}

static bool make(struct linnet_plan *p, const struct linnet_backend *b,
                 struct linnet_weights *w, const struct linnet_request *r, struct arena *a,
                 struct err *e)
{
    struct plan_request request = {
        .graph = p->graph,
        .max_n = r->max_n,
        .mode = r->train ? MODE_TRAIN : MODE_EVAL,
        .compute = r->bf16 ? DTYPE_BF16 : DTYPE_F32,
        .want_weights = r->want_weights,
        .n_shard = r->n_shard,
        .seed = r->seed,
        .avoid = r->avoid,
        .memory_limit = r->memory_limit,
    };
    if (!find_nodes(p->graph, r->from, &request.from, a, e) ||
        !find_nodes(p->graph, r->keep, &request.keep, a, e) ||
        !find_nodes(p->graph, r->want, &request.want, a, e) ||
        !find_nodes(p->graph, r->frozen, &request.frozen, a, e))
        return false;
    if (r->activation_rule) {
        p->rule = (struct backward_rule){"activation_rule", is_activation, r->activation_rule};
        p->rules[0] = &p->rule;
        request.rule = p->rules;
    }
    p->plan = plan_new(b->backend, &request, w->weights, e);
    return p->plan != NULL;
}

struct linnet_plan *linnet_plan_new(const struct linnet_backend *b,
                                    const struct linnet_graph *g, struct linnet_weights *w,
                                    const struct linnet_request *r, struct linnet_error *out)
{
    struct err e = {0};
    struct arena a = {0};
    struct linnet_plan *p = mem_new(1, sizeof(*p), &e);
    if (p)
        p->graph = g->graph;
    bool ok = p && make(p, b, w, r, &a, &e);
    arena_release(&a);
    if (ok)
        return p;
    linnet_plan_free(p);
    api_fail(out, &e);
    return NULL;
}

void linnet_plan_free(struct linnet_plan *p)
{
    if (!p)
        return;
    plan_free(p->plan);
    mem_free(p);
}

bool linnet_plan_feed(struct linnet_plan *p, const char *name, const void *data, int n,
                      struct linnet_error *out)
{
    struct err e = {0};
    const struct node *node = api_node(p->graph, name, &e);
    return (node && plan_feed(p->plan, node, data, n, &e)) || api_fail(out, &e);
}

bool linnet_plan_forward(struct linnet_plan *p, uint64_t step, struct linnet_error *out)
{
    struct err e = {0};
    return plan_forward(p->plan, step, &e) || api_fail(out, &e);
}

bool linnet_plan_seed(struct linnet_plan *p, const char *name, const float *data, float scale,
                      struct linnet_error *out)
{
    struct err e = {0};
    const struct node *node = api_node(p->graph, name, &e);
    return (node && plan_seed(p->plan, node, data, scale, &e)) || api_fail(out, &e);
}

bool linnet_plan_backward(struct linnet_plan *p, struct linnet_error *out)
{
    struct err e = {0};
    return plan_backward(p->plan, NULL, NULL, &e) || api_fail(out, &e);
}

bool linnet_plan_read(const struct linnet_plan *p, const char *name, float *value,
                      struct linnet_error *out)
{
    struct err e = {0};
    const struct node *node = api_node(p->graph, name, &e);
    return (node && plan_read(p->plan, node, value, &e)) || api_fail(out, &e);
}

bool linnet_plan_read_grad(const struct linnet_plan *p, const char *name, float *value,
                           struct linnet_error *out)
{
    struct err e = {0};
    const struct node *node = api_node(p->graph, name, &e);
    return (node && plan_read_grad(p->plan, node, value, &e)) || api_fail(out, &e);
}

bool linnet_plan_decisions(const struct linnet_plan *p, const char *name, int32_t *winner,
                           struct linnet_error *out)
{
    struct err e = {0};
    const struct node *node = api_node(p->graph, name, &e);
    return (node && plan_decisions(p->plan, node, winner, &e)) || api_fail(out, &e);
}

size_t linnet_plan_bytes(const struct linnet_plan *p)
{
    return plan_bytes(p->plan);
}

const char *linnet_plan_describe(const struct linnet_plan *p, int i)
{
    return plan_describe(p->plan, i);
}
