/* A classifier as it trains, evaluates and predicts: architecture, classes, preprocessing, and the
 * graph and weights built of them. A model file holds just this, so that nobody needs to say again
 * how pictures are prepared. */
#ifndef TRAIN_NETWORK_H
#define TRAIN_NETWORK_H

#include "graph/weights.h"
#include "model/model.h"
#include "weights/seal.h"

struct network {
    struct arena arena;
    struct model_config config; /* resolved */
    struct preprocess pre;
    int n_class;
    const char *const *class_name; /* (n_class) */
    struct graph *graph;
    struct model model; /* what the graph's nodes are */
    struct weights *weights;
};

struct network_spec {
    const struct model_config *config; /* resolved */
    const struct preprocess *pre;
    int n_class;
    const char *const *class_name;
    const float *class_weight; /* (n_class), or NULL */
};

/* Copies the spec and builds graph and weights, which are zeros. */
MUST_CHECK bool network_build(struct network *n, const struct network_spec *spec,
                              struct err *e);
/* The same with weights drawn from seed. */
MUST_CHECK bool network_init(struct network *n, const struct network_spec *spec, uint64_t seed,
                             struct err *e);
void network_release(struct network *n);

/* A section of training state beside the weights: "train.<name>" in the file. */
struct state_item {
    const char *name;
    enum st_dtype dtype; /* F32, F64 or I64 */
    void *data;          /* (n) */
    size_t n;
};

/* Writes the network with weights w (those of the graph, or an average of them) and the items;
 * ERR_DIVERGED, and no file touched, when a float is not finite. */
MUST_CHECK bool network_save(const struct network *n, const struct weights *w,
                             const struct state_item *item, int n_item, const char *path,
                             struct err *e);
/* Builds a network from a file. ERR_MODEL: damaged, foreign, or of another shape. */
MUST_CHECK bool network_load(struct network *n, const char *path, struct err *e);
/* Reads weights and items of a file into a network of the same architecture and classes. */
MUST_CHECK bool network_restore(const struct network *n, struct weights *w,
                                const struct state_item *item, int n_item, const char *path,
                                struct err *e);
/* How pictures are prepared for the weights of a file that linnet wrote; *found: it says so. */
MUST_CHECK bool network_preprocess(const struct safetensors *file, struct preprocess *out,
                                   bool *found, struct err *e);
/* Bytes that network_save would write, to within a header. */
size_t network_bytes(const struct network *n, const struct state_item *item, int n_item);

#endif
