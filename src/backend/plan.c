/* A plan made, fed, run and read. */
#include "graph/plan.h"

#include "backend/cpu/isa.h"
#include "backend/plan_internal.h"

#include "base/bf16.h"
#include "op/params.h"

#include <string.h>
#include <time.h>

static struct plan *plan_sized(const struct backend *b, const struct plan_request *r,
                               struct weights *w, int max_n, struct err *e)
{
    struct plan *p = mem_new(1, sizeof(*p), e);
    if (!p)
        return NULL;
    p->backend = b;
    p->weights = w;
    p->max_n = max_n;
    p->n_shard = r->n_shard > 0 ? r->n_shard : b->n_thread;
    p->exact = r->n_shard > 0;
    p->compute = r->compute;
    p->seed = r->seed;
    p->n_node = r->graph->n_node;
    p->fact = mem_new((size_t)p->n_node, sizeof(*p->fact), e);
    if (p->fact && plan_mark(p, r, e) && plan_build(p, r, e) && plan_place(p, e))
        return p;
    plan_free(p);
    return NULL;
}

static size_t size_of(const struct backend *b, const struct plan_request *r, struct weights *w,
                      int max_n, struct err *e)
{
    struct plan *p = plan_sized(b, r, w, max_n, e);
    size_t bytes = p ? p->bytes : SIZE_MAX;
    plan_free(p);
    return bytes;
}

/* Names the largest batch that would have fitted. */
static bool refuse(const struct backend *b, const struct plan_request *r, struct weights *w,
                   size_t bytes, size_t limit, struct err *e)
{
    struct err ignored = {0};
    int fits = 0;
    for (int lo = 1, hi = r->max_n - 1; lo <= hi;) {
        int n = lo + (hi - lo) / 2;
        if (size_of(b, r, w, n, &ignored) <= limit) {
            fits = n;
            lo = n + 1;
        } else {
            hi = n - 1;
        }
    }
    double MiB = 1 << 20;
    if (fits == 0)
        return err_set(
            e, ERR_USAGE,
            "a batch of %d needs %.0f MiB, %.0f MiB are free, and not even one picture "
            "fits: choose a smaller input or fewer filters",
            r->max_n, (double)bytes / MiB, (double)limit / MiB);
    return err_set(
        e, ERR_USAGE,
        "a batch of %d needs %.0f MiB, %.0f MiB are free; the largest that fits is %d",
        r->max_n, (double)bytes / MiB, (double)limit / MiB, fits);
}

/* Bytes of the weights' gradients, which take memory from the first backward pass on; what an earlier plan has
 * written is counted again, on the safe side. */
static size_t gradients_of(const struct plan *p)
{
    size_t n = 0;
    for (int i = 0; i < p->n_step; i++) {
        const struct group *g = &p->step[i]->group;
        for (int k = 0; k < g->n_weight; k++)
            n += g->weight[k].grad ? shape_count(&g->weight[k].spec->shape) : 0;
    }
    return n * sizeof(float);
}

static size_t free_for(const struct plan *p)
{
    size_t available = mem_available(), later = gradients_of(p);
    return available > later ? available - later : 0;
}

struct plan *plan_new(const struct backend *b, const struct plan_request *r, struct weights *w,
                      struct err *e)
{
    if (r->max_n < 1) {
        err_set(e, ERR_USAGE, "a batch of %d; at least 1", r->max_n);
        return NULL;
    }
    if (r->compute == DTYPE_BF16 && b->isa && !b->isa->bf16) {
        err_set(e, ERR_DEVICE, "bf16: %s has no bf16 instructions; use fp32", b->isa->name);
        return NULL;
    }
    struct plan *p = plan_sized(b, r, w, r->max_n, e);
    if (!p)
        return NULL;
    size_t limit = r->memory_limit ? r->memory_limit : free_for(p);
    if (p->bytes > limit) {
        refuse(b, r, w, p->bytes, limit, e);
        plan_free(p);
        return NULL;
    }
    p->memory = mem_map(p->bytes, e);
    if (!p->memory) {
        plan_free(p);
        return NULL;
    }
    plan_bind(p);
    return p;
}

