/* Timing of training steps; the options of `linnet bench step`. */
#ifndef CMD_BENCH_STEP_H
#define CMD_BENCH_STEP_H

#include "model/model.h"
#include "optim/optim.h"

enum bench_precision { BENCH_FP32, BENCH_BF16 };

struct bench_step_config {
    struct model_config model;
    struct optim_config optim;
    int64_t batch, warm, steps, threads, seed;
    int precision; /* enum bench_precision */
    const char *backend, *avoid;
    bool json, groups;
};

MUST_CHECK bool bench_step(const struct bench_step_config *cfg, struct err *e);

#endif
