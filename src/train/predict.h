/* Pictures in, probabilities out, prepared just as the model's own file says. */
#ifndef TRAIN_PREDICT_H
#define TRAIN_PREDICT_H

#include "backend/backend.h"
#include "graph/plan.h"
#include "train/network.h"

/* One picture: a file, or bytes that are already here. */
struct picture {
    const char *name;    /* for messages; the path when byte is NULL */
    const uint8_t *byte; /* borrowed; may be NULL */
    size_t n;
    struct err e; /* why it could not be read; ERR_NONE: fine */
};

struct predictor {
    struct network net;
    struct backend *backend;
    struct plan *plan;
    int max_n;
    uint8_t *pixel; /* (max_n, size, size, 3) */
    float *logits;  /* (max_n, n_class) */
};

/* path: a model file, or a run directory, whose best (or last) model is taken. */
MUST_CHECK bool predictor_open(struct predictor *p, const char *path, int n_thread, int max_n,
                               struct err *e);
void predictor_close(struct predictor *p);
/* At most max_n pictures, decoded on all threads; p->logits then has their rows, those of pictures
 * that could not be read zeroed. Only what concerns all of them fails. */
MUST_CHECK bool predictor_run(struct predictor *p, struct picture *of, int n, struct err *e);

/* The model file that path means: itself, or of a run directory best, else last. The caller frees. */
MUST_CHECK char *model_file(const char *path, bool last, struct err *e);

#endif
