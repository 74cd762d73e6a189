/* One row a rule: hyper-parameters in, coefficients of update.def's formula out. */
#include "optim/optim.h"

#include <math.h>

static void sgd_coef(const struct optim_hyper *h, double lr, int64_t t, double *product,
                     struct update_coef *c)
{
    (void)product;
    c->rate = (float)lr;
    c->keep1 = (float)h->momentum;
    c->add1 = t == 1 ? 1 : (float)(1 - h->dampening); /* the first buffer is the gradient */
    c->mix_g = h->nesterov ? 1 : 0;
    c->mix_s = h->nesterov ? (float)h->momentum : 1;
}

static void moments(const struct optim_hyper *h, struct update_coef *c)
{
    c->keep1 = (float)h->beta1;
    c->add1 = (float)(1 - h->beta1);
    c->keep2 = (float)h->beta2;
    c->add2 = (float)(1 - h->beta2);
    c->eps = (float)h->eps;
}

static void adam_coef(const struct optim_hyper *h, double lr, int64_t t, double *product,
                      struct update_coef *c)
{
    (void)product;
    moments(h, c);
    c->rate = (float)(lr / (1 - pow(h->beta1, (double)t)));
    c->root = (float)(1 / sqrt(1 - pow(h->beta2, (double)t)));
}

static double nadam_momentum(const struct optim_hyper *h, int64_t t)
{
    return h->beta1 * (1 - 0.5 * pow(0.96, (double)t * h->momentum_decay));
}

static void nadam_coef(const struct optim_hyper *h, double lr, int64_t t, double *product,
                       struct update_coef *c)
{
    double now = nadam_momentum(h, t), next = nadam_momentum(h, t + 1);
    *product *= now;
    moments(h, c);
    c->root = (float)(1 / sqrt(1 - pow(h->beta2, (double)t)));
    c->mix_g = (float)(lr * (1 - now) / (1 - *product));
    c->mix_s = (float)(lr * next / (1 - *product * next));
}

static void radam_coef(const struct optim_hyper *h, double lr, int64_t t, double *product,
                       struct update_coef *c)
{
    (void)product;
    double n = (double)t, power = pow(h->beta2, n), rho_max = 2 / (1 - h->beta2) - 1;
    double rho = rho_max - 2 * n * power / (1 - power);
    moments(h, c);
    c->rate = (float)(lr / (1 - pow(h->beta1, n)));
    bool adapt = rho > 5; /* the variance of the second moment can be told */
    double rect =
        adapt ? sqrt((rho - 4) * (rho - 2) * rho_max / ((rho_max - 4) * (rho_max - 2) * rho))
              : 0;
    c->mix_g = adapt ? 0 : 1;
    c->mix_s = (float)(rect * sqrt(1 - power));
}

static void rmsprop_coef(const struct optim_hyper *h, double lr, int64_t t, double *product,
                         struct update_coef *c)
{
    (void)t, (void)product;
    c->rate = (float)lr;
    c->keep1 = (float)h->momentum;
    c->keep2 = (float)h->alpha;
    c->add2 = (float)(1 - h->alpha);
    c->mix_s = h->centered ? (float)(1 - h->alpha) : 0;
    c->eps = (float)h->eps;
}

static void adagrad_coef(const struct optim_hyper *h, double lr, int64_t t, double *product,
                         struct update_coef *c)
{
    (void)product;
    c->rate = (float)(lr / (1 + (double)(t - 1) * h->lr_decay));
    c->eps = (float)h->eps;
}

static void lion_coef(const struct optim_hyper *h, double lr, int64_t t, double *product,
                      struct update_coef *c)
{
    (void)t, (void)product;
    moments(h, c);
    c->rate = (float)lr;
}

#define NAMES(...)                                                                             \
    (const char *const[])                                                                      \
    {                                                                                          \
        __VA_ARGS__, NULL                                                                      \
    }

static const struct optim sgd = {
    .name = "sgd",
    .rule = UPDATE_SGD,
    .slot = NAMES("momentum_buffer"),
    .uses = NAMES("momentum", "dampening", "nesterov"),
    .lr = 1e-3,
    .coef = sgd_coef,
};
static const struct optim adam = {
    .name = "adam",
    .rule = UPDATE_ADAM,
    .slot = NAMES("exp_avg", "exp_avg_sq"),
    .uses = NAMES("beta1", "beta2", "eps"),
    .lr = 1e-3,
    .hyper = {.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8},
    .coef = adam_coef,
};
static const struct optim adamw = {
    .name = "adamw",
    .rule = UPDATE_ADAM,
    .slot = NAMES("exp_avg", "exp_avg_sq"),
    .uses = NAMES("beta1", "beta2", "eps"),
    .lr = 1e-3,
    .tune_lr = 3e-4,
    .weight_decay = 1e-2,
    .decoupled = true,
    .hyper = {.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8},
    .coef = adam_coef,
};
static const struct optim nadam = {
    .name = "nadam",
    .rule = UPDATE_NADAM,
    .slot = NAMES("exp_avg", "exp_avg_sq"),
    .uses = NAMES("beta1", "beta2", "eps", "momentum-decay"),
    .lr = 2e-3,
    .hyper = {.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .momentum_decay = 4e-3},
    .coef = nadam_coef,
};
static const struct optim radam = {
    .name = "radam",
    .rule = UPDATE_RADAM,
    .slot = NAMES("exp_avg", "exp_avg_sq"),
    .uses = NAMES("beta1", "beta2", "eps"),
    .lr = 1e-3,
    .hyper = {.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8},
    .coef = radam_coef,
};
static const struct optim rmsprop = {
    .name = "rmsprop",
    .rule = UPDATE_RMSPROP,
    .slot = NAMES("square_avg", "momentum_buffer", "grad_avg"),
    .uses = NAMES("alpha", "momentum", "eps", "centered"),
    .lr = 1e-2,
    .hyper = {.alpha = 0.99, .eps = 1e-8},
    .coef = rmsprop_coef,
};
static const struct optim adagrad = {
    .name = "adagrad",
    .rule = UPDATE_ADAGRAD,
    .slot = NAMES("sum"),
    .uses = NAMES("lr-decay", "eps"),
    .lr = 1e-2,
    .hyper = {.eps = 1e-10},
    .coef = adagrad_coef,
};
static const struct optim lion = {
    .name = "lion",
    .rule = UPDATE_LION,
    .slot = NAMES("exp_avg"),
    .uses = NAMES("beta1", "beta2"),
    .lr = 1e-4,
    .decoupled = true,
    .hyper = {.beta1 = 0.9, .beta2 = 0.99},
    .coef = lion_coef,
};

const struct optim *const optims[] = {&sgd,     &adam,    &adamw, &nadam, &radam,
                                      &rmsprop, &adagrad, &lion,  NULL};
