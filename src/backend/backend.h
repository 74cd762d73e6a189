/* How a graph is computed. A kernel runs a group of fused nodes, often one. plan() runs when a
 * plan is made and may be slow; run() is the hot path and allocates nothing. `ref` runs any group
 * node by node; the rows of `cpu` are tried first to last, and ref's stand behind them.
 *
 * The graph's passes (graph/plan.h) speak to devices only through this file. */
#ifndef BACKEND_BACKEND_H
#define BACKEND_BACKEND_H

#include "graph/graph.h"
#include "graph/tensor.h"

#include <stdint.h>

/* What batch norm asks of its input, taken by the kernel that writes it: of each part of the batch and
 * channel the mean, and the sum of squares about it. */
struct moments {
    int n_part;   /* of this batch; 0: none were taken */
    float *count; /* numbers a channel in each part */
    float *at;    /* (n_part, blocks of channels, 2, V) */
};

struct group;

/* A gradient that never lies in memory as a whole: the group that reads the value makes rows of it for
 * the group that wrote it, which comes later in the backward pass. */
struct gradient_rows {
    const struct group *maker;
    /* Rows row0 .. row1 - 1 of a block of channels of a picture, (row1 - row0, W, V); row0 is even, and
     * row1 too but at the end. On any thread. NULL: the gradient is written as any other. */
    void (*make)(const struct group *maker, int picture, int block, int row0, int row1,
                 void *rows);
};

/* One tensor of a plan: what a group reads or writes. */
struct value {
    struct shape shape; /* logical (N, C, H, W); dim[0] is the plan's largest batch */
    /* U8: a picture, in memory (N, H, W, C). With mixed precision blocked values are BF16 and
     * plain ones F32. */
    enum dtype dtype;
    int block;    /* 0: plain, as the shape says. V > 0: (N, ceil(C/V), H, W, V), channels
                         * past C hold zeros, in data and in grad */
    size_t bytes; /* of data, and of grad */
    void *data;   /* 64-byte aligned */
    void *grad;   /* d loss / d value, of the same dtype and layout; NULL = not wanted.
                         * Written (not added to) by the one group that reads the value */
    struct moments *moments;    /* NULL = not wanted; the memory is the writing group's */
    struct gradient_rows *rows; /* of grad; NULL = not wanted */
};

struct weight_ref {
    const struct weight *spec;
    float *value; /* canonical, fp32, row-major as spec->shape */
    float *grad;  /* canonical; NULL for buffers and when not wanted. Written, not added to */
};

enum { GROUP_MAX_NODE = 6, GROUP_MAX_WEIGHT = 10, GROUP_MAX_PART = 4 };

/* What the gradients of a group's inputs have in common. */
enum group_dx {
    DX_OWN, /* nothing: each is written */
    DX_ONE, /* all are that of the first wanted input, which alone is written */
    DX_DY,  /* all are out->grad: nothing is written */
};

/* A group as its kernel sees it; lives as long as the plan. */
struct group {
    const struct kernel *kernel;
    const struct node *node[GROUP_MAX_NODE]; /* in order; each feeds the next */
    int n_node;
    /* Of the first node, in its order; then what an add further on adds. */
    struct value *in[NODE_MAX_IN];
    const struct node *source[NODE_MAX_IN]; /* whose outputs they are */
    int n_in;
    struct value *out; /* of the last node */
    /* Whose gradients add up to out's: out alone, or, where the kernel takes_parts, the branches
     * to out's readers; out->grad is NULL then. */
    const struct value *part[GROUP_MAX_PART];
    int n_part;
    struct weight_ref weight[GROUP_MAX_WEIGHT]; /* of the nodes, in order */
    int n_weight;

