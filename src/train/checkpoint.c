/* last.safetensors is written anew each time, after the one that stood there has become
 * previous.safetensors; at every moment one of them is whole. */
#include "train/trainer.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

static const char last_name[] = "last.safetensors", previous_name[] = "previous.safetensors",
                  best_name[] = "best.safetensors";
enum { MAX_FAILURES = 3 };
/* Above so many bytes a checkpoint (ResNet-50's: a third of a second) takes longer than an epoch over kept
 * features may: at the ends of epochs it is then written no oftener than this. */
enum { LARGE_BYTES = 32 << 20, LARGE_SECONDS = 30 };

static void add(struct trainer *t, const char *name, enum st_dtype dtype, void *data, size_t n)
{
    t->state[t->n_state++] = (struct state_item){name, dtype, data, n};
}

void trainer_list_state(struct trainer *t)
{
    t->n_state = 0;
    add(t, "step", ST_I64, &t->step, 1);
    add(t, "epoch", ST_I64, &t->epoch, 1);
    add(t, "batch", ST_I64, &t->batch, 1);
    add(t, "epoch_loss", ST_F64, &t->epoch_loss, 1);
    add(t, "epoch_right", ST_I64, &t->epoch_right, 1);
    add(t, "epoch_seen", ST_I64, &t->epoch_seen, 1);
    add(t, "best_accuracy", ST_F64, &t->best_accuracy, 1);
    add(t, "best_epoch", ST_I64, &t->best_epoch, 1);
    add(t, "stale", ST_I64, &t->stale, 1);
    add(t, "metrics_bytes", ST_I64, &t->metrics_bytes, 1);
    add(t, "samples_bytes", ST_I64, &t->samples_bytes, 1);
    add(t, "schedule_best", ST_F64, &t->schedule.state.best, 1);
    add(t, "schedule_bad", ST_I64, &t->schedule.state.bad, 1);
    add(t, "schedule_factor", ST_F64, &t->schedule.state.factor, 1);
    add(t, "optimiser_step", ST_I64, &t->optimiser.step, 1);
    add(t, "optimiser_product", ST_F64, &t->optimiser.product, 1);
    for (int i = 0; t->optimiser.rule->slot[i]; i++)
        add(t, t->optimiser.rule->slot[i], ST_F32, t->optimiser.slot[i],
            t->optimiser.n - t->optimiser.first);
    if (t->average) { /* the file's own tensors are then the average; what is frozen is the same */
        const struct weights *w = t->s.net->weights;
        size_t value = t->optimiser.first, buffer = t->first_buffer;
        add(t, "value", ST_F32, w->value + value, w->graph->n_value - value);
        add(t, "buffer", ST_F32, w->buffer + buffer, w->graph->n_buffer - buffer);
    }
}

static struct weights *shown(const struct trainer *t)
{
    return t->average ? t->average : t->s.net->weights;
}

size_t trainer_checkpoint_bytes(const struct trainer *t)
{
    return network_bytes(t->s.net, t->state, t->n_state);
}

static bool may_wait(const struct trainer *t)
{
    return trainer_checkpoint_bytes(t) > LARGE_BYTES && clock_s() - t->saved_s < LARGE_SECONDS;
}

void trainer_warn(const struct trainer *t, const char *text)
{
    if (t->s.run)
        run_log(t->s.run, "warning: %s", text);
    if (t->s.events && t->s.events->warn)
        t->s.events->warn(t->s.events->ctx, text);
}

static bool write_best(struct trainer *t, const struct weights *w, struct err *e)
{
    char *path = run_path(t->s.run->dir, best_name, e);
    bool ok = path && network_save(t->s.net, w, NULL, 0, path, e);
    mem_free(path);
    return ok;
}

/* Keeps a copy to store with the next checkpoint. */
static bool put_aside(struct trainer *t, struct err *e)
{
    const struct graph *g = t->s.net->graph;
    const struct weights *w = shown(t);
    if (!t->best && !(t->best = weights_new(g, e)))
        return false;
    memcpy(t->best->value, w->value, g->n_value * sizeof(float));
    memcpy(t->best->buffer, w->buffer, g->n_buffer * sizeof(float));
    return true;
}

