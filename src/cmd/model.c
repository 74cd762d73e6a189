/* linnet model: the layers and blocks of an architecture, and cnn5's closed formulas evaluated. */
#include "model/model.h"
#include "cmd/command.h"
#include "graph/op.h"
#include "model/cnn5_formula.h"

#include <inttypes.h>
#include <string.h>

struct shown_config {
    struct model_config model;
    int64_t classes;
};

static const struct option own_options[] = {
    {.name = "classes",
     .type = OPTION_INT,
     .offset = offsetof(struct shown_config, classes),
     .min.i = 2,
     .max.i = 1 << 20,
     .fallback.i = 10,
     .group = "Data",
     .help = "number of classes"},
    {.name = NULL},
};

static int64_t count(const struct node *n, bool trained)
{
    int64_t sum = 0;
    for (int i = 0; i < n->n_weight; i++)
        sum += n->weight[i].trained == trained ? (int64_t)shape_count(&n->weight[i].shape) : 0;
    return sum;
}

/* 1234567 as 1,234,567, in one of a few static buffers. */
static const char *grouped(int64_t v)
{
    static char text[8][32];
    static int next;
    char digits[24], *out = text[next++ % 8];
    int n = snprintf(digits, sizeof(digits), "%" PRId64, v), at = 0;
    for (int i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0)
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}

static void print_layers(const struct graph *g)
{
    char shape[64];
    int w = 10; /* the longest name */
    for (int i = 0; i < g->n_node; i++)
        w = strlen(g->node[i]->name) > (size_t)w ? (int)strlen(g->node[i]->name) : w;
    printf("%-*s %-18s %14s %14s %18s %10s\n", w, "layer", "op", "output", "parameters",
           "multiply-adds", "KiB/image");
    for (int i = 0; i < g->n_node; i++) {
        const struct node *n = g->node[i];
        printf("%-*s %-18s %14s %14s %18s %10.1f\n", w, n->name, n->op->name,
               shape_text(&n->out, shape, sizeof(shape)), grouped(count(n, true)),
               grouped(n->op->macs ? n->op->macs(n) : 0),
               (double)shape_count(&n->out) * 4 / 1024);
    }
    double kib = 0;
    int64_t buffers = 0;
    for (int i = 0; i < g->n_node; i++) {
        kib += (double)shape_count(&g->node[i]->out) * 4 / 1024;
        buffers += count(g->node[i], false);
    }
    printf("%-*s %-18s %14s %14s %18s %10.1f\n", w, "total", "", "",
           grouped((int64_t)g->n_value), grouped(graph_macs(g)), kib);
    printf("and %s numbers of running statistics, not trained\n", grouped(buffers));
}

static void print_blocks(const struct model *m)
{
    printf("blocks:");
    for (int i = 0; i < m->n_block; i++)
        printf(" %s", m->block[i].name);
    printf("; head: %s\n", m->head->name);
}

static void print_formulas(const struct cnn5_formula *f, const struct graph *g, bool batch_norm)
{
    int64_t cells = f->H / 32 * (f->W / 32);
    printf("\nWith m = %" PRId64 " filters of k x k, k = %" PRId64 ", n = %" PRId64
           " neurons, %" PRId64 " x %" PRId64 " inputs, %" PRId64 " classes:\n",
           f->m, f->k, f->n, f->H, f->W, f->K);
    printf("  parameters    k^2 (3m + 4m^2) + (%" PRId64 "mn + n) + (%" PRId64 "n + %" PRId64
           ") = %s\n",
           cells, f->K, f->K, grouped(formula_parameters(f)));
    printf("              + convolution biases 5m = %s\n", grouped(formula_conv_biases(f)));
    int64_t sum = formula_parameters(f) + formula_conv_biases(f);
    if (batch_norm) {
        printf("              + batch norm scales and shifts 10m = %s\n",
               grouped(formula_batch_norm(f)));
        sum += formula_batch_norm(f);
    }
    printf("              = %s; the network has %s\n", grouped(sum),
           grouped((int64_t)g->n_value));
    printf("  computations  k^2 HW (3m + 85m^2/256) + n (%" PRId64 "m + %" PRId64
           ") = %s; the network has %s\n",
           cells, f->K, grouped(formula_macs(f)), grouped(graph_macs(g)));
}

/* The formulas hold for equal filters and kernels, one dense layer and sides in steps of 32. */
static bool has_formula(const struct model_config *model, struct cnn5_formula *f, struct err *e)
{
    const struct cnn5_config *cfg = &model->cnn5;
    int filters[CNN5_BLOCKS], kernel[CNN5_BLOCKS];
    if (!cnn5_resolve(cfg, filters, kernel, e))
        return false;
    for (int i = 1; i < CNN5_BLOCKS; i++)
        if (filters[i] != filters[0] || kernel[i] != kernel[0])
            return false;
    f->m = filters[0];
    f->k = kernel[0];
    f->n = cfg->dense.at[0];
    f->H = f->W = model->size;
    return cfg->dense.n == 1 && model->size % 32 == 0;
}

static void print_cnn5(const struct shown_config *cfg, const struct graph *g)
{
    struct err e;
    struct cnn5_formula f = {.K = cfg->classes};
    if (has_formula(&cfg->model, &f, &e))
        print_formulas(&f, g, cfg->model.cnn5.batch_norm);
    else
        printf("\nThe closed formulas hold for equal filters and kernels, one dense layer and "
               "an input in steps of 32 px: try --filters 32 --filter-rule same.\n");
}

static bool model_run(struct call *c, struct err *e)
{
    struct shown_config *cfg = c->config;
    struct model_input in = {.n_class = (int)cfg->classes, .u8 = true, .std = {1, 1, 1}};
    struct graph *g = graph_new(e);
    struct model m;
    bool ok = g && model_resolve(&cfg->model, e) && model_build(&m, g, &cfg->model, &in, e);
    if (ok) {
        printf("%s: %s\n\n", m.arch->name, m.arch->about);
        print_layers(g);
        print_blocks(&m);
        if (m.arch->options == cnn5_options)
            print_cnn5(cfg, g);
    }
    graph_free(g);
    return ok;
}

static int tables(void *config, struct option_table *table)
{
    struct shown_config *c = config;
    int n = model_tables(&c->model, table);
    table[n++] = (struct option_table){own_options, c};
    return n;
}

const struct command command_model = {
    .name = "model",
    .synopsis = "model [options]",
    .summary = "print an architecture: layers, parameters, multiply-adds, memory",
    .config_size = sizeof(struct shown_config),
    .tables = tables,
    .run = model_run,
};
