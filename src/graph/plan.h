/* What to compute, before how. Training, evaluation, an explanation, the frozen prefix and the
 * trainable tail are five requests on one graph.
 *
 * Passes, in this order: prune (dropout in evaluation, nodes nobody needs); fuse (the backend's
 * pattern table, longest first, never across a tensor that is kept); layout (plain or blocked,
 * reorders put in between); lifetimes (every tensor gets its place in one arena). */
#ifndef GRAPH_PLAN_H
#define GRAPH_PLAN_H

#include "graph/tensor.h"
#include "graph/weights.h"

struct profile;
struct backend; /* opened with backend/backend.h, whose folder implements plans */

/* Replaces the backward pass of the nodes it matches (guided back-propagation, ...). */
struct backward_rule {
    const char *name;
    bool (*matches)(const struct node *n);
    /* dx from x, y and dy, each count floats in plain layout. */
    void (*apply)(const float *x, const float *y, const float *dy, float *dx, size_t count);
};

/* "This node's group is run by that kernel": from a run's record or this machine's profile. */
struct plan_choice {
    const char *node;   /* first of its group */
    const char *kernel; /* its name */
};

struct plan_request {
    const struct graph *graph;
    int max_n; /* largest batch; a shorter last one shares the arena */
    enum mode mode;
    enum dtype compute; /* DTYPE_F32 or DTYPE_BF16 */
    /* Lists of nodes end with NULL; a NULL list is empty. */
    struct node *const *from;   /* fed, not computed; the graph's inputs always are */
    struct node *const *keep;   /* outputs and inner tensors that will be read */
    struct node *const *want;   /* tensors whose gradients will be read */
    struct node *const *frozen; /* run as in evaluation, no gradient of their weights */
    bool want_weights;          /* gradients of the weights that are not frozen */
    const struct backward_rule *const *rule; /* NULL-ended */
    int n_shard;                             /* 0 = the backend's threads */
    uint64_t seed;                           /* of dropout */
    /* Kernels not to choose, by name, NULL-ended: so that each path can be tested alone. */
    const char *const *avoid;
    /* Tried before the rule table; ended by node == NULL. */
    const struct plan_choice *choice;
    /* This machine's measurements (backend/profile.h), asked after `choice`; NULL = none. */
    const struct profile *profile;
    /* Bytes; 0 = what the machine has free. Beyond it: ERR_USAGE naming the largest batch. */
    size_t memory_limit;
};

struct plan;

/* Backend, graph and weights outlive the plan; the request's arrays need not. */
MUST_CHECK struct plan *plan_new(const struct backend *b, const struct plan_request *r,
                                 struct weights *w, struct err *e);
void plan_free(struct plan *p);

/* Feeds an input (or a `from` node): n items, uint8 (n, H, W, C) for pictures, else float in
 * logical order. Borrowed until the next feed of that node. */
MUST_CHECK bool plan_feed(struct plan *p, const struct node *node, const void *data, int n,
                          struct err *e);
/* Runs the batch last fed. step numbers the batch for dropout. */
MUST_CHECK bool plan_forward(struct plan *p, uint64_t step, struct err *e);
/* The gradient that the backward pass starts from: scale for each element of the node's output
 * (the loss: 1 / n), or, with data, data * scale (n items, float, logical order, borrowed until
 * the backward pass). The node is one of `keep` that no other node of the plan reads. */
MUST_CHECK bool plan_seed(struct plan *p, const struct node *node, const float *data,
                          float scale, struct err *e);
/* ready (may be NULL) is called when the gradients of a node's weights are final. */
MUST_CHECK bool plan_backward(struct plan *p, void (*ready)(void *ctx, const struct node *node),
                              void *ctx, struct err *e);
/* A kept tensor, or a wanted gradient, of the last batch: n items, float, logical order, copied. */
MUST_CHECK bool plan_read(const struct plan *p, const struct node *node, float *out,
                          struct err *e);
MUST_CHECK bool plan_read_grad(const struct plan *p, const struct node *node, float *out,
                               struct err *e);
/* Which input element won each window of a max_pool node: index h * W + w, order (n, C, OH, OW). */
MUST_CHECK bool plan_decisions(const struct plan *p, const struct node *node, int32_t *out,
                               struct err *e);

size_t plan_bytes(const struct plan *p); /* the arena: tensors, saved, scratch */
/* Group i as a line for people and records: "conv1: normalize+conv2d, first_layer, 16c". NULL past
 * the end. Valid as long as the plan. */
const char *plan_describe(const struct plan *p, int i);
/* What was chosen for group i, for a later request's `choice`: texts live as long as the plan. */
struct plan_choice plan_chosen(const struct plan *p, int i);
/* Seconds spent in group i so far, forward and backward, when timing was asked for. */
void plan_time(struct plan *p, bool on);
void plan_seconds(const struct plan *p, int i, double *forward, double *backward);

#endif