    enum mode mode; /* MODE_EVAL for frozen nodes of a training plan */
    bool backward;  /* a backward pass will follow forward */
    bool want_dw;
    bool want_dx[NODE_MAX_IN];
    int max_n;
    int n_thread;
    int n_shard; /* gradients of weights are sums over this many parts of the batch, by pictures
                  * n*s/n_shard .. n*(s+1)/n_shard, added in one fixed binary tree */
    bool exact;  /* the result may not depend on n_thread */
    enum dtype compute; /* F32, or BF16 for mixed precision */
    const struct backend *backend;

    /* Stated by plan(): */
    bool needs_in, needs_out; /* backward reads in[..]->data, out->data */
    bool needs_first;         /* backward reads in[0]->data, also where not needs_in */
    bool dx_over_in;          /* backward may be given in[0]->grad == in[0]->data, and copes */
    bool dx_over_part;        /* the same of the last in[..]->grad and a part's */
    enum group_dx dx;
    size_t saved_bytes;   /* kept from forward to backward */
    size_t scratch_bytes; /* during one run */

    /* Set before run(): */
    int n;               /* pictures in this batch, 1 .. max_n */
    uint64_t seed, step; /* of random ops: rng_at(seed, RNG_DROPOUT, step, node id) */
    uint64_t version;    /* of the weights: packed copies of another version are stale */
    void *saved, *scratch;
    void *state; /* kernel->plan_size zeroed bytes, the kernel's own */
};

enum layout { LAYOUT_PLAIN, LAYOUT_BLOCKED, LAYOUT_SAME /* as the input */ };

struct kernel {
    const char *name;    /* "winograd_4x4" for `linnet bench` and the run's record */
    const char *pattern; /* "conv2d", "batch_norm+activation+max_pool": op names joined by + */
    enum layout in, out;
    bool takes_parts;                  /* adds up the gradients of out's readers itself */
    bool gives_moments, takes_moments; /* of out, of in[0] */
    bool makes_rows, takes_rows;       /* of in[0]'s gradient, of out's */
    size_t plan_size;
    /* Is this row right for the group? Shapes, mode, ISA, compute are set; values have shapes but
     * no layout yet. NULL = always. */
    bool (*fits)(const struct group *g);
    bool (*plan)(struct group *g, struct err *e);
    /* PASS_BACKWARD follows PASS_FORWARD of the same batch; it writes in[i]->grad where want_dx[i]
     * and weight[i].grad where want_dw. */
    bool (*run)(struct group *g, enum pass pass, struct err *e);
    void (*drop)(struct group *g); /* optional */
    /* Optional, max-pool inside: index in the input plane (h * W + w) that won each output, plain
     * order (n, C, OH, OW), after a forward pass with backward set. */
    bool (*decisions)(const struct group *g, int32_t *winner);
};

struct backend {
    const struct backend_ops *ops;
    int n_thread;
    const struct isa *isa; /* of cpu: which instruction set's kernels (backend/cpu/isa.h) */
    void *state;
};

struct backend_ops {
    const char *name;   /* "ref", "cpu" */
    int (*count)(void); /* devices present now; 0 = skipped */
    bool (*open)(struct backend *b, struct err *e);
    void (*close)(struct backend *b);
    int (*block)(const struct backend *b,
                 enum dtype compute); /* V of LAYOUT_BLOCKED, 0 = none */
    /* Copies between layouts and dtypes (U8 excepted), n pictures; also used by plan_read. */
    void (*reorder)(const struct value *from, const void *src, const struct value *to,
                    void *dst, int n, int n_thread);
    /* out = the sum of n_part arrays of count elements: where branches of a network part. */
    void (*sum)(const struct backend *b, enum dtype t, const void *const *part, int n_part,
                void *out, size_t count);
    const struct kernel *const *kernel; /* longest pattern first, NULL-ended */
};
extern const struct backend_ops *const backends[]; /* NULL-ended: in backend.c */

/* name NULL or "auto": the fastest present. n_thread 0: parallel_threads(). */
MUST_CHECK struct backend *backend_open(const char *name, int n_thread, struct err *e);
void backend_close(struct backend *b);

#endif
