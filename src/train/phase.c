/* What trains in an epoch, and from where: plans, rates and features follow the strategy of freeze.h.
 * All of it is a function of the epoch, so a resumed run does the same. */
#include "train/trainer.h"

#include "augment/mix.h"
#include "train/evaluate.h"

enum { DETERMINISTIC_SHARDS = 8 };

static int upto_of(const struct trainer *t, int64_t epoch)
{
    int64_t last = t->s.cfg->loop.epochs - 1; /* the learning-rate finder may go on */
    return freeze_upto(&t->freeze, epoch < last ? epoch : last);
}

static bool make_frontier(struct trainer *t, struct err *e)
{
    const struct trainer_setup *s = &t->s;
    struct frontier_request r = {
        .backend = s->backend,
        .net = s->net,
        .freeze = &t->freeze,
        .upto = t->upto,
        .compute = s->compute,
        .max_n = t->max_n,
        .stream = {s->stream[FRONTIER_TRAIN], s->stream[FRONTIER_VAL]},
        .cache_dir = s->cfg->pictures.cache_dir,
        .cache_limit = (int64_t)(s->cfg->pictures.cache_gb * 1e9),
    };
    frontier_free(t->frontier);
    return frontier_new(&t->frontier, &r, e);
}

static bool make_plans(struct trainer *t, int upto, struct err *e)
{
    const struct trainer_setup *s = &t->s;
    plan_free(t->plan);
    plan_free(t->eval_plan);
    t->plan = t->eval_plan = NULL;
    t->upto = upto;
    freeze_list(&t->freeze, upto, t->frozen);
    if (!make_frontier(t, e))
        return false;
    struct node *from[] = {t->frontier ? frontier_node(t->frontier) : NULL, NULL};
    struct plan_request r = {
        .graph = s->net->graph,
        .max_n = t->max_n,
        .mode = MODE_TRAIN,
        .compute = s->compute,
        .from = from,
        .keep = (struct node *[]){s->net->model.logits, s->net->model.loss, NULL},
        .frozen = t->frozen,
        .want_weights = true,
        .n_shard = s->cfg->loop.deterministic ? DETERMINISTIC_SHARDS : 0,
        .seed = (uint64_t)s->cfg->loop.seed,
        .choice = s->choice,
    };
    t->plan = plan_new(s->backend, &r, s->net->weights, e);
    if (!t->plan || !s->val)
        return t->plan != NULL;
    struct evaluation_request v = {.backend = s->backend,
                                   .net = s->net,
                                   .average = t->average,
                                   .from = from,
                                   .max_n = t->max_n,
                                   .compute = s->compute,
                                   .choice = s->eval_choice};
    t->eval_plan = evaluation_plan(&v, e);
    return t->eval_plan != NULL;
}

/* Of the buffers the first that may ever change. */
static size_t first_buffer(const struct trainer *t, int upto)
{
    const struct graph *g = t->s.net->graph;
    size_t first = g->n_buffer;
    for (int i = 0; i < g->n_node; i++)
        for (int k = 0; k < g->node[i]->n_weight; k++) {
            const struct weight *w = &g->node[i]->weight[k];
            if (!w->trained && !freeze_holds(&t->freeze, g->node[i], upto) && w->offset < first)
                first = w->offset;
        }
    return first;
}

bool trainer_phase_init(struct trainer *t, struct err *e)
{
    const struct trainer_setup *s = &t->s;
    size_t n = (size_t)s->net->graph->n_node;
    t->rate = mem_new(n, sizeof(*t->rate), e);
    t->frozen = mem_new(n + 1, sizeof(*t->frozen), e);
    if (!t->rate || !t->frozen ||
        !freeze_init(&t->freeze, &s->cfg->freeze, &s->net->model, s->net->graph, e))
        return false;
    int last = upto_of(t, s->cfg->loop.epochs);
    t->phase_epoch = -1;
    t->first_buffer = first_buffer(t, last);
    freeze_rates(&t->freeze, last, t->rate);
    return optimiser_init(&t->optimiser, &s->cfg->optim, s->backend, s->net->graph, t->rate, e);
}

bool trainer_phase_plans(struct trainer *t, struct err *e)
{
    return make_plans(t, upto_of(t, 0), e);
}

static void on_computed(void *ctx, int64_t done, int64_t all)
{
    const struct trainer *t = ctx;
    if (t->s.events && t->s.events->computing)
        t->s.events->computing(t->s.events->ctx, done, all);
}

/* Sees that a view is kept; the first time that cannot be it is said, and is the last time. */
static bool keep(struct trainer *t, int stream, int view, bool *kept, struct err *e)
{
    struct err note = {0};
    struct frontier_progress p = {on_computed, t, t->s.stop};
    if (!frontier_fill(t->frontier, stream, view, &p, kept, &note, e))
        return false;
    if (!*kept) {
        err_in(&note, "going on without kept features");
        trainer_warn(t, note.msg);
        t->no_features = true;
    }
    return true;
}

/* Where batches of this epoch come from: the disk, or the pictures. */
static bool choose_source(struct trainer *t, struct err *e)
{
    const struct freeze_config *c = &t->s.cfg->freeze;
    bool can = t->frontier && c->feature_cache;
    int views = t->frontier && !mix_active(&t->s.cfg->augment) ? (int)c->views : 0;
    bool train = can && views > 0 && !t->no_features;
    if (train && !keep(t, FRONTIER_TRAIN, (int)(t->epoch % views), &train, e))
        return false;
    loader_set(t->s.train, views, !train);
    bool val = can && t->s.val && !t->no_features;
    if (val && !keep(t, FRONTIER_VAL, 0, &val, e))
        return false;
    if (t->s.val)
        loader_set(t->s.val, 0, !val);
    return true;
}

static void tell(const struct trainer *t)
{
    char text[256];
    freeze_text(&t->freeze, t->upto, text, sizeof(text));
    if (t->s.run)
        run_log(t->s.run, "epoch %lld: %s", (long long)t->epoch + 1, text);
    if (t->epoch > 0 && t->s.events && t->s.events->phase)
        t->s.events->phase(t->s.events->ctx, text);
}

bool trainer_phase(struct trainer *t, struct err *e)
{
    if (t->phase_epoch == t->epoch)
        return true;
    int upto = upto_of(t, t->epoch);
    if (upto != t->upto && !make_plans(t, upto, e))
        return false;
    if (t->phase_epoch < 0 || upto != upto_of(t, t->phase_epoch))
        tell(t);
    freeze_rates(&t->freeze, upto, t->rate);
    /* What begins to train has no past: nobody's momentum is kept. */
    bool anew = t->epoch > 0 && t->batch == 0 && upto != upto_of(t, t->epoch - 1);
    const struct graph *g = t->s.net->graph;
    if (!(anew ? optimiser_restart(&t->optimiser, g, t->rate, e)
               : optimiser_rates(&t->optimiser, g, t->rate, e)) ||
        !choose_source(t, e))
        return false;
    t->phase_epoch = t->epoch;
    return true;
}
