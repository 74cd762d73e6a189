/* Text into fields and back. Every source (flag, YAML key, JSON member) hands text to
 * option_set_row, so all of them mean the same. */
#include "base/option.h"
#include "base/number.h"
#include "base/option_row.h"

#include <math.h>
#include <string.h>

static void *field(const struct option *row, void *into)
{
    return (char *)into + row->offset;
}

static bool same_name(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if (*a != *b && !((*a == '-' || *a == '_') && (*b == '-' || *b == '_')))
            return false;
    return *a == *b;
}

const struct option *option_find(const struct option_table *table, int n_table,
                                 const char *name, void **into)
{
    for (int t = 0; t < n_table; t++)
        for (const struct option *row = table[t].row; row->name; row++)
            if (same_name(row->name, name)) {
                *into = table[t].into;
                return row;
            }
    return NULL;
}

int option_count(const struct option_table *table, int n_table)
{
    int n = 0;
    for (int t = 0; t < n_table; t++)
        for (const struct option *row = table[t].row; row->name; row++)
            n++;
    return n;
}

int option_place(const struct option_table *table, int n_table, const struct option *row)
{
    int n = 0;
    for (int t = 0; t < n_table; t++)
        for (const struct option *r = table[t].row; r->name; r++, n++)
            if (r == row)
                return n;
    return n;
}

char *option_flag(const struct option *row, char *text, size_t size)
{
    size_t i = 0;
    for (; row->name[i] && i + 1 < size; i++)
        text[i] = row->name[i] == '_' ? '-' : row->name[i];
    text[i] = '\0';
    return text;
}

bool option_unknown(const struct option_table *table, int n_table, const char *what,
                    const char *dashes, const char *name, struct err *e)
{
    const char *known[512];
    int n = 0;
    for (int t = 0; t < n_table; t++)
        for (const struct option *row = table[t].row; row->name; row++)
            if (n < (int)COUNT_OF(known))
                known[n++] = row->name;
    const char *nearest = nearest_name(name, known, n);
    char flag[64] = "";
    if (nearest && *dashes)
        nearest = option_flag(&(struct option){.name = nearest}, flag, sizeof(flag));
    if (nearest)
        return err_set(e, ERR_USAGE, "unknown %s %s%s; did you mean %s%s?", what, dashes, name,
                       dashes, nearest);
    return err_set(e, ERR_USAGE, "unknown %s %s%s", what, dashes, name);
}

static bool bounded(const struct option *row)
{
    bool real = row->type == OPTION_REAL || row->type == OPTION_REAL_LIST;
    return real ? row->min.r != 0 || row->max.r != 0 : row->min.i != 0 || row->max.i != 0;
}

/* "a number from 0 to 1", for what was expected. */
static bool expected(const struct option *row, const char *what, const char *text,
                     struct err *e)
{
    char range[256];
    option_range(row, range, sizeof(range));
    return err_set(e, ERR_USAGE, "expected %s%s%s, not \"%s\"", what, *range ? ", " : "", range,
                   text);
}

static bool parse_int(const struct option *row, const char *text, int64_t *out, struct err *e)
{
    int64_t i;
    if (!number_int(text, &i) || (bounded(row) && (i < row->min.i || i > row->max.i)))
        return expected(row, "a whole number", text, e);
    *out = i;
    return true;
}

static bool parse_real(const struct option *row, const char *text, double *out, struct err *e)
{
    double r;
    if (!number_real(text, &r) || (bounded(row) && (r < row->min.r || r > row->max.r)))
        return expected(row, "a number", text, e);
    *out = r;
    return true;
}

static bool parse_bool(const char *text, bool *out, struct err *e)
{
    static const char *const word[] = {"no",    "yes",  "off",   "on",   "0",     "1",
                                       "false", "true", "False", "True", "FALSE", "TRUE",
                                       "Off",   "On",   "No",    "Yes"};
    for (size_t i = 0; i < COUNT_OF(word); i++)
        if (strcmp(text, word[i]) == 0) {
            *out = i % 2 == 1;
            return true;
        }
    return err_set(e, ERR_USAGE, "expected yes or no, not \"%s\"", text);
}

