/* A published tensor that was made for another input size. */
#ifndef MODEL_ADAPT_H
#define MODEL_ADAPT_H

#include "graph/graph.h"

/* Fills `to`, the floats of weight i of node n, from a tensor of another shape: a position embedding
 * (1, 1 + side * side, D), whose grid is resampled (bicubic, align_corners=True, as
 * torchvision.models.vision_transformer.interpolate_embeddings); the class token's stays. ERR_MODEL
 * names both shapes of any other tensor. */
MUST_CHECK bool model_adapt(const struct node *n, int i, const float *from,
                            const struct shape *shape, float *to, struct err *e);

#endif
