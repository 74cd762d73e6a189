/* What the 1000 outputs of published ImageNet weights are called, in their order. */
#ifndef WEIGHTS_IMAGENET_CLASSES_H
#define WEIGHTS_IMAGENET_CLASSES_H

enum { IMAGENET_CLASSES = 1000 };
extern const char *const imagenet_classes[IMAGENET_CLASSES];

#endif
