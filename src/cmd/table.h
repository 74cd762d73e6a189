/* A table of texts with aligned columns, for terminals and files alike. */
#ifndef CMD_TABLE_H
#define CMD_TABLE_H

#include "base/mem.h"

#include <stdio.h>

/* Begin with {.align = "lrr"}: one letter a column, l or r. */
struct table {
    const char *align;
    const char *indent; /* before each line; NULL = none */
    bool head;          /* the first row names the columns: a rule is drawn under it */
    char **cell;        /* (n_cell); row after row */
    int n_cell, room;
    bool failed; /* no memory: table_print says so */
};

/* The next cell, left to right, top to bottom. */
void table_cell(struct table *t, const char *fmt, ...) PRINTF(2, 3);
/* Prints and releases. */
MUST_CHECK bool table_print(struct table *t, FILE *out, struct err *e);
void table_release(struct table *t);

#endif
