/* The optimiser of a run: state kept per weight in flat arenas like weights.value, one step over
 * all weights on all threads, and the averages that go with it. Work is cut into fixed pieces, so
 * results do not depend on the number of threads. */
#ifndef OPTIM_OPTIMISER_H
#define OPTIM_OPTIMISER_H

#include "graph/weights.h"
#include "optim/optim.h"

struct piece; /* a run of weights of one tensor: where the decay is the same */

struct optimiser {
    const struct optim *rule;
    struct optim_hyper hyper;
    double weight_decay;
    bool decay_all;
    const struct update_kernels *kernels;
    int n_thread;
    size_t n;                     /* floats of all weights: graph->n_value */
    size_t first;                 /* of them the first that may ever train */
    float *slot[UPDATE_MAX_SLOT]; /* (n - first) each, as many as the rule names */
    int64_t step;                 /* taken so far */
    double product;               /* nadam's */
    struct piece *piece;
    double *part; /* (n_piece) partial sums */
    int n_piece;
};

/* cfg is resolved. rate: a factor of the learning rate for each node (n_node), 0 = its weights are
 * left alone, now and later; NULL = 1 everywhere. */
MUST_CHECK bool optimiser_init(struct optimiser *o, const struct optim_config *cfg,
                               const struct backend *b, const struct graph *g,
                               const double *rate, struct err *e);
/* Begins anew, with other rates: slots at zero, no step taken. */
MUST_CHECK bool optimiser_restart(struct optimiser *o, const struct graph *g,
                                  const double *rate, struct err *e);
/* Other rates for the weights from o->first on; the state stays. */
MUST_CHECK bool optimiser_rates(struct optimiser *o, const struct graph *g, const double *rate,
                                struct err *e);
void optimiser_release(struct optimiser *o);

/* The 2-norm of grad (o->n floats), summed in double in a fixed order. Not finite if an element
 * is not. */
double optimiser_norm(struct optimiser *o, const float *grad);
/* One update of w->value from grad * scale; raises the weights' version. */
void optimiser_step(struct optimiser *o, struct weights *w, const float *grad, double lr,
                    double scale);
/* sum += a * x, and average += a * (x - average), n floats on n_thread threads. */
void average_add(const struct update_kernels *k, int n_thread, float *sum, const float *x,
                 double a, size_t n);
void average_move(const struct update_kernels *k, int n_thread, float *average, const float *x,
                  double a, size_t n);

#endif
