/* linnet predict: files, folders or a picture on stdin; how pictures are prepared stands in the
 * model, so there are no options for it. */
#include "train/predict.h"
#include "cmd/command.h"
#include "cmd/stop.h"
#include "train/metrics.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FORMAT_TEXT, FORMAT_JSON, FORMAT_CSV };
static const char *const formats[] = {"text", "json", "csv", NULL};
enum { MAX_DEPTH = 32, MAX_STDIN = 1 << 30 };

struct config {
    int64_t top, batch, threads;
    int format;
};

#define AT(field) offsetof(struct config, field)
static const struct option options[] = {
    {.name = "top",
     .type = OPTION_INT,
     .offset = AT(top),
     .min.i = 1,
     .max.i = 1000,
     .fallback.i = 3,
     .group = "Output",
     .help = "classes told of each picture, the likeliest first"},
    {.name = "format",
     .type = OPTION_CHOICE,
     .offset = AT(format),
     .choice = formats,
     .fallback.s = "text",
     .help = "json: an object a line"},
    {.name = "batch",
     .type = OPTION_INT,
     .offset = AT(batch),
     .min.i = 1,
     .max.i = 4096,
     .fallback.i = 32,
     .group = "Machine",
     .help = "pictures at a time"},
    {.name = "threads",
     .type = OPTION_INT,
     .offset = AT(threads),
     .max.i = 1024,
     .help = "0 = all that this process may use"},
    {.name = NULL},
};

/* The pictures asked for, in order. */
struct list {
    struct picture *at;
    int n, room;
    struct arena *arena;
    uint8_t *input; /* of stdin */
};

static bool add(struct list *l, const char *name, struct err *e)
{
    if (l->n == l->room) {
        int room = 2 * l->room + 64;
        void *grown = mem_grow(l->at, (size_t)l->n, (size_t)room, sizeof(*l->at), e);
        if (!grown)
            return false;
        l->at = grown;
        l->room = room;
    }
    char *copy = arena_text(l->arena, name, e);
    l->at[l->n++] = (struct picture){.name = copy};
    return copy != NULL;
}

static bool add_path(struct list *l, const char *path, int depth, bool named, struct err *e);

static int shown(const struct dirent *f)
{
    return f->d_name[0] != '.';
}

static bool add_folder(struct list *l, const char *path, int depth, struct err *e)
{
    struct dirent **entry;
    int n = scandir(path, &entry, shown, versionsort);
    if (n < 0)
        return err_set(e, ERR_DATA, "%s: %s", path, strerror(errno));
    bool ok = true;
    for (int i = 0; i < n; i++) {
        char *inner = ok ? mem_printf(e, "%s/%s", path, entry[i]->d_name) : NULL;
        ok = inner && add_path(l, inner, depth + 1, false, e);
        mem_free(inner);
        free(entry[i]);
    }
    free(entry);
    return ok;
}

/* In folders only regular files count, and folders by themselves: no link is followed into one. */
static bool add_path(struct list *l, const char *path, int depth, bool named, struct err *e)
{
    struct stat st, link;
    if (stat(path, &st) != 0 || lstat(path, &link) != 0)
        return named ? err_set(e, ERR_DATA, "%s: %s", path, strerror(errno)) : true;
    if (!S_ISDIR(st.st_mode))
        return named || S_ISREG(st.st_mode) ? add(l, path, e) : true;
    if (depth >= MAX_DEPTH || (!named && S_ISLNK(link.st_mode)))
        return true;
    return add_folder(l, path, depth, e);
}

static bool add_stdin(struct list *l, struct err *e)
{
    size_t n = 0, room = 1 << 16;
    if (l->input)
        return err_set(e, ERR_USAGE, "-: stdin can be read once");
    l->input = mem_new(room, 1, e);
    for (ssize_t got = 1; l->input && got > 0; n += (size_t)got) {
        if (n == room) {
            uint8_t *grown = mem_grow(l->input, room, 2 * room, 1, e);
            if (!grown || room >= MAX_STDIN)
                return grown ? err_set(e, ERR_DATA, "-: over %d bytes", MAX_STDIN) : false;
            l->input = grown;
            room *= 2;
        }
        do
            got = read(STDIN_FILENO, l->input + n, room - n);
        while (got < 0 && errno == EINTR);
        if (got < 0)
            return err_set(e, ERR_DATA, "-: %s", strerror(errno));
    }
    if (!l->input || !add(l, "-", e))
        return false;
    l->at[l->n - 1].byte = l->input;
    l->at[l->n - 1].n = n;
    return true;
}

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

