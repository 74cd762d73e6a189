/* The pictures that a command's operands name, in order: files, folders, or - for one on stdin. */
#ifndef CMD_LISTING_H
#define CMD_LISTING_H

#include "train/predict.h"

/* Begin with {.arena = ...}, which outlives it. */
struct listing {
    struct picture *at; /* (n) */
    int n, room;
    struct arena *arena;
    uint8_t *input; /* of stdin */
};

/* ERR_DATA: there is no such file or folder. A folder's pictures come in natural order and have the
 * name of the sub-folder they lie in as their `folder`: those of data sets are classes. In folders
 * only regular files count, and folders by themselves: no link is followed into one. */
MUST_CHECK bool listing_add(struct listing *l, const char *operand, struct err *e);
void listing_release(struct listing *l);

#endif