bool trainer_save_best(struct trainer *t, struct err *e)
{
    if (may_wait(t))
        return put_aside(t, e);
    weights_free(t->best);
    t->best = NULL;
    if (write_best(t, shown(t), e))
        return true;
    if (e->kind != ERR_STORAGE)
        return false;
    err_in(e, "the best weights wait in memory");
    trainer_warn(t, e->msg);
    return put_aside(t, e);
}

static bool write_last(struct trainer *t, struct err *e)
{
    struct run *r = t->s.run;
    if (t->best && !write_best(t, t->best, e))
        return false;
    weights_free(t->best);
    t->best = NULL;
    if (!journal_sync(&r->metrics, e) || !journal_sync(&r->samples, e))
        return false;
    t->metrics_bytes = r->metrics.bytes;
    t->samples_bytes = r->samples.bytes;
    char *path = run_path(r->dir, last_name, e);
    bool ok = path && (t->last_is_bad || run_keep(r, last_name, previous_name, e)) &&
              network_save(t->s.net, shown(t), t->state, t->n_state, path, e);
    mem_free(path);
    t->last_is_bad = t->last_is_bad && !ok;
    return ok;
}

bool trainer_save_epoch(struct trainer *t, struct err *e)
{
    bool last = trainer_done(t);
    return (may_wait(t) && !last) || trainer_save(t, last, e);
}

bool trainer_save(struct trainer *t, bool final, struct err *e)
{
    if (!t->s.run)
        return true;
    t->saved_s = clock_s();
    if (write_last(t, e)) {
        t->failures = 0;
        return true;
    }
    if (e->kind != ERR_STORAGE)
        return false;
    err_in(e, "checkpoint at step %lld failed", (long long)t->step);
    if (++t->failures >= MAX_FAILURES || final)
        return err_in(e, "giving up (the last good checkpoint stands)");
    trainer_warn(t, e->msg);
    return true;
}

static bool restore(struct trainer *t, const char *name, struct err *e)
{
    char *path = run_path(t->s.run->dir, name, e);
    bool ok = path && network_restore(t->s.net, shown(t), t->state, t->n_state, path, e);
    mem_free(path);
    if (ok && t->average) {
        struct weights *w = t->s.net->weights;
        memcpy(w->value, t->average->value, t->optimiser.first * sizeof(float));
        memcpy(w->buffer, t->average->buffer, t->first_buffer * sizeof(float));
        weights_changed(w);
    }
    return ok;
}

/* The one before `last`, loudly. */
static bool fall_back(struct trainer *t, struct err *bad, struct err *e)
{
    char text[sizeof(bad->msg) + 128];
    if (!restore(t, previous_name, e)) {
        struct err second = *e;
        return err_set(e, ERR_STORAGE, "%s; and the one before it: %.200s; nothing was changed",
                       bad->msg, second.msg);
    }
    snprintf(text, sizeof(text),
             "%s: going on from the checkpoint before it, at step %lld; the steps after it are "
             "done again",
             bad->msg, (long long)t->step);
    trainer_warn(t, text);
    t->last_is_bad = true;
    return true;
}

bool trainer_resume(struct trainer *t, bool *found, struct err *e)
{
    struct run *r = t->s.run;
    bool last = run_has(r, last_name), previous = run_has(r, previous_name);
    struct err bad = {0};
    *found = last || previous;
    if (!*found) {
        return journal_cut(&r->metrics, 0, e) && journal_cut(&r->samples, 0, e);
    }
    if (last && !restore(t, last_name, &bad)) {
        if (bad.kind == ERR_NOMEM || !previous) {
            *e = bad;
            e->kind = bad.kind == ERR_NOMEM ? ERR_NOMEM : ERR_STORAGE;
            return bad.kind == ERR_NOMEM ? false : err_in(e, "no good checkpoint");
        }
        if (!fall_back(t, &bad, e))
            return false;
    } else if (!last) {
        err_set(&bad, ERR_STORAGE, "%s/%s is missing", r->dir, last_name);
        if (!fall_back(t, &bad, e))
            return false;
    }
    return journal_cut(&r->metrics, t->metrics_bytes, e) &&
           journal_cut(&r->samples, t->samples_bytes, e);
}
