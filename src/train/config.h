/* All options of a training, one struct for each table of rows. */
#ifndef TRAIN_CONFIG_H
#define TRAIN_CONFIG_H

#include "augment/config.h"
#include "model/model.h"
#include "optim/optim.h"
#include "optim/schedule.h"
#include "train/freeze.h"
#include "train/pictures.h"

enum class_weighting { CLASS_WEIGHT_NONE, CLASS_WEIGHT_BALANCED };
enum precision { PRECISION_AUTO, PRECISION_FP32, PRECISION_BF16 };
enum normalisation { NORMALISE_IMAGENET, NORMALISE_DATA };

struct loop_config {
    int64_t epochs, batch, accumulate;
    double clip;        /* largest norm of the gradient; 0 = off */
    double ema;         /* decay of the weights' average; 0 = off */
    int class_weight;   /* enum class_weighting */
    bool balanced;      /* every class as often as the largest */
    int64_t stop_after; /* epochs without a better validation accuracy; 0 = never */
    int64_t seed;
    double val_fraction;
    int normalise;      /* enum normalisation */
    int precision;      /* enum precision */
    bool deterministic; /* the same bits for any number of threads */
    int64_t threads;    /* 0 = all that the process may use */
    const char *backend;
    int64_t log_steps;   /* a row of metrics each so many steps */
    int64_t save_steps;  /* a checkpoint each so many steps; 0 = only at epochs */
    double save_seconds; /* and after so long; 0 = only at epochs */
};
extern const struct option loop_options[];

/* Where the pictures are. */
struct source_config {
    const char *train, *val, *test; /* sub-folders; NULL = found */
    bool full_crop;
    int64_t resize; /* shorter side before the middle is cut; 0 = not stated */
};
extern const struct option source_options[];

struct train_config {
    struct loop_config loop;
    struct source_config source;
    struct pictures_config pictures;
    struct optim_config optim;
    struct schedule_config schedule;
    struct model_config model;
    struct freeze_config freeze;
    struct augment_config augment;
};

enum { TRAIN_MAX_TABLES = 32 };
/* The tables over cfg, in the order of --help; returns how many. */
int train_tables(struct train_config *cfg, struct option_table table[TRAIN_MAX_TABLES]);
/* What the options say together: fills in "the rule's own", refuses what cannot be. */
MUST_CHECK bool train_resolve(struct train_config *cfg, struct err *e);
/* May differ between the parts of a resumed run: it changes no weight. */
bool train_option_is_free(const char *name);

#endif
