/* linnet pull: published weights into the cache. */
#include "weights/pull.h"
#include "base/clock.h"
#include "cmd/command.h"
#include "cmd/progress.h"
#include "cmd/stop.h"
#include "weights/zoo.h"

#include <stdio.h>
#include <string.h>

struct config {
    bool dry_run;
    int64_t retries, timeout_s;
    double retry_s;
};

#define AT(field) offsetof(struct config, field)
static const struct option options[] = {
    {.name = "dry-run",
     .type = OPTION_BOOL,
     .offset = AT(dry_run),
     .group = "Download",
     .help = "print the address and the place, and fetch nothing"},
    {.name = "retries",
     .type = OPTION_INT,
     .offset = AT(retries),
     .max.i = 1000,
     .fallback.i = 5,
     .help = "tries in a row that may bring nothing new before it gives up"},
    {.name = "retry-wait",
     .type = OPTION_REAL,
     .offset = AT(retry_s),
     .max.r = 60,
     .fallback.r = 1,
     .help = "seconds before the next try; doubled each time, to 60"},
    {.name = "timeout",
     .type = OPTION_INT,
     .offset = AT(timeout_s),
     .min.i = 1,
     .max.i = 3600,
     .fallback.i = 30,
     .help = "seconds to wait for a connection, and for a byte"},
    {.name = NULL},
};

/* One file on its way. */
struct view {
    struct progress progress;
    const char *file;
    const char *what; /* since start_s, from start_bytes on */
    double start_s;
    int64_t start_bytes;
};

static void on_progress(void *ctx, const char *what, int64_t done, int64_t all)
{
    struct view *v = ctx;
    char label[256], size[64], rate[32], left[48], time[24];
    double now = clock_s();
    if (v->what != what) {
        v->what = what;
        v->start_s = now;
        v->start_bytes = done;
    }
    double per_s = (double)(done - v->start_bytes) / (now - v->start_s + 1e-9);
    snprintf(label, sizeof(label), "%s %s", what, v->file);
    snprintf(size, sizeof(size), all ? "%.1f of %.1f MiB" : "%.1f MiB", (double)done / 0x1p20,
             (double)all / 0x1p20);
    snprintf(rate, sizeof(rate), "%.1f MiB/s", per_s / 0x1p20);
    snprintf(left, sizeof(left), "%s left",
             progress_time(per_s > 0 ? (double)(all - done) / per_s : -1, time));
    progress_draw(&v->progress, &(struct progress_line){
                                    .label = label,
                                    .share = all ? (double)done / (double)all : 0,
                                    .fact = (const char *const[]){size, all ? left : rate,
                                                                  all ? rate : NULL, NULL}});
}

static void on_line(void *ctx, const char *text)
{
    struct view *v = ctx;
    progress_say(&v->progress, "%s", text);
}

/* What a name stands for: a row of the zoo, or a file of the same server that carries its hash. */
struct wanted {
    const struct zoo_weights *row; /* NULL: not in the zoo */
    const char *file, *url, *path, *hash;
    size_t n_digit;
};

static bool understand(const char *name, struct wanted *w, struct arena *a, struct err *e)
{
    size_t n;
    *w = (struct wanted){.row = zoo_digits(name, &n) ? zoo_find_file(name) : zoo_find(name, e)};
    w->file = zoo_digits(name, &n) ? name : w->row ? w->row->file : NULL;
    if (!w->file || !(w->url = zoo_url(w->file, a, e)) || !(w->path = zoo_path(w->file, a, e)))
        return false;
    w->hash = zoo_digits(w->file, &w->n_digit);
    if (w->row && w->row->sha256) {
        w->hash = w->row->sha256;
        w->n_digit = strlen(w->hash);
    }
    return true;
}

static void tell_result(struct view *v, const struct wanted *w,
                        const struct pull_report *report, double s)
{
    char time[24];
    progress_say(&v->progress, "%s: %.1f MiB %s%s, SHA-256 is right", w->file,
                 (double)report->bytes / 0x1p20, report->was_here ? "lie here already" : "in ",
                 report->was_here ? "" : progress_time(s, time));
    if (w->row && w->row->licence)
        progress_say(&v->progress, "%s: %s", w->file, w->row->licence);
}

static bool bring(const struct config *cfg, const struct wanted *w, struct view *v,
                  const volatile sig_atomic_t *stop, struct err *e)
{
    struct pull_report report;
    struct pull_request r = {
        .url = w->url,
        .path = w->path,
        .hash = w->hash,
        .n_digit = w->n_digit,
        .max_bytes = w->row ? (int64_t)((w->row->mib + 1) * 0x1p20) : 0,
        .retries = cfg->retries,
        .retry_s = cfg->retry_s,
        .timeout_s = cfg->timeout_s,
        .stop = stop,
        .events = {.ctx = v, .progress = on_progress, .say = on_line},
    };
    double start_s = clock_s();
    bool ok = pull(&r, &report, e);
    if (ok)
        tell_result(v, w, &report, clock_s() - start_s);
    else if (report.server_fault)
        progress_say(
            &v->progress,
            "If it can be had in another way, it belongs here:\n  from  %s\n  to    %s", w->url,
            w->path);
    progress_clear(&v->progress);
    return ok;
}

static bool run(struct call *c, struct err *e)
{
    const struct config *cfg = c->config;
    const volatile sig_atomic_t *stop = stop_watch();
    for (int i = 0; i < c->n_operand; i++) {
        struct wanted w;
        if (!understand(c->operand[i], &w, c->arena, e))
            return false;
        if (cfg->dry_run) {
            printf("from  %s\nto    %s\n", w.url, w.path);
            continue;
        }
        struct view v = {.file = w.file};
        progress_open(&v.progress, stderr);
        if (!bring(cfg, &w, &v, stop, e))
            return false;
        puts(w.path);
    }
    return true;
}

const struct command command_pull = {
    .name = "pull",
    .synopsis = "pull NAME... [options]",
    .summary = "download published weights into the cache, checked by their hash",
    .about =
        "NAME is a model that linnet zoo lists (vgg19: its default weights; resnet50:V1:\n"
        "others), or a file of the same server that carries its hash, such as\n"
        "resnet152-394f9c45.pth. A download that was cut goes on where it ended. Without a\n"
        "network, the address and the place are printed. LINNET_ZOO_URL names a mirror.",
    .min_operand = 1,
    .max_operand = -1,
    .config_size = sizeof(struct config),
    .options = (const struct command_options[]){{options, 0}, {NULL, 0}},
    .run = run,
};
