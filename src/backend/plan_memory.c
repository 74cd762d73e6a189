/* Lives of tensors in time, and their places in one arena: the largest first, each at the lowest
 * offset that is free during its life. */
#include "backend/plan_internal.h"

#include <stdlib.h>

enum { ALIGN = 64 };

static int back_time(const struct plan *p, int step)
{
    return 2 * p->n_step - 1 - step;
}

/* When the step is last at work: rows of a gradient are made where they are read. */
static int last_time(const struct plan *p, int step)
{
    const struct step *s = p->step[step];
    bool later = s->group.n_in && s->in[0]->in_rows;
    return back_time(p, later ? s->in[0]->producer : step);
}

static void use(int *from, int *to, int time)
{
    *from = *from < time ? *from : time;
    *to = *to > time ? *to : time;
}

static void use_gradient(struct tensor *t, int time)
{
    for (int i = 0; i < count_parts(t) && !t->in_rows; i++)
        use(&part_of(t, i)->grad_from, &part_of(t, i)->grad_to, time);
}

/* When the data and gradients of a step's tensors are written and read. */
static void live_through(struct plan *p, int i)
{
    struct step *s = p->step[i];
    struct group *g = &s->group;
    int back = back_time(p, i), last = last_time(p, i);
    struct tensor *out = s->out->data_of;
    if (s->out->producer == i)
        use(&out->data_from, &out->data_to, i);
    if (s->backward) {
        use_gradient(s->out, back);
        use_gradient(s->out, last);
        if (g->needs_out)
            use(&out->data_from, &out->data_to, last);
    }
    for (int k = 0; k < g->n_in; k++) {
        struct tensor *in = s->in[k], *data = in->data_of;
        use(&data->data_from, &data->data_to, i);
        if (!s->backward)
            continue;
        if (g->needs_in || (g->needs_first && k == 0))
            use(&data->data_from, &data->data_to, last);
        if (g->want_dx[k] && !in->in_rows)
            use(&in->grad_from, &in->grad_to, back);
        for (int b = 0; b < in->n_branch && s->out == in; b++)
            use(&in->branch[b]->grad_from, &in->branch[b]->grad_to, back);
    }
}

static void live(struct plan *p)
{
    int end = 2 * p->n_step;
    for (int i = 0; i < p->n_tensor; i++) {
        struct tensor *t = p->tensor[i];
        t->data_from = t->grad_from = end;
        t->data_to = t->grad_to = -1;
        if (t->producer < 0)
            t->data_from = 0;
    }
    for (int i = 0; i < p->n_step; i++)
        live_through(p, i);
    for (int i = 0; i < p->n_tensor; i++) {
        struct tensor *t = p->tensor[i];
        if (t->producer < 0 || t->kept)
            t->data_to = end; /* fed data is there for the next batch too */
        if (t->wanted && t->grad)
            t->grad_to = end;
        if (t->grad && t->readers == 0) /* seeded before the backward pass begins */
            t->grad_from = p->n_step - 1 < t->grad_from ? p->n_step - 1 : t->grad_from;
    }
}

static void join(struct tensor *t, struct tensor *root)
{
    t->grad_of = root;
    use(&root->grad_from, &root->grad_to, t->grad_from);
    use(&root->grad_from, &root->grad_to, t->grad_to);
}

/* The gradient of what a step adds is written over one that it is made of and that nobody reads
 * later. */
static void join_to_part(struct plan *p, int i)
{
    struct step *s = p->step[i];
    int last = s->group.n_in - 1;
    bool may = s->backward && s->group.dx_over_part && s->group.want_dx[last];
    for (int k = 0; may && k < count_parts(s->out); k++) {
        struct tensor *root = part_of(s->out, k)->grad_of;
        if (root->grad_to > back_time(p, i))
            continue;
        join(s->in[last], root);
        return;
    }
}

/* Gradients that are the same have one place (group_dx): readers come first, so that what a step
 * joins has been joined already. */
static void join_gradients(struct plan *p)
{
    for (int i = p->n_step - 1; i >= 0; i--) {
        struct step *s = p->step[i];
        const struct group *g = &s->group;
        join_to_part(p, i);
        struct tensor *root = s->backward && g->dx == DX_DY ? s->out->grad_of : NULL;
        for (int k = 0; s->backward && g->dx != DX_OWN && k < g->n_in; k++) {
            if (!g->want_dx[k])
                continue;
            if (root)
                join(s->in[k], root);
            else
                root = s->in[k];
        }
    }
}

