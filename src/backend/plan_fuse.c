/* Nodes become groups (the longest pattern of the backend's table that fits), groups become steps
 * over tensors; where two neighbours disagree on the layout a reorder stands between them, and where
 * several steps read a tensor that has a gradient, a fork gives each a branch and adds them up. */
#include "backend/plan_internal.h"
#include "backend/profile.h"
#include "base/bf16.h"
#include "op/params.h"

#include <stdio.h>
#include <string.h>

/* -- the two kernels of the plan's own -- */

static bool reorder_run(struct group *g, enum pass pass, struct err *e)
{
    (void)e;
    const struct value *in = g->in[0], *out = g->out;
    void (*reorder)(const struct value *, const void *, const struct value *, void *, int,
                    int) = g->backend->ops->reorder;
    if (pass == PASS_FORWARD)
        reorder(in, in->data, out, out->data, g->n, g->n_thread);
    else
        reorder(out, out->grad, in, in->grad, g->n, g->n_thread);
    return true;
}
static const struct kernel reorder_kernel = {.name = "reorder",
                                             .pattern = "reorder",
                                             .in = LAYOUT_SAME,
                                             .out = LAYOUT_SAME,
                                             .run = reorder_run};

struct fork {
    struct tensor *whole;
};

static float load(const void *at, enum dtype t, size_t i)
{
    return t == DTYPE_F32 ? ((const float *)at)[i] : bf16_to_float(((const uint16_t *)at)[i]);
}

static void store(void *at, enum dtype t, size_t i, float f)
{
    if (t == DTYPE_F32)
        ((float *)at)[i] = f;
    else
        ((uint16_t *)at)[i] = bf16_from_float(f);
}

static bool fork_run(struct group *g, enum pass pass, struct err *e)
{
    (void)e;
    const struct tensor *t = ((const struct fork *)g->state)->whole;
    if (pass == PASS_FORWARD)
        return true;
    enum dtype type = t->value.dtype;
    size_t n = t->value.bytes / dtype_size(type) / (size_t)g->max_n * (size_t)g->n;
    for (size_t i = 0; i < n; i++) {
        float sum = 0;
        for (int b = 0; b < t->n_branch; b++)
            sum += load(t->branch[b]->value.grad, type, i);
        store(t->value.grad, type, i, sum);
    }
    return true;
}
static const struct kernel fork_kernel = {.name = "fork",
                                          .pattern = "fork",
                                          .in = LAYOUT_SAME,
                                          .out = LAYOUT_SAME,
                                          .plan_size = sizeof(struct fork),
                                          .run = fork_run};

/* -- lists -- */

static struct tensor *new_tensor(struct plan *p, const struct node *node, int producer,
                                 struct err *e)
{
    struct tensor *t = arena_new(&p->arena, 1, sizeof(*t), e);
    if (!t)
        return NULL;
    if (p->n_tensor == p->tensor_room) {
        int room = p->tensor_room ? 2 * p->tensor_room : 64;
        void *grown = mem_grow(p->tensor, (size_t)p->n_tensor, (size_t)room, sizeof(t), e);
        if (!grown)
            return NULL;
        p->tensor = grown;
        p->tensor_room = room;
    }
    p->tensor[p->n_tensor++] = t;
    t->node = node;
    t->data_of = t;
    t->producer = producer;
    t->value.shape = node->out;
    t->value.shape.dim[0] = p->max_n;
    return t;
}

static struct step *new_step(struct plan *p, struct err *e)
{
    struct step *s = arena_new(&p->arena, 1, sizeof(*s), e);
    if (!s)
        return NULL;
    if (p->n_step == p->room) {
        int room = p->room ? 2 * p->room : 64;
        void *grown = mem_grow(p->step, (size_t)p->n_step, (size_t)room, sizeof(s), e);
        if (!grown)
            return NULL;
        p->step = grown;
        p->room = room;
    }
    p->step[p->n_step++] = s;
    struct group *g = &s->group;
    g->max_n = p->max_n;
    g->n_thread = p->backend->n_thread;
    g->n_shard = p->n_shard;
    g->compute = p->compute;
    g->backend = p->backend;
    g->backward = p->backward;
    g->seed = p->seed;
    return s;
}

