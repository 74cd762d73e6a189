/* linnet compare: runs side by side, and what their numbers support. */
#include "cmd/command.h"
#include "cmd/progress.h"
#include "cmd/table.h"
#include "train/outcome.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MAX_RUNS = 20, MAX_WORDS = 64, WORDS_SIZE = 1024, MAX_VALUE = 1024 };

struct config {
    bool json;
};

static const struct option options[] = {
    {.name = "json",
     .type = OPTION_BOOL,
     .offset = offsetof(struct config, json),
     .group = "Output",
     .help = "as one JSON object, with all digits"},
    {.name = NULL},
};

/* The best run held against another one. */
struct verdict {
    int other;
    enum likeness likeness;
    struct difference d; /* unless OTHER_DATA; p is for all verdicts together */
    bool distinguishable;
};

struct comparison {
    int n;
    struct outcome run[MAX_RUNS];
    int best; /* -1: none validated */
    int n_verdict;
    struct verdict verdict[MAX_RUNS];
    int n_words;
    char words[MAX_WORDS][WORDS_SIZE]; /* sentences */
};

static const double significant = 0.05;

static void say(struct comparison *c, const char *fmt, ...) PRINTF(2, 3);
static void say(struct comparison *c, const char *fmt, ...)
{
    va_list args;
    if (c->n_words == MAX_WORDS)
        return;
    va_start(args, fmt);
    vsnprintf(c->words[c->n_words++], WORDS_SIZE, fmt, args);
    va_end(args);
}

/* Bonferroni: the best of many is ahead of some by luck, so p grows with their number. */
static void judge(struct comparison *c)
{
    c->best = -1;
    for (int i = 0; i < c->n; i++)
        if (c->run[i].validated && (c->best < 0 || c->run[i].top1 > c->run[c->best].top1))
            c->best = i;
    int n_compared = 0;
    for (int i = 0; i < c->n; i++)
        n_compared += i != c->best && c->run[i].validated;
    for (int i = 0; c->best >= 0 && i < c->n; i++) {
        const struct outcome *best = &c->run[c->best], *o = &c->run[i];
        struct verdict v = {.other = i, .likeness = outcome_likeness(best, o)};
        if (i == c->best || !o->validated)
            continue;
        if (v.likeness != OTHER_DATA) {
            v.d = outcome_difference(best->top1, best->n_val, o->top1, o->n_val);
            v.d.p = fmin(1, v.d.p * n_compared);
            v.distinguishable = v.d.p < significant;
        }
        c->verdict[c->n_verdict++] = v;
    }
}

/* Two digits of a number of pictures. */
static double rounded(double n)
{
    double unit = pow(10, floor(log10(n)) - 1);
    return n < 10 ? n : ceil(n / unit) * unit;
}

static void say_verdict(struct comparison *c, const struct verdict *v)
{
    const struct outcome *a = &c->run[c->best], *b = &c->run[v->other];
    char numbers[256], needed[96] = "";
    if (v->likeness == OTHER_DATA) {
        say(c,
            "%s and %s were not validated on the same data: their accuracies do not compare.",
            a->dir, b->dir);
        return;
    }
    snprintf(
        numbers, sizeof(numbers),
        "%.2f and %.2f %% of the pictures, %.2f points apart with a standard error of %.2f "
        "(p = %.2g)%s",
        100 * a->top1, 100 * b->top1, 100 * v->d.share, 100 * v->d.error, v->d.p,
        v->likeness == OTHER_SPLIT
            ? ", on different pictures of the same data, whose luck is in it"
            : "");
    if (v->d.needed > 0)
        snprintf(needed, sizeof(needed), "; some %.0f pictures would show such a difference",
                 rounded(v->d.needed));
    if (v->distinguishable)
        say(c, "%s is better than %s: %s.", a->dir, b->dir, numbers);
    else
        say(c, "%s and %s are not distinguishable: %s%s.", a->dir, b->dir, numbers, needed);
}

static void say_cost(struct comparison *c, const struct verdict *v)
{
    const struct outcome *a = &c->run[c->best], *b = &c->run[v->other];
    if (strcmp(a->machine, b->machine) != 0) {
        say(c, "%s and %s ran on different machines or threads: their times do not compare.",
            a->dir, b->dir);
        return;
    }
    enum { MIN_S = 10 }; /* shorter ones, and ratios nearer to 1, are the machine's noise */
    double ratio = a->seconds / b->seconds;
    if (fmin(a->seconds, b->seconds) > MIN_S && fabs(log(ratio)) > 0.05)
        say(c, "%s took %.3g times as long as %s.", ratio > 1 ? a->dir : b->dir,
            ratio > 1 ? ratio : 1 / ratio, ratio > 1 ? b->dir : a->dir);
}

