#include "train/config.h"

#include "augment/augment.h"
#include "augment/mix.h"

#include <string.h>

static const char *const class_weights[] = {"none", "balanced", NULL};
static const char *const precisions[] = {"auto", "fp32", "bf16", NULL};
static const char *const normalisations[] = {"imagenet", "data", NULL};

#define AT(field) offsetof(struct loop_config, field)
/* clang-format off */
const struct option loop_options[] = {
    {.name = "epochs", .type = OPTION_INT, .offset = AT(epochs), .min.i = 1, .max.i = 100000,
     .fallback.i = 20, .group = "Training", .help = "passes over the training pictures"},
    {.name = "batch", .type = OPTION_INT, .offset = AT(batch), .min.i = 1, .max.i = 65536,
     .fallback.i = 32, .scale = SCALE_LOG, .help = "pictures a step"},
    {.name = "accumulate", .type = OPTION_INT, .offset = AT(accumulate), .min.i = 1,
     .max.i = 4096, .fallback.i = 1, .help = "batches whose gradients make one step"},
    {.name = "clip", .type = OPTION_REAL, .offset = AT(clip), .max.r = 1e9,
     .help = "largest norm of the gradient; 0 = no clipping"},
    {.name = "ema", .type = OPTION_REAL, .offset = AT(ema), .max.r = 0.999999,
     .fallback.r = 0.998, .help = "decay of the average of weights that is evaluated; 0 = none"},
    {.name = "class-weight", .type = OPTION_CHOICE, .offset = AT(class_weight),
     .choice = class_weights, .fallback.s = "none",
     .help = "weights in the loss: balanced = by the inverse of a class's share"},
    {.name = "balanced", .type = OPTION_BOOL, .offset = AT(balanced),
     .help = "show every class equally often"},
    {.name = "stop-after", .type = OPTION_INT, .offset = AT(stop_after), .max.i = 100000,
     .help = "stop after so many epochs without a better validation accuracy; 0 = never"},
    {.name = "seed", .type = OPTION_INT, .offset = AT(seed), .max.i = INT64_MAX,
     .fallback.i = 1, .help = "of split, order, augmentation, initial weights, dropout"},
    {.name = "val-fraction", .type = OPTION_REAL, .offset = AT(val_fraction), .min.r = 0,
     .max.r = 0.9, .fallback.r = 0.2, .help = "share of each class held out for validation"},
    {.name = "normalise", .type = OPTION_CHOICE, .offset = AT(normalise),
     .choice = normalisations, .fallback.s = "imagenet",
     .help = "mean and deviation of the colours: ImageNet's, or the training pictures'"},
    {.name = "precision", .type = OPTION_CHOICE, .offset = AT(precision), .choice = precisions,
     .fallback.s = "auto", .group = "Machine",
     .help = "auto = bf16 where the processor computes in it"},
    {.name = "deterministic", .type = OPTION_BOOL, .offset = AT(deterministic),
     .help = "the same bits for any number of threads"},
    {.name = "threads", .type = OPTION_INT, .offset = AT(threads), .max.i = 1024,
     .help = "0 = all that this process may use"},
    {.name = "backend", .type = OPTION_STRING, .offset = AT(backend), .fallback.s = "auto",
     .help = "device: auto, cpu, ref"},
    {.name = "log-steps", .type = OPTION_INT, .offset = AT(log_steps), .min.i = 1,
     .max.i = 1000000, .fallback.i = 20, .group = "Run directory",
     .help = "steps between rows of metrics"},
    {.name = "save-steps", .type = OPTION_INT, .offset = AT(save_steps), .max.i = 1000000000,
     .help = "steps between checkpoints; 0 = only after epochs"},
    {.name = "save-seconds", .type = OPTION_REAL, .offset = AT(save_seconds), .max.r = 1e9,
     .fallback.r = 120, .help = "seconds between checkpoints; 0 = only after epochs"},
    {.name = NULL},
};
/* clang-format on */

#undef AT
#define AT(field) offsetof(struct source_config, field)
/* clang-format off */
const struct option source_options[] = {
    {.name = "train-part", .type = OPTION_STRING, .offset = AT(train), .group = "Data",
     .help = "sub-folder to train on; found when not given"},
    {.name = "val-part", .type = OPTION_STRING, .offset = AT(val),
     .help = "sub-folder to validate on; else a share of the training part"},
    {.name = "test", .type = OPTION_STRING, .offset = AT(test),
     .help = "sub-folder of the test part, opened by eval alone"},
    {.name = "full-crop", .type = OPTION_BOOL, .offset = AT(full_crop),
     .help = "crop from the full picture, decoded anew each time"},
    {.name = "resize", .type = OPTION_INT, .offset = AT(resize), .max.i = 8192,
     .help = "shorter side that pictures start from and whose middle validation and the model see; "
             "0 = as the weights say, or 1.15 inputs"},
    {.name = NULL},
};
/* clang-format on */

int train_tables(struct train_config *cfg, struct option_table table[TRAIN_MAX_TABLES])
{
    int n = model_tables(&cfg->model, table);
    table[n++] = (struct option_table){freeze_options, &cfg->freeze};
    table[n++] = (struct option_table){loop_options, &cfg->loop};
    table[n++] = (struct option_table){source_options, &cfg->source};
    table[n++] = (struct option_table){pictures_options, &cfg->pictures};
    table[n++] = (struct option_table){optim_options, &cfg->optim};
    table[n++] = (struct option_table){schedule_options, &cfg->schedule};
    for (int i = 0; transforms[i]; i++)
        if (transforms[i]->options)
            table[n++] = (struct option_table){transforms[i]->options, &cfg->augment};
    table[n++] = (struct option_table){mix_options, &cfg->augment};
    return n;
}

/* What was learnt moves slowly; a new last layer, alone, does not have to. */
static bool resolve_rates(struct train_config *cfg, struct err *e)
{
    double slow = cfg->optim.lr < 0 ? optims[cfg->optim.kind]->tune_lr : 0;
    struct freeze_config *f = &cfg->freeze;
    if (!optim_resolve(&cfg->optim, e))
        return false;
    if (f->head_lr < 0)
        f->head_lr = cfg->optim.lr;
    if (slow > 0 && freeze_moves_learnt(f))
        cfg->optim.lr = slow;
    f->head_scale = cfg->optim.lr > 0 ? f->head_lr / cfg->optim.lr : 1;
    return true;
}

bool train_resolve(struct train_config *cfg, struct err *e)
{
    if (cfg->schedule.warmup > (double)cfg->loop.epochs)
        return err_set(e, ERR_USAGE, "--warmup %g: longer than the %lld epochs of the run",
                       cfg->schedule.warmup, (long long)cfg->loop.epochs);
    if (!model_resolve(&cfg->model, e) || !freeze_resolve(&cfg->freeze, e))
        return false;
    if (cfg->source.resize > 0 && cfg->source.resize < cfg->model.size)
        return err_set(e, ERR_USAGE, "--resize %lld: less than the %lld of --size",
                       (long long)cfg->source.resize, (long long)cfg->model.size);
    return resolve_rates(cfg, e) && augment_check(&cfg->augment, e);
}

bool train_option_is_free(const char *name)
{
    static const char *const free_names[] = {"save-steps", "save-seconds", "cache",
                                             "cache-dir",  "cache-limit",  "feature-cache"};
    for (size_t i = 0; i < COUNT_OF(free_names); i++)
        if (strcmp(name, free_names[i]) == 0)
            return true;
    return false;
}
