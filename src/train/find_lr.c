#include "train/find_lr.h"

#include <math.h>

enum { EDGE = 5 /* points at either end that are no evidence */ };
static const double smoothing = 0.9, blow_up = 4;

/* The steepest fall of the smoothed loss over the logarithm of the rate. */
static double steepest(const struct lr_curve *c)
{
    double best = 0, at = 0;
    for (int i = EDGE; i + EDGE < c->n; i++) {
        double slope = (c->loss[i + 1] - c->loss[i - 1]) / log(c->lr[i + 1] / c->lr[i - 1]);
        if (slope < best) {
            best = slope;
            at = c->lr[i];
        }
    }
    return at;
}

/* Goes round the training set as often as need be. */
static bool next_epoch(struct trainer *t)
{
    if (t->batch == loader_batches(t->s.train)) {
        t->batch = 0;
        t->epoch++;
    }
    return t->s.stop == NULL || *t->s.stop == 0;
}

bool find_lr(struct trainer *t, double lo, double hi, int n_step, struct lr_curve *out,
             struct err *e)
{
    double mean = 0, least = INFINITY;
    *out = (struct lr_curve){0};
    out->lr = mem_new((size_t)n_step, sizeof(double), e);
    out->loss = mem_new((size_t)n_step, sizeof(double), e);
    bool ok = out->lr && out->loss && loader_seek(t->s.train, 0, 0, e);
    for (int i = 0; ok && i < n_step && next_epoch(t); i++) {
        double lr = lo * pow(hi / lo, (double)i / (n_step - 1)), loss;
        ok = trainer_step(t, lr, &loss, e);
        if (!ok && e->kind == ERR_DIVERGED) { /* as far as one can go */
            ok = true;
            break;
        }
        mean = smoothing * mean + (1 - smoothing) * loss;
        out->lr[i] = lr;
        out->loss[i] = mean / (1 - pow(smoothing, i + 1));
        out->n = i + 1;
        least = out->loss[i] < least ? out->loss[i] : least;
        if (out->loss[i] > blow_up * least)
            break;
    }
    if (ok)
        out->suggested = steepest(out);
    else
        lr_curve_release(out);
    return ok;
}

void lr_curve_release(struct lr_curve *c)
{
    mem_free(c->lr);
    mem_free(c->loss);
    *c = (struct lr_curve){0};
}