static void say_all(struct comparison *c)
{
    for (int i = 0; i < c->n; i++) {
        const struct outcome *o = &c->run[i];
        if (o->epochs < o->config->loop.epochs)
            say(c, "%s has finished %" PRId64 " of its %" PRId64 " epochs.", o->dir, o->epochs,
                o->config->loop.epochs);
        if (!o->validated)
            say(c, "%s has no validation accuracy.", o->dir);
    }
    bool any = false;
    for (int i = 0; i < c->n_verdict; i++) {
        say_verdict(c, &c->verdict[i]);
        any = any || c->verdict[i].likeness != OTHER_DATA;
    }
    for (int i = 0; i < c->n_verdict; i++)
        say_cost(c, &c->verdict[i]);
    if (any)
        say(c, "Each accuracy is that of the best epoch, chosen on these very pictures, and "
               "another "
               "seed would move it: neither is in the error. linnet eval measures on the test "
               "part.");
}

/* "-" for what is not known. */
static void cell(struct table *t, double value, int decimals)
{
    if (isnan(value))
        table_cell(t, "-");
    else
        table_cell(t, "%.*f", decimals, value);
}

/* "12.3 k", "25.6 M". */
static void cell_count(struct table *t, int64_t n)
{
    static const char *const unit[] = {"", " k", " M", " G", " T"};
    size_t u = 0;
    double v = (double)n;
    for (; v >= 1000 && u + 1 < COUNT_OF(unit); u++)
        v /= 1000;
    if (n < 0)
        table_cell(t, "-");
    else
        table_cell(t, "%.*f%s", u ? 1 : 0, v, unit[u]);
}

static bool print_runs(const struct comparison *c, struct err *e)
{
    static const char *const head[] = {"#",      "run",     "top-1 %",   "top-5 %",
                                       "loss",   "best",    "epochs",    "time",
                                       "params", "trained", "mult-adds", "MB"};
    struct table t = {.align = "rlrrrrrrrrrr", .head = true};
    char time[24];
    for (size_t i = 0; i < COUNT_OF(head); i++)
        table_cell(&t, "%s", head[i]);
    for (int i = 0; i < c->n; i++) {
        const struct outcome *o = &c->run[i];
        table_cell(&t, "%d", i + 1);
        table_cell(&t, "%s", o->dir);
        cell(&t, o->validated ? 100 * o->top1 : NAN, 2);
        cell(&t, o->validated ? 100 * o->top5 : NAN, 2);
        cell(&t, o->validated ? o->loss : NAN, 4);
        table_cell(&t, "%" PRId64, o->best_epoch);
        table_cell(&t, "%" PRId64 "/%" PRId64, o->epochs, o->config->loop.epochs);
        table_cell(&t, "%s", progress_time(o->seconds, time));
        cell_count(&t, o->size.parameters);
        cell_count(&t, o->size.trained);
        cell_count(&t, o->size.macs);
        cell(&t, o->file_bytes < 0 ? NAN : (double)o->file_bytes / 1e6, 2);
    }
    return table_print(&t, stdout, e);
}

/* Calls with each option that not all runs have alike, and its text in each. */
static void each_difference(const struct comparison *c,
                            void (*take)(void *ctx, const char *name, char text[][MAX_VALUE],
                                         int n),
                            void *ctx)
{
    struct option_table table[MAX_RUNS][TRAIN_MAX_TABLES];
    char text[MAX_RUNS][MAX_VALUE];
    int n_table = 0;
    for (int i = 0; i < c->n; i++)
        n_table = train_tables(c->run[i].config, table[i]);
    for (int t = 0; t < n_table; t++)
        for (const struct option *row = table[0][t].row; row->name; row++) {
            bool differs = false;
            for (int i = 0; i < c->n; i++) {
                option_text(row, table[i][t].into, text[i], MAX_VALUE);
                differs = differs || strcmp(text[i], text[0]) != 0;
            }
            if (differs && !train_option_is_free(row->name))
                take(ctx, row->name, text, c->n);
        }
}

static void add_difference(void *ctx, const char *name, char text[][MAX_VALUE], int n)
{
    table_cell(ctx, "%s", name);
    for (int i = 0; i < n; i++)
        table_cell(ctx, "%.40s", text[i]);
}

static bool print_differences(const struct comparison *c, struct err *e)
{
    char align[MAX_RUNS + 2];
    memset(align, 'l', sizeof(align) - 1);
    align[c->n + 1] = '\0';
    struct table t = {.align = align, .head = true};
    table_cell(&t, "option");
    for (int i = 0; i < c->n; i++)
        table_cell(&t, "#%d", i + 1);
    each_difference(c, add_difference, &t);
    if (t.n_cell == c->n + 1) {
        puts("\nAll options are the same.");
        table_release(&t);
        return true;
    }
    putchar('\n');
    return table_print(&t, stdout, e);
}

