/* A flat YAML mapping of key: value or key: [list], through libyaml's parser. Values stay text
 * until option_set_row reads them, so that 1e-4 is a number here although YAML 1.1 calls it a
 * string. Without libyaml the file is refused and the command line named instead. */
#include "base/build.h"
#include "base/file.h"
#include "base/option_row.h"

#include <string.h>

#if WITH_YAML
#include <yaml.h>

enum { YAML_LIMIT = 1 << 20 }; /* bytes: a configuration, not data */

struct reader {
    const struct option_table *table;
    int n_table;
    bool *seen; /* (option_count) */
    yaml_parser_t parser;
    yaml_event_t event; /* the current one */
    bool has_event;
    const char *path;
    struct arena *arena;
    struct err *e;
};

static unsigned long line(const struct reader *r)
{
    return (unsigned long)r->event.start_mark.line + 1;
}

static bool refuse(struct reader *r, const char *what)
{
    return err_set(r->e, ERR_USAGE, "%s: line %lu: %s", r->path, line(r), what);
}

static bool next(struct reader *r)
{
    if (r->has_event)
        yaml_event_delete(&r->event);
    r->has_event = yaml_parser_parse(&r->parser, &r->event) == 1;
    if (r->has_event)
        return true;
    return err_set(r->e, ERR_USAGE, "%s: line %lu: not YAML: %s", r->path,
                   (unsigned long)r->parser.problem_mark.line + 1,
                   r->parser.problem ? r->parser.problem : "no memory");
}

/* The scalar at hand, in the arena. */
static const char *scalar(struct reader *r)
{
    const char *text = (const char *)r->event.data.scalar.value;
    if (strlen(text) == r->event.data.scalar.length)
        return arena_text(r->arena, text, r->e);
    refuse(r, "a NUL in a text");
    return NULL;
}

static bool is_null(const struct reader *r)
{
    const char *text = (const char *)r->event.data.scalar.value;
    return r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (!*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

/* A sequence of scalars as "[a,b,c]". */
static bool list(struct reader *r, char *text, size_t size)
{
    size_t n = (size_t)snprintf(text, size, "[");
    for (int i = 0; next(r); i++) {
        if (r->event.type == YAML_SEQUENCE_END_EVENT) {
            snprintf(text + n, size - n, "]");
            return true;
        }
        if (r->event.type != YAML_SCALAR_EVENT)
            return refuse(r, "a list may hold numbers only");
        const char *item = (const char *)r->event.data.scalar.value;
        if (strlen(item) + 3 > size - n)
            return refuse(r, "a list that is too long");
        n += (size_t)snprintf(text + n, size - n, "%s%s", i ? "," : "", item);
    }
    return false;
}

static bool pair(struct reader *r)
{
    if (r->event.type != YAML_SCALAR_EVENT)
        return refuse(r, "expected key: value");
    unsigned long at = line(r);
    const char *key = scalar(r);
    if (!key)
        return false;
    void *into;
    const struct option *row = option_find(r->table, r->n_table, key, &into);
    if (!row)
        return option_unknown(r->table, r->n_table, "key", "", key, r->e) ||
               err_in(r->e, "%s: line %lu", r->path, at);
    bool *seen = &r->seen[option_place(r->table, r->n_table, row)];
    if (*seen)
        return err_set(r->e, ERR_USAGE, "%s: line %lu: %s: stands twice", r->path, at, key);
    *seen = true;
    if (!next(r))
        return false;
    char text[1024];
    const char *value = text;
    if (r->event.type == YAML_SEQUENCE_START_EVENT) {
        if (!list(r, text, sizeof(text)))
            return false;
    } else if (r->event.type == YAML_SCALAR_EVENT) {
        if (is_null(r))
            return err_set(r->e, ERR_USAGE, "%s: line %lu: %s: a value is missing", r->path, at,
                           key);
        value = scalar(r);
    } else {
        return err_set(r->e, ERR_USAGE, "%s: line %lu: %s: expected a value or a list", r->path,
                       at, key);
    }
    return value && (option_set_row(row, into, value, r->arena, r->e) ||
                     err_in(r->e, "%s: line %lu: %s", r->path, at, key));
}

static bool document(struct reader *r)
{
    do
        if (!next(r))
            return false;
    while (r->event.type == YAML_STREAM_START_EVENT ||
           r->event.type == YAML_DOCUMENT_START_EVENT);
    if (r->event.type == YAML_STREAM_END_EVENT)
        return true; /* an empty file */
    if (r->event.type != YAML_MAPPING_START_EVENT)
        return refuse(r, "expected key: value");
    while (next(r) && r->event.type != YAML_MAPPING_END_EVENT)
        if (!pair(r))
            return false;
    if (!r->has_event || !next(r) || !next(r))
        return false;
    return r->event.type == YAML_STREAM_END_EVENT || refuse(r, "a second document");
}

bool option_read_yaml(const struct option_table *table, int n_table, const char *path,
                      struct arena *a, struct err *e)
{
    struct reader r = {.table = table, .n_table = n_table, .path = path, .arena = a, .e = e};
    uint8_t *byte;
    size_t n;
    r.seen = arena_new(a, (size_t)option_count(table, n_table) + 1, 1, e);
    if (!r.seen || !file_read(path, YAML_LIMIT, ERR_USAGE, &byte, &n, e))
        return false;
    bool ok;
    if (yaml_parser_initialize(&r.parser)) {
        yaml_parser_set_input_string(&r.parser, byte, n);
        ok = document(&r);
        if (r.has_event)
            yaml_event_delete(&r.event);
        yaml_parser_delete(&r.parser);
    } else {
        ok = err_set(e, ERR_NOMEM, "%s: no memory", path);
    }
    mem_free(byte);
    return ok;
}

#else

bool option_read_yaml(const struct option_table *table, int n_table, const char *path,
                      struct arena *a, struct err *e)
{
    (void)table;
    (void)n_table;
    (void)a;
    return err_set(e, ERR_USAGE,
                   "%s: this build has no libyaml; give its keys as --key=value instead", path);
}

#endif
