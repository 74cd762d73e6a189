/* Layer by layer, the fastest kernel is the one with which a whole step is fastest: what it costs
 * its neighbours in reorders and lost fusions counts. */
#include "backend/profile.h"
#include "op/params.h"

#include <string.h>
#include <time.h>

enum { MAX_KERNELS = 16, TIMED_STEPS = 5 };

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool one_step(const struct tuning *t, struct plan *p, struct err *e)
{
    return plan_forward(p, 0, e) &&
           (!t->loss || (plan_seed(p, t->loss, NULL, 1, e) && plan_backward(p, NULL, NULL, e)));
}

/* The best of a few steps; *used tells whether the kernel was really chosen. */
static bool measure(const struct tuning *t, const struct plan_request *r, const char *node,
                    const char *kernel, bool *used, double *best, struct err *e)
{
    struct plan *p = plan_new(t->backend, r, t->weights, e);
    bool ok = p && t->feed(t->ctx, p, e) && one_step(t, p, e); /* the first one packs weights */
    *used = false;
    for (int i = 0; ok && plan_describe(p, i); i++) {
        struct plan_choice c = plan_chosen(p, i);
        *used |= !strcmp(c.node, node) && !strcmp(c.kernel, kernel);
    }
    *best = 1e30;
    for (int i = 0; ok && *used && i < TIMED_STEPS; i++) {
        double start = now_s();
        ok = one_step(t, p, e);
        double took = now_s() - start;
        *best = took < *best ? took : *best;
    }
    plan_free(p);
    return ok;
}

/* The names of the kernels whose pattern starts with the node's op, each once. */
static int kernels_for(const struct backend *b, const struct node *n, const char **name)
{
    int count = 0;
    size_t length = strlen(n->op->name);
    for (const struct kernel *const *k = b->ops->kernel; *k && count < MAX_KERNELS; k++) {
        bool known = strncmp((*k)->pattern, n->op->name, length) != 0;
        for (int i = 0; i < count; i++)
            known |= !strcmp(name[i], (*k)->name);
        if (!known && strcmp((*k)->name, "reference") != 0)
            name[count++] = (*k)->name;
    }
    return count;
}

static bool tune_layer(struct profile *p, const struct tuning *t, const struct node *first,
                       const struct node *layer, struct err *e)
{
    const char *name[MAX_KERNELS], *winner = NULL;
    int n = kernels_for(t->backend, first, name);
    double best = 1e30, took;
    for (int i = 0; i < n; i++) {
        struct plan_choice choice[] = {{first->name, name[i]}, {NULL, NULL}};
        struct plan_request r = *t->request;
        bool used;
        r.choice = choice;
        r.profile = p;
        if (!measure(t, &r, first->name, name[i], &used, &took, e))
            return false;
        if (!used)
            continue;
        if (t->told)
            t->told(t->ctx, layer->name, name[i], took);
        if (took < best) {
            best = took;
            winner = name[i];
        }
    }
    char text[256];
    return !winner ||
           profile_set(p, profile_layer(t->backend, t->request, first, text, sizeof(text)),
                       winner, e);
}

bool profile_tune(struct profile *p, const struct tuning *t, struct err *e)
{
    const struct graph *g = t->request->graph;
    for (int i = 0; i < g->n_node; i++) {
        const struct node *n = g->node[i];
        /* The first layer's group may begin with the normalisation. */
        bool led = n->op == &op_conv2d && n->in[0]->op == &op_normalize;
        if ((n->op == &op_conv2d || n->op == &op_linear) &&
            !tune_layer(p, t, led ? n->in[0] : n, n, e))
            return err_in(e, "%s", n->name);
    }
    return true;
}
