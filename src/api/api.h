/* What the public objects are made of, and how errors leave the library. */
#ifndef API_API_H
#define API_API_H

#include "backend/backend.h"
#include "graph/plan.h"
#include "graph/weights.h"
#include "linnet.h"
#include "model/model.h"

struct linnet_graph {
    struct graph *graph;
    struct model model; /* without blocks when the graph came as nodes */
};

struct linnet_backend {
    struct backend *backend;
};

struct named_weight {
    char *name; /* "conv1.weight" */
    const struct node *node;
    int index; /* in node->weight */
};

struct linnet_weights {
    struct weights *weights;
    struct named_weight *at;
    int n;
};

struct linnet_plan {
    struct plan *plan;
    const struct graph *graph;
    struct backward_rule rule; /* the plan borrows it */
    const struct backward_rule *rules[2];
};

/* Fills in the caller's error; returns false. */
bool api_fail(struct linnet_error *out, const struct err *e);
/* The node called so, or NULL and an error that says where it was asked for. */
MUST_CHECK struct node *api_node(const struct graph *g, const char *name, struct err *e);

#endif
