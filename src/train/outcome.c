#include "train/outcome.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_LOG = 1 << 30 };

/* Calls row for each line of a log that is a whole JSON object; a last one without its end is of a run
 * that goes on, or was killed. */
static bool each_row(const char *dir, const char *name,
                     void (*row)(struct outcome *o, const struct json *v), struct outcome *o,
                     struct err *e)
{
    char *path = run_path(dir, name, e);
    uint8_t *byte = NULL;
    size_t n;
    bool ok = path && file_read(path, MAX_LOG, ERR_STORAGE, &byte, &n, e);
    char *line = (char *)byte;
    for (char *end; ok && (end = strchr(line, '\n')); line = end + 1) {
        struct arena a = {0};
        const struct json *v = json_parse(line, (size_t)(end - line), &a, e);
        if (v) {
            row(o, v);
        } else {
            e->kind = e->kind == ERR_NOMEM ? ERR_NOMEM : ERR_STORAGE;
            ok = err_in(e, "%s", path);
        }
        arena_release(&a);
    }
    mem_free(byte);
    mem_free(path);
    return ok;
}

static void take_epoch(struct outcome *o, const struct json *v)
{
    if (!json_get(v, "train_loss"))
        return; /* a step's row */
    o->epochs = json_int(v, "epoch", o->epochs);
    if (!json_get(v, "val_top1")) { /* nothing is held out: the last epoch counts as the best */
        o->best_epoch = o->epochs;
        return;
    }
    if (!json_bool(v, "best", false))
        return;
    o->validated = true;
    o->best_epoch = o->epochs;
    o->top1 = json_number(v, "val_top1", NAN);
    o->top5 = json_number(v, "val_top5", NAN);
    o->loss = json_number(v, "val_loss", NAN);
}

static void take_time(struct outcome *o, const struct json *v)
{
    o->seconds += json_number(v, "seconds", 0);
}

static bool hash_of(const char *dir, const char *name, uint64_t *hash, struct err *e)
{
    char *path = run_path(dir, name, e);
    uint8_t *byte = NULL;
    size_t n;
    bool ok = path && file_read(path, 0, ERR_STORAGE, &byte, &n, e);
    if (ok)
        *hash = hash64(byte, n, 0);
    mem_free(byte);
    mem_free(path);
    return ok;
}

static int64_t bytes_of(const char *dir, const char *name)
{
    struct err e;
    struct stat st;
    char *path = run_path(dir, name, &e);
    int64_t n = path && stat(path, &st) == 0 ? (int64_t)st.st_size : -1;
    mem_free(path);
    return n;
}

static int64_t fact_number(const struct json *facts, const char *name)
{
    return strtoll(json_text(facts, name, "0"), NULL, 10);
}

static bool take_environment(struct outcome *o, struct arena *a, struct err *e)
{
    const struct json *root;
    char text[512];
    if (!record_read_json(o->dir, "environment.json", &root, a, e))
        return false;
    const struct json *fact = json_get(root, "must_not_change");
    const struct json *machine = json_get(root, "machine");
    o->n_train = fact_number(fact, "training pictures");
    o->n_val = fact_number(fact, "validation pictures");
    o->n_class = fact_number(fact, "classes");
    o->train_data = json_text(fact, "data", "");
    o->val_data = json_text(fact, "validation data", "");
    snprintf(text, sizeof(text), "%s, %s, %s threads of %lld",
             json_text(machine, "processor", "unknown"), json_text(fact, "instructions", ""),
             json_text(fact, "threads", "any"), (long long)json_int(machine, "processors", 0));
    o->machine = arena_text(a, text, e);
    return o->machine != NULL;
}

static bool take_size(struct outcome *o, struct arena *a, struct err *e)
{
    o->size = (struct model_size){-1, -1, -1};
    return bytes_of(o->dir, "model.json") < 0 || record_read_size(o->dir, &o->size, a, e);
}

bool outcome_read(struct outcome *o, const char *dir, struct arena *a, struct err *e)
{
    *o = (struct outcome){.dir = dir, .top5 = NAN};
    o->config = arena_new(a, 1, sizeof(*o->config), e);
    bool ok = o->config && record_read_config(dir, o->config, &o->data, a, e) &&
              take_environment(o, a, e) && take_size(o, a, e) &&
              each_row(dir, "metrics.jsonl", take_epoch, o, e) &&
              each_row(dir, "timing.jsonl", take_time, o, e) &&
              hash_of(dir, "classes.json", &o->classes, e) &&
              hash_of(dir, "split.txt", &o->split, e);
    o->file_bytes = bytes_of(dir, "best.safetensors");
    if (o->file_bytes < 0)
        o->file_bytes = bytes_of(dir, "last.safetensors");
    return ok;
}

enum likeness outcome_likeness(const struct outcome *a, const struct outcome *b)
{
    if (a->classes != b->classes || strcmp(a->val_data, b->val_data) != 0)
        return OTHER_DATA;
    if (*a->val_data)
        return SAME_PICTURES;
    if (strcmp(a->train_data, b->train_data) != 0)
        return OTHER_DATA;
    return a->split == b->split ? SAME_PICTURES : OTHER_SPLIT;
}

/* The variance of a share that was estimated from n decisions. */
static double variance(double share, int64_t n)
{
    double p = (share * (double)n + 1) / ((double)n + 2);
    return p * (1 - p) / ((double)n + 2);
}

struct difference outcome_difference(double a, int64_t n, double b, int64_t m)
{
    static const double z = 1.959964; /* of p = 0.05, two-sided */
    struct difference d = {.share = a - b};
    d.error = sqrt(variance(a, n) + variance(b, m));
    d.p = erfc(fabs(d.share) / d.error / sqrt(2));
    if (d.share != 0)
        d.needed = ceil(pow(z / d.share, 2) * (a * (1 - a) + b * (1 - b)));
    return d;
}