static void set_layout(const struct plan *p, struct tensor *t, int block)
{
    struct value *v = &t->value;
    size_t C = v->shape.rank > 1 ? (size_t)v->shape.dim[1] : 1, padded = C;
    v->block = block;
    if (block)
        padded = (C + (size_t)block - 1) / (size_t)block * (size_t)block;
    if (v->dtype != DTYPE_U8)
        v->dtype = block ? p->compute : DTYPE_F32;
    v->bytes = shape_count(&v->shape) / C * padded * dtype_size(v->dtype);
}

static struct tensor *fed_tensor(struct plan *p, const struct node *n, struct err *e)
{
    struct tensor *t = new_tensor(p, n, -1, e);
    if (!t)
        return NULL;
    if (n->op == &op_input && ((const struct input_param *)n->param)->u8)
        t->value.dtype = DTYPE_U8;
    set_layout(p, t, 0);
    const struct node_facts *f = fact_of(p, n);
    t->kept = f->kept;
    t->wanted = f->wanted;
    t->grad = f->wanted;
    if (t->wanted && t->value.dtype == DTYPE_U8) {
        err_set(e, ERR_USAGE,
                "%s: no gradient of 8-bit pixels; ask for the normalised picture's", n->name);
        return NULL;
    }
    return t;
}

/* -- which kernel -- */

/* The node that follows n in a chain, if nobody else reads n and nothing is asked of it. */
static const struct node *next_in_chain(const struct plan *p, const struct graph *graph,
                                        const struct node *n)
{
    const struct node_facts *f = fact_of(p, n);
    if (f->kept || f->wanted || f->rule || f->readers != 1)
        return NULL;
    for (int i = n->id + 1; i < graph->n_node; i++) {
        const struct node *m = graph->node[i];
        const struct node_facts *to = &p->fact[i];
        if (!to->needed || to->fed || to->alias != m || m->n_in != 1 ||
            resolved(p, m->in[0]) != f)
            continue;
        return to->rule || to->frozen != f->frozen ? NULL : m;
    }
    return NULL;
}

/* Fills g's nodes when the pattern's ops follow each other from n on. */
static bool matches(const struct plan *p, const struct graph *graph, const struct node *n,
                    const char *pattern, struct group *g)
{
    g->n_node = 0;
    for (;;) {
        size_t length = strcspn(pattern, "+");
        if (!n || strlen(n->op->name) != length || strncmp(n->op->name, pattern, length) != 0)
            return false;
        g->node[g->n_node++] = n;
        if (!pattern[length])
            return true;
        n = next_in_chain(p, graph, n);
        pattern += length + 1;
    }
}

static void fill_facts(const struct plan *p, const struct plan_request *r, struct group *g)
{
    const struct node *first = g->node[0];
    bool frozen = fact_of(p, first)->frozen;
    g->mode = frozen ? MODE_EVAL : r->mode;
    g->n_in = first->n_in;
    for (int i = 0; i < g->n_in; i++)
        g->want_dx[i] = p->backward && resolved(p, first->in[i])->grad;
    g->n_weight = 0;
    for (int k = 0; k < g->n_node; k++)
        for (int i = 0; i < g->node[k]->n_weight; i++) {
            const struct weight *w = &g->node[k]->weight[i];
            bool grad = r->want_weights && !frozen && w->trained;
            g->weight[g->n_weight++] =
                (struct weight_ref){w, weights_at(p->weights, g->node[k], i),
                                    grad ? p->weights->grad + w->offset : NULL};
            g->want_dw |= grad;
        }
    g->backward = p->backward && fact_of(p, g->node[g->n_node - 1])->grad;
}

static bool avoided(const struct plan_request *r, const struct kernel *k)
{
    for (int i = 0; r->avoid && r->avoid[i]; i++)
        if (!strcmp(r->avoid[i], k->name))
            return true;
    return false;
}

