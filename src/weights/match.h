/* Weights of a file against the weights of a graph, by name and shape: what fits is copied, what does
 * not is listed (torch.nn.Module.load_state_dict, strict). */
#ifndef WEIGHTS_MATCH_H
#define WEIGHTS_MATCH_H

#include "graph/weights.h"
#include "weights/state_dict.h"

struct match_options {
    const char *model; /* for messages: "vgg16" */
    /* The node of the classes: its weights stay as they are where the file has none, or ones of
     * another number of classes. NULL: they must fit too. */
    const char *head;
    /* Prefixes of auxiliary heads ("aux1.", "AuxLogits."), NULL-ended: the file may have them in
     * vain, and those of the graph are treated as `head`. NULL: there are none. */
    const char *const *aux;
    /* Fills `to`, the floats of weight i of n, from a tensor made for another input size: a position
     * embedding (model_adapt); ERR_MODEL when it cannot be. Asked first with from and to NULL,
     * whether it could. NULL: shapes must be equal. */
    bool (*adapt)(const struct node *n, int i, const float *from, const struct shape *shape,
                  float *to, struct err *e);
    /* Architecture i, for a guess when the weights do not fit: a graph, which is freed, and its
     * name. NULL with a name: passed over; NULL without: the end. NULL: no guess. */
    struct graph *(*candidate)(const void *ctx, int i, const char **name, struct err *e);
    const void *ctx;
};

/* Texts for people: names, and what is wrong with them. */
enum match_kind {
    MATCH_MISSING,    /* "conv1.weight" */
    MATCH_UNEXPECTED, /* in the file and not in the graph */
    MATCH_SHAPE,      /* "fc.weight is 1000x512, expected 10x512" */
    MATCH_FRESH,      /* of head and aux: not taken from the file */
    MATCH_SKIPPED,    /* in the file, and known to be of no use */
    MATCH_RENAMED,    /* "pre_logits.fc1.weight as classifier.0.weight" */
    MATCH_ADAPTED,    /* "encoder.pos_embedding from 1x50x768" */
    MATCH_KINDS
};
const char *match_title(enum match_kind kind); /* "missing" */

struct match {
    struct match_list {
        const char **text;
        int n;
    } list[MATCH_KINDS];
    bool *copied; /* (tensors of the graph, in its order) */
    int n_copied; /* of them */
    struct arena arena;
};

/* Fills m, which the caller releases whether it fits or not, and copies into w. ERR_MODEL when a
 * tensor is missing, unexpected or of another shape: a short list, and the likely architecture; w
 * stands as it was. ERR_MODEL too from state_dict_copy: w is then of no use. */
MUST_CHECK bool match_weights(struct match *m, struct weights *w, const struct state_dict *s,
                              const struct match_options *o, struct err *e);
void match_release(struct match *m);

/* Share of names and shapes that are in both, of all that are in either: 0 .. 1. */
double match_score(const struct graph *g, const struct state_dict *s);

#endif
