/* linnet demo-data: draws the demo set. */
#include "base/clock.h"
#include "base/parallel.h"
#include "cmd/command.h"
#include "cmd/progress.h"
#include "demo/creature.h"
#include "demo/demo.h"

#include <inttypes.h>

enum { MAX_PICTURES = 100000, MAX_ROWS = 64 };
static const double quiet_s = 2; /* shorter work needs no progress */

struct demo_data_config {
    int64_t size, train, test, seed, threads, rows;
    const char *sheet;
    bool force;
};

struct watch {
    double start_s;
    struct progress bar;
};

static void progress(void *ctx, int n_done, int n_all)
{
    struct watch *w = ctx;
    char count[64];
    const char *const fact[] = {count, NULL};
    if (clock_s() - w->start_s < quiet_s)
        return;
    snprintf(count, sizeof(count), "%d of %d pictures", n_done, n_all);
    struct progress_line line = {"drawing", (double)n_done / n_all, fact};
    progress_draw(&w->bar, &line);
}

static bool draw_sheet(const struct demo_config *cfg, const struct demo_data_config *d,
                       struct err *e)
{
    if (!demo_sheet(cfg, (int)d->rows, d->sheet, e))
        return false;
    int64_t n = N_CREATURE * d->rows;
    printf("%s: %" PRId64 " pictures, a column a class:", d->sheet, n);
    for (int i = 0; i < N_CREATURE; i++)
        printf(" %s", creatures[i]->name);
    printf("\n");
    return true;
}

static bool draw_set(const struct demo_config *cfg, const char *dir, struct err *e)
{
    struct watch watch = {.start_s = clock_s()};
    struct demo_config watched = *cfg;
    progress_open(&watch.bar, stderr);
    watched.dir = dir;
    watched.progress = progress;
    watched.ctx = &watch;
    bool ok = demo_write(&watched, e);
    progress_clear(&watch.bar);
    if (ok)
        printf("%s: %d classes of drawn creatures, %d training and %d test pictures of "
               "%dx%d, %.1f s\n",
               dir, N_CREATURE, N_CREATURE * cfg->n_train, N_CREATURE * cfg->n_test,
               cfg->size_px, cfg->size_px, clock_s() - watch.start_s);
    return ok;
}

static bool demo_data_run(struct call *c, struct err *e)
{
    const struct demo_data_config *d = c->config;
    struct demo_config cfg = {.size_px = (int)d->size,
                              .n_train = (int)d->train,
                              .n_test = (int)d->test,
                              .seed = (uint64_t)d->seed,
                              .n_thread = d->threads ? (int)d->threads : parallel_threads(),
                              .force = d->force};
    if (!d->sheet && c->n_operand == 0)
        return err_set(e, ERR_USAGE, "a folder to write to, or --sheet FILE, is needed");
    return (!d->sheet || draw_sheet(&cfg, d, e)) &&
           (c->n_operand == 0 || draw_set(&cfg, c->operand[0], e));
}

#define FIELD(field) .offset = offsetof(struct demo_data_config, field)
static const struct option demo_data_options[] = {
    {.name = "size",
     .type = OPTION_INT,
     FIELD(size),
     .min.i = DEMO_MIN_PX,
     .max.i = DEMO_MAX_PX,
     .fallback.i = 128,
     .group = "Pictures",
     .help = "side of a picture, pixels"},
    {.name = "train",
     .type = OPTION_INT,
     FIELD(train),
     .min.i = 1,
     .max.i = MAX_PICTURES,
     .fallback.i = 400,
     .help = "training pictures a class"},
    {.name = "test",
     .type = OPTION_INT,
     FIELD(test),
     .min.i = 1,
     .max.i = MAX_PICTURES,
     .fallback.i = 100,
     .help = "test pictures a class"},
    {.name = "seed",
     .type = OPTION_INT,
     FIELD(seed),
     .min.i = 0,
     .max.i = INT64_MAX,
     .fallback.i = 1,
     .help = "other numbers draw other pictures"},
    {.name = "threads",
     .type = OPTION_INT,
     FIELD(threads),
     .min.i = 0,
     .max.i = 1024,
     .fallback.i = 0,
     .help = "drawing at once; 0 = as many as this process may use"},
    {.name = "force",
     .type = OPTION_BOOL,
     FIELD(force),
     .help = "write into a folder that is not empty"},
    {.name = "sheet",
     .type = OPTION_STRING,
     FIELD(sheet),
     .help = "also one JPEG file that shows some of each class"},
    {.name = "rows",
     .type = OPTION_INT,
     FIELD(rows),
     .min.i = 1,
     .max.i = MAX_ROWS,
     .fallback.i = 6,
     .help = "pictures of each class on the sheet"},
    {.name = NULL},
};

static const struct command_options options[] = {{demo_data_options, 0}, {NULL, 0}};

const struct command command_demo_data = {
    .name = "demo-data",
    .synopsis = "demo-data DIR [options]",
    .summary = "draw ten classes of creatures to learn from: a data set without a download",
    .about =
        "Writes DIR/train/CLASS/*.jpg and DIR/test/CLASS/*.jpg. The same seed and size draw\n"
        "the same pictures; linear models fail on them and small networks do not.",
    .max_operand = 1,
    .config_size = sizeof(struct demo_data_config),
    .options = options,
    .run = demo_data_run,
};
