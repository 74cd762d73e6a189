/* The rows for a reader: flag, what it takes, help, default and range, under their headings. */
#include "base/option.h"
#include "base/utf8.h"

#include <string.h>

enum { WIDTH = 92, HELP_AT = 28 };

static const char *placeholder(const struct option *row)
{
    switch (row->type) {
    case OPTION_BOOL:
        return "";
    case OPTION_INT:
        return " N";
    case OPTION_REAL:
        return " X";
    case OPTION_CHOICE:
        return " NAME";
    case OPTION_STRING:
        return " TEXT";
    case OPTION_INT_LIST:
        return " N,N,..";
    case OPTION_REAL_LIST:
        return " X,X,..";
    }
    return "";
}

/* Words from column `at` on, each line ending before WIDTH. */
static void wrap(const char *text, int column, FILE *out)
{
    for (bool first = true; *text; first = false) {
        text += strspn(text, " ");
        size_t n = strcspn(text, " ");
        char word[256];
        snprintf(word, sizeof(word), "%.*s", (int)n, text);
        int width = utf8_columns(word);
        if (!first && column + 1 + width > WIDTH) {
            fprintf(out, "\n%*s", HELP_AT, "");
            column = HELP_AT;
        } else if (!first) {
            putc(' ', out);
            column++;
        }
        fputs(word, out);
        column += width;
        text += n;
    }
    putc('\n', out);
}

static void row_help(const struct option *row, FILE *out)
{
    char flag[64], text[1024], fallback[256], range[512];
    option_flag(row, flag, sizeof(flag));
    option_fallback_text(row, fallback, sizeof(fallback));
    option_range(row, range, sizeof(range));
    bool on = row->type == OPTION_BOOL && row->fallback.b;
    int n = fprintf(out, "  --%s%s%s", on ? "no-" : "", flag, placeholder(row));
    if (n + 2 > HELP_AT)
        fprintf(out, "\n%*s", HELP_AT, "");
    else
        fprintf(out, "%*s", HELP_AT - n, "");
    bool show = row->type != OPTION_BOOL && *fallback;
    snprintf(text, sizeof(text), "%s%s%s%s%s%s%s", on ? "without: " : "", row->help,
             *range ? row->type == OPTION_CHOICE ? ": " : "; " : "", range, show ? " [" : "",
             show ? fallback : "", show ? "]" : "");
    wrap(text, HELP_AT, out);
}

void option_help(const struct option_table *table, int n_table, FILE *out)
{
    const char *group = NULL;
    for (int t = 0; t < n_table; t++)
        for (const struct option *row = table[t].row; row->name; row++) {
            if (row->group && (!group || strcmp(group, row->group) != 0))
                fprintf(out, "\n%s\n", row->group);
            group = row->group ? row->group : group;
            row_help(row, out);
        }
}