void plan_free(struct plan *p)
{
    if (!p)
        return;
    for (int i = 0; i < p->n_step; i++) {
        struct group *g = &p->step[i]->group;
        if (g->kernel && g->kernel->drop && g->state)
            g->kernel->drop(g);
    }
    mem_unmap(p->memory, p->bytes);
    mem_free(p->step);
    mem_free(p->tensor);
    mem_free(p->fact);
    arena_release(&p->arena);
    mem_free(p);
}

static struct tensor *tensor_of(const struct plan *p, const struct node *n)
{
    return n->id < p->n_node ? resolved(p, n)->tensor : NULL;
}

/* Plain floats as a value, for reorders from and to whoever feeds or reads. */
static struct value plain(const struct tensor *t)
{
    struct value v = {.shape = t->value.shape, .dtype = DTYPE_F32};
    v.bytes = shape_count(&v.shape) * sizeof(float);
    return v;
}

bool plan_feed(struct plan *p, const struct node *node, const void *data, int n, struct err *e)
{
    struct tensor *t = tensor_of(p, node);
    if (!t || t->producer >= 0)
        return err_set(e, ERR_INTERNAL, "%s is not fed in this plan", node->name);
    if (n < 1 || n > p->max_n)
        return err_set(e, ERR_INTERNAL, "%s: a batch of %d; this plan takes 1 to %d",
                       node->name, n, p->max_n);
    p->n = n;
    if (t->value.dtype == DTYPE_U8)
        t->value.data = (void *)(uintptr_t)data; /* borrowed; kernels only read inputs */
    else
        memcpy(t->value.data, data, t->value.bytes / (size_t)p->max_n * (size_t)n);
    return true;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The replaced backward rule: on plain floats. */
static void apply_rule(struct step *s)
{
    struct group *g = &s->group;
    size_t n = shape_count(&g->out->shape) / (size_t)g->max_n * (size_t)g->n;
    s->rule->apply(g->in[0]->data, g->out->data, g->out->grad, g->in[0]->grad, n);
}

static bool run(struct plan *p, struct step *s, enum pass pass, struct err *e)
{
    struct group *g = &s->group;
    double start = p->timed ? now() : 0;
    g->n = p->n;
    g->version = p->weights->version;
    if (pass == PASS_BACKWARD && s->rule)
        apply_rule(s);
    else if (!g->kernel->run(g, pass, e))
        return err_in(e, "%s", g->node[0]->name);
    if (p->timed)
        s->seconds[pass] += now() - start;
    return true;
}

bool plan_forward(struct plan *p, uint64_t step, struct err *e)
{
    if (p->n == 0)
        return err_set(e, ERR_INTERNAL, "nothing was fed");
    for (int i = 0; i < p->n_step; i++) {
        p->step[i]->group.step = step;
        if (!run(p, p->step[i], PASS_FORWARD, e))
            return false;
    }
    return true;
}

bool plan_seed(struct plan *p, const struct node *node, const float *data, float scale,
               struct err *e)
{
    struct tensor *t = tensor_of(p, node);
    if (!t || !t->grad || t->readers > 0)
        return err_set(e, ERR_INTERNAL, "%s is not where this plan's gradients start",
                       node->name);
    p->sink = (struct seed){node, data, scale};
    return true;
}

/* The seed into the gradient, whatever its layout and type; padding is zero already. */
static void write_seed(const struct plan *p, const struct tensor *t)
{
    const struct value *v = &t->value;
    const struct seed *seed = &p->sink;
    size_t C = v->shape.rank > 1 ? (size_t)v->shape.dim[1] : 1;
    size_t V = v->block ? (size_t)v->block : 1, padded = (C + V - 1) / V * V;
    size_t plane = shape_count(&v->shape) / (size_t)v->shape.dim[0] / C;
    for (size_t n = 0, i = 0; n < (size_t)p->n; n++)
        for (size_t c = 0; c < C; c++)
            for (size_t at = 0; at < plane; at++, i++) {
                size_t to = n * padded * plane + (c / V * plane + at) * V + c % V;
                float dy = seed->scale * (seed->data ? seed->data[i] : 1);
                if (v->dtype == DTYPE_BF16)
                    ((uint16_t *)v->grad)[to] = bf16_from_float(dy);
                else
                    ((float *)v->grad)[to] = dy;
            }
}

/* Every gradient that nobody writes starts at zero, the seeded one at its seed. */
static bool start_backward(struct plan *p, struct err *e)
{
    if (!p->backward || !p->sink.node)
        return err_set(e, ERR_INTERNAL, "a backward pass of a plan without gradients or seed");
    for (int i = 0; i < p->n_tensor; i++) {
        struct tensor *t = p->tensor[i];
        if (t->grad && t->readers == 0 && t->data_of == t && resolved(p, t->node)->tensor == t)
            memset(t->value.grad, 0, t->value.bytes);
    }
    write_seed(p, tensor_of(p, p->sink.node));
    return true;
}

bool plan_backward(struct plan *p, void (*ready)(void *ctx, const struct node *node), void *ctx,
                   struct err *e)
{
    if (!start_backward(p, e))
        return false;
    for (int i = p->n_step - 1; i >= 0; i--) {
        struct step *s = p->step[i];
        if (!s->backward)
            continue;
        if (!run(p, s, PASS_BACKWARD, e))
            return false;
        for (int k = 0; ready && s->group.want_dw && k < s->group.n_node; k++)
            ready(ctx, s->group.node[k]);
    }
    return true;
}

bool plan_read(const struct plan *p, const struct node *node, float *out, struct err *e)
{
    const struct tensor *t = tensor_of(p, node);
    if (!t || !(t->kept || t->producer < 0) || t->value.dtype == DTYPE_U8)
        return err_set(e, ERR_INTERNAL, "%s is not kept in this plan", node->name);
    struct value v = plain(t);
    p->backend->ops->reorder(&t->value, t->value.data, &v, out, p->n, p->backend->n_thread);
    return true;
}

bool plan_read_grad(const struct plan *p, const struct node *node, float *out, struct err *e)
{
    const struct tensor *t = tensor_of(p, node);
    if (!t || !t->wanted)
        return err_set(e, ERR_INTERNAL, "%s: no gradient was asked for", node->name);
    struct value v = plain(t);
    p->backend->ops->reorder(&t->value, t->value.grad, &v, out, p->n, p->backend->n_thread);
    return true;
}

bool plan_decisions(const struct plan *p, const struct node *node, int32_t *out, struct err *e)
{
    for (int i = 0; i < p->n_step; i++) {
        const struct group *g = &p->step[i]->group;
        if (g->node[g->n_node - 1] != node || !g->kernel->decisions)
            continue;
        return g->kernel->decisions(g, out) ||
               err_set(e, ERR_INTERNAL, "%s: %s kept no decisions", node->name,
                       g->kernel->name);
    }
    return err_set(e, ERR_INTERNAL, "%s makes no decisions in this plan", node->name);
}

size_t plan_bytes(const struct plan *p)
{
    return p->bytes;
}

const char *plan_describe(const struct plan *p, int i)
{
    return i < p->n_step ? p->step[i]->text : NULL;
}

struct plan_choice plan_chosen(const struct plan *p, int i)
{
    const struct group *g = &p->step[i]->group;
    return (struct plan_choice){g->node[0]->name, g->kernel->name};
}

void plan_time(struct plan *p, bool on)
{
    p->timed = on;
}

void plan_seconds(const struct plan *p, int i, double *forward, double *backward)
{
    *forward = p->step[i]->seconds[PASS_FORWARD];
    *backward = p->step[i]->seconds[PASS_BACKWARD];
}
