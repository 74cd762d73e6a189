/* linnet predict: files, folders or a picture on stdin; how pictures are prepared stands in the
 * model, so there are no options for it. */
#include "cmd/csv.h"
#include "cmd/inference.h"
#include "train/metrics.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { FORMAT_TEXT, FORMAT_JSON, FORMAT_CSV };
static const char *const formats[] = {"text", "json", "csv", NULL};

struct config {
    int64_t top;
    int format;
    struct inference inference;
};

#define AT(field) offsetof(struct config, field)
static const struct option options[] = {
    {.name = "top",
     .type = OPTION_INT,
     .offset = AT(top),
     .min.i = 1,
     .max.i = 1000,
     .fallback.i = 5,
     .group = "Output",
     .help = "classes told of each picture, the likeliest first"},
    {.name = "format",
     .type = OPTION_CHOICE,
     .offset = AT(format),
     .choice = formats,
     .fallback.s = "text",
     .help = "json: an object a line"},
    {.name = NULL},
};

/* What is told, and how often it was right where the picture's folder is a class. */
struct answers {
    const struct config *cfg;
    const struct predictor *predictor;
    int n, labelled;    /* pictures, and those whose folder is a class: */
    int right, among_5; /* it is the likeliest, or one of five */
};

/* The k-th likeliest class: p's largest, which is then struck out. */
static int take_best(double *p, int n, double *share)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        if (p[i] > p[best])
            best = i;
    *share = p[best];
    p[best] = -1;
    return best;
}

static void print_text(const struct predictor *p, const char *name, double *share, int top)
{
    printf("%s", name);
    for (int k = 0; k < top; k++) {
        double of;
        int c = take_best(share, p->net.n_class, &of);
        printf("%s%s %.1f %%", k ? ", " : ": ", p->net.class_name[c], 100 * of);
    }
    printf("\n");
}

static void print_csv(const struct predictor *p, const char *name, double *share, int top)
{
    for (int k = 0; k < top; k++) {
        double of;
        int c = take_best(share, p->net.n_class, &of);
        csv_put(stdout, name);
        printf(",%d,", k + 1);
        csv_put(stdout, p->net.class_name[c]);
        printf(",%.9g\n", of);
    }
}

