/* A text as a field of a CSV (RFC 4180): quoted where it must be. */
#ifndef CMD_CSV_H
#define CMD_CSV_H

#include <stdio.h>

void csv_put(FILE *out, const char *text);

#endif
