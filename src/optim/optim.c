/* The options of the update rules, and what "the rule's own" means for each. */
#include "optim/optim.h"

#include <string.h>

static const char *const kinds[] = {"sgd",     "adam",    "adamw", "nadam", "radam",
                                    "rmsprop", "adagrad", "lion",  NULL};

#define AT(field)    offsetof(struct optim_config, field)
#define HYPER(field) offsetof(struct optim_config, hyper.field)

/* clang-format off */
const struct option optim_options[] = {
    {.name = "optimiser", .type = OPTION_CHOICE, .offset = AT(kind), .choice = kinds,
     .fallback = {.s = "adamw"}, .group = "Optimiser",
     .help = "update rule"},
    {.name = "lr", .type = OPTION_REAL, .offset = AT(lr), .min = {.r = -1}, .max = {.r = 1e38},
     .fallback = {.r = -1}, .scale = SCALE_LOG,
     .help = "peak learning rate; -1 = the recipe's (docs/defaults.md)"},
    {.name = "weight-decay", .type = OPTION_REAL, .offset = AT(weight_decay), .min = {.r = -1},
     .max = {.r = 10}, .fallback = {.r = -1}, .scale = SCALE_LOG,
     .help = "decoupled for adamw and lion, else L2; -1 = the recipe's"},
    {.name = "decay-all", .type = OPTION_BOOL, .offset = AT(decay_all),
     .help = "decay norms and biases too"},
    {.name = "momentum", .type = OPTION_REAL, .offset = HYPER(momentum), .min = {.r = -1},
     .max = {.r = 1}, .fallback = {.r = -1}, .when = "optimiser=sgd|rmsprop",
     .help = "momentum; -1 = the rule's own"},
    {.name = "dampening", .type = OPTION_REAL, .offset = HYPER(dampening), .min = {.r = -1},
     .max = {.r = 1}, .fallback = {.r = -1}, .when = "optimiser=sgd",
     .help = "share of the gradient kept out of the momentum; -1 = 0"},
    {.name = "nesterov", .type = OPTION_BOOL, .offset = HYPER(nesterov), .when = "optimiser=sgd",
     .help = "Nesterov's momentum"},
    {.name = "beta1", .type = OPTION_REAL, .offset = HYPER(beta1), .min = {.r = -1},
     .max = {.r = 0.99999}, .fallback = {.r = -1},
     .when = "optimiser=adam|adamw|nadam|radam|lion",
     .help = "decay of the first moment; -1 = the rule's own"},
    {.name = "beta2", .type = OPTION_REAL, .offset = HYPER(beta2), .min = {.r = -1},
     .max = {.r = 0.9999999}, .fallback = {.r = -1},
     .when = "optimiser=adam|adamw|nadam|radam|lion",
     .help = "decay of the second moment; -1 = the rule's own"},
    {.name = "eps", .type = OPTION_REAL, .offset = HYPER(eps), .min = {.r = -1}, .max = {.r = 1},
     .fallback = {.r = -1}, .scale = SCALE_LOG,
     .when = "optimiser=adam|adamw|nadam|radam|rmsprop|adagrad",
     .help = "added to the root of the second moment; -1 = the rule's own"},
    {.name = "alpha", .type = OPTION_REAL, .offset = HYPER(alpha), .min = {.r = -1},
     .max = {.r = 0.9999999}, .fallback = {.r = -1}, .when = "optimiser=rmsprop",
     .help = "smoothing of the squares; -1 = 0.99"},
    {.name = "centered", .type = OPTION_BOOL, .offset = HYPER(centered),
     .when = "optimiser=rmsprop", .help = "divide by the variance, not by the square"},
    {.name = "momentum-decay", .type = OPTION_REAL, .offset = HYPER(momentum_decay),
     .min = {.r = -1}, .max = {.r = 1}, .fallback = {.r = -1}, .when = "optimiser=nadam",
     .help = "growth of the momentum; -1 = 0.004"},
    {.name = "lr-decay", .type = OPTION_REAL, .offset = HYPER(lr_decay), .min = {.r = -1},
     .max = {.r = 1}, .fallback = {.r = -1}, .when = "optimiser=adagrad",
     .help = "learning rate / (1 + this x steps); -1 = 0"},
    {.name = NULL},
};
/* clang-format on */

static bool in_list(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(*list, name) == 0)
            return true;
    return false;
}

static bool resolve_one(const struct optim *o, const char *name, double own, double *value,
                        struct err *e)
{
    bool used = in_list(name, o->uses);
    if (*value >= 0 && !used)
        return err_set(e, ERR_USAGE, "--%s %g: the optimiser %s has no such number", name,
                       *value, o->name);
    if (used && *value < 0)
        *value = own;
    return true;
}

bool optim_resolve(struct optim_config *cfg, struct err *e)
{
    const struct optim *o = optims[cfg->kind];
    const struct optim_hyper *own = &o->hyper;
    struct optim_hyper *h = &cfg->hyper;
    if (cfg->lr < 0)
        cfg->lr = o->recipe_lr > 0 ? o->recipe_lr : o->lr;
    if (cfg->weight_decay < 0)
        cfg->weight_decay = o->recipe_lr > 0 ? o->recipe_decay : o->weight_decay;
    if (h->nesterov && !in_list("nesterov", o->uses))
        return err_set(e, ERR_USAGE, "--nesterov: the optimiser %s has no such switch",
                       o->name);
    if (h->centered && !in_list("centered", o->uses))
        return err_set(e, ERR_USAGE, "--centered: the optimiser %s has no such switch",
                       o->name);
    if (!(resolve_one(o, "momentum", own->momentum, &h->momentum, e) &&
          resolve_one(o, "dampening", own->dampening, &h->dampening, e) &&
          resolve_one(o, "beta1", own->beta1, &h->beta1, e) &&
          resolve_one(o, "beta2", own->beta2, &h->beta2, e) &&
          resolve_one(o, "eps", own->eps, &h->eps, e) &&
          resolve_one(o, "alpha", own->alpha, &h->alpha, e) &&
          resolve_one(o, "momentum-decay", own->momentum_decay, &h->momentum_decay, e) &&
          resolve_one(o, "lr-decay", own->lr_decay, &h->lr_decay, e)))
        return false;
    if (h->nesterov && (h->momentum <= 0 || h->dampening != 0))
        return err_set(e, ERR_USAGE, "--nesterov: needs --momentum above 0 and no --dampening");
    return true;
}
