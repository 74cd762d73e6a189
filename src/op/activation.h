/* The rows of activation.def as an enum and as names. */
#ifndef OP_ACTIVATION_H
#define OP_ACTIVATION_H

#include <stdbool.h>

enum activation {
#define ACTIVATION(name, from_y, f, slope) ACTIVATION_##name,
#include "op/activation.def"
#undef ACTIVATION
    ACTIVATION_COUNT
};

extern const char *const activation_name[]; /* NULL-ended, in the order of the enum */
extern const bool activation_from_y[];      /* f' can be had from y alone */

#endif
