#include "train/evaluate.h"

#include "train/frontier.h"

int target_class(const float *row, int n_class)
{
    int best = 0;
    for (int i = 1; i < n_class; i++)
        if (row[i] > row[best])
            best = i;
    return best;
}

struct plan *evaluation_plan(const struct evaluation_request *r, struct err *e)
{
    struct node *keep[] = {r->net->model.logits, NULL};
    struct plan_request request = {
        .graph = r->net->graph,
        .max_n = r->max_n,
        .mode = MODE_EVAL,
        .compute = r->compute,
        .from = r->from,
        .keep = keep,
        .choice = r->choice,
    };
    return plan_new(r->backend, &request, r->average ? r->average : r->net->weights, e);
}

static bool add_batch(const struct evaluation *v, const struct batch *b, float *logits,
                      int *label, struct metrics *m, struct err *e)
{
    if (!(v->frontier ? frontier_feed(v->frontier, FRONTIER_VAL, v->plan, b, e)
                      : plan_feed(v->plan, v->net->model.input, b->pixel, b->n, e)) ||
        !plan_forward(v->plan, 0, e) || !plan_read(v->plan, v->net->model.logits, logits, e))
        return false;
    for (int i = 0; i < b->n; i++)
        label[i] = target_class(b->label + (size_t)i * (size_t)m->n_class, m->n_class);
    metrics_add(m, logits, label, b->n);
    if (v->progress)
        v->progress(v->ctx, m->n);
    return true;
}

bool evaluate(const struct evaluation *v, struct metrics *m, struct err *e)
{
    metrics_clear(m);
    float *logits = mem_new((size_t)v->max_n * (size_t)m->n_class, sizeof(*logits), e);
    int *label = mem_new((size_t)v->max_n, sizeof(*label), e);
    bool ok = logits && label;
    for (const struct batch *b = NULL; ok;) {
        ok = loader_next(v->loader, &b, e);
        if (!ok || !b)
            break;
        ok = add_batch(v, b, logits, label, m, e);
        if (ok && v->stop && *v->stop) {
            e->signal = *v->stop;
            ok = err_set(e, ERR_INTERRUPTED, "stopped by signal %d", *v->stop);
        }
    }
    mem_free(logits);
    mem_free(label);
    return ok;
}
