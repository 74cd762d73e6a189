/* The command line: --name value, --name=value, --flag, --no-flag, operands. */
#include "base/option_row.h"

#include <string.h>

struct parse {
    const struct option_table *table;
    int n_table;
    bool *seen; /* (option_count) */
    struct arena *arena;
    struct err *e;
};

static bool once(const struct parse *p, const struct option *row, const char *flag)
{
    bool *seen = &p->seen[option_place(p->table, p->n_table, row)];
    if (*seen)
        return err_set(p->e, ERR_USAGE, "--%s stands twice", flag);
    *seen = true;
    return true;
}

/* arg is what follows the dashes, next the argument behind it or NULL. Sets *used_next. */
static bool take_flag(const struct parse *p, const char *arg, const char *next, bool *used_next)
{
    const char *value = strchr(arg, '=');
    char name[64], flag[64];
    size_t n = value ? (size_t)(value - arg) : strlen(arg);
    snprintf(name, sizeof(name), "%.*s", (int)(n < 60 ? n : 60), arg);
    void *into;
    const struct option *row = option_find(p->table, p->n_table, name, &into);
    bool no = !row && strncmp(name, "no-", 3) == 0;
    if (no)
        row = option_find(p->table, p->n_table, name + 3, &into);
    if (!row || (no && row->type != OPTION_BOOL))
        return option_unknown(p->table, p->n_table, "option", "--", name, p->e);
    option_flag(row, flag, sizeof(flag));
    if (!once(p, row, flag))
        return false;
    if (no && value)
        return err_set(p->e, ERR_USAGE, "--no-%s takes no value", flag);
    if (value)
        value++;
    else if (row->type == OPTION_BOOL)
        value = no ? "no" : "yes";
    else if (next && strncmp(next, "--", 2) != 0)
        value = next;
    else
        return err_set(p->e, ERR_USAGE, "--%s needs a value", flag);
    *used_next = value == next;
    return option_set_row(row, into, value, p->arena, p->e) || err_in(p->e, "--%s", flag);
}

bool option_parse(const struct option_table *table, int n_table, int argc, char **argv,
                  const char *const **operand, struct arena *a, struct err *e)
{
    struct parse p = {.table = table, .n_table = n_table, .arena = a, .e = e};
    const char **rest = arena_new(a, (size_t)argc + 1, sizeof(*rest), e);
    p.seen = rest ? arena_new(a, (size_t)option_count(table, n_table) + 1, 1, e) : NULL;
    if (!p.seen)
        return false;
    bool ended = false;
    int n = 0;
    for (int i = 0; i < argc; i++) {
        bool used_next = false;
        if (ended || argv[i][0] != '-' || !argv[i][1])
            rest[n++] = argv[i];
        else if (strcmp(argv[i], "--") == 0)
            ended = true;
        else if (argv[i][1] != '-')
            return err_set(e, ERR_USAGE,
                           "unknown option %s; options begin with two dashes, and -- stands "
                           "before a file whose name begins with one",
                           argv[i]);
        else if (!take_flag(&p, argv[i] + 2, i + 1 < argc ? argv[i + 1] : NULL, &used_next))
            return false;
        i += used_next;
    }
    *operand = rest;
    return true;
}