/* Where the one reader of a tensor writes its gradient over the data it has just read. */
static void share(struct plan *p)
{
    for (int i = 0; i < p->n_step; i++) {
        struct step *s = p->step[i];
        struct tensor *t = s->group.n_in ? s->in[0] : NULL;
        if (!t || !s->backward || !s->group.dx_over_in || !s->group.want_dx[0] || t->kept ||
            t->in_rows || t->producer < 0 || t->data_of != t || t->grad_of != t ||
            t->readers > 1 || t->data_to > back_time(p, i))
            continue;
        t->shared = true;
        t->data_to = t->grad_to;
    }
}

struct piece {
    size_t bytes, *at;
    int from, to;
};

static int larger_first(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x->from - y->from;
}

/* Lowest free offset for piece i among the placed pieces 0 .. i-1. */
static size_t lowest(const struct piece *piece, int i)
{
    size_t at = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (int k = 0; k < i; k++) {
            bool apart = piece[k].to < piece[i].from || piece[i].to < piece[k].from ||
                         *piece[k].at + piece[k].bytes <= at ||
                         at + piece[i].bytes <= *piece[k].at;
            if (apart)
                continue;
            at = *piece[k].at + piece[k].bytes;
            moved = true;
        }
    }
    return at;
}

static void add_piece(struct piece *piece, int *n, size_t bytes, size_t *at, int from, int to)
{
    if (bytes && from <= to)
        piece[(*n)++] = (struct piece){(bytes + ALIGN - 1) / ALIGN * ALIGN, at, from, to};
}

static int gather(struct plan *p, struct piece *piece)
{
    int n = 0;
    size_t scratch = 0;
    for (int i = 0; i < p->n_tensor; i++) {
        struct tensor *t = p->tensor[i];
        /* Pictures are borrowed from whoever feeds them. */
        if (t->data_of == t && t->value.dtype != DTYPE_U8)
            add_piece(piece, &n, t->value.bytes, &t->data_at, t->data_from, t->data_to);
        if (t->grad && t->grad_of == t && !t->shared)
            add_piece(piece, &n, t->value.bytes, &t->grad_at, t->grad_from, t->grad_to);
    }
    for (int i = 0; i < p->n_step; i++) {
        struct step *s = p->step[i];
        add_piece(piece, &n, s->group.saved_bytes, &s->saved_at, i,
                  s->backward ? last_time(p, i) : 2 * p->n_step);
        scratch = scratch > s->group.scratch_bytes ? scratch : s->group.scratch_bytes;
    }
    add_piece(piece, &n, scratch, &p->scratch_at, 0, 2 * p->n_step);
    return n;
}

bool plan_place(struct plan *p, struct err *e)
{
    live(p);
    join_gradients(p);
    share(p);
    struct piece *piece = mem_new((size_t)(2 * p->n_tensor + p->n_step + 1), sizeof(*piece), e);
    if (!piece)
        return false;
    int n = gather(p, piece);
    qsort(piece, (size_t)n, sizeof(*piece), larger_first);
    p->bytes = 0;
    for (int i = 0; i < n; i++) {
        *piece[i].at = lowest(piece, i);
        size_t end = *piece[i].at + piece[i].bytes;
        p->bytes = p->bytes > end ? p->bytes : end;
    }
    mem_free(piece);
    return true;
}

void plan_bind(struct plan *p)
{
    char *base = p->memory;
    for (int i = 0; i < p->n_tensor; i++) {
        struct tensor *t = p->tensor[i];
        t->value.data = t->value.dtype == DTYPE_U8 ? NULL : base + t->data_of->data_at;
        if (t->grad && !t->in_parts && !t->in_rows)
            t->value.grad = t->shared ? t->value.data : base + t->grad_at;
    }
    for (int i = 0; i < p->n_tensor; i++)
        p->tensor[i]->value.grad = p->tensor[i]->grad_of->value.grad;
    for (int i = 0; i < p->n_step; i++) {
        struct group *g = &p->step[i]->group;
        g->saved = g->saved_bytes ? base + p->step[i]->saved_at : NULL;
        g->scratch = g->scratch_bytes ? base + p->scratch_at : NULL;
    }
}
