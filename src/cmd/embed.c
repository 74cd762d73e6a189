/* linnet embed: what a network makes of pictures before it names a class, for other programs. Rows go
 * to the disk as they come, so that a folder may be of any size. */
#include "cmd/csv.h"
#include "cmd/inference.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct config {
    const char *out;
    struct inference inference;
};

static const struct option options[] = {
    {.name = "out",
     .type = OPTION_STRING,
     .offset = offsetof(struct config, out),
     .group = "Output",
     .help =
         "FILE.npy (float32, a row a picture; names and labels in FILE.files.csv), FILE.csv"},
    {.name = NULL},
};

static bool ends_in(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n > m && !strcmp(text + n - m, end);
}

/* Both files grow together. */
struct writer {
    int n, dim;
    bool npy;
    struct file_draft table; /* "file,label" and, when it is all there is, the features */
    struct file_draft array; /* npy: the features */
    char *table_path;
};

/* A line of the table; of == NULL: the first, which names the columns. */
static void put_line(const struct writer *w, const struct picture *of, const float *row,
                     FILE *out)
{
    csv_put(out, of ? of->name : "file");
    putc(',', out);
    csv_put(out, !of ? "label" : of->folder ? of->folder : "");
    for (int k = 0; !w->npy && k < w->dim; k++)
        if (of)
            fprintf(out, ",%.9g", (double)row[k]);
        else
            fprintf(out, ",f%d", k);
    putc('\n', out);
}

static bool add_line(struct writer *w, const struct picture *of, const float *row,
                     struct err *e)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    bool ok = out != NULL;
    if (ok) {
        put_line(w, of, row, out);
        ok = !ferror(out);
        ok = fclose(out) == 0 && ok;
    }
    ok = ok ? file_draft_add(&w->table, text, n, e)
            : err_set(e, ERR_NOMEM, "%s: no memory for a line", w->table_path);
    free(text);
    return ok;
}

/* NumPy's format 1.0: magic, the header's length, a Python dictionary padded to 64 bytes, data. */
enum { NPY_HEAD = 128 };
static void make_head(const struct writer *w, char head[NPY_HEAD])
{
    int n =
        snprintf(head + 10, NPY_HEAD - 10,
                 "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", w->n, w->dim);
    memcpy(head, "\x93NUMPY\x01\x00\x76\x00", 10); /* 128 - 10 bytes */
    memset(head + 10 + n, ' ', NPY_HEAD - 10 - (size_t)n);
    head[NPY_HEAD - 1] = '\n';
}

static bool add_row(void *ctx, const struct picture *of, const float *row, struct err *e)
{
    struct writer *w = ctx;
    w->n++;
    return add_line(w, of, row, e) &&
           (!w->npy || file_draft_add(&w->array, row, (size_t)w->dim * sizeof(*row), e));
}

static bool writer_open(struct writer *w, const char *path, int dim, struct err *e)
{
    char head[NPY_HEAD];
    *w = (struct writer){.dim = dim, .npy = ends_in(path, ".npy")};
    make_head(w, head);
    w->table_path =
        w->npy ? mem_printf(e, "%.*s.files.csv", (int)(strlen(path) - strlen(".npy")), path)
               : mem_text(path, e);
    return w->table_path &&
           (!w->npy || (file_draft_open(&w->array, path, e) &&
                        file_draft_add(&w->array, head, sizeof(head), e))) &&
           file_draft_open(&w->table, w->table_path, e) && add_line(w, NULL, NULL, e);
}

/* The names come first: where there are features, there is what they are of. */
static bool writer_publish(struct writer *w, struct err *e)
{
    char head[NPY_HEAD];
    make_head(w, head);
    if (w->n == 0)
        return err_set(e, ERR_DATA, "none of the pictures could be read");
    return (!w->npy || file_draft_head(&w->array, head, sizeof(head), e)) &&
           file_draft_publish(&w->table, e) && (!w->npy || file_draft_publish(&w->array, e));
}

static void writer_close(struct writer *w)
{
    file_draft_close(&w->table);
    file_draft_close(&w->array);
    mem_free(w->table_path);
}

static bool embed(const char *path, struct predictor *p, struct listing *l, int *n_bad,
                  struct err *e)
{
    struct writer w;
    struct inference_each all = {.command = "embed",
                                 .predictor = p,
                                 .listing = l,
                                 .row = add_row,
                                 .ctx = &w,
                                 .label = "features"};
    bool ok = writer_open(&w, path, p->n_out, e) && inference_each(&all, n_bad, e) &&
              writer_publish(&w, e);
    writer_close(&w);
    if (ok)
        printf("%s: %d pictures, %d features each\n", path, w.n, w.dim);
    return ok;
}

static bool run(struct call *call, struct err *e)
{
    const struct config *c = call->config;
    struct listing l = {0};
    struct predictor p = {0};
    int bad = 0;
    if (!c->out || (!ends_in(c->out, ".npy") && !ends_in(c->out, ".csv")))
        return err_set(e, ERR_USAGE, "--out: expected FILE.npy or FILE.csv, not %s%s%s",
                       c->out ? "\"" : "", c->out ? c->out : "nothing", c->out ? "\"" : "");
    bool ok =
        inference_open(&c->inference, call, true, &p, &l, e) && embed(c->out, &p, &l, &bad, e);
    predictor_close(&p);
    ok = ok &&
         (bad == 0 || err_set(e, ERR_DATA, "%d of %d pictures could not be read", bad, l.n));
    listing_release(&l);
    return ok;
}

const struct command command_embed = {
    .name = "embed",
    .synopsis = "embed RUN|--model NAME FILE... --out features.npy [options]",
    .summary = "the features of pictures, as numbers",
    .about =
        "Writes what the last layer reads of each picture: the features that the network has\n"
        "learned to see. RUN is a run directory or a model file, --model takes its place; "
        "FILE\n"
        "a picture, a folder of pictures, or - for one on stdin. A picture's label is the\n"
        "sub-folder it lies in.",
    .min_operand = 1,
    .max_operand = -1,
    .config_size = sizeof(struct config),
    .options =
        (const struct command_options[]){
            {options, 0}, {inference_options, offsetof(struct config, inference)}, {0}},
    .run = run,
};
