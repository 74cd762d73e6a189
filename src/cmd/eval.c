/* linnet eval: the one command that opens the test part. */
#include "cmd/command.h"
#include "cmd/inference.h"
#include "cmd/progress.h"
#include "cmd/stop.h"
#include "cmd/table.h"
#include "train/evaluate.h"
#include "train/pictures.h"
#include "train/predict.h"
#include "train/record.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { FORMAT_TEXT, FORMAT_JSON, CONFUSION_SHOWN = 30 };
static const char *const formats[] = {"text", "json", NULL};
enum { EVAL_TEST, EVAL_VAL };
static const char *const parts[] = {"test", "val", NULL};

struct config {
    bool last;
    int format, part;
    const char *test;
    int64_t batch, threads;
    struct pictures_config pictures;
};

#define AT(field) offsetof(struct config, field)
static const struct option options[] = {
    {.name = "part",
     .type = OPTION_CHOICE,
     .offset = AT(part),
     .choice = parts,
     .fallback.s = "test",
     .group = "What",
     .help = "the test part, or the pictures that the run validated on"},
    {.name = "test",
     .type = OPTION_STRING,
     .offset = AT(test),
     .help = "sub-folder that is the test part; found when not given"},
    {.name = "last",
     .type = OPTION_BOOL,
     .offset = AT(last),
     .help = "the latest model of the run, not its best"},
    {.name = "format",
     .type = OPTION_CHOICE,
     .offset = AT(format),
     .choice = formats,
     .fallback.s = "text",
     .help = "how to print"},
    {.name = "batch",
     .type = OPTION_INT,
     .offset = AT(batch),
     .min.i = 1,
     .max.i = 4096,
     .fallback.i = 64,
     .group = "Machine",
     .help = "pictures at a time"},
    {.name = "threads",
     .type = OPTION_INT,
     .offset = AT(threads),
     .max.i = 1024,
     .help = "0 = all that this process may use"},
    {.name = NULL},
};

/* What is evaluated on what. */
struct job {
    const struct config *cfg;
    const char *run, *dir;      /* as given; dir NULL: the run's own */
    struct train_config stored; /* of a run directory */
    struct network net;
    struct backend *backend;
    struct dataset *data;
    struct cache *cache;
    uint8_t *chosen; /* (n_sample): with --part val, which */
    struct loader *loader;
    struct plan *plan;
    struct metrics metrics;
    struct progress progress;
    int n;
};

