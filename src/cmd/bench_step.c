/* linnet bench: real training steps, or forward passes in evaluation, on pictures made by a formula
 * (bench/batch.py makes the same), timed one by one. */
#include "cmd/bench_step.h"

#include "backend/cpu/isa.h"
#include "base/clock.h"
#include "cmd/table.h"
#include "graph/plan.h"
#include "optim/optimiser.h"
#include "train/pretrained.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct bench {
    const struct bench_step_config *cfg;
    enum bench_what what;
    struct backend *backend;
    struct network net;
    struct plan *plan;
    struct optimiser optimiser;
    double lr;
    uint8_t *pixel;
    float *label;         /* (batch, n_class) */
    float *out;           /* the losses (batch) of a step, the logits (batch, n_class) */
    double *seconds;      /* (steps) */
    double *mean_loss;    /* (warm + steps) */
    double anonymous_mib; /* the peak */
};

static void draw(struct bench *b)
{
    int64_t side = b->net.config.size;
    for (uint32_t i = 0; i < (uint32_t)(b->cfg->batch * side * side * 3); i++) {
        uint32_t x = i; /* an integer hash: xor, multiply, twice */
        x ^= x >> 15;
        x *= 0x2C1B3C6DU;
        x ^= x >> 12;
        x *= 0x297A2D39U;
        x ^= x >> 15;
        b->pixel[i] = (uint8_t)x;
    }
    for (int64_t i = 0; i < b->cfg->batch; i++)
        b->label[i * b->net.n_class + i % b->net.n_class] = 1;
}

static struct node *wanted(const struct bench *b)
{
    return b->what == BENCH_STEP ? b->net.model.loss : b->net.model.logits;
}

static bool open_plan(struct bench *b, struct err *e)
{
    struct plan_request r = {
        .graph = b->net.graph,
        .max_n = (int)b->cfg->batch,
        .mode = b->what == BENCH_STEP ? MODE_TRAIN : MODE_EVAL,
        .compute = b->cfg->precision == BENCH_BF16 ? DTYPE_BF16 : DTYPE_F32,
        .keep = (struct node *[]){wanted(b), NULL},
        .want_weights = b->what == BENCH_STEP,
    };
    const char *avoid[] = {b->cfg->avoid, NULL};
    if (b->cfg->avoid)
        r.avoid = avoid;
    b->plan = plan_new(b->backend, &r, b->net.weights, e);
    return b->plan != NULL;
}

