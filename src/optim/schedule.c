/* Each kind is torch.optim.lr_scheduler's of the same name: those that speak of epochs change
 * between epochs, cosine and one-cycle with every step. */
#include "optim/schedule.h"

#include <math.h>

static double constant(const struct schedule *s, int64_t step, int64_t warm)
{
    (void)s, (void)step, (void)warm;
    return 1;
}

static double epoch_of(const struct schedule *s, int64_t step)
{
    return (double)(step / s->epoch_steps);
}

static double step_drop(const struct schedule *s, int64_t step, int64_t warm)
{
    (void)warm;
    return pow(s->cfg.gamma, floor(epoch_of(s, step) / s->cfg.step_epochs));
}

static double multi_step(const struct schedule *s, int64_t step, int64_t warm)
{
    (void)warm;
    int drops = 0;
    for (int i = 0; i < s->cfg.at.n; i++)
        drops += s->cfg.at.at[i] <= epoch_of(s, step);
    return pow(s->cfg.gamma, drops);
}

static double exponential(const struct schedule *s, int64_t step, int64_t warm)
{
    (void)warm;
    return pow(s->cfg.gamma, epoch_of(s, step));
}

/* From `from` to `to` along half a cosine, share 0 .. 1. */
static double half_cosine(double from, double to, double share)
{
    return to + (from - to) * (1 + cos(3.14159265358979323846 * share)) / 2;
}

static double cosine(const struct schedule *s, int64_t step, int64_t warm)
{
    double left = (double)(s->planned - warm);
    return half_cosine(1, s->cfg.floor, left > 0 ? (double)(step - warm) / left : 0);
}

/* Smith and Topin, "Super-convergence", 2018, with cosine arcs; its rise is the warm-up. */
static double one_cycle(const struct schedule *s, int64_t step, int64_t warm)
{
    double length = (double)(s->planned - warm), at = (double)(step - warm);
    double top = s->cfg.rise * length - 1, end = length - 1;
    if (at <= top && top > 0)
        return half_cosine(s->cfg.start, 1, at / top);
    double share = end > top ? (at - top) / (end - top) : 1;
    return half_cosine(1, s->cfg.start * s->cfg.finish, share < 1 ? share : 1);
}

static double plateau(const struct schedule *s, int64_t step, int64_t warm)
{
    (void)step, (void)warm;
    return s->state.factor > s->cfg.floor ? s->state.factor : s->cfg.floor;
}

const struct schedule_kind schedules[] = {
    {"constant", constant},       {"step", step_drop}, {"multi_step", multi_step},
    {"exponential", exponential}, {"cosine", cosine},  {"one_cycle", one_cycle},
    {"plateau", plateau},         {NULL, NULL},
};
static const char *const kinds[] = {"constant", "step",      "multi_step", "exponential",
                                    "cosine",   "one_cycle", "plateau",    NULL};

#define AT(field) offsetof(struct schedule_config, field)
/* clang-format off */
const struct option schedule_options[] = {
    {.name = "schedule", .type = OPTION_CHOICE, .offset = AT(kind), .choice = kinds,
     .fallback = {.s = "one_cycle"}, .group = "Learning-rate schedule",
     .help = "how the learning rate moves"},
    {.name = "warmup", .type = OPTION_REAL, .offset = AT(warmup), .max = {.r = 1e6},
     .help = "linear warm-up, in epochs"},
    {.name = "step-epochs", .type = OPTION_REAL, .offset = AT(step_epochs), .min = {.r = 1e-3},
     .max = {.r = 1e6}, .fallback = {.r = 30}, .when = "schedule=step",
     .help = "epochs between drops"},
    {.name = "milestones", .type = OPTION_REAL_LIST, .offset = AT(at), .max = {.r = 1e6},
     .fallback = {.s = "30,60,90"}, .when = "schedule=multi_step", .help = "epochs of the drops"},
    {.name = "gamma", .type = OPTION_REAL, .offset = AT(gamma), .min = {.r = 1e-6},
     .max = {.r = 1}, .fallback = {.r = 0.1}, .scale = SCALE_LOG,
     .when = "schedule=step|multi_step|exponential|plateau", .help = "factor of a drop"},
    {.name = "lr-floor", .type = OPTION_REAL, .offset = AT(floor), .max = {.r = 1},
     .when = "schedule=cosine|plateau", .help = "lowest rate, as a share of the peak"},
    {.name = "rise", .type = OPTION_REAL, .offset = AT(rise), .max = {.r = 1},
     .fallback = {.r = 0.3}, .when = "schedule=one_cycle", .help = "share of the steps that rise"},
    {.name = "start", .type = OPTION_REAL, .offset = AT(start), .max = {.r = 1},
     .fallback = {.r = 0.04}, .when = "schedule=one_cycle",
     .help = "first rate, as a share of the peak"},
    {.name = "finish", .type = OPTION_REAL, .offset = AT(finish), .max = {.r = 1},
     .fallback = {.r = 1e-4}, .when = "schedule=one_cycle",
     .help = "last rate, as a share of the first"},
    {.name = "patience", .type = OPTION_INT, .offset = AT(patience), .max = {.i = 1000000},
     .fallback = {.i = 10}, .when = "schedule=plateau",
     .help = "validations without progress before a drop"},
    {.name = "threshold", .type = OPTION_REAL, .offset = AT(threshold), .max = {.r = 1},
     .fallback = {.r = 1e-4}, .when = "schedule=plateau",
     .help = "progress: a loss lower by this share of the best"},
    {.name = NULL},
};
/* clang-format on */

void schedule_init(struct schedule *s, const struct schedule_config *cfg, int64_t planned,
                   int64_t epoch_steps)
{
    *s = (struct schedule){
        .cfg = *cfg,
        .planned = planned,
        .epoch_steps = epoch_steps > 0 ? epoch_steps : 1,
        .state = {.best = INFINITY, .factor = 1},
    };
}

double schedule_factor(const struct schedule *s, int64_t step)
{
    int64_t warm = (int64_t)(s->cfg.warmup * (double)s->epoch_steps);
    if (warm > s->planned)
        warm = s->planned;
    if (step >= warm)
        return schedules[s->cfg.kind].factor(s, step, warm);
    double first = schedules[s->cfg.kind].factor(s, warm, warm);
    return first * (double)(step + 1) / (double)warm;
}

void schedule_validated(struct schedule *s, double loss)
{
    struct schedule_state *t = &s->state;
    if (loss < t->best * (1 - s->cfg.threshold)) {
        t->best = loss;
        t->bad = 0;
    } else if (++t->bad > s->cfg.patience) {
        t->factor *= s->cfg.gamma;
        t->bad = 0;
    }
}
