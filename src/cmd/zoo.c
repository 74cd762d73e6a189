/* linnet zoo: the published weights, and which of them are here. */
#include "weights/zoo.h"
#include "cmd/command.h"
#include "cmd/table.h"

#include <inttypes.h>
#include <string.h>

struct zoo_config {
    bool json, here;
};

static const struct option options[] = {
    {.name = "here",
     .type = OPTION_BOOL,
     .offset = offsetof(struct zoo_config, here),
     .group = "Output",
     .help = "only those that were pulled"},
    {.name = "json",
     .type = OPTION_BOOL,
     .offset = offsetof(struct zoo_config, json),
     .help = "as one JSON array, with all digits"},
    {.name = NULL},
};

enum { MAX_ROWS = 64 };

/* What was asked for. */
struct listing {
    int n;
    const struct zoo_weights *row[MAX_ROWS];
    const char *path[MAX_ROWS]; /* in the cache */
    bool here[MAX_ROWS];
};

static const char *filter_name(const struct zoo_weights *w)
{
    return w->filter == RESIZE_BICUBIC ? "bicubic" : "bilinear";
}

static bool asked_for(const struct call *c, const struct zoo_weights *w)
{
    bool any = c->n_operand == 0;
    for (int i = 0; i < c->n_operand; i++)
        any = any || strstr(w->model, c->operand[i]) != NULL;
    return any;
}

static bool list(const struct call *c, struct listing *l, struct err *e)
{
    const struct zoo_config *cfg = c->config;
    bool named = false;
    for (const struct zoo_weights *w = zoo; w->model && l->n < MAX_ROWS; w++) {
        if (!asked_for(c, w))
            continue;
        const char *path = zoo_path(w->file, c->arena, e);
        if (!path)
            return false;
        named = true;
        l->row[l->n] = w;
        l->path[l->n] = path;
        l->here[l->n] = zoo_here(path);
        l->n += l->here[l->n] || !cfg->here;
    }
    return named ||
           err_set(e, ERR_USAGE, "no model of the zoo has \"%s\" in its name", c->operand[0]);
}

static void put_three(struct json_writer *w, const char *key, const double x[3])
{
    json_open(w, key, '[');
    for (int c = 0; c < 3; c++)
        json_put_real(w, NULL, x[c]);
    json_close(w, ']');
}

static bool put_row(struct json_writer *w, const struct listing *l, int i, struct arena *a,
                    struct err *e)
{
    const struct zoo_weights *z = l->row[i];
    const char *url = zoo_url(z->file, a, e);
    if (!url)
        return false;
    json_open(w, NULL, '{');
    json_put_text(w, "model", z->model);
    json_put_text(w, "weights", z->tag);
    json_put_bool(w, "default", zoo_is_default(z));
    json_put_int(w, "parameters", z->n_param);
    json_put_int(w, "multiply_adds", z->mmacs * 1000000);
    json_put_real(w, "top1", z->top1);
    json_put_real(w, "top5", z->top5);
    json_put_int(w, "resize_shorter", z->resize_px);
    json_put_int(w, "crop", z->crop_px);
    json_put_text(w, "filter", filter_name(z));
    json_put_bool(w, "antialias", true);
    put_three(w, "mean", zoo_mean);
    put_three(w, "std", zoo_std);
    json_put_text(w, "file", z->file);
    json_put_real(w, "mib", z->mib);
    json_put_text(w, "sha256", z->sha256);
    json_put_text(w, "licence", z->licence);
    json_put_text(w, "url", url);
    json_put_text(w, "path", l->path[i]);
    json_put_bool(w, "here", l->here[i]);
    json_close(w, '}');
    return true;
}

static bool print_json(const struct listing *l, struct arena *a, struct err *e)
{
    struct json_writer w = {.lines = true};
    bool ok = true;
    json_open(&w, NULL, '[');
    for (int i = 0; ok && i < l->n; i++)
        ok = put_row(&w, l, i, a, e);
    json_close(&w, ']');
    ok = ok && json_done(&w, e);
    if (ok)
        puts(w.text);
    json_writer_release(&w);
    return ok;
}

static bool print_table(const struct listing *l, struct err *e)
{
    static const char *const head[] = {"model",  "weights", "params", "mult-adds",
                                       "top-1",  "top-5",   "resize", "crop",
                                       "filter", "MiB",     "file"};
    struct table t = {.align = "llrrrrrrlrl", .head = true};
    for (size_t i = 0; i < COUNT_OF(head); i++)
        table_cell(&t, "%s", head[i]);
    for (int i = 0; i < l->n; i++) {
        const struct zoo_weights *w = l->row[i];
        table_cell(&t, "%s", w->model);
        table_cell(&t, "%s%s", w->tag, zoo_is_default(w) ? " *" : "");
        table_cell(&t, "%.1f M", (double)w->n_param / 1e6);
        table_cell(&t, "%.2f G", (double)w->mmacs / 1e3);
        table_cell(&t, "%.2f", w->top1);
        table_cell(&t, "%.2f", w->top5);
        table_cell(&t, "%d", w->resize_px);
        table_cell(&t, "%d", w->crop_px);
        table_cell(&t, "%s", filter_name(w));
        table_cell(&t, "%.1f", w->mib);
        table_cell(&t, "%s%s", w->file, l->here[i] ? "  (here)" : "");
    }
    return table_print(&t, stdout, e);
}

static void print_notes(const struct listing *l)
{
    puts("\n* the default of its model; others are named as resnet50:V1. top-1 and top-5: "
         "percent of\n"
         "ImageNet's validation pictures, as published. linnet pull NAME brings a file here.");
    for (int i = 0; i < l->n; i++)
        if (l->row[i]->licence)
            printf("%s:%s: %s\n", l->row[i]->model, l->row[i]->tag, l->row[i]->licence);
    for (const char *const *m = zoo_file_only; *m; m++)
        printf("%s%s", m == zoo_file_only ? "" : ", ", *m);
    puts(": their weights are timm's and come as files.");
}

static bool run(struct call *c, struct err *e)
{
    const struct zoo_config *cfg = c->config;
    struct listing l = {0};
    if (!list(c, &l, e))
        return false;
    if (cfg->json)
        return print_json(&l, c->arena, e);
    if (l.n == 0) {
        puts("none of them is here yet; linnet pull NAME brings one");
        return true;
    }
    if (!print_table(&l, e))
        return false;
    print_notes(&l);
    return true;
}

const struct command command_zoo = {
    .name = "zoo",
    .synopsis = "zoo [WORD...] [options]",
    .summary = "list the published weights: size, accuracy, preprocessing, file",
    .about =
        "WORDs choose models by a part of their names: linnet zoo vgg resnet50. linnet pull\n"
        "brings the file.",
    .max_operand = -1,
    .config_size = sizeof(struct zoo_config),
    .options = (const struct command_options[]){{options, 0}, {NULL, 0}},
    .run = run,
};
