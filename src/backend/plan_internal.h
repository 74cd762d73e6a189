/* A plan inside: steps (groups in forward order) over tensors, and their places in one arena. */
#ifndef BACKEND_PLAN_INTERNAL_H
#define BACKEND_PLAN_INTERNAL_H

#include "backend/backend.h"
#include "graph/op.h"
#include "graph/plan.h"

/* Time runs 0 .. n_step-1 forward, then backward: step i runs back at 2 * n_step - 1 - i. */
struct tensor {
    struct value value;
    const struct node *node; /* whose output this is; converted copies and branches too */
    struct tensor *data_of;  /* a branch has its own gradient and another's data; else itself */
    struct tensor *grad_of;  /* whose gradient is this one's too (group_dx); else itself */
    int producer;            /* step; -1 = fed */
    bool kept, wanted;       /* data, gradient are read from outside */
    bool grad;               /* a gradient is computed */
    int readers;             /* steps that write into the gradient; over 1 makes branches */
    int n_branch;            /* branches handed out */
    struct tensor **branch;  /* (readers) */
    bool in_parts;           /* its producer takes the branches' gradients: no fork */
    bool in_rows;            /* its gradient has no place: its producer has rows of it made */
    int data_from, data_to;  /* life, in time; from > to: none */
    int grad_from, grad_to;
    bool shared;             /* the gradient lies over the data */
    size_t data_at, grad_at; /* offsets in the arena */
};

struct step {
    struct group group;
    const struct backward_rule *rule; /* replaces backward, or NULL */
    struct tensor *in[NODE_MAX_IN], *out;
    bool backward; /* takes part in the backward pass */
    size_t saved_at;
    char *text; /* of plan_describe */
    double seconds[2];
};

struct seed {
    const struct node *node;
    const float *data;
    float scale;
};

struct plan {
    const struct backend *backend;
    struct weights *weights;
    struct arena arena; /* of steps, tensors and texts */
    int n_node;
    struct node_facts *fact; /* (n_node) */
    struct step **step;
    int n_step, room;
    struct tensor **tensor; /* all, converted copies and branches too */
    int n_tensor, tensor_room;
    int max_n, n_shard;
    enum dtype compute;
    bool backward, timed;
    bool exact; /* shards were asked for: the same for any number of threads */
    uint64_t seed;
    size_t bytes, scratch_at;
    void *memory;
    int n; /* items last fed */
    struct seed sink;
};

/* What the request says of a node. */
struct node_facts {
    bool needed, fed, kept, wanted, frozen, grad;
    bool fused; /* behind the first node of its group */
    const struct backward_rule *rule;
    const struct node *alias; /* itself, or what a pruned node stands for */
    int readers;              /* needed nodes that read it, through aliases */
    struct tensor *tensor;    /* NULL inside a fused group */
};

/* plan_request.c: marks nodes, prunes. */
MUST_CHECK bool plan_mark(struct plan *p, const struct plan_request *r, struct err *e);
/* plan_fuse.c: groups, tensors, layouts, the kernels' own plan(). */
MUST_CHECK bool plan_build(struct plan *p, const struct plan_request *r, struct err *e);
/* plan_link.c: moments and rows of gradients, where neighbours can. */
MUST_CHECK bool plan_link(struct plan *p, struct err *e);
/* plan_memory.c: lives and places; sets bytes. */
MUST_CHECK bool plan_place(struct plan *p, struct err *e);
void plan_bind(struct plan *p); /* pointers from places, once memory is there */

static inline struct node_facts *fact_of(const struct plan *p, const struct node *n)
{
    return &p->fact[n->id];
}
static inline struct node_facts *resolved(const struct plan *p, const struct node *n)
{
    return &p->fact[p->fact[n->id].alias->id];
}
/* What a tensor's gradient is made of: itself, or the branches in parts. */
static inline int count_parts(const struct tensor *t)
{
    return t->in_parts ? t->n_branch : 1;
}
static inline struct tensor *part_of(struct tensor *t, int i)
{
    return t->in_parts ? t->branch[i] : t;
}
static inline size_t dtype_size(enum dtype t)
{
    return t == DTYPE_F32 ? 4 : t == DTYPE_BF16 ? 2 : 1;
}

#endif
