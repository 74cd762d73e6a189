#include "weights/imagenet_classes.h"

const char *const imagenet_classes[IMAGENET_CLASSES] = {
#include "weights/imagenet_classes.inc"
};
