/* A network described: nodes in topological order, no device in sight. */
#ifndef GRAPH_GRAPH_H
#define GRAPH_GRAPH_H

#include "base/mem.h"
#include "graph/shape.h"

struct node;
struct op;

/* How a weight tensor begins; torch.nn.init's names and PyTorch's defaults. */
enum weight_init {
    INIT_ZEROS,
    INIT_ONES,
    INIT_UNIFORM, /* +-bound */
    INIT_NORMAL,  /* mean 0, deviation bound */
    INIT_FILL,    /* bound everywhere */
};

/* One tensor of a node, as its op's infer() states it. */
struct weight {
    /* "weight", "out_proj.bias", "running_mean": the state_dict's suffix; "" when the weight has its
     * node's name ("class_token"). */
    const char *name;
    struct shape shape;
    bool trained; /* false: a buffer (running statistics), no gradient */
    bool integer; /* saved as int64 (num_batches_tracked) */
    bool decay;   /* weight decay applies even when norms and biases are exempt */
    enum weight_init init;
    double bound;  /* of init, as said there */
    size_t offset; /* in floats: into weights.value (trained) or weights.buffer */
};

enum { NODE_MAX_IN = 8, NODE_MAX_WEIGHT = 5 };

struct node {
    const struct op *op;
    const char *name;  /* "conv1": the state_dict's prefix, unique in the graph */
    int id;            /* position in graph.node */
    const void *param; /* the op's parameter struct */
    int n_in;
    struct node *in[NODE_MAX_IN];
    struct shape out; /* dim[0] = 1 */
    int n_weight;
    struct weight weight[NODE_MAX_WEIGHT];
};

struct graph {
    struct arena arena;
    struct node **node; /* topological order */
    int n_node, room;
    size_t n_value;  /* floats of all trained weights */
    size_t n_buffer; /* floats of all buffers */
};

MUST_CHECK struct graph *graph_new(struct err *e);
void graph_free(struct graph *g);

/* Appends a node and infers its shapes. param (size bytes, op->param_size; NULL = all zero) is
 * copied. NULL and ERR_SHAPE when the shapes do not fit: the message names node and shapes. */
MUST_CHECK struct node *graph_add(struct graph *g, const struct op *op, const char *name,
                                  const void *param, struct node *const *in, int n_in,
                                  struct err *e);
/* By name; NULL when there is none. */
struct node *graph_find(const struct graph *g, const char *name);

/* The state_dict's name of a node's weight i, "conv1.weight", into text (size bytes); returns its
 * length, as snprintf does. */
int weight_name(const struct node *n, int i, char *text, size_t size);

/* Multiply-adds of one forward pass of one picture. */
int64_t graph_macs(const struct graph *g);

#endif
