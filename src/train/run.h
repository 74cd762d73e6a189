/* A run directory: the truth about one training.
 *     config.json       every option as resolved        environment.json  machine, and what must
 *     split.txt         which pictures validate                           not change on resume
 *     classes.json      class names, in order           plan.json         kernel of each layer
 *     issues.json       pictures left out, and why      diverged.json     where a loss was not finite
 *     metrics.jsonl     numbers by step and epoch       timing.jsonl      seconds, img/s, data wait
 *     samples.jsonl     which pictures each step saw    log.txt           what happened, with times
 *     lock              pid of who trains               model.json        parameters, multiply-adds
 *     last.safetensors  previous.safetensors  best.safetensors
 * One process at a time holds it. */
#ifndef TRAIN_RUN_H
#define TRAIN_RUN_H

#include "train/journal.h"

struct run {
    char *dir;
    int lock; /* descriptor */
    struct journal metrics, samples, timing, log;
};

/* Makes the directory if need be and locks it. ERR_USAGE names the process that holds it;
 * ERR_STORAGE: cannot be written. */
MUST_CHECK bool run_open(struct run *r, const char *dir, struct err *e);
void run_close(struct run *r);

/* "<dir>/<name>", the caller frees. */
MUST_CHECK char *run_path(const char *dir, const char *name, struct err *e);
bool run_has(const struct run *r, const char *name);
MUST_CHECK bool run_write(const struct run *r, const char *name, const char *text, size_t n,
                          struct err *e);
/* Is there room for `bytes` more? ERR_STORAGE tells what is free and what is needed. */
MUST_CHECK bool run_need_space(const struct run *r, size_t bytes, struct err *e);
/* `name` lives on as `kept` (a hard link, or a rename where there are none), whatever happens to
 * it. Nothing to keep is fine. */
MUST_CHECK bool run_keep(const struct run *r, const char *name, const char *kept,
                         struct err *e);
/* A line with the time in log.txt; a full disk is no error here. */
void run_log(struct run *r, const char *fmt, ...) PRINTF(2, 3);

#endif
