/* Linnet's public interface: networks described, planned and run; gradients, explanations, frozen
 * parts and training steps are all requests on one graph.
 *
 *     struct linnet_error e;
 *     struct linnet_graph *g = linnet_model_new("{\"model\":\"cnn5\",\"classes\":10,\"size\":64}", &e);
 *     struct linnet_backend *b = linnet_backend_open("auto", 0, &e);
 *     struct linnet_weights *w = linnet_weights_new(g, 1, &e);
 *     struct linnet_request r = {.max_n = 16, .keep = (const char *const[]){"out", NULL}};
 *     struct linnet_plan *p = linnet_plan_new(b, g, w, &r, &e);
 *     linnet_plan_feed(p, "input", pixels, 16, &e) && linnet_plan_forward(p, 0, &e) &&
 *         linnet_plan_read(p, "out", logits, &e);
 *
 * What can fail returns NULL or false and fills in the error, which is never NULL. Tensors are
 * float, in PyTorch's order (N, C, H, W), but for pictures: uint8 (N, H, W, C). Objects are used
 * by one thread at a time; graph, backend and weights must outlive the plans made of them. */
#ifndef LINNET_H
#define LINNET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct linnet_error {
    int status; /* as the program's exit status: docs/exit-status.md */
    char text[512];
};

const char *linnet_version(void); /* "0.1.0" */

/* A network described. linnet_model_new takes the options of `linnet model` as JSON; linnet_graph_new
 * takes nodes: {"nodes": [{"op": "input", "name": "x", "shape": [3, 9, 7]},
 *                         {"op": "conv2d", "name": "c", "in": ["x"], "out": 5, "kernel": 3}]}. */
struct linnet_graph;
struct linnet_graph *linnet_model_new(const char *json, struct linnet_error *e);
struct linnet_graph *linnet_graph_new(const char *json, struct linnet_error *e);
void linnet_graph_free(struct linnet_graph *g);

struct linnet_tensor {
    const char *name; /* of the node, or of the weight as in PyTorch's state_dict */
    const char *op;   /* of the node */
    bool trained;     /* of weights: has a gradient */
    int rank;
    int dim[5]; /* of nodes: dim[0] is 1 */
};
/* Node or weight i; false past the end. Texts live as long as the graph or the weights. */
bool linnet_graph_node(const struct linnet_graph *g, int i, struct linnet_tensor *out);
/* Block i of a model, from the input on: the module that it is in torchvision (what --unfreeze
 * counts), and the node with the same output. False past the end. */
bool linnet_graph_block(const struct linnet_graph *g, int i, const char **name,
                        const char **out);

/* Devices: "ref", "cpu" or "auto"; 0 threads = all that this process may use. */
struct linnet_backend;
struct linnet_backend *linnet_backend_open(const char *name, int n_thread,
                                           struct linnet_error *e);
void linnet_backend_close(struct linnet_backend *b);
/* The instruction set of its kernels: "avx2"; "" where there is no choice. */
const char *linnet_backend_isa(const struct linnet_backend *b);

/* The weights of a graph, drawn as PyTorch draws them. */
struct linnet_weights;
struct linnet_weights *linnet_weights_new(const struct linnet_graph *g, uint64_t seed,
                                          struct linnet_error *e);
void linnet_weights_free(struct linnet_weights *w);
bool linnet_weights_at(const struct linnet_weights *w, int i, struct linnet_tensor *out);
/* By state_dict name; count must be the tensor's. */
bool linnet_weights_get(const struct linnet_weights *w, const char *name, float *out,
                        size_t count, struct linnet_error *e);
bool linnet_weights_set(struct linnet_weights *w, const char *name, const float *value,
                        size_t count, struct linnet_error *e);
/* What the last backward pass left. */
bool linnet_weights_grad(const struct linnet_weights *w, const char *name, float *value,
                         size_t count, struct linnet_error *e);

/* What to compute. Lists are NULL-ended names of nodes, or NULL; none outlives the call. */
struct linnet_request {
    int max_n; /* largest batch */
    bool train;
    bool bf16;               /* mixed precision with fp32 weights */
    const char *const *from; /* nodes that are fed, not computed; NULL: the inputs */
    const char *const *keep; /* nodes that will be read */
    bool want_weights;       /* gradients of the weights that are not frozen */
    const char *const *want; /* nodes whose gradients will be read */
    const char *const
        *frozen; /* nodes that run as in evaluation, without gradient of weights */
    /* Replaces the gradient of activations: dx from x, y and dy, in (N, C, H, W) order. */
    void (*activation_rule)(const float *x, const float *y, const float *dy, float *dx,
                            size_t count);
    const char *const
        *avoid;    /* kernels not to choose, by the names that linnet_plan_describe shows */
    int n_shard;   /* parts of a batch whose gradients are summed in a fixed tree */
    uint64_t seed; /* of dropout */
    size_t memory_limit; /* bytes; 0 = what the machine has free */
};
/* Guided back-propagation (Springenberg et al. 2015): dy passes where y > 0 and dy > 0. */
void linnet_rule_guided(const float *x, const float *y, const float *dy, float *dx,
                        size_t count);

struct linnet_plan;
struct linnet_plan *linnet_plan_new(const struct linnet_backend *b,
                                    const struct linnet_graph *g, struct linnet_weights *w,
                                    const struct linnet_request *r, struct linnet_error *e);
void linnet_plan_free(struct linnet_plan *p);
/* n items of an input or a `from` node, borrowed until the next feed of that node. */
bool linnet_plan_feed(struct linnet_plan *p, const char *node, const void *data, int n,
                      struct linnet_error *e);
bool linnet_plan_forward(struct linnet_plan *p, uint64_t step, struct linnet_error *e);
/* The gradient to start from: data * scale, or scale for each element when data is NULL. */
bool linnet_plan_seed(struct linnet_plan *p, const char *node, const float *data, float scale,
                      struct linnet_error *e);
bool linnet_plan_backward(struct linnet_plan *p, struct linnet_error *e);
bool linnet_plan_read(const struct linnet_plan *p, const char *node, float *value,
                      struct linnet_error *e);
bool linnet_plan_read_grad(const struct linnet_plan *p, const char *node, float *value,
                           struct linnet_error *e);
/* Which element (h * W + w) won each window of a max-pool, (n, C, OH, OW). */
bool linnet_plan_decisions(const struct linnet_plan *p, const char *node, int32_t *winner,
                           struct linnet_error *e);
size_t linnet_plan_bytes(const struct linnet_plan *p);
/* Group i as a line: "conv1: normalize+conv2d, first_layer"; NULL past the end. */
const char *linnet_plan_describe(const struct linnet_plan *p, int i);

/* An update rule and its state, by the options of `linnet train` as JSON:
 * {"optimiser": "adam", "lr": 1e-3}. */
struct linnet_optimiser;
struct linnet_optimiser *linnet_optimiser_new(const struct linnet_backend *b,
                                              const struct linnet_graph *g, const char *json,
                                              struct linnet_error *e);
void linnet_optimiser_free(struct linnet_optimiser *o);
/* One update of the weights from the gradients that the last backward pass left. */
void linnet_optimiser_step(struct linnet_optimiser *o, struct linnet_weights *w);

#ifdef __cplusplus
}
#endif

#endif
