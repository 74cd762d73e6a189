/* Timing of training steps and of inference; the options of `linnet bench`. */
#ifndef CMD_BENCH_STEP_H
#define CMD_BENCH_STEP_H

#include "model/model.h"
#include "optim/optim.h"

enum bench_precision { BENCH_FP32, BENCH_BF16 };
enum bench_what { BENCH_STEP, BENCH_INFERENCE };

struct bench_step_config {
    struct model_config model;
    struct optim_config optim;
    int64_t batch, warm, steps, threads, seed;
    int precision;       /* enum bench_precision */
    const char *weights; /* as for linnet train; NULL = drawn from seed */
    const char *backend, *avoid;
    bool json, groups;
};

/* A step: forward pass, backward pass and update. Inference: the forward pass in evaluation. */
MUST_CHECK bool bench_step(const struct bench_step_config *cfg, enum bench_what what,
                           struct err *e);

#endif
