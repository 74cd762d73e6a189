/* Which layers learn, and when. Layers are frozen from the input up to some node; how far is a function
 * of the epoch alone, and it only ever moves towards the input. Frozen layers run as in evaluation:
 * running statistics kept, dropout and stochastic depth off. */
#ifndef TRAIN_FREEZE_H
#define TRAIN_FREEZE_H

#include "base/option.h"
#include "model/model.h"

enum freeze_strategy { FREEZE_AUTO, FREEZE_NONE, FREEZE_BACKBONE };

struct freeze_config {
    const char *weights; /* file or name of the zoo; NULL: drawn */
    int strategy;        /* enum freeze_strategy */
    int64_t unfreeze;    /* blocks at the end that train beside the classifier */
    const char *until;   /* block or node: frozen up to it; NULL: not given */
    int64_t every;       /* epochs after which one block more trains; 0: never */
    int64_t head_epochs; /* the last layer alone, at first */
    double head_lr;      /* while it trains alone; -1 = as train_resolve() says */
    double head_scale;   /* resolved: that over the learning rate; 0 = 1 */
    double layer_decay;  /* of the learning rate, a block */
    bool frozen_dropout; /* of frozen layers stays random */
    int64_t views;       /* of a picture, once layers are frozen; 0: a new one each epoch */
    bool feature_cache;
};
extern const struct option freeze_options[];

/* Puts a strategy where FREEZE_AUTO stands; ERR_USAGE: options that contradict each other. */
MUST_CHECK bool freeze_resolve(struct freeze_config *c, struct err *e);

/* Once resolved: does more of the loaded weights train than a last layer? */
bool freeze_moves_learnt(const struct freeze_config *c);

struct freeze {
    const struct freeze_config *cfg;
    const struct model *model;
    const struct graph *graph;
    int head; /* frozen up to here, the last layer alone trains */
    int end;  /* frozen up to here for good, -1 = nothing */
};
/* ERR_USAGE: no such block or node, and the nearest; more blocks than there are. All outlive f. */
MUST_CHECK bool freeze_init(struct freeze *f, const struct freeze_config *c,
                            const struct model *m, const struct graph *g, struct err *e);
/* The id of the last frozen node in an epoch (from 0); -1: all train. */
int freeze_upto(const struct freeze *f, int64_t epoch);
/* Frozen when the last frozen node is `upto`? Auxiliary heads never are. */
bool freeze_holds(const struct freeze *f, const struct node *n, int upto);
/* Factor of the learning rate of each node (n_node), 0 = frozen. */
void freeze_rates(const struct freeze *f, int upto, double *rate);
/* The frozen nodes for a plan_request, NULL-ended, into list (n_node + 1). */
void freeze_list(const struct freeze *f, int upto, struct node **list);
/* Floats that train. */
size_t freeze_trained(const struct freeze *f, int upto);
/* "training 7686 of 2231558 parameters; frozen up to ..." into text, which it returns. */
char *freeze_text(const struct freeze *f, int upto, char *text, size_t size);

#endif
