/* One pass over the graph's weights pairs each with a tensor, one over the file finds what is left;
 * only when nothing is wrong are elements read. */
#include "weights/match.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAME = 256, MAX_TEXT = 512, N_SHOWN = 3 };

/* Names of other publishers: a piece of a graph's name, and what stands there in the file. With
 * flatten, a convolution of the whole map there is a linear layer here: the same elements. */
static const struct renaming {
    const char *here, *there;
    bool flatten;
} renamings[] = {
    /* timm's VGG */
    {"classifier.0.", "pre_logits.fc1.", true},
    {"classifier.3.", "pre_logits.fc2.", true},
    {"classifier.6.", "head.fc.", false},
    /* torchvision's DenseNet files, of before PyTorch 0.4 */
    {".norm1.", ".norm.1.", false},
    {".norm2.", ".norm.2.", false},
    {".conv1.", ".conv.1.", false},
    {".conv2.", ".conv.2.", false},
};

/* Counts that no weight depends on, and the state of training in this program's own files. */
static const char *const idle[] = {"n_averaged", "num_batches_tracked"};
static const char own_state[] = "train.";

/* What a weight of the graph is taken from; nothing: both NULL. */
struct pair {
    const struct sd_tensor *from;
    const float *adapted; /* its elements, made to fit */
};

struct pairing {
    struct match *m;
    const struct graph *g;
    const struct state_dict *s;
    const struct match_options *o;
    struct pair *pair; /* of each weight of the graph, in order */
    bool *used;        /* of each tensor of the file */
};

const char *match_title(enum match_kind kind)
{
    static const char *const title[] = {"missing",   "unexpected", "of another shape",
                                        "not taken", "skipped",    "renamed",
                                        "adapted"};
    return title[kind];
}

static int count_weights(const struct graph *g)
{
    int n = 0;
    for (int i = 0; i < g->n_node; i++)
        n += g->node[i]->n_weight;
    return n;
}

static const char *full_name(const struct node *n, int i, char out[MAX_NAME])
{
    weight_name(n, i, out, MAX_NAME);
    return out;
}

static bool note(struct match *m, enum match_kind kind, struct err *e, const char *fmt, ...)
    PRINTF(4, 5);
static bool note(struct match *m, enum match_kind kind, struct err *e, const char *fmt, ...)
{
    char text[MAX_TEXT];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    const char *copy = arena_text(&m->arena, text, e);
    if (copy)
        m->list[kind].text[m->list[kind].n++] = copy;
    return copy != NULL;
}

static bool has_suffix(const char *name, const char *suffix)
{
    size_t n = strlen(name), k = strlen(suffix);
    return n >= k && strcmp(name + n - k, suffix) == 0 && (n == k || name[n - k - 1] == '.');
}

static bool is_aux(const struct match_options *o, const char *name)
{
    for (int i = 0; o->aux && o->aux[i]; i++)
        if (strncmp(name, o->aux[i], strlen(o->aux[i])) == 0)
            return true;
    return false;
}

static bool may_differ(const struct match_options *o, const struct node *n, const char *name)
{
    return (o->head && strcmp(n->name, o->head) == 0) || is_aux(o, name);
}

/* The file's tensor for a name, by way of the renamings if it must be. */
static const struct sd_tensor *look_up(const struct state_dict *s, const char *name,
                                       const struct renaming **by)
{
    const struct sd_tensor *t = state_dict_find(s, name);
    *by = NULL;
    for (size_t i = 0; !t && i < COUNT_OF(renamings); i++) {
        char there[MAX_NAME];
        const struct renaming *r = &renamings[i];
        const char *at = strstr(name, r->here);
        if (!at)
            continue;
        snprintf(there, sizeof(there), "%.*s%s%s", (int)(at - name), name, r->there,
                 at + strlen(r->here));
        t = state_dict_find(s, there);
        *by = r;
    }
    return t;
}

/* Dimension first and later ones; a scalar here is one of one element. */
static bool same_shape(const struct sd_tensor *t, const struct weight *w, bool flatten)
{
    if (w->integer)
        return sd_tensor_count(t) == 1;
    if (flatten && t->rank == 4 && w->shape.rank == 2)
        return t->dim[0] == w->shape.dim[0] && sd_tensor_count(t) == shape_count(&w->shape);
    for (int i = 0; i < t->rank && i < w->shape.rank; i++)
        if (t->dim[i] != w->shape.dim[i])
            return false;
    return t->rank == w->shape.rank;
}

/* Of another number of classes: the first dimension, and no other. */
static bool other_classes(const struct sd_tensor *t, const struct weight *w)
{
    for (int i = 1; i < t->rank && i < w->shape.rank; i++)
        if (t->dim[i] != w->shape.dim[i])
            return false;
    return t->rank == w->shape.rank && t->rank > 0;
}

static const char *want_text(const struct shape *shape, char *out, size_t size)
{
    struct sd_tensor t = {.rank = shape->rank};
    for (int i = 0; i < shape->rank; i++)
        t.dim[i] = shape->dim[i];
    return sd_tensor_shape(&t, out, size);
}

