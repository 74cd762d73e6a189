/* Which kernel was fastest for which layer on this machine: written once by `linnet bench --tune`,
 * read when a plan is made, never measured inside a run. */
#ifndef BACKEND_PROFILE_H
#define BACKEND_PROFILE_H

#include "backend/backend.h"
#include "graph/plan.h"

struct profile_row {
    const char *layer;  /* profile_layer's text */
    const char *kernel; /* its name */
};

struct profile {
    struct arena arena;
    struct profile_row *row;
    int n, room;
};

/* A layer as the profile knows it: op, shapes, parameters, largest batch, precision, instruction
 * set and threads. Into text; returns text. */
char *profile_layer(const struct backend *b, const struct plan_request *r, const struct node *n,
                    char *text, size_t size);
/* The kernel for a layer, or NULL. p may be NULL. */
const char *profile_find(const struct profile *p, const char *layer);
/* Adds or replaces a row. */
MUST_CHECK bool profile_set(struct profile *p, const char *layer, const char *kernel,
                            struct err *e);
/* A missing file is an empty profile. */
MUST_CHECK bool profile_read(struct profile *p, const char *path, struct err *e);
MUST_CHECK bool profile_write(const struct profile *p, const char *path, struct err *e);
void profile_release(struct profile *p);

/* Times every kernel that can run each convolution and linear layer of the request's graph, in whole
 * steps of its plan, and sets the fastest. feed gives a plan its batch; told (may be NULL) hears of
 * each measurement. */
struct tuning {
    const struct backend *backend;
    const struct plan_request *request;
    struct weights *weights;
    const struct node *loss; /* where gradients start; NULL = forward only */
    bool (*feed)(void *ctx, struct plan *p, struct err *e);
    void (*told)(void *ctx, const char *node, const char *kernel, double step_s);
    void *ctx;
};
MUST_CHECK bool profile_tune(struct profile *p, const struct tuning *t, struct err *e);

#endif
