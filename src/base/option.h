/* One knob, described once. The row parses --lr=0.1 and the YAML key lr, prints the help line,
 * bounds a sweep, and names the column in a run's records. */
#ifndef BASE_OPTION_H
#define BASE_OPTION_H

#include "base/json.h"
#include "base/mem.h"

#include <stdint.h>
#include <stdio.h>

enum option_type {
    OPTION_BOOL,      /* bool;        --flag, --no-flag, --flag=true */
    OPTION_INT,       /* int64_t */
    OPTION_REAL,      /* double;      NaN and infinity are refused */
    OPTION_CHOICE,    /* int:         index into choice */
    OPTION_STRING,    /* const char * (in the caller's arena), NULL = not given */
    OPTION_INT_LIST,  /* struct int_list;  "32,64,128" or a YAML list */
    OPTION_REAL_LIST, /* struct real_list */
};

enum { OPTION_LIST_MAX = 32 };
struct int_list {
    int n;
    int64_t at[OPTION_LIST_MAX];
};
struct real_list {
    int n;
    double at[OPTION_LIST_MAX];
};

union option_value {
    bool b;
    int64_t i;
    double r;
    const char *s; /* also lists and choices, as text: "32,64,128", "cosine" */
};

enum scale { SCALE_LINEAR, SCALE_LOG };

struct option {
    const char *name; /* "lr": --lr and lr: ; '-' in the flag is '_' in YAML, either is taken */
    enum option_type type;
    size_t offset; /* of the field in its struct */
    /* Of numbers and of the items of lists; both 0 = no bound, a max of INT64_MAX or INFINITY =
     * none above. */
    union option_value min, max;
    union option_value fallback;
    const char *const *choice; /* the names it may take, NULL-ended; NULL for other types */
    enum scale scale;          /* for sweeps */
    const char *group;         /* heading in --help; NULL = that of the row above */
    const char *when;          /* the option and value it depends on: "optimiser=sgd" */
    const char *help;          /* one line, with the unit: "warm-up, in epochs" */
};

/* Several tables over several structs form one set: each table's rows end with name == NULL. */
struct option_table {
    const struct option *row;
    void *into; /* the struct that the offsets count from */
};

/* Sets every field to its fallback; texts are copied into the arena. */
MUST_CHECK bool option_defaults(const struct option_table *table, int n_table, struct arena *a,
                                struct err *e);
/* One value as text. ERR_USAGE names the option, the value and what was expected; of an unknown
 * option, the nearest known one. */
MUST_CHECK bool option_set(const struct option_table *table, int n_table, const char *name,
                           const char *text, struct arena *a, struct err *e);
/* argv after the subcommand; an option may stand once. What is no option is an operand: *operand
 * is NULL-ended, in the arena. "-" is an operand; "--" ends the options. */
MUST_CHECK bool option_parse(const struct option_table *table, int n_table, int argc,
                             char **argv, const char *const **operand, struct arena *a,
                             struct err *e);
/* A YAML file of key: value; errors name file, line, key. Needs libyaml. */
MUST_CHECK bool option_read_yaml(const struct option_table *table, int n_table,
                                 const char *path, struct arena *a, struct err *e);
/* Every row resolved, as members of the object that is open in w (a run's config.json). */
MUST_CHECK bool option_write_json(const struct option_table *table, int n_table,
                                  struct json_writer *w, struct err *e);
/* And back: every member must be a row; a row without a member keeps its value. */
MUST_CHECK bool option_read_json(const struct option_table *table, int n_table,
                                 const struct json *object, struct arena *a, struct err *e);
/* The value of one row as text (what --help and tables show), into text; returns text. */
char *option_text(const struct option *row, const void *into, char *text, size_t size);
/* The value that a row has before anybody sets it, "" when there is none. Returns text. */
char *option_fallback_text(const struct option *row, char *text, size_t size);
/* What may be given: "0 .. 1", "at least 1", "sgd, adam"; "" when anything. Returns text. */
char *option_range(const struct option *row, char *text, size_t size);
void option_help(const struct option_table *table, int n_table, FILE *out);
/* The flag as typed, without dashes in front: batch_size is "batch-size". Returns text. */
char *option_flag(const struct option *row, char *text, size_t size);
/* The row of a name, with '-' and '_' the same; *into is its struct. NULL: unknown. */
const struct option *option_find(const struct option_table *table, int n_table,
                                 const char *name, void **into);
/* The known name nearest to `name` (edit distance at most 3, or a prefix), or NULL. */
const char *nearest_name(const char *name, const char *const *known, int n_known);

#endif