/* Of another shape: by way of o->adapt, *adapted = its elements in m's arena, or NULL. */
static bool adapt(struct pairing *p, const struct node *n, int i, const struct sd_tensor *t,
                  const float **adapted, struct err *e)
{
    const struct shape *to = &n->weight[i].shape;
    struct shape from = {.rank = t->rank};
    struct err refused = {0};
    *adapted = NULL;
    if (!p->o->adapt || t->rank != to->rank)
        return true;
    for (int k = 0; k < t->rank; k++) {
        if (t->dim[k] > INT32_MAX)
            return true;
        from.dim[k] = (int)t->dim[k];
    }
    if (!p->o->adapt(n, i, NULL, &from, NULL, &refused))
        return true; /* its elements may be many: they are read only where it can be */
    size_t count = sd_tensor_count(t);
    float *x = mem_new(count, sizeof(*x), e);
    float *y = arena_new(&p->m->arena, shape_count(to), sizeof(*y), e);
    bool ok = x && y && state_dict_copy(p->s, t, x, count, e);
    if (ok && p->o->adapt(n, i, x, &from, y, &refused))
        *adapted = y;
    mem_free(x);
    return ok;
}

static bool pair_other_shape(struct pairing *p, const struct node *n, int i, const char *name,
                             const struct sd_tensor *t, struct pair *out, struct err *e)
{
    char have[128], want[128];
    const struct weight *w = &n->weight[i];
    sd_tensor_shape(t, have, sizeof(have));
    if (may_differ(p->o, n, name) && other_classes(t, w))
        return note(p->m, MATCH_FRESH, e, "%s", name);
    if (!adapt(p, n, i, t, &out->adapted, e))
        return false;
    if (out->adapted)
        return note(p->m, MATCH_ADAPTED, e, "%s from %s", name, have);
    return note(p->m, MATCH_SHAPE, e, "%s is %s, expected %s", name, have,
                want_text(&w->shape, want, sizeof(want)));
}

static bool pair_weight(struct pairing *p, const struct node *n, int i, struct pair *out,
                        struct err *e)
{
    char name[MAX_NAME];
    const struct weight *w = &n->weight[i];
    const struct renaming *by;
    const struct sd_tensor *t = look_up(p->s, full_name(n, i, name), &by);
    if (!t && w->integer)
        return true;
    if (!t)
        return note(p->m, may_differ(p->o, n, name) ? MATCH_FRESH : MATCH_MISSING, e, "%s",
                    name);
    p->used[t - p->s->tensor] = true;
    if (by && !note(p->m, MATCH_RENAMED, e, "%s as %s", t->name, name))
        return false;
    if (!same_shape(t, w, by && by->flatten))
        return pair_other_shape(p, n, i, name, t, out, e);
    out->from = t;
    return true;
}

static bool is_idle(const struct match_options *o, const char *name)
{
    for (size_t i = 0; i < COUNT_OF(idle); i++)
        if (has_suffix(name, idle[i]))
            return true;
    return is_aux(o, name) || strncmp(name, own_state, sizeof(own_state) - 1) == 0;
}

static bool pair_all(struct pairing *p, struct err *e)
{
    struct pair *pair = p->pair;
    bool ok = true;
    for (int i = 0; ok && i < p->g->n_node; i++)
        for (int k = 0; ok && k < p->g->node[i]->n_weight; k++)
            ok = pair_weight(p, p->g->node[i], k, pair++, e);
    for (int i = 0; ok && i < p->s->n_tensor; i++) {
        const char *name = p->s->tensor[i].name;
        if (!p->used[i])
            ok = note(p->m, is_idle(p->o, name) ? MATCH_SKIPPED : MATCH_UNEXPECTED, e, "%s",
                      name);
    }
    return ok;
}

/* Half a head is none: when one of its tensors is not taken, neither are the others. */
static bool drop_half_heads(struct pairing *p, struct err *e)
{
    struct pair *pair = p->pair;
    bool ok = true;
    for (int i = 0; ok && i < p->g->n_node; i++) {
        const struct node *n = p->g->node[i];
        char name[MAX_NAME];
        bool half = false;
        for (int k = 0; k < n->n_weight; k++)
            half = half || (!pair[k].from && !pair[k].adapted && !n->weight[k].integer &&
                            may_differ(p->o, n, full_name(n, k, name)));
        for (int k = 0; ok && half && k < n->n_weight; k++)
            if (pair[k].from) {
                pair[k].from = NULL;
                ok = note(p->m, MATCH_FRESH, e, "%s", full_name(n, k, name));
            }
        pair += n->n_weight;
    }
    return ok;
}

static bool copy_pair(const struct pairing *p, const struct pair *pair, float *to, size_t count,
                      struct err *e)
{
    bool copies = pair->adapted || pair->from;
    if (pair->adapted)
        memcpy(to, pair->adapted, count * sizeof(*to));
    p->m->copied[pair - p->pair] = copies;
    p->m->n_copied += copies;
    return !pair->from || state_dict_copy(p->s, pair->from, to, count, e);
}

