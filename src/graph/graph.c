/* Nodes live in the graph's arena and die with it. */
#include "graph/graph.h"

#include "graph/op.h"

#include <stdio.h>
#include <string.h>

char *shape_text(const struct shape *s, char *text, size_t size)
{
    size_t at = 0;
    text[0] = '\0';
    for (int i = 1; i < s->rank && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, i > 1 ? "x%d" : "%d", s->dim[i]);
    return text;
}

struct graph *graph_new(struct err *e)
{
    return mem_new(1, sizeof(struct graph), e);
}

void graph_free(struct graph *g)
{
    if (!g)
        return;
    arena_release(&g->arena);
    mem_free(g->node);
    mem_free(g);
}

static bool append(struct graph *g, struct node *n, struct err *e)
{
    if (g->n_node == g->room) {
        int room = g->room ? 2 * g->room : 32;
        void *grown = mem_grow(g->node, (size_t)g->n_node, (size_t)room, sizeof(*g->node), e);
        if (!grown)
            return false;
        g->node = grown;
        g->room = room;
    }
    n->id = g->n_node;
    g->node[g->n_node++] = n;
    return true;
}

static void place_weights(struct graph *g, struct node *n)
{
    for (int i = 0; i < n->n_weight; i++) {
        struct weight *w = &n->weight[i];
        size_t *end = w->trained ? &g->n_value : &g->n_buffer;
        w->offset = *end;
        *end += shape_count(&w->shape);
    }
}

static bool check_inputs(const struct graph *g, const struct op *op, const char *name, int n_in,
                         struct err *e)
{
    if (graph_find(g, name))
        return err_set(e, ERR_INTERNAL, "two nodes are called %s", name);
    if (op->n_in < 0 ? n_in < 1 || n_in > NODE_MAX_IN : n_in != op->n_in)
        return err_set(e, ERR_INTERNAL, "%s: %s takes %s%d inputs, not %d", name, op->name,
                       op->n_in < 0 ? "1 to " : "", op->n_in < 0 ? NODE_MAX_IN : op->n_in,
                       n_in);
    return true;
}

struct node *graph_add(struct graph *g, const struct op *op, const char *name,
                       const void *param, struct node *const *in, int n_in, struct err *e)
{
    if (!check_inputs(g, op, name, n_in, e))
        return NULL;
    struct node *n = arena_new(&g->arena, 1, sizeof(*n), e);
    void *copy = n ? arena_new(&g->arena, 1, op->param_size + 1, e) : NULL;
    char *own_name = copy ? arena_text(&g->arena, name, e) : NULL;
    if (!own_name)
        return NULL;
    if (param)
        memcpy(copy, param, op->param_size);
    n->op = op;
    n->name = own_name;
    n->param = copy;
    n->n_in = n_in;
    for (int i = 0; i < n_in; i++)
        n->in[i] = in[i];
    if (!op->infer(n, e)) {
        err_in(e, "%s", name);
        return NULL;
    }
    if (!append(g, n, e))
        return NULL;
    place_weights(g, n);
    return n;
}

struct node *graph_find(const struct graph *g, const char *name)
{
    for (int i = 0; i < g->n_node; i++)
        if (!strcmp(g->node[i]->name, name))
            return g->node[i];
    return NULL;
}

int weight_name(const struct node *n, int i, char *text, size_t size)
{
    const char *suffix = n->weight[i].name;
    return snprintf(text, size, *suffix ? "%s.%s" : "%s%s", n->name, suffix);
}

int64_t graph_macs(const struct graph *g)
{
    int64_t sum = 0;
    for (int i = 0; i < g->n_node; i++)
        sum += g->node[i]->op->macs ? g->node[i]->op->macs(g->node[i]) : 0;
    return sum;
}
