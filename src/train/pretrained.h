/* Published weights, or one's own, made into a network: its pictures prepared as the weights want it,
 * its last layer as it is or one for other classes. */
#ifndef TRAIN_PRETRAINED_H
#define TRAIN_PRETRAINED_H

#include "train/network.h"
#include "weights/match.h"
#include "weights/zoo.h"

struct pretrained {
    struct state_dict file;
    const struct zoo_weights *row; /* NULL: a file that the zoo does not list */
    struct preprocess pre;
    /* Of pretrained_network: what was copied, what the file did not give. */
    struct match match;
    struct arena arena;
};

/* Opens `weights`: a file, a name of the zoo whose file was pulled ("vgg19", "resnet50:V1"), or
 * "default", the zoo's for the model. Preprocessing is the zoo's for the file's name, what linnet
 * wrote into its own file, or the architecture's. A size of 0 in config becomes the weights' own;
 * another one scales the resize with it. config is resolved then. ERR_MODEL: no such weights,
 * ERR_SHAPE: a size that the model cannot take. */
MUST_CHECK bool pretrained_open(struct pretrained *p, const char *weights,
                                struct model_config *config, struct err *e);
void pretrained_close(struct pretrained *p);

/* Builds spec (its `pre` may be another) and copies the weights into it. The layer of the classes is
 * the file's when n_class is 0 (ImageNet's names, or numbers, stand in for class_name), must be with
 * `keep_head`, and else is where the number of classes agrees; if not it stays as drawn from seed. A position embedding of
 * another grid is resampled. ERR_MODEL: weights that do not fit, with the likely architecture. */
struct pretrained_spec {
    struct network_spec network;
    bool keep_head;
    uint64_t seed;
};
MUST_CHECK bool pretrained_network(struct network *n, struct pretrained *p,
                                   const struct pretrained_spec *spec, struct err *e);

#endif
