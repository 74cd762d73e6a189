/* Nodes become groups (the longest pattern of the backend's table that fits), groups become steps
 * over tensors; where two neighbours disagree on the layout a reorder stands between them, and where
 * several steps read a tensor that has a gradient, each gets a branch, and a fork adds them up unless
 * the step that wrote the tensor does. */
#include "backend/plan_internal.h"
#include "backend/profile.h"
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
    const struct tensor *whole;
    const void **part; /* (n_branch) */
};

static bool fork_run(struct group *g, enum pass pass, struct err *e)
{
    (void)e;
    const struct fork *f = g->state;
    const struct tensor *t = f->whole;
    if (pass == PASS_FORWARD)
        return true;
    for (int b = 0; b < t->n_branch; b++)
        f->part[b] = t->branch[b]->value.grad;
    enum dtype type = t->value.dtype;
    size_t n = t->value.bytes / dtype_size(type) / (size_t)g->max_n * (size_t)g->n;
    g->backend->ops->sum(g->backend, type, f->part, t->n_branch, t->value.grad, n);
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
    t->data_of = t->grad_of = t;
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

/* Would it make a difference if the node were frozen? */
static bool can_freeze(const struct node *n)
{
    return n->n_weight > 0 || n->op->random;
}

/* Those nodes of a group that can be are all frozen, or none is. */
static bool is_frozen(const struct plan *p, const struct group *g)
{
    for (int i = 0; i < g->n_node; i++)
        if (can_freeze(g->node[i]))
            return fact_of(p, g->node[i])->frozen;
    return fact_of(p, g->node[0])->frozen;
}

static bool freezes_alike(const struct plan *p, const struct group *g, const struct node *m)
{
    bool any = false;
    for (int i = 0; i < g->n_node; i++)
        any |= can_freeze(g->node[i]);
    return !any || !can_freeze(m) || fact_of(p, m)->frozen == is_frozen(p, g);
}

/* Can node m go on where node n ends: does it read n, and all else that it reads, for an add, come
 * from steps that are there? */
static bool follows(const struct plan *p, const struct node *m, const struct node *n)
{
    bool reads = false;
    for (int i = 0; i < m->n_in; i++) {
        const struct node_facts *in = resolved(p, m->in[i]);
        if (in == fact_of(p, n))
            reads = true;
        else if (m->op != &op_add || !in->tensor)
            return false;
    }
    return reads;
}

/* The node that follows a group's last, if nobody else reads that and nothing is asked of it. */
static const struct node *next_in_chain(const struct plan *p, const struct graph *graph,
                                        const struct group *g)
{
    const struct node *n = g->node[g->n_node - 1];
    const struct node_facts *f = fact_of(p, n);
    if (f->kept || f->wanted || f->rule || f->readers != 1)
        return NULL;
    for (int i = n->id + 1; i < graph->n_node; i++) {
        const struct node *m = graph->node[i];
        const struct node_facts *to = &p->fact[i];
        if (!to->needed || to->fed || to->alias != m || !follows(p, m, n))
            continue;
        return to->rule || !freezes_alike(p, g, m) ? NULL : m;
    }
    return NULL;
}

/* Appends a node, and those of its inputs that the node before it does not give. */
static void append_node(const struct plan *p, struct group *g, const struct node *n)
{
    const struct node_facts *before = g->n_node ? fact_of(p, g->node[g->n_node - 1]) : NULL;
    for (int i = 0; i < n->n_in; i++)
        if (resolved(p, n->in[i]) != before)
            g->source[g->n_in++] = n->in[i];
    g->node[g->n_node++] = n;
}

/* Fills g's nodes when the pattern's ops follow each other from n on. */
static bool matches(const struct plan *p, const struct graph *graph, const struct node *n,
                    const char *pattern, struct group *g)
{
    g->n_node = g->n_in = 0;
    for (;;) {
        size_t length = strcspn(pattern, "+");
        if (!n || strlen(n->op->name) != length || strncmp(n->op->name, pattern, length) != 0)
            return false;
        append_node(p, g, n);
        if (!pattern[length])
            return true;
        n = next_in_chain(p, graph, g);
        pattern += length + 1;
    }
}

static void fill_facts(const struct plan *p, const struct plan_request *r, struct group *g)
{
    bool frozen = is_frozen(p, g);
    g->mode = frozen ? MODE_EVAL : r->mode;
    for (int i = 0; i < g->n_in; i++)
        g->want_dx[i] = p->backward && resolved(p, g->source[i])->grad;
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
        in[i] = resolved(p, g->source[i])->tensor->value;
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

/* Does the step that writes t add up its gradient? Whoever replaces its rule or reads the gradient
 * from outside wants the sum. */
static bool taken_in_parts(const struct plan *p, const struct tensor *t)
{
    const struct step *s = t->producer < 0 ? NULL : p->step[t->producer];
    return s && s->group.kernel->takes_parts && !s->rule && !t->wanted &&
           t->readers <= GROUP_MAX_PART;
}

static bool add_fork(struct plan *p, struct tensor *t, struct err *e)
{
    struct step *s = new_step(p, e);
    if (!s)
        return false;
    s->group.kernel = &fork_kernel;
    s->group.node[s->group.n_node++] = t->node;
    s->group.n_in = 1;
    s->group.want_dx[0] = true;
    s->in[0] = t;
    s->out = t;
    return true;
}

static struct tensor *branch_of(struct plan *p, struct tensor *t, struct err *e)
{
    if (!t->branch) {
        t->branch = arena_new(&p->arena, (size_t)t->readers, sizeof(*t->branch), e);
        t->in_parts = taken_in_parts(p, t);
        if (!t->branch || (!t->in_parts && !add_fork(p, t, e)))
            return NULL;
    }
    struct tensor *b = new_tensor(p, t->node, t->producer, e);
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
        in[i] = resolved(p, chosen->source[i])->tensor;
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

static bool open_fork(struct plan *p, struct fork *f, const struct tensor *whole, struct err *e)
{
    f->whole = whole;
    f->part = arena_new(&p->arena, (size_t)whole->n_branch, sizeof(*f->part), e);
    return f->part != NULL;
}

static void set_values(struct step *s)
{
    struct group *g = &s->group;
    for (int i = 0; i < g->n_in; i++)
        g->in[i] = &s->in[i]->value;
    g->out = &s->out->value;
    while (g->n_part < count_parts(s->out)) {
        g->part[g->n_part] = &part_of(s->out, g->n_part)->value;
        g->n_part++;
    }
}

static bool plan_kernel(struct plan *p, struct step *s, struct err *e)
{
    struct group *g = &s->group;
    set_values(s);
    s->backward = s->out->grad;
    g->backward = s->backward;
    g->state = arena_new(&p->arena, 1, g->kernel->plan_size + 1, e);
    if (!g->state)
        return false;
    if (g->kernel == &fork_kernel && !open_fork(p, g->state, s->in[0], e))
        return false;
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
                              .exact = p->exact,
                              .compute = p->compute,
                              .backend = p->backend,
                              .seed = p->seed};
        if (!choose(p, r, n, &group, e) || !add_group(p, &group, e))
            return false;
    }
    if (!plan_link(p, e))
        return false;
    for (int i = 0; i < p->n_step; i++)
        if (!plan_kernel(p, p->step[i], e) || !describe(p, p->step[i], e))
            return false;
    for (int i = 0; i < p->n_tensor; i++) {
        const struct gradient_rows *rows = p->tensor[i]->value.rows;
        p->tensor[i]->in_rows = rows && rows->make;
    }
    return true;
}
