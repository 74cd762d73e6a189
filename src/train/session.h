/* Everything a training needs, put together: the data set split and loading, the network, the
 * machine, the run directory, the trainer; begun or taken up again. */
#ifndef TRAIN_SESSION_H
#define TRAIN_SESSION_H

#include "train/pretrained.h"
#include "train/record.h"
#include "train/trainer.h"

struct session_request {
    struct train_config *cfg;      /* as asked for; resolved here. Outlives the session */
    const char *data;              /* folder, CSV, ... */
    const char *out;               /* run directory; NULL: nothing is written */
    bool resume;                   /* out holds a run: cfg is its stored one, perhaps changed */
    const struct changes *changes; /* that cfg makes to the stored one */
    bool force;                    /* go on in spite of changes, and record them */
    const struct trainer_events *events;
    const volatile sig_atomic_t *stop;
};

struct session {
    struct dataset *data, *val_data; /* the same but for a validation part of its own */
    struct cache *cache;             /* NULL: none */
    uint8_t *in_val;                 /* (data->n_sample) */
    int n_train, n_val;
    struct backend *backend;
    enum dtype compute;
    struct pretrained pretrained; /* --weights; file.path NULL: none */
    bool weights_gone;            /* and the run's own stand in for them */
    struct network net;
    uint32_t *index[2];               /* of the pictures in `stream` */
    struct frontier_stream stream[2]; /* training, validation: what the loaders load */
    struct loader *train, *val;
    struct run run;
    struct facts facts;
    struct trainer *trainer;
    struct arena arena;
    bool resumed; /* from a checkpoint */
};

MUST_CHECK bool session_open(struct session *s, const struct session_request *r, struct err *e);
void session_close(struct session *s);
/* Can the backend compute as asked? The dtype, or ERR_DEVICE. */
MUST_CHECK bool precision_choose(const struct backend *b, int precision, enum dtype *out,
                                 struct err *e);

#endif
