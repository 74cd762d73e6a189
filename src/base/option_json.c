/* Rows as members of a JSON object, typed as JSON has them, and back through their text. */
#include "base/number.h"
#include "base/option_row.h"

#include <string.h>

static void write_row(const struct option *row, const void *at, struct json_writer *w)
{
    switch (row->type) {
    case OPTION_BOOL:
        json_put_bool(w, row->name, *(const bool *)at);
        break;
    case OPTION_INT:
        json_put_int(w, row->name, *(const int64_t *)at);
        break;
    case OPTION_REAL:
        json_put_real(w, row->name, *(const double *)at);
        break;
    case OPTION_CHOICE:
        json_put_text(w, row->name, row->choice[*(const int *)at]);
        break;
    case OPTION_STRING:
        json_put_text(w, row->name, *(const char *const *)at);
        break;
    case OPTION_INT_LIST:
        json_open(w, row->name, '[');
        for (int i = 0; i < ((const struct int_list *)at)->n; i++)
            json_put_int(w, NULL, ((const struct int_list *)at)->at[i]);
        json_close(w, ']');
        break;
    case OPTION_REAL_LIST:
        json_open(w, row->name, '[');
        for (int i = 0; i < ((const struct real_list *)at)->n; i++)
            json_put_real(w, NULL, ((const struct real_list *)at)->at[i]);
        json_close(w, ']');
        break;
    }
}

bool option_write_json(const struct option_table *table, int n_table, struct json_writer *w,
                       struct err *e)
{
    for (int t = 0; t < n_table; t++)
        for (const struct option *row = table[t].row; row->name; row++)
            write_row(row, (const char *)table[t].into + row->offset, w);
    return json_done(w, e);
}

/* The text that means v, or NULL when no option takes such a value. */
static const char *scalar_text(const struct json *v, char text[NUMBER_TEXT])
{
    if (v->type == JSON_BOOL)
        return v->b ? "yes" : "no";
    if (v->type == JSON_STRING)
        return v->text;
    if (v->type != JSON_NUMBER)
        return NULL;
    if (v->is_int)
        snprintf(text, NUMBER_TEXT, "%lld", (long long)v->i);
    else
        number_text(v->number, text);
    return text;
}

static bool read_row(const struct option *row, void *into, const struct json *v,
                     struct arena *a, struct err *e)
{
    char number[NUMBER_TEXT], list[OPTION_LIST_MAX * NUMBER_TEXT + 2] = "[";
    const char *text = scalar_text(v, number);
    if (v->type == JSON_NULL && row->type == OPTION_STRING) {
        *(const char **)(void *)((char *)into + row->offset) = NULL;
        return true;
    }
    if (v->type == JSON_ARRAY && v->n <= OPTION_LIST_MAX) {
        size_t n = 1;
        for (int i = 0; i < v->n; i++) {
            text = scalar_text(&v->item[i], number);
            n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", i ? "," : "",
                                  text && strlen(text) < NUMBER_TEXT ? text : "?");
        }
        memcpy(list + n, "]", 2);
        text = list;
    }
    if (!text)
        return err_set(e, ERR_USAGE,
                       "expected a number, a text, yes or no, or a list of at "
                       "most %d numbers",
                       OPTION_LIST_MAX);
    return option_set_row(row, into, text, a, e);
}

bool option_read_json(const struct option_table *table, int n_table, const struct json *object,
                      struct arena *a, struct err *e)
{
    if (!object || object->type != JSON_OBJECT)
        return err_set(e, ERR_USAGE, "expected a JSON object of options");
    for (int i = 0; i < object->n; i++) {
        void *into;
        const struct option *row = option_find(table, n_table, object->key[i], &into);
        if (!row)
            return option_unknown(table, n_table, "key", "", object->key[i], e);
        if (!read_row(row, into, &object->item[i], a, e))
            return err_in(e, "%s", row->name);
    }
    return true;
}
