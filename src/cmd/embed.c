/* linnet embed: what a network makes of pictures before it names a class, for other programs. */
#include "cmd/csv.h"
#include "cmd/features.h"

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

/* "file,label" and, with `values`, the features. */
static void put_table(const struct features *f, bool values, FILE *out)
{
    fputs("file,label", out);
    for (int k = 0; values && k < f->dim; k++)
        fprintf(out, ",f%d", k);
    putc('\n', out);
    for (int i = 0; i < f->n; i++) {
        csv_put(out, f->of[i]->name);
        putc(',', out);
        csv_put(out, f->of[i]->folder ? f->of[i]->folder : "");
        for (int k = 0; values && k < f->dim; k++)
            fprintf(out, ",%.9g", (double)f->row[(size_t)i * (size_t)f->dim + (size_t)k]);
        putc('\n', out);
    }
}

static bool write_table(const struct features *f, bool values, const char *path, struct err *e)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    bool ok = out != NULL;
    if (ok) {
        put_table(f, values, out);
        ok = !ferror(out);
        ok = fclose(out) == 0 && ok;
    }
    ok = ok ? file_write_atomic(path, &(struct file_part){text, n}, 1, e)
            : err_set(e, ERR_NOMEM, "%s: no memory for its text", path);
    free(text);
    return ok;
}

/* NumPy's format 1.0: magic, the header's length, a Python dictionary padded to 64 bytes, data. */
static bool write_npy(const struct features *f, const char *path, struct err *e)
{
    char head[128];
    int n =
        snprintf(head + 10, sizeof(head) - 10,
                 "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", f->n, f->dim);
    memcpy(head, "\x93NUMPY\x01\x00\x76\x00", 10); /* 128 - 10 bytes */
    memset(head + 10 + n, ' ', sizeof(head) - 10 - (size_t)n);
    head[sizeof(head) - 1] = '\n';
    struct file_part part[] = {{head, sizeof(head)},
                               {f->row, (size_t)f->n * (size_t)f->dim * sizeof(*f->row)}};
    char *side = mem_printf(e, "%.*s.files.csv", (int)(strlen(path) - strlen(".npy")), path);
    bool ok = side && file_write_atomic(path, part, 2, e) && write_table(f, false, side, e);
    mem_free(side);
    return ok;
}

static bool write_features(const struct features *f, const char *path, struct err *e)
{
    bool npy = ends_in(path, ".npy");
    if (f->n == 0)
        return err_set(e, ERR_DATA, "none of the pictures could be read");
    if (npy ? !write_npy(f, path, e) : !write_table(f, true, path, e))
        return false;
    printf("%s: %d pictures, %d features each\n", path, f->n, f->dim);
    return true;
}

static bool run(struct call *call, struct err *e)
{
    const struct config *c = call->config;
    struct listing l = {0};
    struct predictor p = {0};
    struct features f = {0};
    int bad = 0;
    if (!c->out || (!ends_in(c->out, ".npy") && !ends_in(c->out, ".csv")))
        return err_set(e, ERR_USAGE, "--out: expected FILE.npy or FILE.csv, not %s%s%s",
                       c->out ? "\"" : "", c->out ? c->out : "nothing", c->out ? "\"" : "");
    bool ok = inference_open(&c->inference, call, true, &p, &l, e) &&
              features_read(&f, "embed", &p, &l, &bad, e) && write_features(&f, c->out, e);
    features_release(&f);
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
