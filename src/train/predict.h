/* Pictures in, logits or features out, prepared just as the network says. */
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
    const char *folder; /* what the folder it lies in says it is; NULL = nothing */
    struct err e;       /* why it could not be read; ERR_NONE: fine */
};

struct predictor {
    struct network net;
    struct backend *backend;
    struct plan *plan;
    int max_n;
    uint8_t *pixel;          /* (max_n, size, size, 3) */
    const struct node *node; /* what is read of the network, its logits or its features */
    float *raw;              /* (max_n, node's shape) */
    int n_out, area; /* row: outputs, and places of the picture that each is the mean of */
    float *out;      /* (max_n, n_out) */
};

struct predictor_request {
    int n_thread, max_n;
    /* Rows are not the logits but what the head reads: the penultimate layer, averaged over the
     * picture where the head is a convolution (SqueezeNet). */
    bool features;
};

/* The predictor owns the network from now on, and the caller's is zeroed, also after a failure. */
MUST_CHECK bool predictor_open(struct predictor *p, struct network *take_net,
                               const struct predictor_request *r, struct err *e);
void predictor_close(struct predictor *p);
/* At most max_n pictures, decoded on all threads; p->out then has their rows, those of pictures
 * that could not be read of no meaning. Only what concerns all of them fails. */
MUST_CHECK bool predictor_run(struct predictor *p, struct picture *of, int n, struct err *e);

/* The model file that path means: itself, or of a run directory best, else last. The caller frees. */
MUST_CHECK char *model_file(const char *path, bool last, struct err *e);
/* The network of that file, best before last. */
MUST_CHECK bool model_load(struct network *n, const char *path, struct err *e);

#endif
