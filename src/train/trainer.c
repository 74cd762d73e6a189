/* Batches are counted in the loader's units, steps in the optimiser's: a step takes `accumulate`
 * batches, or what is left of the epoch. The end of an epoch (validation, best, schedule) happens
 * when the position says that all its batches are done, so it can be interrupted too. */
#include "train/trainer.h"

#include "base/clock.h"
#include "train/diverged.h"
#include "train/evaluate.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SAMPLE_DIGITS = 11 };

static void copy_weights(struct weights *to, const struct weights *from)
{
    memcpy(to->value, from->value, from->graph->n_value * sizeof(float));
    memcpy(to->buffer, from->buffer, from->graph->n_buffer * sizeof(float));
    weights_changed(to);
}

static bool make_parts(struct trainer *t, struct err *e)
{
    const struct trainer_setup *s = &t->s;
    const struct loop_config *loop = &s->cfg->loop;
    size_t n = (size_t)t->max_n;
    t->line_room = (n * (size_t)loop->accumulate + 8) * SAMPLE_DIGITS;
    t->logits = mem_new(n * (size_t)s->net->n_class, sizeof(float), e);
    t->losses = mem_new(n, sizeof(float), e);
    t->line = mem_new(t->line_room, 1, e);
    if (!t->logits || !t->losses || !t->line ||
        !metrics_init(&t->metrics, s->net->n_class, e) || !trainer_phase_init(t, e))
        return false;
    if (loop->ema > 0) {
        if (!(t->average = weights_new(s->net->graph, e)))
            return false;
        copy_weights(t->average, s->net->weights);
    }
    if (loop->accumulate > 1 && !(t->sum = mem_new(t->optimiser.n, sizeof(float), e)))
        return false;
    return trainer_phase_plans(t, e);
}

struct trainer *trainer_new(const struct trainer_setup *setup, struct err *e)
{
    struct trainer *t = mem_new(1, sizeof(*t), e);
    if (!t)
        return NULL;
    const struct loop_config *loop = &setup->cfg->loop;
    int64_t batches = loader_batches(setup->train);
    t->s = *setup;
    t->max_n = (int)loop->batch + 1; /* a last batch of one is merged into the one before it */
    t->epoch_steps = (batches + loop->accumulate - 1) / loop->accumulate;
    t->planned = t->epoch_steps * loop->epochs;
    t->best_accuracy = -1;
    schedule_init(&t->schedule, &setup->cfg->schedule, t->planned, t->epoch_steps);
    if (!make_parts(t, e)) {
        trainer_free(t);
        return NULL;
    }
    trainer_list_state(t);
    return t;
}

void trainer_free(struct trainer *t)
{
    if (!t)
        return;
    plan_free(t->plan);
    plan_free(t->eval_plan);
    frontier_free(t->frontier);
    mem_free(t->rate);
    mem_free(t->frozen);
    optimiser_release(&t->optimiser);
    weights_free(t->average);
    weights_free(t->best);
    metrics_release(&t->metrics);
    mem_free(t->sum);
    mem_free(t->logits);
    mem_free(t->losses);
    mem_free(t->line);
    mem_free(t);
}

/* "{"step":7,"samples":[3,1,2]}" grows by one batch. */
static void note_samples(struct trainer *t, const struct batch *b, size_t *at)
{
    if (*at == 0)
        *at = (size_t)snprintf(t->line, t->line_room, "{\"step\":%" PRId64 ",\"samples\":[",
                               t->step + 1);
    else
        t->line[*at - 1] = ',';
    for (int i = 0; i < b->n; i++)
        *at += (size_t)snprintf(t->line + *at, t->line_room - *at, "%" PRIu64 "%c",
                                b->sample[i], i + 1 < b->n ? ',' : ']');
}

static int count_right(const struct trainer *t, const struct batch *b)
{
    int right = 0, n_class = t->s.net->n_class;
    for (int i = 0; i < b->n; i++) {
        size_t row = (size_t)i * (size_t)n_class;
        right +=
            target_class(t->logits + row, n_class) == target_class(b->label + row, n_class);
    }
    return right;
}

static bool feed(struct trainer *t, const struct batch *b, struct err *e)
{
    const struct model *m = &t->s.net->model;
    return (t->frontier ? frontier_feed(t->frontier, FRONTIER_TRAIN, t->plan, b, e)
                        : plan_feed(t->plan, m->input, b->pixel, b->n, e)) &&
           plan_feed(t->plan, m->target, b->label, b->n, e);
}

