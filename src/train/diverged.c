#include "train/diverged.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN = 3 };

static bool finite_floats(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}

/* Weights in graph order; else the logits, when they are bad; else gradients as the backward pass
 * comes by them. */
static void first_bad(const struct trainer *t, int n, char *text, size_t size)
{
    const struct network *net = t->s.net;
    const struct graph *g = net->graph;
    const struct weights *w = net->weights;
    for (int i = 0; i < g->n_node; i++)
        for (int k = 0; k < g->node[i]->n_weight; k++)
            if (!finite_floats(weights_at(w, g->node[i], k),
                               shape_count(&g->node[i]->weight[k].shape))) {
                weight_name(g->node[i], k, text, size);
                return;
            }
    if (!finite_floats(t->logits, (size_t)n * (size_t)net->n_class)) {
        snprintf(text, size, "the output of %s", net->model.logits->name);
        return;
    }
    for (int i = g->n_node - 1; i >= 0; i--)
        for (int k = 0; k < g->node[i]->n_weight; k++) {
            const struct weight *spec = &g->node[i]->weight[k];
            if (spec->trained &&
                !finite_floats(w->grad + spec->offset, shape_count(&spec->shape))) {
                int at = snprintf(text, size, "the gradient of ");
                weight_name(g->node[i], k, text + at, size - (size_t)at);
                return;
            }
        }
    snprintf(text, size, "the loss");
}

static void write_files(const struct trainer *t, const struct batch *b)
{
    struct json_writer w = {0};
    struct err e;
    json_open(&w, NULL, '{');
    json_put_int(&w, "step", t->step + 1);
    json_open(&w, "pictures", '[');
    for (int i = 0; i < b->n; i++)
        json_put_text(&w, NULL, dataset_name(t->s.data, (int)b->sample[i]));
    json_close(&w, ']');
    json_close(&w, '}');
    bool told = json_done(&w, &e) && run_write(t->s.run, "diverged.json", w.text, w.n, &e);
    if (!told)
        run_log(t->s.run, "warning: %s", e.msg);
    json_writer_release(&w);
}

bool diverged(struct trainer *t, const struct batch *b, const char *what, double value,
              struct err *e)
{
    char tensor[128], names[256] = "";
    size_t at = 0;
    first_bad(t, b->n, tensor, sizeof(tensor));
    for (int i = 0; t->s.data && i < b->n && i < SHOWN && at < sizeof(names); i++)
        at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%s", i ? ", " : "; pictures ",
                               dataset_name(t->s.data, (int)b->sample[i]));
    if (t->s.run && t->s.data)
        write_files(t, b);
    return err_set(e, ERR_DIVERGED,
                   "step %" PRId64 ": the %s is %s; first bad tensor: %s%s%s; a lower --lr or "
                   "--clip 1 may help",
                   t->step + 1, what, isnan(value) ? "NaN" : "infinite", tensor, names,
                   b->n > SHOWN ? ", ..." : "");
}
