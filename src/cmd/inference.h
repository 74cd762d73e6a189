/* What the commands that only run a network share: where it comes from, and its rows for all
 * pictures of a listing. */
#ifndef CMD_INFERENCE_H
#define CMD_INFERENCE_H

#include "cmd/command.h"
#include "cmd/listing.h"

struct inference {
    const char *model, *weights;
    int64_t size, batch, threads;
};
extern const struct option inference_options[];

/* How many of the first operands name the network: RUN, or none with --model or --weights. */
int inference_operands(const struct inference *s);
/* Opens the network, and reads the listing from the operands behind those that name it; sets
 * l->arena. The caller closes both, also after a failure. */
MUST_CHECK bool inference_open(const struct inference *s, const struct call *call,
                               bool features, struct predictor *p, struct listing *l,
                               struct err *e);

/* false. Where published weights were given as a run or model, which failed with e: that they do not say
 * of which architecture they are; command: "", or the one that can be told ("linnet predict "). */
bool inference_explain(const char *path, const char *command, struct err *e);

struct inference_each {
    const char *command; /* before messages */
    struct predictor *predictor;
    struct listing *listing;
    /* The row (n_out) of one picture, in order; not of those that cannot be read: they are told of
     * on stderr. */
    bool (*row)(void *ctx, const struct picture *of, const float *row, struct err *e);
    void *ctx;
    const char *label; /* of a progress bar; NULL = none */
};
/* *n_bad is how many could not be read. ERR_INTERRUPTED when a signal asks to stop. */
MUST_CHECK bool inference_each(const struct inference_each *s, int *n_bad, struct err *e);

#endif