static bool open_network(struct bench *b, struct err *e)
{
    static const char *const class_name[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    struct model_config config = b->cfg->model;
    struct pretrained p = {0};
    struct pretrained_spec spec = {.network = {.config = &config, .pre = &p.pre}};
    bool ok;
    if (b->cfg->weights) {
        ok = pretrained_open(&p, b->cfg->weights, &config, e) &&
             pretrained_network(&b->net, &p, &spec, e);
    } else {
        p.pre = architectures[config.kind]->pre;
        spec.network.class_name = class_name;
        spec.network.n_class = COUNT_OF(class_name);
        ok = model_resolve(&config, e) &&
             network_init(&b->net, &spec.network, (uint64_t)b->cfg->seed, e);
    }
    pretrained_close(&p);
    return ok;
}

static bool open_optimiser(struct bench *b, struct err *e)
{
    struct optim_config rule = b->cfg->optim;
    if (!optim_resolve(&rule, e))
        return false;
    b->lr = rule.lr;
    return b->what != BENCH_STEP ||
           optimiser_init(&b->optimiser, &rule, b->backend, b->net.graph, NULL, e);
}

static bool open_bench(struct bench *b, struct err *e)
{
    const struct bench_step_config *cfg = b->cfg;
    if (!(b->backend = backend_open(cfg->backend, (int)cfg->threads, e)) || !open_network(b, e))
        return false;
    size_t n = (size_t)cfg->batch, side = (size_t)b->net.config.size;
    size_t outputs = n * (size_t)b->net.n_class;
    if (!open_optimiser(b, e) || !(b->pixel = mem_new(n, side * side * 3, e)) ||
        !(b->label = mem_new(outputs, sizeof(float), e)) ||
        !(b->out = mem_new(outputs, sizeof(float), e)) ||
        !(b->seconds = mem_new((size_t)cfg->steps, sizeof(double), e)) ||
        !(b->mean_loss = mem_new((size_t)(cfg->warm + cfg->steps), sizeof(double), e)))
        return false;
    draw(b);
    return open_plan(b, e);
}

static void close_bench(struct bench *b)
{
    plan_free(b->plan);
    optimiser_release(&b->optimiser);
    network_release(&b->net);
    backend_close(b->backend);
    mem_free(b->pixel);
    mem_free(b->label);
    mem_free(b->out);
    mem_free(b->seconds);
    mem_free(b->mean_loss);
}

/* RssAnon of this process, or 0 where /proc does not tell. */
static double anonymous_mib(void)
{
    char line[256];
    double kib = 0;
    FILE *f = fopen("/proc/self/status", "re");
    while (f && fgets(line, sizeof(line), f))
        if (!strncmp(line, "RssAnon:", 8))
            kib = strtod(line + 8, NULL);
    if (f)
        fclose(f);
    return kib / 1024;
}

static bool train(struct bench *b, int i, struct err *e)
{
    int n = (int)b->cfg->batch;
    struct model *m = &b->net.model;
    if (!plan_feed(b->plan, m->input, b->pixel, n, e) ||
        !plan_feed(b->plan, m->target, b->label, n, e) ||
        !plan_forward(b->plan, (uint64_t)i, e) ||
        !plan_seed(b->plan, m->loss, NULL, 1.0F / (float)n, e) ||
        !plan_backward(b->plan, NULL, NULL, e))
        return false;
    optimiser_step(&b->optimiser, b->net.weights, b->net.weights->grad, b->lr, 1);
    if (!plan_read(b->plan, m->loss, b->out, e))
        return false;
    for (int k = 0; k < n; k++)
        b->mean_loss[i] += (double)b->out[k] / n;
    return true;
}

static bool infer(struct bench *b, struct err *e)
{
    return plan_feed(b->plan, b->net.model.input, b->pixel, (int)b->cfg->batch, e) &&
           plan_forward(b->plan, 0, e) && plan_read(b->plan, b->net.model.logits, b->out, e);
}

static bool step(struct bench *b, int i, struct err *e)
{
    double start = clock_s();
    if (b->what == BENCH_STEP ? !train(b, i, e) : !infer(b, e))
        return false;
    if (i >= b->cfg->warm)
        b->seconds[i - b->cfg->warm] = clock_s() - start;
    double mib = anonymous_mib();
    if (mib > b->anonymous_mib)
        b->anonymous_mib = mib;
    return true;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void put_losses(struct json_writer *w, const struct bench *b)
{
    json_open(w, "loss", '[');
    for (int64_t i = 0; i < b->cfg->warm + b->cfg->steps; i++)
        json_put_real(w, NULL, b->mean_loss[i]);
    json_close(w, ']');
}

/* Of all pictures, one after the other. */
static void put_logits(struct json_writer *w, const struct bench *b)
{
    json_open(w, "logits", '[');
    for (int64_t i = 0; i < b->cfg->batch * b->net.n_class; i++)
        json_put_real(w, NULL, (double)b->out[i]);
    json_close(w, ']');
}

static bool print_json(const struct bench *b, struct err *e)
{
    struct json_writer w = {0};
    json_open(&w, NULL, '{');
    json_open(&w, "seconds", '[');
    for (int64_t i = 0; i < b->cfg->steps; i++)
        json_put_real(&w, NULL, b->seconds[i]);
    json_close(&w, ']');
    (b->what == BENCH_STEP ? put_losses : put_logits)(&w, b);
    json_put_real(&w, "rss_anon_mib", b->anonymous_mib);
    json_put_text(&w, "isa", b->backend->isa ? b->backend->isa->name : "");
    json_close(&w, '}');
    return json_print(&w, e);
}

static bool print_groups(const struct bench *b, struct err *e)
{
    struct table t = {.align = "lrr", .head = true};
    table_cell(&t, "group");
    table_cell(&t, "forward ms");
    table_cell(&t, "backward ms");
    const char *line;
    for (int i = 0; (line = plan_describe(b->plan, i)); i++) {
        double forward, backward, steps = (double)b->cfg->steps;
        plan_seconds(b->plan, i, &forward, &backward);
        table_cell(&t, "%s", line);
        table_cell(&t, "%.3f", 1e3 * forward / steps);
        table_cell(&t, "%.3f", 1e3 * backward / steps);
    }
    return table_print(&t, stdout, e);
}

static bool print_text(const struct bench *b, struct err *e)
{
    int64_t steps = b->cfg->steps;
    double *sorted = mem_new((size_t)steps, sizeof(double), e);
    if (!sorted)
        return false;
    memcpy(sorted, b->seconds, (size_t)steps * sizeof(double));
    qsort(sorted, (size_t)steps, sizeof(double), ascending);
    double median = (sorted[(steps - 1) / 2] + sorted[steps / 2]) / 2;
    printf("%s, %d threads, batch %" PRId64 ", %" PRId64 " px: %.4f s a %s (%.4f .. %.4f), "
           "%.1f img/s\n",
           b->backend->isa ? b->backend->isa->name : b->backend->ops->name,
           b->backend->n_thread, b->cfg->batch, b->net.config.size, median,
           b->what == BENCH_STEP ? "step" : "pass", sorted[0], sorted[steps - 1],
           (double)b->cfg->batch / median);
    printf("anonymous memory %.0f MiB, of which the plan %.0f MiB", b->anonymous_mib,
           (double)plan_bytes(b->plan) / 1048576);
    if (b->what == BENCH_STEP)
        printf("; loss %.5f to %.5f", b->mean_loss[0], b->mean_loss[b->cfg->warm + steps - 1]);
    putchar('\n');
    mem_free(sorted);
    return !b->cfg->groups || print_groups(b, e);
}

bool bench_step(const struct bench_step_config *cfg, enum bench_what what, struct err *e)
{
    struct bench b = {.cfg = cfg, .what = what};
    bool ok = open_bench(&b, e);
    for (int i = 0; ok && i < cfg->warm + cfg->steps; i++) {
        if (i == cfg->warm && cfg->groups)
            plan_time(b.plan, true);
        ok = step(&b, i, e);
    }
    if (ok)
        ok = cfg->json ? print_json(&b, e) : print_text(&b, e);
    close_bench(&b);
    return ok;
}