/* Forward and backward of one batch; its gradient is then in weights->grad, or added to t->sum.
 * *loss: the sum over its pictures. */
static bool run_batch(struct trainer *t, const struct batch *b, double *loss, struct err *e)
{
    const struct network *net = t->s.net;
    /* With accumulation a pass has its own number, for dropout's sake. */
    uint64_t pass = (uint64_t)(t->epoch * loader_batches(t->s.train) + t->batch);
    if (!feed(t, b, e) || !plan_forward(t->plan, pass, e) ||
        !plan_read(t->plan, net->model.logits, t->logits, e) ||
        !plan_read(t->plan, net->model.loss, t->losses, e))
        return false;
    *loss = 0;
    for (int i = 0; i < b->n; i++)
        *loss += (double)t->losses[i];
    if (!isfinite(*loss))
        return diverged(t, b, "loss", *loss / b->n, e);
    if (!plan_seed(t->plan, net->model.loss, NULL, 1.0f / (float)b->n, e) ||
        !plan_backward(t->plan, NULL, NULL, e))
        return false;
    if (t->sum)
        average_add(t->optimiser.kernels, t->optimiser.n_thread, t->sum + t->optimiser.first,
                    net->weights->grad + t->optimiser.first, b->n,
                    t->optimiser.n - t->optimiser.first);
    t->epoch_loss += *loss;
    t->epoch_right += count_right(t, b);
    t->epoch_seen += b->n;
    t->epoch_seen_here += b->n;
    return true;
}

/* Counters (num_batches_tracked) are copied: files keep them as whole numbers. */
static void copy_counters(const struct weights *from, struct weights *to)
{
    for (int i = 0; i < from->graph->n_node; i++) {
        const struct node *n = from->graph->node[i];
        for (int k = 0; k < n->n_weight; k++)
            if (n->weight[k].integer)
                *weights_at(to, n, k) = *weights_at(from, n, k);
    }
}

static void move_average(struct trainer *t)
{
    const struct weights *w = t->s.net->weights;
    double step = (double)t->step, decay = t->s.cfg->loop.ema;
    if (decay > (1 + step) / (10 + step)) /* a short memory at first */
        decay = (1 + step) / (10 + step);
    size_t value = t->optimiser.first, buffer = t->first_buffer;
    average_move(t->optimiser.kernels, t->optimiser.n_thread, t->average->value + value,
                 w->value + value, 1 - decay, w->graph->n_value - value);
    average_move(t->optimiser.kernels, t->optimiser.n_thread, t->average->buffer + buffer,
                 w->buffer + buffer, 1 - decay, w->graph->n_buffer - buffer);
    copy_counters(w, t->average);
    weights_changed(t->average);
}

/* The update from a gradient that is the mean over the step's pictures once scaled. */
static bool update(struct trainer *t, const struct batch *b, double lr, double scale,
                   struct err *e)
{
    struct weights *w = t->s.net->weights;
    const float *grad = t->sum ? t->sum : w->grad;
    double clip = t->s.cfg->loop.clip;
    t->grad_norm = optimiser_norm(&t->optimiser, grad) * scale;
    if (!isfinite(t->grad_norm))
        return diverged(t, b, "norm of the gradient", t->grad_norm, e);
    if (clip > 0 && t->grad_norm > clip)
        scale *= clip / t->grad_norm;
    optimiser_step(&t->optimiser, w, grad, lr, scale);
    t->step++;
    if (t->average)
        move_average(t);
    return true;
}

bool trainer_step(struct trainer *t, double lr, double *loss, struct err *e)
{
    const struct batch *b = NULL;
    int64_t n = 0, n_batch = loader_batches(t->s.train);
    size_t at = 0;
    *loss = 0;
    if (!trainer_phase(t, e))
        return false;
    if (t->sum)
        memset(t->sum + t->optimiser.first, 0,
               (t->optimiser.n - t->optimiser.first) * sizeof(float));
    for (int64_t k = 0; k < t->s.cfg->loop.accumulate && t->batch < n_batch; k++) {
        double part;
        if (!loader_next(t->s.train, &b, e))
            return false;
        if (!b)
            return err_set(e, ERR_INTERNAL,
                           "the loader ended after batch %" PRId64 " of %" PRId64, t->batch,
                           n_batch);
        note_samples(t, b, &at);
        if (!run_batch(t, b, &part, e))
            return false;
        *loss += part;
        n += b->n;
        t->batch++;
    }
    *loss /= (double)n;
    if (t->s.run) {
        at += (size_t)snprintf(t->line + at, t->line_room - at, "}\n");
        if (!journal_add(&t->s.run->samples, t->line, at, e))
            return false;
    }
    return update(t, b, lr, t->sum ? 1.0 / (double)n : 1, e) &&
           (t->batch < n_batch || loader_next(t->s.train, &b, e)); /* the end of the epoch */
}

