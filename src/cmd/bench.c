/* linnet bench: how fast this machine trains. */
#include "cmd/bench_step.h"
#include "cmd/command.h"

#include <string.h>

static const char *const precision_name[] = {"fp32", "bf16", NULL};

#define FIELD(f) offsetof(struct bench_step_config, f)
/* clang-format off */
static const struct option bench_options[] = {
    {.name = "batch", .type = OPTION_INT, .offset = FIELD(batch), .min.i = 1, .max.i = 4096,
     .fallback.i = 16, .group = "Timing", .help = "pictures a step"},
    {.name = "warm", .type = OPTION_INT, .offset = FIELD(warm), .min.i = 0, .max.i = 1000,
     .fallback.i = 1, .help = "steps before those that are timed"},
    {.name = "steps", .type = OPTION_INT, .offset = FIELD(steps), .min.i = 1, .max.i = 100000,
     .fallback.i = 5, .help = "steps to time"},
    {.name = "threads", .type = OPTION_INT, .offset = FIELD(threads), .min.i = 0, .max.i = 1024,
     .fallback.i = 0, .help = "threads; 0 = all that the process may use"},
    {.name = "seed", .type = OPTION_INT, .offset = FIELD(seed), .min.i = 0, .max.i = 1LL << 40,
     .fallback.i = 1, .help = "of the initial weights"},
    {.name = "precision", .type = OPTION_CHOICE, .offset = FIELD(precision),
     .fallback.s = "fp32", .choice = precision_name,
     .help = "bf16: mixed, where the processor has the instructions"},
    {.name = "backend", .type = OPTION_STRING, .offset = FIELD(backend), .fallback.s = "auto",
     .help = "device: cpu, ref or auto"},
    {.name = "avoid", .type = OPTION_STRING, .offset = FIELD(avoid),
     .help = "a kernel not to choose, by the name that --groups shows"},
    {.name = "groups", .type = OPTION_BOOL, .offset = FIELD(groups),
     .help = "show the time of each group of layers"},
    {.name = "json", .type = OPTION_BOOL, .offset = FIELD(json),
     .help = "one line of JSON: seconds and loss of each step, memory"},
    {.name = NULL},
};
/* clang-format on */

static bool bench_run(struct call *c, struct err *e)
{
    if (strcmp(c->operand[0], "step") != 0)
        return err_set(e, ERR_USAGE, "unknown benchmark \"%s\"; known is step", c->operand[0]);
    return bench_step(c->config, e);
}

static int tables(void *config, struct option_table *table)
{
    struct bench_step_config *c = config;
    int n = 0;
    table[n++] = (struct option_table){bench_options, c};
    n += model_tables(&c->model, table + n);
    table[n++] = (struct option_table){optim_options, &c->optim};
    return n;
}

const struct command command_bench = {
    .name = "bench",
    .synopsis = "bench step [options]",
    .summary = "time training steps on this machine",
    .about = "Real training steps on made-up pictures: forward, backward, update.\n"
             "    linnet bench step --size 256 --filters 32,64,128,256,512 --groups",
    .min_operand = 1,
    .max_operand = 1,
    .config_size = sizeof(struct bench_step_config),
    .tables = tables,
    .run = bench_run,
};