static bool print_json(const struct predictor *p, const char *name, double *share, int top,
                       struct err *e)
{
    struct json_writer w = {0};
    json_open(&w, NULL, '{');
    json_put_text(&w, "file", name);
    json_open(&w, "classes", '[');
    for (int k = 0; k < top; k++) {
        double of;
        int c = take_best(share, p->net.n_class, &of);
        json_open(&w, NULL, '{');
        json_put_text(&w, "name", p->net.class_name[c]);
        json_put_real(&w, "probability", of);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_close(&w, '}');
    return json_print(&w, e);
}

/* "great_white_shark" is the folder of the class "great white shark". */
static bool alike(const char *folder, const char *label)
{
    for (; *folder && *label; folder++, label++) {
        char a = *folder == '_' ? ' ' : *folder, b = *label == '_' ? ' ' : *label;
        if (a != b && strncasecmp(&a, &b, 1) != 0)
            return false;
    }
    return *folder == *label;
}

/* The likeliest class of the folder's name (ImageNet has two cranes); the very name goes before
 * one that is alike. -1: none. */
static int folder_class(const struct network *net, const char *folder, const double *share)
{
    for (int exact = 1; folder && exact >= 0; exact--) {
        int best = -1;
        for (int c = 0; c < net->n_class; c++)
            if (exact ? !strcmp(folder, net->class_name[c]) : alike(folder, net->class_name[c]))
                best = best < 0 || share[c] > share[best] ? c : best;
        if (best >= 0)
            return best;
    }
    return -1;
}

static void count(struct answers *a, const struct picture *of, const double *share)
{
    const struct network *net = &a->predictor->net;
    int own = folder_class(net, of->folder, share), rank = 0;
    a->n++;
    if (own < 0)
        return;
    for (int c = 0; c < net->n_class; c++)
        rank += c < own ? share[c] >= share[own] : share[c] > share[own];
    a->labelled++;
    a->right += rank == 0;
    a->among_5 += rank < 5;
}

static bool print_row(void *ctx, const struct picture *of, const float *logits, struct err *e)
{
    struct answers *a = ctx;
    const struct predictor *p = a->predictor;
    int n = p->net.n_class, top = a->cfg->top < n ? (int)a->cfg->top : n;
    double *share = mem_new((size_t)n, sizeof(*share), e);
    if (!share)
        return false;
    softmax_row(logits, n, share);
    count(a, of, share);
    bool ok = true;
    if (a->cfg->format == FORMAT_TEXT)
        print_text(p, of->name, share, top);
    else if (a->cfg->format == FORMAT_CSV)
        print_csv(p, of->name, share, top);
    else
        ok = print_json(p, of->name, share, top, e);
    mem_free(share);
    return ok;
}

static void say_accuracy(const struct answers *a, FILE *out)
{
    double n = a->labelled;
    fprintf(out, "accuracy: top-1 %.2f %%", 100 * a->right / n);
    if (a->predictor->net.n_class > 5)
        fprintf(out, ", top-5 %.2f %%", 100 * a->among_5 / n);
    fprintf(out, " of %d pictures whose folder is a class", a->labelled);
    if (a->n > a->labelled)
        fprintf(out, " (of %d others it is none)", a->n - a->labelled);
    putc('\n', out);
}

static bool print_accuracy_json(const struct answers *a, struct err *e)
{
    double n = a->labelled;
    struct json_writer w = {0};
    json_open(&w, NULL, '{');
    json_open(&w, "accuracy", '{');
    json_put_int(&w, "pictures", a->labelled);
    json_put_real(&w, "top1", a->right / n);
    if (a->predictor->net.n_class > 5)
        json_put_real(&w, "top5", a->among_5 / n);
    json_close(&w, '}');
    json_close(&w, '}');
    return json_print(&w, e);
}

/* The table of a CSV stays a table: there the accuracy is said on stderr. */
static bool print_accuracy(const struct answers *a, struct err *e)
{
    if (a->labelled == 0)
        return true;
    if (a->cfg->format == FORMAT_JSON)
        return print_accuracy_json(a, e);
    say_accuracy(a, a->cfg->format == FORMAT_CSV ? stderr : stdout);
    return true;
}

/* Prints what can be told; at the end says how many could not be read. */
static bool predict_all(struct predictor *p, const struct config *c, struct listing *l,
                        struct err *e)
{
    struct answers a = {.cfg = c, .predictor = p};
    struct inference_each all = {
        .command = "predict", .predictor = p, .listing = l, .row = print_row, .ctx = &a};
    int bad;
    if (c->format == FORMAT_CSV)
        printf("file,rank,class,probability\n");
    if (!inference_each(&all, &bad, e) || !print_accuracy(&a, e))
        return false;
    return bad == 0 || err_set(e, ERR_DATA, "%d of %d pictures could not be read", bad, l->n);
}

static bool run(struct call *call, struct err *e)
{
    const struct config *c = call->config;
    struct listing l = {0};
    struct predictor p = {0};
    bool ok =
        inference_open(&c->inference, call, false, &p, &l, e) && predict_all(&p, c, &l, e);
    predictor_close(&p);
    listing_release(&l);
    return ok;
}

const struct command command_predict = {
    .name = "predict",
    .synopsis = "predict RUN|--model NAME FILE... [options]",
    .summary = "what is on these pictures",
    .about =
        "RUN is a run directory (its best model is taken) or a model file; FILE a picture, a\n"
        "folder of pictures, or - for one on stdin. The model knows how pictures are\n"
        "prepared and what its classes are called. With --model, published weights take the\n"
        "place of RUN. Where sub-folders have the names of classes, the accuracy is told too.",
    .min_operand = 1,
    .max_operand = -1,
    .config_size = sizeof(struct config),
    .options =
        (const struct command_options[]){
            {options, 0}, {inference_options, offsetof(struct config, inference)}, {0}},
    .run = run,
};
