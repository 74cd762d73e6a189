/* What a layer means, with no word on how it is computed. One op a file in src/op/, one row in
 * op/op.def. */
#ifndef GRAPH_OP_H
#define GRAPH_OP_H

#include "graph/graph.h"

#include <stdint.h>

struct op {
    const char *name;  /* as in checkpoints and messages: "conv2d" */
    int n_in;          /* inputs; -1 = one to NODE_MAX_IN (concat) */
    size_t param_size; /* of its parameter struct, declared in op/<name>.h or op/params.h */
    /* Fills n->out and n->weight[] (all but offset). ERR_SHAPE names both offending shapes. */
    bool (*infer)(struct node *n, struct err *e);
    /* Multiply-adds of one forward pass of one picture; NULL = negligible. */
    int64_t (*macs)(const struct node *n);
    /* Random or dependent on the batch in training: the frontier of frozen work stops here. */
    bool random, batch_statistics;
};

/* NULL when unknown. */
const struct op *op_find(const char *name);
extern const struct op *const ops[]; /* NULL-ended */

#endif
