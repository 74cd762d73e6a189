/* The trainer's events on a terminal or as plain lines: a bar while an epoch runs, a row of one
 * growing table when it is over. */
#ifndef CMD_TRAIN_VIEW_H
#define CMD_TRAIN_VIEW_H

#include "cmd/progress.h"
#include "train/trainer.h"

struct train_view {
    struct progress progress;
    struct trainer_events events; /* for trainer_setup; ctx is this struct: do not move it */
    bool headed;                  /* the table's head was printed */
};

void train_view_open(struct train_view *v, FILE *out);
void train_view_close(struct train_view *v);

#endif
