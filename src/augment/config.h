/* The knobs of all transforms. Each row's options table (augment.h) fills its own fields; zeroed
 * is everything off. */
#ifndef AUGMENT_CONFIG_H
#define AUGMENT_CONFIG_H

#include "base/option.h"

struct augment_config {
    double hflip; /* probability */
    double vflip;
};

#endif
