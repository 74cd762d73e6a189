#include "cmd/features.h"

#include <string.h>

static bool keep(void *ctx, const struct picture *of, const float *row, struct err *e)
{
    struct features *f = ctx;
    (void)e;
    memcpy(f->row + (size_t)f->n * (size_t)f->dim, row, (size_t)f->dim * sizeof(*row));
    f->of[f->n++] = of;
    return true;
}

bool features_read(struct features *f, const char *command, struct predictor *p,
                   struct listing *l, int *n_bad, struct err *e)
{
    struct inference_each all = {.command = command,
                                 .predictor = p,
                                 .listing = l,
                                 .row = keep,
                                 .ctx = f,
                                 .label = "features"};
    *f = (struct features){.dim = p->n_out};
    size_t n = (size_t)l->n;
    return (f->row = mem_new(n, (size_t)f->dim * sizeof(float), e)) != NULL &&
           (f->of = mem_new(n, sizeof(*f->of), e)) != NULL && inference_each(&all, n_bad, e);
}

void features_release(struct features *f)
{
    mem_free(f->row);
    mem_free(f->of);
    *f = (struct features){0};
}
