/* linnet bench step: real training steps on pictures made by a formula (bench/batch.py makes
 * the same), timed one by one. */
#include "cmd/bench_step.h"

#include "backend/cpu/isa.h"
#include "base/clock.h"
#include "cmd/table.h"
#include "graph/plan.h"
#include "op/params.h"
#include "optim/optimiser.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = 10 };

struct bench {
    const struct bench_step_config *cfg;
    struct backend *backend;
    struct graph *graph;
    struct weights *weights;
    struct plan *plan;
    struct optimiser optimiser;
    double lr;
    struct model_config config; /* resolved */
    struct model model;
    uint8_t *pixel;
    float *label, *losses; /* (batch, CLASSES), (batch) */
    double *seconds;       /* (steps) */
    double *mean_loss;     /* (warm + steps) */
    double anonymous_mib;  /* the peak */
};

static void draw(struct bench *b)
{
    int64_t side = b->config.size;
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
        b->label[i * CLASSES + i % CLASSES] = 1;
}

static bool open_plan(struct bench *b, struct err *e)
{
    struct plan_request r = {
        .graph = b->graph,
        .max_n = (int)b->cfg->batch,
        .mode = MODE_TRAIN,
        .compute = b->cfg->precision == BENCH_BF16 ? DTYPE_BF16 : DTYPE_F32,
        .keep = (struct node *[]){b->model.loss, NULL},
        .want_weights = true,
    };
    const char *avoid[] = {b->cfg->avoid, NULL};
    if (b->cfg->avoid)
        r.avoid = avoid;
    b->plan = plan_new(b->backend, &r, b->weights, e);
    return b->plan != NULL;
}

static bool open_bench(struct bench *b, struct err *e)
{
    const struct bench_step_config *cfg = b->cfg;
    struct model_input in = {.n_class = CLASSES,
                             .u8 = true,
                             .mean = {0.485, 0.456, 0.406},
                             .std = {0.229, 0.224, 0.225}};
    struct optim_config rule = cfg->optim;
    b->config = cfg->model;
    if (!model_resolve(&b->config, e))
        return false;
    size_t n = (size_t)cfg->batch, side = (size_t)b->config.size;
    if (!(b->backend = backend_open(cfg->backend, (int)cfg->threads, e)) ||
        !(b->graph = graph_new(e)) || !model_build(&b->model, b->graph, &b->config, &in, e) ||
        !(b->weights = weights_new(b->graph, e)) || !optim_resolve(&rule, e) ||
        !optimiser_init(&b->optimiser, &rule, b->backend, b->graph, NULL, e) ||
        !(b->pixel = mem_new(n, side * side * 3, e)) ||
        !(b->label = mem_new(n * CLASSES, sizeof(float), e)) ||
        !(b->losses = mem_new(n, sizeof(float), e)) ||
        !(b->seconds = mem_new((size_t)cfg->steps, sizeof(double), e)) ||
        !(b->mean_loss = mem_new((size_t)(cfg->warm + cfg->steps), sizeof(double), e)))
        return false;
    b->lr = rule.lr;
    weights_init(b->weights, (uint64_t)cfg->seed);
    draw(b);
    return open_plan(b, e);
}

static void close_bench(struct bench *b)
{
    plan_free(b->plan);
    optimiser_release(&b->optimiser);
    weights_free(b->weights);
    graph_free(b->graph);
    backend_close(b->backend);
    mem_free(b->pixel);
    mem_free(b->label);
    mem_free(b->losses);
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

static bool step(struct bench *b, int i, struct err *e)
{
    int n = (int)b->cfg->batch;
    double start = clock_s(), sum = 0;
    if (!plan_feed(b->plan, b->model.input, b->pixel, n, e) ||
        !plan_feed(b->plan, b->model.target, b->label, n, e) ||
        !plan_forward(b->plan, (uint64_t)i, e) ||
        !plan_seed(b->plan, b->model.loss, NULL, 1.0F / (float)n, e) ||
        !plan_backward(b->plan, NULL, NULL, e))
        return false;
    optimiser_step(&b->optimiser, b->weights, b->weights->grad, b->lr, 1);
    if (!plan_read(b->plan, b->model.loss, b->losses, e))
        return false;
    for (int k = 0; k < n; k++)
        sum += (double)b->losses[k] / n;
    b->mean_loss[i] = sum;
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

static bool print_json(const struct bench *b, struct err *e)
{
    struct json_writer w = {0};
    json_open(&w, NULL, '{');
    json_open(&w, "seconds", '[');
    for (int64_t i = 0; i < b->cfg->steps; i++)
        json_put_real(&w, NULL, b->seconds[i]);
    json_close(&w, ']');
    json_open(&w, "loss", '[');
    for (int64_t i = 0; i < b->cfg->warm + b->cfg->steps; i++)
        json_put_real(&w, NULL, b->mean_loss[i]);
    json_close(&w, ']');
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
    printf("%s, %d threads, batch %" PRId64 ", %" PRId64 " px: %.4f s a step (%.4f .. %.4f), "
           "%.1f img/s\n",
           b->backend->isa ? b->backend->isa->name : b->backend->ops->name,
           b->backend->n_thread, b->cfg->batch, b->config.size, median, sorted[0],
           sorted[steps - 1], (double)b->cfg->batch / median);
    printf("anonymous memory %.0f MiB, of which the plan %.0f MiB; loss %.5f to %.5f\n",
           b->anonymous_mib, (double)plan_bytes(b->plan) / 1048576, b->mean_loss[0],
           b->mean_loss[b->cfg->warm + steps - 1]);
    mem_free(sorted);
    return !b->cfg->groups || print_groups(b, e);
}

bool bench_step(const struct bench_step_config *cfg, struct err *e)
{
    struct bench b = {.cfg = cfg};
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
