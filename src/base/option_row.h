/* Inside base/option*.c: what the command line, YAML and JSON share. */
#ifndef BASE_OPTION_ROW_H
#define BASE_OPTION_ROW_H

#include "base/option.h"

/* Parses text into the row's field; the error says what was expected, without the row's name. */
MUST_CHECK bool option_set_row(const struct option *row, void *into, const char *text,
                               struct arena *a, struct err *e);
/* ERR_USAGE: "unknown <what> <dashes><name>; did you mean <dashes><nearest>?" */
MUST_CHECK bool option_unknown(const struct option_table *table, int n_table, const char *what,
                               const char *dashes, const char *name, struct err *e);
int option_count(const struct option_table *table, int n_table);
/* Place of a row in all tables: where marks about it are kept. */
int option_place(const struct option_table *table, int n_table, const struct option *row);

#endif