/* Words of a text in lines of at most COLUMNS. */
static void print_wrapped(const char *text)
{
    enum { COLUMNS = 100 };
    int at = 0;
    while (*text) {
        int n = (int)strcspn(text, " ");
        if (at > 0 && at + 1 + n > COLUMNS) {
            putchar('\n');
            at = 0;
        }
        printf("%s%.*s", at ? " " : "", n, text);
        at += (at > 0) + n;
        text += n + (text[n] == ' ');
    }
    putchar('\n');
}

static void put_run(struct json_writer *w, const struct outcome *o)
{
    json_open(w, NULL, '{');
    json_put_text(w, "run", o->dir);
    json_put_text(w, "data", o->data);
    json_put_text(w, "machine", o->machine);
    if (o->validated) {
        json_put_real(w, "val_top1", o->top1);
        json_put_real(w, "val_top5", o->top5);
        json_put_real(w, "val_loss", o->loss);
    }
    json_put_int(w, "best_epoch", o->best_epoch);
    json_put_int(w, "epochs", o->epochs);
    json_put_int(w, "epochs_planned", o->config->loop.epochs);
    json_put_real(w, "seconds", o->seconds);
    json_put_int(w, "classes", o->n_class);
    json_put_int(w, "training_pictures", o->n_train);
    json_put_int(w, "validation_pictures", o->n_val);
    if (o->size.parameters >= 0) {
        json_put_int(w, "parameters", o->size.parameters);
        json_put_int(w, "trained_parameters", o->size.trained);
        json_put_int(w, "multiply_adds", o->size.macs);
    }
    if (o->file_bytes >= 0)
        json_put_int(w, "model_bytes", o->file_bytes);
    json_close(w, '}');
}

static void put_difference(void *ctx, const char *name, char text[][MAX_VALUE], int n)
{
    struct json_writer *w = ctx;
    json_open(w, name, '[');
    for (int i = 0; i < n; i++)
        json_put_text(w, NULL, text[i]);
    json_close(w, ']');
}

static void put_verdict(struct json_writer *w, const struct comparison *c,
                        const struct verdict *v)
{
    static const char *const likeness[] = {"same pictures", "another split", "other data"};
    json_open(w, NULL, '{');
    json_put_text(w, "best", c->run[c->best].dir);
    json_put_text(w, "other", c->run[v->other].dir);
    json_put_text(w, "validated_on", likeness[v->likeness]);
    if (v->likeness != OTHER_DATA) {
        json_put_real(w, "difference", v->d.share);
        json_put_real(w, "standard_error", v->d.error);
        json_put_real(w, "p", v->d.p);
        json_put_bool(w, "distinguishable", v->distinguishable);
    }
    json_close(w, '}');
}

static bool print_json(const struct comparison *c, struct err *e)
{
    struct json_writer w = {.lines = true};
    json_open(&w, NULL, '{');
    json_open(&w, "runs", '[');
    for (int i = 0; i < c->n; i++)
        put_run(&w, &c->run[i]);
    json_close(&w, ']');
    json_open(&w, "options", '{');
    each_difference(c, put_difference, &w);
    json_close(&w, '}');
    json_open(&w, "verdicts", '[');
    for (int i = 0; i < c->n_verdict; i++)
        put_verdict(&w, c, &c->verdict[i]);
    json_close(&w, ']');
    json_open(&w, "words", '[');
    for (int i = 0; i < c->n_words; i++)
        json_put_text(&w, NULL, c->words[i]);
    json_close(&w, ']');
    json_close(&w, '}');
    return json_print(&w, e);
}

static bool print_text(const struct comparison *c, struct err *e)
{
    if (!print_runs(c, e) || !print_differences(c, e))
        return false;
    putchar('\n');
    for (int i = 0; i < c->n_words; i++)
        print_wrapped(c->words[i]);
    return true;
}

static bool run(struct call *call, struct err *e)
{
    const struct config *cfg = call->config;
    struct comparison *c = arena_new(call->arena, 1, sizeof(*c), e);
    if (!c)
        return false;
    for (; c->n < call->n_operand; c->n++)
        if (!outcome_read(&c->run[c->n], call->operand[c->n], call->arena, e))
            return false;
    judge(c);
    say_all(c);
    return cfg->json ? print_json(c, e) : print_text(c, e);
}

const struct command command_compare = {
    .name = "compare",
    .synopsis = "compare RUN RUN... [options]",
    .summary = "set runs side by side, and say what their numbers support",
    .about =
        "Accuracy and loss are those of each run's best epoch on its validation pictures; the\n"
        "best run is held against each other one, with the standard error that so many\n"
        "pictures leave. Then: the options in which the runs differ.",
    .min_operand = 2,
    .max_operand = MAX_RUNS,
    .config_size = sizeof(struct config),
    .options = (const struct command_options[]){{options, 0}, {NULL, 0}},
    .run = run,
};