static bool parse_choice(const struct option *row, const char *text, int *out, struct err *e)
{
    int n = 0;
    for (; row->choice[n]; n++)
        if (same_name(row->choice[n], text)) {
            *out = n;
            return true;
        }
    const char *nearest = nearest_name(text, row->choice, n);
    char known[384];
    option_range(row, known, sizeof(known));
    return err_set(e, ERR_USAGE, "unknown value \"%s\"%s%s%s; known are %s", text,
                   nearest ? ", did you mean " : "", nearest ? nearest : "", nearest ? "?" : "",
                   known);
}

/* The next item of "32, 64,128" into item; false at the end. *text moves on. */
static bool next_item(const char **text, char *item, size_t size)
{
    const char *from = *text + strspn(*text, " \t");
    if (!*from)
        return false;
    size_t n = strcspn(from, ","), used = n;
    *text = from + n + (from[n] == ',');
    while (used > 0 && strchr(" \t", from[used - 1]))
        used--;
    used = used < size ? used : size - 1;
    memcpy(item, from, used);
    item[used] = '\0';
    return true;
}

/* Brackets are allowed and "[]" is the empty list; a comma must stand between two items. */
static bool parse_list(const struct option *row, void *out, const char *text, struct err *e)
{
    struct int_list ints = {0};
    struct real_list reals = {0};
    char list[1024], item[128];
    const char *at = list;
    size_t n = strlen(text);
    bool bracket = n >= 2 && text[0] == '[' && text[n - 1] == ']', ok = n < sizeof(list);
    if (ok) {
        memcpy(list, text + bracket, n - 2 * (size_t)bracket);
        list[n - 2 * (size_t)bracket] = '\0';
        size_t end = strlen(list);
        ok = (n > 0 || bracket) && !(end > 0 && list[end - 1] == ',');
    }
    if (!ok)
        return err_set(e, ERR_USAGE, "expected a list such as 32,64,128, not \"%.100s\"", text);
    for (int i = 0; next_item(&at, item, sizeof(item)); i++) {
        if (i == OPTION_LIST_MAX)
            return err_set(e, ERR_USAGE, "a list of more than %d items", OPTION_LIST_MAX);
        if (row->type == OPTION_INT_LIST ? !parse_int(row, item, &ints.at[i], e)
                                         : !parse_real(row, item, &reals.at[i], e))
            return err_in(e, "item %d of \"%.100s\"", i + 1, text);
        ints.n = reals.n = i + 1;
    }
    if (row->type == OPTION_INT_LIST)
        *(struct int_list *)out = ints;
    else
        *(struct real_list *)out = reals;
    return true;
}

bool option_set_row(const struct option *row, void *into, const char *text, struct arena *a,
                    struct err *e)
{
    void *out = field(row, into);
    switch (row->type) {
    case OPTION_BOOL:
        return parse_bool(text, out, e);
    case OPTION_INT:
        return parse_int(row, text, out, e);
    case OPTION_REAL:
        return parse_real(row, text, out, e);
    case OPTION_CHOICE:
        return parse_choice(row, text, out, e);
    case OPTION_STRING: {
        const char *copy = arena_text(a, text, e);
        if (copy)
            *(const char **)out = copy;
        return copy != NULL;
    }
    case OPTION_INT_LIST:
    case OPTION_REAL_LIST:
        return parse_list(row, out, text, e);
    }
    return err_set(e, ERR_INTERNAL, "option %s has no type", row->name);
}

static bool set_default(const struct option *row, void *into, struct arena *a, struct err *e)
{
    void *out = field(row, into);
    switch (row->type) {
    case OPTION_BOOL:
        *(bool *)out = row->fallback.b;
        return true;
    case OPTION_INT:
        *(int64_t *)out = row->fallback.i;
        return true;
    case OPTION_REAL:
        *(double *)out = row->fallback.r;
        return true;
    case OPTION_STRING:
        if (row->fallback.s)
            return option_set_row(row, into, row->fallback.s, a, e);
        *(const char **)out = NULL;
        return true;
    case OPTION_CHOICE:
        return parse_choice(row, row->fallback.s ? row->fallback.s : row->choice[0], out, e);
    case OPTION_INT_LIST:
    case OPTION_REAL_LIST:
        return parse_list(row, out, row->fallback.s ? row->fallback.s : "[]", e);
    }
    return err_set(e, ERR_INTERNAL, "no type");
}

