#include "cmd/train_view.h"

#include <math.h>

static void on_step(void *ctx, const struct step_report *r)
{
    struct train_view *v = ctx;
    char label[48], loss[32], accuracy[32], rate[32], left[48], wait[32], lr[32], time[24];
    snprintf(label, sizeof(label), "epoch %lld/%lld", (long long)r->epoch,
             (long long)r->epochs);
    snprintf(loss, sizeof(loss), "loss %.4f", r->loss);
    snprintf(accuracy, sizeof(accuracy), "acc %5.1f%%", 100 * r->accuracy);
    snprintf(rate, sizeof(rate), "%.0f img/s", r->images_s);
    snprintf(left, sizeof(left), "%s left", progress_time(r->left_s, time));
    snprintf(wait, sizeof(wait), "data wait %.0f%%", 100 * r->wait_share);
    snprintf(lr, sizeof(lr), "lr %.3g", r->lr);
    progress_draw(
        &v->progress,
        &(struct progress_line){
            .label = label,
            .share = (double)r->in_epoch / (double)(r->per_epoch ? r->per_epoch : 1),
            .fact = (const char *const[]){loss, accuracy, left, rate, wait, lr, NULL}});
}

static void on_preparing(void *ctx, int64_t done, int64_t all)
{
    struct train_view *v = ctx;
    progress_draw(&v->progress,
                  &(struct progress_line){.label = "reading the pictures",
                                          .share = (double)done / (double)(all ? all : 1)});
}

static void on_computing(void *ctx, int64_t done, int64_t all)
{
    struct train_view *v = ctx;
    progress_draw(&v->progress,
                  &(struct progress_line){.label = "computing frozen layers, once",
                                          .share = (double)done / (double)(all ? all : 1)});
}

static void on_phase(void *ctx, const char *text)
{
    struct train_view *v = ctx;
    progress_say(&v->progress, "%s", text);
}

static void on_validating(void *ctx, int64_t done, int64_t all)
{
    struct train_view *v = ctx;
    progress_draw(&v->progress,
                  &(struct progress_line){.label = "validating",
                                          .share = (double)done / (double)(all ? all : 1)});
}

/* "63.9", or "-" for what was not measured. */
static const char *percent(double share, bool has, char text[16])
{
    snprintf(text, 16, has ? "%.1f" : "-", 100 * share);
    return text;
}

static void on_epoch(void *ctx, const struct epoch_report *r)
{
    struct train_view *v = ctx;
    char epoch[48], accuracy[16], top5[16], time[24], loss[16];
    bool colour = v->progress.colour && r->best;
    if (!v->headed)
        progress_say(&v->progress, "%7s  %8s  %6s  %8s  %6s  %6s  %6s  %6s  %7s", "epoch",
                     "loss", "acc %", "val loss", "val %", "top-5", "img/s", "wait %", "time");
    v->headed = true;
    snprintf(epoch, sizeof(epoch), "%lld/%lld", (long long)r->epoch, (long long)r->epochs);
    snprintf(loss, sizeof(loss), r->has_val ? "%.4f" : "-", r->val_loss);
    progress_say(&v->progress, "%s%7s  %8.4f  %6.1f  %8s  %6s  %6s  %6.0f  %6.1f  %7s%s%s",
                 colour ? "\x1b[1m" : "", epoch, r->train_loss, 100 * r->train_accuracy, loss,
                 percent(r->val_accuracy, r->has_val, accuracy),
                 percent(r->val_top5, r->has_val && !isnan(r->val_top5), top5), r->images_s,
                 100 * r->wait_share, progress_time(r->seconds, time), r->best ? "  best" : "",
                 colour ? "\x1b[0m" : "");
}

static void on_warning(void *ctx, const char *text)
{
    struct train_view *v = ctx;
    progress_say(&v->progress, "warning: %s", text);
}

void train_view_open(struct train_view *v, FILE *out)
{
    *v = (struct train_view){.events = {.ctx = v,
                                        .preparing = on_preparing,
                                        .computing = on_computing,
                                        .phase = on_phase,
                                        .step = on_step,
                                        .validating = on_validating,
                                        .epoch = on_epoch,
                                        .warn = on_warning}};
    progress_open(&v->progress, out);
}

void train_view_close(struct train_view *v)
{
    progress_clear(&v->progress);
}