static void put_csv(const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, stdout);
        return;
    }
    putchar('"');
    for (; *text; text++) {
        if (*text == '"')
            putchar('"');
        putchar(*text);
    }
    putchar('"');
}

static void print_csv(const struct predictor *p, const char *name, double *share, int top)
{
    for (int k = 0; k < top; k++) {
        double of;
        int c = take_best(share, p->net.n_class, &of);
        put_csv(name);
        printf(",%d,", k + 1);
        put_csv(p->net.class_name[c]);
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

static bool print_row(const struct predictor *p, const struct config *c, const char *name,
                      const float *logits, struct err *e)
{
    int n = p->net.n_class, top = c->top < n ? (int)c->top : n;
    double *share = mem_new((size_t)n, sizeof(*share), e);
    if (!share)
        return false;
    softmax_row(logits, n, share);
    bool ok = true;
    if (c->format == FORMAT_TEXT)
        print_text(p, name, share, top);
    else if (c->format == FORMAT_CSV)
        print_csv(p, name, share, top);
    else
        ok = print_json(p, name, share, top, e);
    mem_free(share);
    return ok;
}

/* Prints what can be told; at the end says how many could not be read. */
static bool predict_all(struct predictor *p, const struct config *c, struct list *l,
                        struct err *e)
{
    const volatile sig_atomic_t *stop = stop_watch();
    int bad = 0;
    if (c->format == FORMAT_CSV)
        printf("file,rank,class,probability\n");
    for (int at = 0; at < l->n && !*stop; at += p->max_n) {
        int n = l->n - at < p->max_n ? l->n - at : p->max_n;
        if (!predictor_run(p, l->at + at, n, e))
            return false;
        for (int i = 0; i < n; i++) {
            const struct picture *of = &l->at[at + i];
            if (of->e.kind != ERR_NONE) {
                fprintf(stderr, "linnet: predict: %s\n", of->e.msg);
                bad++;
            } else if (!print_row(p, c, of->name,
                                  p->logits + (size_t)i * (size_t)p->net.n_class, e)) {
                return false;
            }
        }
        fflush(stdout);
    }
    if (*stop) {
        e->signal = *stop;
        return err_set(e, ERR_INTERRUPTED, "stopped by signal %d", *stop);
    }
    return bad == 0 || err_set(e, ERR_DATA, "%d of %d pictures could not be read", bad, l->n);
}

static bool run(struct call *call, struct err *e)
{
    const struct config *c = call->config;
    struct list l = {.arena = call->arena};
    struct predictor p = {0};
    bool ok = true;
    for (int i = 1; ok && i < call->n_operand; i++)
        ok = strcmp(call->operand[i], "-") == 0 ? add_stdin(&l, e)
                                                : add_path(&l, call->operand[i], 0, true, e);
    if (ok && l.n == 0)
        ok = err_set(e, ERR_DATA, "no pictures found");
    int batch = l.n < (int)c->batch ? l.n : (int)c->batch;
    ok = ok && predictor_open(&p, call->operand[0], (int)c->threads, batch, e) &&
         predict_all(&p, c, &l, e);
    predictor_close(&p);
    mem_free(l.at);
    mem_free(l.input);
    return ok;
}

const struct command command_predict = {
    .name = "predict",
    .synopsis = "predict RUN FILE... [options]",
    .summary = "what is on these pictures",
    .about =
        "RUN is a run directory (its best model is taken) or a model file; FILE a picture, a\n"
        "folder of pictures, or - for one on stdin. The model knows how pictures are\n"
        "prepared and what its classes are called.",
    .min_operand = 2,
    .max_operand = -1,
    .config_size = sizeof(struct config),
    .options = (const struct command_options[]){{options, 0}, {0}},
    .run = run,
};
