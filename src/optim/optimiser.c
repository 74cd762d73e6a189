/* Weights in, weights out: the arena is cut into pieces of at most PIECE floats that never cross a
 * tensor; each is one task. */
#include "optim/optimiser.h"

#include "base/parallel.h"

#include <math.h>
#include <string.h>

enum { PIECE = 1 << 14 };

struct piece {
    size_t at, n;
    double rate;
    bool decay;
};

/* Lists the pieces into piece, or only counts them when it is NULL. */
static int list_pieces(const struct graph *g, const double *rate, bool decay_all,
                       struct piece *piece)
{
    int n_piece = 0;
    for (int i = 0; i < g->n_node; i++) {
        const struct node *n = g->node[i];
        double of = rate ? rate[i] : 1;
        for (int k = 0; k < n->n_weight && of > 0; k++) {
            const struct weight *w = &n->weight[k];
            size_t count = w->trained ? shape_count(&w->shape) : 0;
            for (size_t at = 0; at < count; at += PIECE, n_piece++)
                if (piece)
                    piece[n_piece] =
                        (struct piece){w->offset + at, count - at < PIECE ? count - at : PIECE,
                                       of, w->decay || decay_all};
        }
    }
    return n_piece;
}

bool optimiser_rates(struct optimiser *o, const struct graph *g, const double *rate,
                     struct err *e)
{
    mem_free(o->piece);
    mem_free(o->part);
    o->n_piece = list_pieces(g, rate, o->decay_all, NULL);
    o->piece = mem_new((size_t)o->n_piece, sizeof(*o->piece), e);
    o->part = mem_new((size_t)o->n_piece, sizeof(*o->part), e);
    if (o->piece)
        list_pieces(g, rate, o->decay_all, o->piece);
    return o->piece && o->part;
}

bool optimiser_init(struct optimiser *o, const struct optim_config *cfg,
                    const struct backend *b, const struct graph *g, const double *rate,
                    struct err *e)
{
    *o = (struct optimiser){
        .rule = optims[cfg->kind],
        .hyper = cfg->hyper,
        .weight_decay = cfg->weight_decay,
        .decay_all = cfg->decay_all,
        .kernels = update_kernels(b),
        .n_thread = b->n_thread,
        .n = g->n_value,
        .product = 1,
    };
    bool ok = optimiser_rates(o, g, rate, e);
    o->first = ok && o->n_piece > 0 ? o->n : 0;
    for (int i = 0; ok && i < o->n_piece; i++)
        o->first = o->piece[i].at < o->first ? o->piece[i].at : o->first;
    for (int i = 0; ok && o->rule->slot[i]; i++)
        ok = (o->slot[i] = mem_new(o->n - o->first, sizeof(float), e)) != NULL;
    if (!ok)
        optimiser_release(o);
    return ok;
}

bool optimiser_restart(struct optimiser *o, const struct graph *g, const double *rate,
                       struct err *e)
{
    for (int i = 0; o->rule->slot[i]; i++)
        memset(o->slot[i], 0, (o->n - o->first) * sizeof(float));
    o->step = 0;
    o->product = 1;
    return optimiser_rates(o, g, rate, e);
}

void optimiser_release(struct optimiser *o)
{
    for (int i = 0; i < UPDATE_MAX_SLOT; i++)
        mem_free(o->slot[i]);
    mem_free(o->piece);
    mem_free(o->part);
    *o = (struct optimiser){0};
}

struct norm_job {
    struct optimiser *o;
    const float *grad;
};

static void norm_piece(void *ctx, int task, int thread)
{
    (void)thread;
    const struct norm_job *j = ctx;
    const struct piece *p = &j->o->piece[task];
    j->o->part[task] = j->o->kernels->sum_squares(j->grad + p->at, p->n);
}

double optimiser_norm(struct optimiser *o, const float *grad)
{
    struct norm_job j = {o, grad};
    parallel_for(o->n_thread, o->n_piece, norm_piece, &j);
    double sum = 0;
    for (int i = 0; i < o->n_piece; i++)
        sum += o->part[i];
    return sqrt(sum);
}

struct step_job {
    const struct optimiser *o;
    float *value;
    const float *grad;
    struct update_coef coef; /* at the learning rate itself */
    double lr, product;      /* product: before this step */
};

static void step_piece(void *ctx, int task, int thread)
{
    (void)thread;
    const struct step_job *j = ctx;
    const struct optimiser *o = j->o;
    const struct piece *p = &o->piece[task];
    struct update_args a = {
        .w = j->value + p->at, .g = j->grad + p->at, .n = p->n, .coef = j->coef};
    for (int i = 0; i < UPDATE_MAX_SLOT; i++)
        a.slot[i] = o->slot[i] ? o->slot[i] + (p->at - o->first) : NULL;
    double decay = p->decay ? o->weight_decay : 0, lr = j->lr * p->rate;
    if (p->rate < 1) {
        double product = j->product;
        o->rule->coef(&o->hyper, lr, o->step, &product, &a.coef);
    }
    a.coef.l2 = o->rule->decoupled ? 0 : (float)decay;
    a.coef.shrink = o->rule->decoupled ? (float)(1 - lr * decay) : 1;
    o->kernels->rule[o->rule->rule](&a);
}

void optimiser_step(struct optimiser *o, struct weights *w, const float *grad, double lr,
                    double scale)
{
    struct step_job j = {
        .o = o, .value = w->value, .grad = grad, .lr = lr, .product = o->product};
    j.coef.scale = (float)scale;
    o->rule->coef(&o->hyper, lr, ++o->step, &o->product, &j.coef);
    parallel_for(o->n_thread, o->n_piece, step_piece, &j);
    weights_changed(w);
}

struct average_job {
    void (*fn)(float *y, const float *x, float a, size_t n);
    float *y;
    const float *x;
    float a;
    size_t n;
};

static void average_piece(void *ctx, int task, int thread)
{
    (void)thread;
    const struct average_job *j = ctx;
    size_t at = (size_t)task * PIECE;
    j->fn(j->y + at, j->x + at, j->a, j->n - at < PIECE ? j->n - at : PIECE);
}

static void average_all(int n_thread, struct average_job j)
{
    parallel_for(n_thread, (int)((j.n + PIECE - 1) / PIECE), average_piece, &j);
}

void average_add(const struct update_kernels *k, int n_thread, float *sum, const float *x,
                 double a, size_t n)
{
    average_all(n_thread, (struct average_job){k->add_scaled, sum, x, (float)a, n});
}

void average_move(const struct update_kernels *k, int n_thread, float *average, const float *x,
                  double a, size_t n)
{
    average_all(n_thread, (struct average_job){k->lerp, average, x, (float)a, n});
}