bool option_defaults(const struct option_table *table, int n_table, struct arena *a,
                     struct err *e)
{
    for (int t = 0; t < n_table; t++)
        for (const struct option *row = table[t].row; row->name; row++)
            if (!set_default(row, table[t].into, a, e))
                return err_in(e, "the default of %s", row->name);
    return true;
}

bool option_set(const struct option_table *table, int n_table, const char *name,
                const char *text, struct arena *a, struct err *e)
{
    void *into;
    const struct option *row = option_find(table, n_table, name, &into);
    if (!row)
        return option_unknown(table, n_table, "option", "--", name, e);
    char flag[64];
    return option_set_row(row, into, text, a, e) ||
           err_in(e, "--%s", option_flag(row, flag, sizeof(flag)));
}

/* Items with commas between; a text that is full is cut. */
static void append(char *text, size_t size, const char *item)
{
    size_t n = strlen(text);
    if (n + 1 < size)
        snprintf(text + n, size - n, "%s%s", n ? "," : "", item);
}

char *option_text(const struct option *row, const void *into, char *text, size_t size)
{
    const void *at = (const char *)into + row->offset;
    char number[NUMBER_TEXT];
    text[0] = '\0';
    switch (row->type) {
    case OPTION_BOOL:
        snprintf(text, size, "%s", *(const bool *)at ? "yes" : "no");
        break;
    case OPTION_INT:
        snprintf(text, size, "%lld", (long long)*(const int64_t *)at);
        break;
    case OPTION_REAL:
        snprintf(text, size, "%s", number_text(*(const double *)at, number));
        break;
    case OPTION_CHOICE:
        snprintf(text, size, "%s", row->choice[*(const int *)at]);
        break;
    case OPTION_STRING:
        if (*(const char *const *)at)
            snprintf(text, size, "%s", *(const char *const *)at);
        break;
    case OPTION_INT_LIST:
        for (int i = 0; i < ((const struct int_list *)at)->n; i++) {
            snprintf(number, sizeof(number), "%lld",
                     (long long)((const struct int_list *)at)->at[i]);
            append(text, size, number);
        }
        break;
    case OPTION_REAL_LIST:
        for (int i = 0; i < ((const struct real_list *)at)->n; i++)
            append(text, size, number_text(((const struct real_list *)at)->at[i], number));
        break;
    }
    return text;
}

char *option_fallback_text(const struct option *row, char *text, size_t size)
{
    union {
        struct int_list ints;
        struct real_list reals;
        double r;
    } of_row = {.ints = {0}};
    struct option alone = *row;
    struct err e;
    text[0] = '\0';
    alone.offset = 0;
    if (row->type == OPTION_STRING)
        snprintf(text, size, "%s", row->fallback.s ? row->fallback.s : "");
    else if (set_default(&alone, &of_row, NULL, &e))
        option_text(&alone, &of_row, text, size);
    return text;
}

static void bound_text(const struct option *row, const union option_value *v, char *text,
                       size_t size)
{
    char number[NUMBER_TEXT];
    if (row->type == OPTION_REAL || row->type == OPTION_REAL_LIST)
        snprintf(text, size, "%s", number_text(v->r, number));
    else
        snprintf(text, size, "%lld", (long long)v->i);
}

char *option_range(const struct option *row, char *text, size_t size)
{
    bool real = row->type == OPTION_REAL || row->type == OPTION_REAL_LIST;
    bool number = real || row->type == OPTION_INT || row->type == OPTION_INT_LIST;
    char min[NUMBER_TEXT], max[NUMBER_TEXT];
    text[0] = '\0';
    if (row->type == OPTION_CHOICE)
        for (int i = 0; row->choice[i]; i++) {
            size_t n = strlen(text);
            if (n + 1 < size)
                snprintf(text + n, size - n, "%s%s", n ? ", " : "", row->choice[i]);
        }
    if (!number || !bounded(row))
        return text;
    bound_text(row, &row->min, min, sizeof(min));
    bound_text(row, &row->max, max, sizeof(max));
    if (real ? isinf(row->max.r) != 0 : row->max.i == INT64_MAX)
        snprintf(text, size, "at least %s", min);
    else
        snprintf(text, size, "%s .. %s", min, max);
    return text;
}