bool trainer_done(const struct trainer *t)
{
    const struct loop_config *loop = &t->s.cfg->loop;
    bool stale = loop->stop_after > 0 && t->stale >= loop->stop_after;
    return t->epoch >= loop->epochs || (stale && t->batch == 0);
}

static bool add_row(struct journal *j, struct json_writer *w, struct err *e)
{
    json_close(w, '}');
    bool ok = json_done(w, e);
    if (ok) {
        w->text[w->n] = '\n'; /* in the place of its NUL */
        ok = journal_add(j, w->text, w->n + 1, e);
    }
    json_writer_release(w);
    return ok;
}

static bool log_step(struct trainer *t, double lr, double loss, struct err *e)
{
    if (!t->s.run || t->step % t->s.cfg->loop.log_steps != 0)
        return true;
    struct json_writer w = {0};
    json_open(&w, NULL, '{');
    json_put_int(&w, "step", t->step);
    json_put_int(&w, "epoch", t->epoch + 1);
    json_put_real(&w, "loss", loss);
    json_put_real(&w, "epoch_loss", t->epoch_loss / (double)t->epoch_seen);
    json_put_real(&w, "epoch_accuracy", (double)t->epoch_right / (double)t->epoch_seen);
    json_put_real(&w, "lr", lr);
    json_put_real(&w, "grad_norm", t->grad_norm);
    return add_row(&t->s.run->metrics, &w, e);
}

static double wait_share(const struct trainer *t, double seconds)
{
    double waited = loader_wait_s(t->s.train) - t->epoch_wait_s;
    return seconds > 0 ? waited / seconds : 0;
}

static void report_step(const struct trainer *t, double lr)
{
    if (!t->s.events || !t->s.events->step)
        return;
    double now = clock_s(), seconds = now - t->epoch_started_s;
    int64_t done = t->step - t->first_step;
    struct step_report r = {
        .step = t->step,
        .planned = t->planned,
        .epoch = t->epoch + 1,
        .epochs = t->s.cfg->loop.epochs,
        .in_epoch = t->epoch_seen,
        .per_epoch = t->s.n_train,
        .loss = t->epoch_loss / (double)t->epoch_seen,
        .accuracy = (double)t->epoch_right / (double)t->epoch_seen,
        .lr = lr,
        .grad_norm = t->grad_norm,
        .images_s = seconds > 0 ? (double)t->epoch_seen_here / seconds : 0,
        .wait_share = wait_share(t, seconds),
        .left_s = done < 2
                      ? -1
                      : (now - t->started_s) / (double)done * (double)(t->planned - t->step),
    };
    t->s.events->step(t->s.events->ctx, &r);
}

static void begin_epoch(struct trainer *t)
{
    t->epoch_started_s = clock_s();
    t->epoch_wait_s = loader_wait_s(t->s.train);
    t->epoch_seen_here = 0;
}

static void validation_progress(void *ctx, int64_t done)
{
    const struct trainer *t = ctx;
    if (t->s.events && t->s.events->validating)
        t->s.events->validating(t->s.events->ctx, done, t->s.n_val);
}

static bool validate(struct trainer *t, struct epoch_report *r, struct err *e)
{
    if (!t->s.val)
        return true;
    struct evaluation v = {
        .plan = t->eval_plan,
        .net = t->s.net,
        .frontier = t->frontier,
        .loader = t->s.val,
        .max_n = t->max_n,
        .progress = validation_progress,
        .ctx = t,
        .stop = t->s.stop,
    };
    if (!evaluate(&v, &t->metrics, e))
        return false;
    r->has_val = true;
    r->val_loss = metrics_loss(&t->metrics);
    r->val_accuracy = metrics_top1(&t->metrics);
    r->val_top5 = metrics_top5(&t->metrics);
    return isfinite(r->val_loss) ||
           err_set(e, ERR_DIVERGED, "step %" PRId64 ": the validation loss is not finite",
                   t->step);
}

