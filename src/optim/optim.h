/* Update rules: what a row knows, and the options that choose and tune one. The arithmetic of an
 * element is backend/update.def's; a row turns hyper-parameters, learning rate and step number
 * into that formula's coefficients. torch.optim's formulas and defaults (Lion: arXiv 2302.06675,
 * Algorithm 2). */
#ifndef OPTIM_OPTIM_H
#define OPTIM_OPTIM_H

#include "backend/update.h"
#include "base/option.h"

/* In optim_config -1 stands for "the rule's own" until optim_resolve() fills it in. */
struct optim_hyper {
    double momentum, dampening;
    double beta1, beta2;
    double eps;
    double alpha;          /* rmsprop: smoothing of the squares */
    double momentum_decay; /* nadam */
    double lr_decay;       /* adagrad */
    bool nesterov, centered;
};

struct optim {
    const char *name;
    enum update_rule rule;
    const char *const *slot; /* state kept per weight, NULL-ended, at most UPDATE_MAX_SLOT */
    const char *const *uses; /* the options of struct optim_hyper that it reads, NULL-ended */
    double lr, weight_decay; /* torch.optim's defaults */
    double recipe_lr, recipe_decay; /* ours (docs/defaults.md); recipe_lr 0: torch.optim's */
    double tune_lr; /* ours where learnt weights move; 0: the same as for new ones */
    bool decoupled; /* decay shrinks the weights; else it joins the gradient */
    struct optim_hyper hyper;
    /* Coefficients of step t (from 1). product is state of one number, 1 at the start, which
     * nadam multiplies its momenta into. scale, l2 and shrink are the caller's. */
    void (*coef)(const struct optim_hyper *h, double lr, int64_t t, double *product,
                 struct update_coef *c);
};
extern const struct optim
    *const optims[]; /* NULL-ended, in the order of the option's choices */

struct optim_config {
    int kind; /* index into optims */
    double lr, weight_decay;
    bool decay_all; /* norms and biases too */
    struct optim_hyper hyper;
};
extern const struct option optim_options[];

/* Puts the rule's own values where -1 stands; what the rule does not read stays -1. ERR_USAGE for
 * a hyper-parameter that was given and is not read. */
MUST_CHECK bool optim_resolve(struct optim_config *cfg, struct err *e);

#endif
