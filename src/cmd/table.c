#include "cmd/table.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <string.h>

static const char gap[] = "  ";

void table_cell(struct table *t, const char *fmt, ...)
{
    struct err e;
    if (t->n_cell == t->room && !t->failed) {
        int room = t->room ? 2 * t->room : 32;
        char **grown = mem_grow(t->cell, (size_t)t->room, (size_t)room, sizeof(*grown), &e);
        t->failed = !grown;
        t->cell = grown ? grown : t->cell;
        t->room = grown ? room : t->room;
    }
    if (t->failed)
        return;
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    char *copy = mem_text(text, &e);
    t->failed = !copy;
    if (copy)
        t->cell[t->n_cell++] = copy;
}

static int width_of(const struct table *t, int n_column, int column)
{
    int width = 0;
    for (int i = column; i < t->n_cell; i += n_column) {
        int n = utf8_columns(t->cell[i]);
        width = n > width ? n : width;
    }
    return width;
}

/* Nothing is padded behind the last text of a line. */
static void print_row(const struct table *t, int n_column, int row, const int *width, FILE *out)
{
    int pad = 0;
    fputs(t->indent ? t->indent : "", out);
    for (int c = 0; c < n_column; c++) {
        int at = row * n_column + c;
        const char *cell = at < t->n_cell ? t->cell[at] : "";
        int spare = width[c] - utf8_columns(cell);
        if (*cell) {
            fprintf(out, "%*s%s", pad + (t->align[c] == 'r' ? spare : 0), "", cell);
            pad = t->align[c] == 'r' ? 0 : spare;
        } else {
            pad += width[c];
        }
        pad += (int)sizeof(gap) - 1;
    }
    putc('\n', out);
}

static void print_rule(const struct table *t, int n_column, const int *width, FILE *out)
{
    fputs(t->indent ? t->indent : "", out);
    for (int c = 0; c < n_column; c++) {
        fputs(c ? gap : "", out);
        for (int i = 0; i < width[c]; i++)
            putc('-', out);
    }
    putc('\n', out);
}

bool table_print(struct table *t, FILE *out, struct err *e)
{
    enum { MAX_COLUMN = 32 };
    int n_column = (int)strlen(t->align), width[MAX_COLUMN];
    bool ok = !t->failed || err_set(e, ERR_NOMEM, "no memory for a table");
    if (ok && n_column > MAX_COLUMN)
        ok = err_set(e, ERR_INTERNAL, "a table of %d columns", n_column);
    for (int c = 0; ok && c < n_column; c++)
        width[c] = width_of(t, n_column, c);
    for (int row = 0; ok && row * n_column < t->n_cell; row++) {
        print_row(t, n_column, row, width, out);
        if (row == 0 && t->head)
            print_rule(t, n_column, width, out);
    }
    table_release(t);
    return ok;
}

void table_release(struct table *t)
{
    if (!t)
        return;
    for (int i = 0; i < t->n_cell; i++)
        mem_free(t->cell[i]);
    mem_free(t->cell);
    *t = (struct table){.align = t->align};
}