static bool log_epoch(struct trainer *t, const struct epoch_report *r, struct err *e)
{
    if (!t->s.run)
        return true;
    struct json_writer w = {0}, clock = {0};
    json_open(&w, NULL, '{');
    json_put_int(&w, "step", t->step);
    json_put_int(&w, "epoch", r->epoch);
    json_put_real(&w, "train_loss", r->train_loss);
    json_put_real(&w, "train_accuracy", r->train_accuracy);
    if (r->has_val) {
        json_put_real(&w, "val_loss", r->val_loss);
        json_put_real(&w, "val_top1", r->val_accuracy);
        json_put_real(&w, "val_top5", r->val_top5);
        json_put_bool(&w, "best", r->best);
    }
    json_open(&clock, NULL, '{');
    json_put_int(&clock, "epoch", r->epoch);
    json_put_real(&clock, "seconds", r->seconds);
    json_put_real(&clock, "images_s", r->images_s);
    json_put_real(&clock, "wait_share", r->wait_share);
    bool ok = add_row(&t->s.run->metrics, &w, e);
    return add_row(&t->s.run->timing, &clock, e) && ok;
}

/* Without a validation part the latest weights are the best. */
static bool judge(struct trainer *t, struct epoch_report *r, struct err *e)
{
    r->best = !r->has_val || r->val_accuracy > t->best_accuracy;
    t->stale = r->best ? 0 : t->stale + 1;
    if (r->has_val)
        schedule_validated(&t->schedule, r->val_loss);
    if (!r->best)
        return true;
    t->best_accuracy = r->val_accuracy;
    t->best_epoch = r->epoch;
    return !t->s.run || trainer_save_best(t, e);
}

static bool end_epoch(struct trainer *t, struct err *e)
{
    if (!trainer_phase(t, e)) /* resumed just here */
        return false;
    double seconds = clock_s() - t->epoch_started_s;
    struct epoch_report r = {
        .epoch = t->epoch + 1,
        .epochs = t->s.cfg->loop.epochs,
        .train_loss = t->epoch_loss / (double)t->epoch_seen,
        .train_accuracy = (double)t->epoch_right / (double)t->epoch_seen,
        .images_s = seconds > 0 ? (double)t->epoch_seen_here / seconds : 0,
        .wait_share = wait_share(t, seconds),
    };
    if (!validate(t, &r, e) || !judge(t, &r, e))
        return false;
    r.seconds = clock_s() - t->epoch_started_s;
    if (!log_epoch(t, &r, e))
        return false;
    t->epoch++;
    t->batch = t->epoch_right = t->epoch_seen = 0;
    t->epoch_loss = 0;
    if (!trainer_save_epoch(t, e))
        return false;
    if (t->s.events && t->s.events->epoch)
        t->s.events->epoch(t->s.events->ctx, &r);
    begin_epoch(t);
    return true;
}

static int stopped(const struct trainer *t)
{
    return t->s.stop ? (int)*t->s.stop : 0;
}

static bool save_is_due(const struct trainer *t)
{
    const struct loop_config *loop = &t->s.cfg->loop;
    return (loop->save_steps > 0 && t->step % loop->save_steps == 0) ||
           (loop->save_seconds > 0 && clock_s() - t->saved_s >= loop->save_seconds);
}

static bool one_step(struct trainer *t, struct err *e)
{
    double loss, lr = t->s.cfg->optim.lr * schedule_factor(&t->schedule, t->step);
    if (!trainer_step(t, lr, &loss, e) || !log_step(t, lr, loss, e))
        return false;
    report_step(t, lr);
    return !save_is_due(t) || stopped(t) || trainer_save(t, false, e);
}

static bool loop(struct trainer *t, int64_t until, struct err *e)
{
    int64_t n_batch = loader_batches(t->s.train);
    while (!trainer_done(t) && !stopped(t)) {
        if (t->batch == n_batch) {
            if (!end_epoch(t, e))
                return false;
        } else if (until >= 0 && t->step >= until) {
            break;
        } else if (!one_step(t, e)) {
            return false;
        }
    }
    return true;
}

bool trainer_run(struct trainer *t, int64_t until, struct err *e)
{
    t->started_s = t->saved_s = clock_s();
    t->first_step = t->step;
    begin_epoch(t);
    bool over = t->batch == loader_batches(t->s.train);
    if (!loader_seek(t->s.train, (int)(t->epoch + over), over ? 0 : (int)t->batch, e))
        return false;
    bool ok = loop(t, until, e);
    if (!ok && e->kind != ERR_INTERRUPTED)
        return false;
    if (trainer_done(t))
        return true;
    if (!trainer_save(t, true, e))
        return false;
    if (!stopped(t))
        return true;
    e->signal = stopped(t);
    return err_set(e, ERR_INTERRUPTED, "stopped by signal %d at step %" PRId64 " of %" PRId64,
                   e->signal, t->step, t->planned);
}