static bool is_run(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void on_warning(void *ctx, const char *text)
{
    struct job *j = ctx;
    progress_say(&j->progress, "warning: %s", text);
}

static bool on_prepared(void *ctx, int done, int total)
{
    struct job *j = ctx;
    progress_draw(&j->progress, &(struct progress_line){.label = "reading the pictures",
                                                        .share = (double)done / total});
    return true;
}

/* The pictures that can be read; before the split's file is held against them. */
static bool prepare(struct job *j, struct err *e)
{
    struct pictures_request p = {
        .cfg = &j->cfg->pictures,
        .root = j->dir,
        .rule = {j->net.pre.resize_px, j->net.pre.filter},
        .n_thread = j->backend->n_thread,
        .progress = on_prepared,
        .warn = on_warning,
        .ctx = j,
    };
    j->cache = pictures_cache(&p, j->data);
    return pictures_verify(&p, j->data, j->cache, e);
}

/* The pictures that validated: a part of their own, or the run's record of the split. */
static bool open_validation(struct job *j, struct dataset_config *from, struct err *e)
{
    if (dataset_has(from, PART_VAL))
        return (j->data = dataset_open(from, PART_VAL, e)) && prepare(j, e);
    if (!is_run(j->run))
        return err_set(e, ERR_USAGE,
                       "--part val: %s is no run directory, so its split is not known", j->run);
    char *path = run_path(j->run, "split.txt", e);
    j->data = path ? dataset_open(from, PART_TRAIN, e) : NULL;
    bool ok = j->data && prepare(j, e) &&
              (j->chosen = mem_new((size_t)j->data->n_sample, 1, e)) != NULL &&
              split_read(j->data, path, j->chosen, e);
    mem_free(path);
    return ok;
}

static bool open_data(struct job *j, struct arena *a, struct err *e)
{
    const char **classes = arena_new(a, (size_t)j->net.n_class + 1, sizeof(*classes), e);
    if (!classes)
        return false;
    memcpy(classes, j->net.class_name, (size_t)j->net.n_class * sizeof(*classes));
    struct dataset_config from = {
        .path = j->dir,
        .train = j->stored.source.train,
        .val = j->stored.source.val,
        .test = j->cfg->test ? j->cfg->test : j->stored.source.test,
        .classes = classes,
    };
    if (j->cfg->part == EVAL_VAL)
        return open_validation(j, &from, e);
    if (!dataset_has(&from, PART_TEST))
        return err_set(e, ERR_DATA,
                       "%s: no test part (a folder test/); --test names another, --part val "
                       "takes the validation pictures",
                       j->dir);
    return (j->data = dataset_open(&from, PART_TEST, e)) && prepare(j, e);
}

static bool open_loader(struct job *j, struct err *e)
{
    uint32_t *index = mem_new((size_t)j->data->n_sample, sizeof(*index), e);
    for (int i = 0; index && i < j->data->n_sample; i++)
        if (!j->chosen || j->chosen[i])
            index[j->n++] = (uint32_t)i;
    struct loader_config cfg = {
        .index = index,
        .n_index = j->n,
        .batch = (int)j->cfg->batch,
        .size_px = j->net.pre.size_px,
        .n_class = j->net.n_class,
        .order = ORDER_SEQUENTIAL,
        .n_thread = j->backend->n_thread,
        .resize_px = j->net.pre.resize_px,
        .filter = (int)j->net.pre.filter,
        .cache = j->cache,
    };
    bool ok = index && (j->n > 0 || err_set(e, ERR_DATA, "%s: nothing to evaluate", j->dir)) &&
              (j->loader = loader_new(j->data, &cfg, e)) != NULL;
    mem_free(index);
    return ok;
}

static bool open_model(struct job *j, struct arena *a, struct err *e)
{
    const char *own = NULL;
    char *file = model_file(j->run, j->cfg->last, e);
    bool ok = file &&
              (network_load(&j->net, file, e) || inference_explain(file, "linnet predict ", e));
    mem_free(file);
    if (ok && is_run(j->run))
        ok = record_read_config(j->run, &j->stored, &own, a, e);
    if (!j->dir)
        j->dir = own;
    return ok &&
           (j->dir || err_set(e, ERR_USAGE,
                              "%s is a model file: name the folder of pictures too", j->run));
}

static bool open_job(struct job *j, struct arena *a, struct err *e)
{
    if (!open_model(j, a, e) || !(j->backend = backend_open("auto", (int)j->cfg->threads, e)) ||
        !open_data(j, a, e) || !open_loader(j, e))
        return false;
    struct evaluation_request r = {.backend = j->backend,
                                   .net = &j->net,
                                   .max_n = (int)j->cfg->batch,
                                   .compute = DTYPE_F32};
    return (j->plan = evaluation_plan(&r, e)) != NULL &&
           metrics_init(&j->metrics, j->net.n_class, e);
}

static void close_job(struct job *j)
{
    metrics_release(&j->metrics);
    plan_free(j->plan);
    loader_free(j->loader);
    cache_close(j->cache);
    mem_free(j->chosen);
    dataset_free(j->data);
    backend_close(j->backend);
    network_release(&j->net);
}

static void on_progress(void *ctx, int64_t done)
{
    struct job *j = ctx;
    progress_draw(&j->progress,
                  &(struct progress_line){.label = "evaluating", .share = (double)done / j->n});
}

static bool print_classes(const struct job *j, struct err *e)
{
    struct table t = {.align = "lrrrr", .head = true};
    table_cell(&t, "class");
    table_cell(&t, "pictures");
    table_cell(&t, "precision");
    table_cell(&t, "recall");
    table_cell(&t, "F1");
    for (int c = 0; c < j->net.n_class; c++) {
        struct class_metrics m = metrics_class(&j->metrics, c);
        table_cell(&t, "%s", j->net.class_name[c]);
        table_cell(&t, "%" PRId64, m.support);
        table_cell(&t, "%.3f", m.precision);
        table_cell(&t, "%.3f", m.recall);
        table_cell(&t, "%.3f", m.f1);
    }
    return table_print(&t, stdout, e);
}

/* Rows: the true class; columns: what it was taken for, by number. */
static bool print_confusion(const struct job *j, struct err *e)
{
    char align[CONFUSION_SHOWN + 3] = "rl";
    int n = j->net.n_class;
    if (n > CONFUSION_SHOWN) {
        printf("(the confusion of %d classes is in --format json)\n", n);
        return true;
    }
    memset(align + 2, 'r', (size_t)n);
    struct table t = {.align = align, .head = true};
    table_cell(&t, "#");
    table_cell(&t, "class, taken for:");
    for (int c = 0; c < n; c++)
        table_cell(&t, "%d", c);
    for (int c = 0; c < n; c++) {
        table_cell(&t, "%d", c);
        table_cell(&t, "%s", j->net.class_name[c]);
        for (int k = 0; k < n; k++)
            table_cell(&t, "%" PRId64, j->metrics.confusion[c * n + k]);
    }
    return table_print(&t, stdout, e);
}

static bool print_text(const struct job *j, struct err *e)
{
    const struct metrics *m = &j->metrics;
    printf("%s: %" PRId64 " pictures of the %s part\n", j->dir, m->n, parts[j->cfg->part]);
    printf("top-1 %.2f %%   top-5 %.2f %%   loss %.4f   calibration error %.4f\n\n",
           100 * metrics_top1(m), 100 * metrics_top5(m), metrics_loss(m),
           metrics_calibration_error(m));
    if (!print_classes(j, e))
        return false;
    printf("\n");
    return print_confusion(j, e);
}

static bool print_json(const struct job *j, struct err *e)
{
    struct json_writer w = {.lines = true};
    json_open(&w, NULL, '{');
    json_put_text(&w, "model", j->run);
    json_put_text(&w, "data", j->dir);
    json_put_text(&w, "part", parts[j->cfg->part]);
    metrics_write_json(&j->metrics, j->net.class_name, &w);
    json_close(&w, '}');
    return json_print(&w, e);
}

static bool run(struct call *call, struct err *e)
{
    struct job j = {.cfg = call->config, .run = call->operand[0], .dir = call->operand[1]};
    progress_open(&j.progress, stderr);
    bool ok = open_job(&j, call->arena, e);
    if (ok) {
        struct evaluation v = {.plan = j.plan,
                               .net = &j.net,
                               .loader = j.loader,
                               .max_n = (int)j.cfg->batch,
                               .progress = on_progress,
                               .ctx = &j,
                               .stop = stop_watch()};
        ok = evaluate(&v, &j.metrics, e);
    }
    progress_clear(&j.progress);
    ok = ok && (j.cfg->format == FORMAT_JSON ? print_json(&j, e) : print_text(&j, e));
    close_job(&j);
    return ok;
}

const struct command command_eval = {
    .name = "eval",
    .synopsis = "eval RUN [DIR] [options]",
    .summary = "how good a trained model is on the test part",
    .about =
        "RUN is a run directory (its best model is taken) or a model file; DIR the data set,\n"
        "when it is not the run's own. Of what trains and chooses, nothing opens the test "
        "part.",
    .min_operand = 1,
    .max_operand = 2,
    .config_size = sizeof(struct config),
    .options =
        (const struct command_options[]){
            {options, 0}, {pictures_options, offsetof(struct config, pictures)}, {0}},
    .run = run,
};
