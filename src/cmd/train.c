/* linnet train: begins a run, or takes one up again. */
#include "cmd/command.h"
#include "cmd/stop.h"
#include "cmd/train_view.h"
#include "train/find_lr.h"
#include "train/session.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

struct run_options {
    const char *out;
    bool resume, force, find_lr;
    int64_t stop_at;
};

struct config {
    struct train_config train;
    struct run_options run;
};

#define AT(field) offsetof(struct run_options, field)
static const struct option run_options[] = {
    {.name = "out",
     .type = OPTION_STRING,
     .offset = AT(out),
     .group = "This run",
     .help = "run directory; runs/<date>-<time> when not given"},
    {.name = "resume",
     .type = OPTION_BOOL,
     .offset = AT(resume),
     .help = "go on with the run in --out, from its last checkpoint"},
    {.name = "force",
     .type = OPTION_BOOL,
     .offset = AT(force),
     .help = "resume although options, data or machine changed; recorded"},
    {.name = "stop-at",
     .type = OPTION_INT,
     .offset = AT(stop_at),
     .min.i = -1,
     .max.i = INT64_MAX,
     .fallback.i = -1,
     .help = "pause after this step; --resume goes on; -1 = at the end"},
    {.name = "find-lr",
     .type = OPTION_BOOL,
     .offset = AT(find_lr),
     .help = "print how the loss moves with the learning rate, and train nothing"},
    {.name = NULL},
};

static int tables(void *config, struct option_table *table)
{
    struct config *c = config;
    table[0] = (struct option_table){run_options, &c->run};
    return 1 + train_tables(&c->train, table + 1);
}

/* runs/20261124-093000, the first that does not exist. */
static const char *new_name(struct arena *a, struct err *e)
{
    char name[64], stamp[32];
    time_t now = time(NULL);
    struct tm tm;
    struct stat st;
    localtime_r(&now, &tm);
    strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm);
    snprintf(name, sizeof(name), "runs/%s", stamp);
    for (int i = 2; stat(name, &st) == 0; i++)
        snprintf(name, sizeof(name), "runs/%s-%d", stamp, i);
    return arena_text(a, name, e);
}

static bool has_config(const char *dir)
{
    struct err e;
    struct stat st;
    char *path = run_path(dir, "config.json", &e);
    bool has = path && stat(path, &st) == 0;
    mem_free(path);
    return has;
}

static const char *full_path(const char *path, struct arena *a, struct err *e)
{
    char full[PATH_MAX];
    if (realpath(path, full))
        return arena_text(a, full, e);
    err_set(e, ERR_DATA, "%s: %s", path, strerror(errno));
    return NULL;
}

/* A file of weights by its full path, so that a run can be resumed from elsewhere. */
static bool find_weights(struct config *c, struct arena *a, struct err *e)
{
    struct stat st;
    const char *given = c->train.freeze.weights;
    if (!given || stat(given, &st) != 0) /* a name of the zoo */
        return true;
    return (c->train.freeze.weights = full_path(given, a, e)) != NULL;
}

/* The stored configuration with this time's flags on top, and what they change. */
static bool take_up(struct call *call, struct config *c, struct session_request *r,
                    struct changes *changes, struct err *e)
{
    struct train_config *stored = arena_new(call->arena, 1, sizeof(*stored), e);
    const char *data, *asked = r->data;
    if (!stored || !record_read_config(r->out, stored, &data, call->arena, e))
        return false;
    c->train = *stored;
    if (!command_apply(call, e) || !find_weights(c, call->arena, e))
        return false;
    record_compare_config(&c->train, stored, changes);
    if (asked && strcmp(asked, data) != 0)
        changes_add(changes, "data", data, asked);
    r->data = asked ? asked : data;
    r->resume = true;
    r->changes = changes;
    return c->run.force || record_unchanged(r->out, changes, e);
}

/* Which run, new or old, on which pictures. */
static bool choose_run(struct call *call, struct config *c, struct session_request *r,
                       struct changes *changes, struct err *e)
{
    if (call->n_operand > 0 && !(r->data = full_path(call->operand[0], call->arena, e)))
        return false;
    if (c->run.resume && !c->run.out)
        return err_set(e, ERR_USAGE, "--resume: which run? name it with --out");
    if (!c->run.find_lr && !(r->out = c->run.out ? c->run.out : new_name(call->arena, e)))
        return false;
    if (r->out && has_config(r->out)) {
        if (c->run.resume)
            return take_up(call, c, r, changes, e);
        return err_set(e, ERR_USAGE, "%s: holds a run already; --resume goes on with it",
                       r->out);
    }
    if (!find_weights(c, call->arena, e))
        return false;
    return r->data ||
           err_set(e, ERR_USAGE, "no folder of pictures given; usage: linnet train DIR");
}

