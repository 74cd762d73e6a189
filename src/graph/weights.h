/* The canonical weights of a graph: fp32, in graph order, one arena each for values, gradients and
 * buffers. Blocked or bf16 copies belong to plans and are renewed when `version` changes. */
#ifndef GRAPH_WEIGHTS_H
#define GRAPH_WEIGHTS_H

#include "graph/graph.h"

struct weights {
    const struct graph *graph;
    float *value; /* (graph->n_value) */
    /* The same; written by plan_backward, not accumulated. Mapped: what is not written takes no memory. */
    float *grad;
    size_t grad_bytes;
    float *buffer;    /* (graph->n_buffer): running statistics */
    uint64_t version; /* raised by whoever changes value or buffer: weights_changed() */
};

MUST_CHECK struct weights *weights_new(const struct graph *g, struct err *e);
void weights_free(struct weights *w);
/* PyTorch's default initialisation, drawn by (seed, index of the tensor). given: (tensors of the graph, in
 * its order) those that stay as they are; NULL: none. */
void weights_init(struct weights *w, uint64_t seed, const bool *given);
static inline void weights_changed(struct weights *w)
{
    w->version++;
}
/* The floats of weight i of a node: in value or buffer. */
static inline float *weights_at(const struct weights *w, const struct node *n, int i)
{
    return (n->weight[i].trained ? w->value : w->buffer) + n->weight[i].offset;
}

#endif