static const char *chosen_before(const struct plan *p, const struct plan_request *r,
                                 const struct node *n)
{
    char layer[256];
    for (const struct plan_choice *c = r->choice; c && c->node; c++)
        if (!strcmp(c->node, n->name))
            return c->kernel;
    if (!r->profile || n->n_in == 0)
        return NULL;
    return profile_find(r->profile, profile_layer(p->backend, r, n, layer, sizeof(layer)));
}

/* May kernel k run the group that starts at n? Fills g if so. */
static bool suits(struct plan *p, const struct plan_request *r, const struct node *n,
                  const struct kernel *k, struct group *g)
{
    bool ruled = fact_of(p, n)->rule;
    g->kernel = k;
    if (avoided(r, k) || !matches(p, r->graph, n, k->pattern, g) ||
        (ruled && (k->in == LAYOUT_BLOCKED || k->out == LAYOUT_BLOCKED)))
        return false;
    fill_facts(p, r, g);
    struct value in[NODE_MAX_IN], out = {.shape = g->node[g->n_node - 1]->out};
    for (int i = 0; i < g->n_in; i++) {
        in[i] = resolved(p, n->in[i])->tensor->value;
        g->in[i] = &in[i];
    }
    out.shape.dim[0] = p->max_n;
    g->out = &out; /* while it is judged; the plan's own values come later */
    bool fits = !k->fits || k->fits(g);
    memset(g->in, 0, sizeof(g->in));
    g->out = NULL;
    return fits;
}

/* The kernel that a record or profile names, or else the first of the table that fits. */
static bool choose(struct plan *p, const struct plan_request *r, const struct node *n,
                   struct group *g, struct err *e)
{
    const struct group blank = *g;
    const char *name = chosen_before(p, r, n);
    for (int any = name ? 0 : 1; any < 2; any++)
        for (const struct kernel *const *k = p->backend->ops->kernel; *k; k++) {
            *g = blank;
            if ((any || !strcmp((*k)->name, name)) && suits(p, r, n, *k, g))
                return true;
        }
    return err_set(e, ERR_DEVICE, "%s: %s has no kernel for %s here", n->name,
                   p->backend->ops->name, n->op->name);
}

/* -- inputs of a step -- */

static struct tensor *branch_of(struct plan *p, struct tensor *t, struct err *e)
{
    if (!t->branch) {
        t->branch = arena_new(&p->arena, (size_t)t->readers, sizeof(*t->branch), e);
        struct step *s = t->branch ? new_step(p, e) : NULL;
        if (!s)
            return NULL;
        s->group.kernel = &fork_kernel;
        s->group.node[s->group.n_node++] = t->node;
        s->group.n_in = 1;
        s->group.want_dx[0] = true;
        s->in[0] = t;
        s->out = t;
    }
    struct tensor *b = new_tensor(p, t->node, p->n_step - 1, e);
    if (!b)
        return NULL;
    b->value = t->value;
    b->data_of = t->data_of;
    b->grad = true;
    t->branch[t->n_branch++] = b;
    return b;
}

static struct tensor *converted(struct plan *p, struct tensor *t, int block, struct err *e)
{
    struct step *s = new_step(p, e);
    struct tensor *out = s ? new_tensor(p, t->node, p->n_step - 1, e) : NULL;
    if (!out)
        return NULL;
    s->group.kernel = &reorder_kernel;
    s->group.node[s->group.n_node++] = t->node;
    s->group.n_in = 1;
    s->group.want_dx[0] = t->grad;
    s->group.backward = t->grad;
    s->in[0] = t;
    s->out = out;
    out->grad = t->grad;
    set_layout(p, out, block);
    return out;
}

static int wanted_block(const struct plan *p, enum layout layout, const struct tensor *in)
{
    if (layout == LAYOUT_SAME)
        return in ? in->value.block : 0;
    return layout == LAYOUT_BLOCKED ? p->backend->ops->block(p->backend, p->compute) : 0;
}

