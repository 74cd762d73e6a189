/* Learning-rate schedules: a factor on the peak learning rate for each step, from the planned
 * length alone (never from where a run will be stopped). Plateau alone has state. */
#ifndef OPTIM_SCHEDULE_H
#define OPTIM_SCHEDULE_H

#include "base/option.h"

#include <stdint.h>

struct schedule_config {
    int kind;            /* index into schedules */
    double warmup;       /* epochs of linear rise from 1/n of the peak, before the rest */
    double step_epochs;  /* step: epochs between drops */
    struct real_list at; /* multi_step: epochs of the drops */
    double gamma;        /* step, multi_step, exponential, plateau: factor of a drop */
    double floor;        /* cosine, plateau: the end, as a share of the peak */
    double rise;         /* one_cycle: share of the steps that rise */
    double start,
        finish;       /* one_cycle: first and last, as shares of the peak and of the first */
    int64_t patience; /* plateau: validations without progress before a drop */
    double threshold; /* plateau: what counts as progress, relative to the best loss */
};
extern const struct option schedule_options[];

/* All that a schedule remembers: saved and resumed as it stands. */
struct schedule_state {
    double best;   /* plateau: lowest validation loss so far */
    int64_t bad;   /* validations since */
    double factor; /* of the drops so far */
};

struct schedule {
    struct schedule_config cfg;
    int64_t planned, epoch_steps; /* steps of the whole run and of one epoch */
    struct schedule_state state;
};

struct schedule_kind {
    const char *name;
    double (*factor)(const struct schedule *s, int64_t step, int64_t warm);
};
extern const struct schedule_kind schedules[]; /* ends with name NULL */

void schedule_init(struct schedule *s, const struct schedule_config *cfg, int64_t planned,
                   int64_t epoch_steps);
/* The factor for step (from 0). */
double schedule_factor(const struct schedule *s, int64_t step);
/* After a validation: plateau drops when the loss has not fallen for `patience` of them. */
void schedule_validated(struct schedule *s, double loss);

#endif