static bool print_curve(struct session *s, struct err *e)
{
    enum { STEPS = 120, ROWS = 30, BAR = 40 };
    struct lr_curve curve;
    if (!find_lr(s->trainer, 1e-6, 3, STEPS, &curve, e))
        return false;
    double most = 0;
    for (int i = 0; i < curve.n; i++)
        most = curve.loss[i] > most ? curve.loss[i] : most;
    printf("%10s  %8s\n", "lr", "loss");
    for (int i = 0; i < curve.n; i += 1 + curve.n / ROWS)
        printf("%10.2e  %8.4f  %.*s\n", curve.lr[i], curve.loss[i],
               (int)(BAR * curve.loss[i] / most), "########################################");
    if (curve.suggested > 0)
        printf(
            "the loss falls fastest at %.2e; a good --lr is from there to three times that\n",
            curve.suggested);
    else
        printf("the loss never fell; is the label right?\n");
    lr_curve_release(&curve);
    return true;
}

static void print_list(const char *title, const struct match_list *l)
{
    for (int i = 0; i < l->n; i++)
        printf("%s%s", i ? ", " : title, l->text[i]);
}

/* What was loaded, and what trains at first. */
static void print_strategy(const struct session *s)
{
    const struct trainer *t = s->trainer;
    const struct pretrained *from = &s->pretrained;
    const struct preprocess *pre = &s->net.pre;
    char text[256];
    if (from->file.path) {
        const char *slash = strrchr(from->file.path, '/');
        printf("weights: %s, %d tensors", slash ? slash + 1 : from->file.path,
               from->match.n_copied);
        print_list("; resampled: ", &from->match.list[MATCH_ADAPTED]);
        print_list("; new: ", &from->match.list[MATCH_FRESH]);
        printf("\npictures: shorter side to %d px (%s), the middle %d px\n", pre->resize_px,
               pre->filter == RESIZE_BICUBIC ? "bicubic" : "bilinear", pre->size_px);
    }
    if (from->file.path || t->upto >= 0)
        printf("%s\n", freeze_text(&t->freeze, t->upto, text, sizeof(text)));
    fflush(stdout);
}

static bool train_on(struct session *s, const struct config *c, const char *out,
                     struct train_view *view, struct err *e)
{
    struct trainer *t = s->trainer;
    if (s->resumed)
        printf("%s: going on at step %" PRId64 " of %" PRId64 "\n", out, t->step, t->planned);
    run_log(&s->run, "%s at step %" PRId64 " of %" PRId64, s->resumed ? "resumed" : "started",
            t->step, t->planned);
    print_strategy(s);
    bool ok = trainer_run(t, c->run.stop_at, e);
    train_view_close(view);
    run_log(&s->run, "%s at step %" PRId64 "%s%s", trainer_done(t) ? "finished" : "stopped",
            t->step, ok ? "" : ": ", ok ? "" : e->msg);
    return ok;
}

static bool train(struct session *s, const struct config *c, const char *out,
                  struct train_view *view, struct err *e)
{
    struct trainer *t = s->trainer;
    bool over = s->resumed && trainer_done(t), ok = true;
    if (over)
        printf("%s: was finished, at step %" PRId64 "\n", out, t->step);
    else
        ok = train_on(s, c, out, view, e);
    if (ok && trainer_done(t) && t->best_epoch > 0 && t->s.val)
        printf("best: epoch %" PRId64 ", validation accuracy %.2f %%; linnet eval %s\n",
               t->best_epoch, 100 * t->best_accuracy, out);
    return ok;
}

static bool run(struct call *call, struct err *e)
{
    struct config *c = call->config;
    struct changes changes = {0};
    struct train_view view;
    struct session_request r = {
        .cfg = &c->train, .force = c->run.force, .events = &view.events, .stop = stop_watch()};
    struct session s;
    train_view_open(&view, stderr);
    if (!choose_run(call, c, &r, &changes, e) || !session_open(&s, &r, e))
        return false;
    bool ok = c->run.find_lr ? print_curve(&s, e) : train(&s, c, r.out, &view, e);
    train_view_close(&view);
    session_close(&s);
    return ok;
}

const struct command command_train = {
    .name = "train",
    .synopsis = "train DIR [options]",
    .summary = "train a classifier on a folder of pictures",
    .about =
        "DIR holds train/ with one folder a class (and val/ or test/), or the class folders\n"
        "themselves; a CSV of path,label and IDX files are read too. Without options the\n"
        "best recipe known is used (docs/defaults.md). Ctrl-C saves; --resume goes on.",
    .max_operand = 1,
    .config_size = sizeof(struct config),
    .tables = tables,
    .run = run,
};