static bool copy_all(const struct pairing *p, struct weights *w, struct err *e)
{
    const struct pair *pair = p->pair;
    bool ok = true;
    for (int i = 0; ok && i < p->g->n_node; i++) {
        const struct node *n = p->g->node[i];
        for (int k = 0; ok && k < n->n_weight; k++)
            ok = copy_pair(p, pair++, weights_at(w, n, k), shape_count(&n->weight[k].shape), e);
    }
    weights_changed(w);
    return ok;
}

double match_score(const struct graph *g, const struct state_dict *s)
{
    int both = 0, n_graph = 0, n_file = 0;
    for (int i = 0; i < g->n_node; i++)
        for (int k = 0; k < g->node[i]->n_weight; k++) {
            char name[MAX_NAME];
            const struct renaming *by;
            const struct weight *w = &g->node[i]->weight[k];
            if (w->integer)
                continue;
            const struct sd_tensor *t = look_up(s, full_name(g->node[i], k, name), &by);
            both += t && same_shape(t, w, by && by->flatten);
            n_graph++;
        }
    for (int i = 0; i < s->n_tensor; i++)
        n_file += !has_suffix(s->tensor[i].name, "num_batches_tracked");
    int either = n_graph + n_file - both;
    return either > 0 ? (double)both / either : 0;
}

/* The architecture that fits best, if it fits well and better than this one; "" = none. */
static void guess(const struct pairing *p, char out[MAX_NAME])
{
    static const double well = 0.75; /* AlexNet with another head: 14 of 18 */
    double best = match_score(p->g, p->s);
    best = best > well ? best : well;
    *out = '\0';
    for (int i = 0; p->o->candidate; i++) {
        struct err ignored = {0};
        const char *name = NULL;
        struct graph *g = p->o->candidate(p->o->ctx, i, &name, &ignored);
        if (!name)
            break;
        double score = g ? match_score(g, p->s) : 0;
        if (score > best) {
            best = score;
            snprintf(out, MAX_NAME, "%s", name);
        }
        graph_free(g);
    }
}

/* "3 missing (a, b, c), 1 unexpected (d)" */
static void summarise(const struct match *m, char *out, size_t size)
{
    size_t at = 0;
    for (int kind = MATCH_MISSING; kind <= MATCH_SHAPE; kind++) {
        const struct match_list *l = &m->list[kind];
        if (l->n == 0)
            continue;
        const char *between = at ? ", " : "";
        at += (size_t)snprintf(out + at, size - at, "%s%d %s (", between, l->n,
                               match_title((enum match_kind)kind));
        for (int i = 0; i < l->n && i < N_SHOWN && at < size; i++)
            at += (size_t)snprintf(out + at, size - at, "%s%.80s", i ? ", " : "", l->text[i]);
        if (at < size)
            at += (size_t)snprintf(out + at, size - at, l->n > N_SHOWN ? " ...)" : ")");
        if (at >= size)
            return;
    }
}

static bool check_lists(const struct pairing *p, struct err *e)
{
    const struct match_list *l = p->m->list;
    if (l[MATCH_MISSING].n == 0 && l[MATCH_UNEXPECTED].n == 0 && l[MATCH_SHAPE].n == 0)
        return true;
    char likely[MAX_NAME], text[MAX_TEXT];
    const char *model = p->o->model ? p->o->model : "this model";
    guess(p, likely);
    summarise(p->m, text, sizeof(text));
    if (*likely)
        return err_set(e, ERR_MODEL, "%s: weights of %s, not of %s: %s", p->s->path, likely,
                       model, text);
    return err_set(e, ERR_MODEL, "%s: weights that do not fit %s: %s", p->s->path, model, text);
}

static bool make_lists(struct pairing *p, struct err *e)
{
    size_t most = (size_t)count_weights(p->g) + (size_t)p->s->n_tensor;
    for (int i = 0; i < MATCH_KINDS; i++) {
        p->m->list[i].text = arena_new(&p->m->arena, most, sizeof(char *), e);
        if (!p->m->list[i].text)
            return false;
    }
    p->pair = arena_new(&p->m->arena, most, sizeof(*p->pair), e);
    p->used = arena_new(&p->m->arena, most, sizeof(*p->used), e);
    p->m->copied = arena_new(&p->m->arena, most, sizeof(*p->m->copied), e);
    return p->pair && p->used && p->m->copied;
}

bool match_weights(struct match *m, struct weights *w, const struct state_dict *s,
                   const struct match_options *o, struct err *e)
{
    struct pairing p = {.m = m, .g = w->graph, .s = s, .o = o};
    *m = (struct match){0};
    return make_lists(&p, e) && pair_all(&p, e) && drop_half_heads(&p, e) &&
           check_lists(&p, e) && copy_all(&p, w, e);
}

void match_release(struct match *m)
{
    arena_release(&m->arena);
    *m = (struct match){0};
}
