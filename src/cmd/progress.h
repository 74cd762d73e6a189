/* What goes on, for whoever waits: on a terminal one line that is redrawn at most ten times a
 * second, elsewhere a plain line now and then. Lines that stay are said between. One thread. */
#ifndef CMD_PROGRESS_H
#define CMD_PROGRESS_H

#include "base/attr.h"

#include <stdbool.h>
#include <stdio.h>

struct progress {
    FILE *out;     /* stderr, ordinarily: results go to stdout */
    bool terminal; /* out is one that can redraw a line */
    bool colour;   /* and NO_COLOR is not set */
    bool blocks;   /* and UTF-8 is spoken */
    bool shown;    /* the bar stands on the line */
    double drawn_s;
};

/* Looks at the terminal, TERM, NO_COLOR and the locale's variables. */
void progress_open(struct progress *p, FILE *out);

/* What the line says: a label, the share done (0 .. 1), then facts, the most important first:
 * the last ones go when the terminal is narrow. Draws only when it is time to. */
struct progress_line {
    const char *label; /* "epoch 3/10" */
    double share;
    const char *const *fact; /* "loss 1.234", ...; NULL-ended */
};
void progress_draw(struct progress *p, const struct progress_line *line);

/* A line that stays, above the bar. */
void progress_say(struct progress *p, const char *fmt, ...) PRINTF(2, 3);

/* Takes the bar away: before output from elsewhere, and at the end. */
void progress_clear(struct progress *p);

/* Seconds as "0:07", "12:30", "1:02:03"; below 0 "-:--". Returns text. */
char *progress_time(double s, char text[24]);

#endif