/* One step of the group that was chosen: reorders and forks before it, its output after it. */
static bool add_group(struct plan *p, const struct group *chosen, struct err *e)
{
    const struct node *first = chosen->node[0], *last = chosen->node[chosen->n_node - 1];
    const struct kernel *k = chosen->kernel;
    struct tensor *in[NODE_MAX_IN];
    for (int i = 0; i < chosen->n_in; i++) {
        in[i] = resolved(p, first->in[i])->tensor;
        if (in[i]->grad && in[i]->readers > 1 && !(in[i] = branch_of(p, in[i], e)))
            return false;
        int block = wanted_block(p, in[i]->value.shape.rank == 4 ? k->in : LAYOUT_PLAIN, in[i]);
        if (in[i]->value.block != block && in[i]->value.dtype != DTYPE_U8 &&
            !(in[i] = converted(p, in[i], block, e)))
            return false;
    }
    struct step *s = new_step(p, e);
    struct tensor *out = s ? new_tensor(p, last, p->n_step - 1, e) : NULL;
    if (!out)
        return false;
    s->group = *chosen;
    memcpy(s->in, in, sizeof(in[0]) * (size_t)chosen->n_in);
    s->out = out;
    s->rule = fact_of(p, first)->rule;
    for (int i = 1; i < chosen->n_node; i++)
        fact_of(p, chosen->node[i])->fused = true;
    struct node_facts *f = fact_of(p, last);
    out->kept = f->kept;
    out->wanted = f->wanted;
    out->grad = p->backward && f->grad;
    out->readers = f->readers;
    set_layout(p, out,
               wanted_block(p, last->out.rank == 4 ? k->out : LAYOUT_PLAIN,
                            chosen->n_in ? in[0] : NULL));
    f->tensor = out;
    return true;
}

/* -- the whole -- */

static bool plan_kernel(struct plan *p, struct step *s, struct err *e)
{
    struct group *g = &s->group;
    for (int i = 0; i < g->n_in; i++)
        g->in[i] = &s->in[i]->value;
    g->out = &s->out->value;
    s->backward = s->out->grad;
    g->backward = s->backward;
    g->state = arena_new(&p->arena, 1, g->kernel->plan_size + 1, e);
    if (!g->state)
        return false;
    if (g->kernel == &fork_kernel)
        ((struct fork *)g->state)->whole = s->in[0];
    if (g->kernel->plan && !g->kernel->plan(g, e))
        return err_in(e, "%s", g->node[0]->name);
    if (s->rule)
        g->needs_in = g->needs_out = true;
    return true;
}

static bool describe(struct plan *p, struct step *s, struct err *e)
{
    const struct group *g = &s->group;
    char text[256], shape[64];
    bool own = g->kernel == &reorder_kernel || g->kernel == &fork_kernel;
    int at = snprintf(text, sizeof(text), "%s: ", g->node[0]->name);
    for (int i = 0; i < g->n_node && at < (int)sizeof(text); i++)
        at += snprintf(text + at, sizeof(text) - (size_t)at, "%s%s", i ? "+" : "",
                       own ? g->kernel->name : g->node[i]->op->name);
    if (at < (int)sizeof(text))
        snprintf(text + at, sizeof(text) - (size_t)at, ", %s, %s%s", g->kernel->name,
                 shape_text(&g->out->shape, shape, sizeof(shape)),
                 g->out->dtype == DTYPE_BF16 ? " bf16" : "");
    s->text = arena_text(&p->arena, text, e);
    return s->text != NULL;
}

bool plan_build(struct plan *p, const struct plan_request *r, struct err *e)
{
    for (int i = 0; i < p->n_node; i++) {
        struct node *n = r->graph->node[i];
        struct node_facts *f = &p->fact[i];
        if (!f->needed || f->alias != n || f->fused)
            continue;
        if (f->fed) {
            if (!(f->tensor = fed_tensor(p, n, e)))
                return false;
            f->tensor->readers = f->readers;
            continue;
        }
        /* Chosen first, then added behind the reorders and forks that it needs. */
        struct group group = {.max_n = p->max_n,
                              .n_thread = p->backend->n_thread,
                              .n_shard = p->n_shard,
                              .compute = p->compute,
                              .backend = p->backend,
                              .seed = p->seed};
        if (!choose(p, r, n, &group, e) || !add_group(p, &group, e))
            return false;
    }
    for (int i = 0; i < p->n_step; i++)
        if (!plan_kernel(p, p->step[i], e) || !describe(p, p->step[i], e))
            return false;
    return true;
}
