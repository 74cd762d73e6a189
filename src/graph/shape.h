/* Extents, outermost first: (N, C, H, W) whatever order the device stores. In a graph dim[0] is 1,
 * a plan scales it to its largest batch. */
#ifndef GRAPH_SHAPE_H
#define GRAPH_SHAPE_H

#include <stdbool.h>
#include <stddef.h>

enum { SHAPE_MAX_RANK = 5 };

struct shape {
    int rank;
    int dim[SHAPE_MAX_RANK];
};

static inline size_t shape_count(const struct shape *s)
{
    size_t n = 1;
    for (int i = 0; i < s->rank; i++)
        n *= (size_t)s->dim[i];
    return n;
}

static inline bool shape_equal(const struct shape *a, const struct shape *b)
{
    for (int i = 0; i < a->rank && i < b->rank; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return a->rank == b->rank;
}

/* "3x128x128" of a shape without its batch dimension, into text (size bytes); returns text. */
char *shape_text(const struct shape *s, char *text, size_t size);

#endif
