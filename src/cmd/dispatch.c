/* Finds the command, fills its configuration, runs it, and turns its error into a line and an exit
 * status. */
#include "cmd/command.h"
#include "cmd/help.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

static const struct command *find(const char *name, struct err *e)
{
    const char *known[64];
    int n = 0;
    for (; n < (int)COUNT_OF(known) && commands[n]; n++) {
        known[n] = commands[n]->name;
        if (strcmp(name, known[n]) == 0)
            return commands[n];
    }
    const char *nearest = nearest_name(name, known, n);
    err_set(e, ERR_USAGE, "unknown command \"%s\"%s%s%s; linnet --help lists them", name,
            nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
    return NULL;
}

static bool is_help(const char *arg)
{
    return strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0;
}

/* Anywhere before "--", whatever else may be wrong with the line. */
static bool wants_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (is_help(argv[i]))
            return true;
    return false;
}

/* The common rows stand behind the command's own. */
bool command_apply(struct call *c, struct err *e)
{
    if (c->file && !option_read_yaml(c->table, c->n_table, c->file, c->arena, e))
        return false;
    return option_parse(c->table, c->n_table + 1, c->argc, c->argv, &c->operand, c->arena, e);
}

/* The flags are read twice where there is a file: they name it, and they win over it. */
static bool fill(struct call *c, const struct common_options *common, struct err *e)
{
    if (!option_defaults(c->table, c->n_table + 1, c->arena, e) || !command_apply(c, e))
        return false;
    c->file = common->config;
    if (c->file &&
        (!option_defaults(c->table, c->n_table, c->arena, e) || !command_apply(c, e)))
        return false;
    while (c->operand[c->n_operand])
        c->n_operand++;
    return true;
}

static bool right_operands(const struct command *c, const struct call *call, struct err *e)
{
    if (call->n_operand < c->min_operand)
        return err_set(e, ERR_USAGE, "something is missing: linnet %s", c->synopsis);
    if (c->max_operand >= 0 && call->n_operand > c->max_operand)
        return err_set(e, ERR_USAGE, "\"%s\" is one too many: linnet %s",
                       call->operand[c->max_operand], c->synopsis);
    return true;
}

static bool run(const struct command *c, int argc, char **argv, struct arena *arena,
                struct err *e)
{
    struct option_table table[COMMAND_MAX_TABLES];
    struct common_options common = {0};
    struct call call = {.arena = arena, .table = table, .argc = argc, .argv = argv};
    call.config = arena_new(arena, 1, c->config_size + 1, e);
    if (!call.config)
        return false;
    int n_all = command_tables(c, call.config, &common, table);
    call.n_table = n_all - 1;
    if (wants_help(argc, argv)) {
        help_command(c, table, n_all, stdout);
        return true;
    }
    return (fill(&call, &common, e) && right_operands(c, &call, e) && c->run(&call, e)) ||
           err_in(e, "%s", c->name);
}

static bool answer(int argc, char **argv, struct arena *arena, struct err *e)
{
    char *help[] = {(char[]){"--help"}};
    const char *first = argc > 1 ? argv[1] : "--help";
    bool asks = strcmp(first, "help") == 0;
    if (is_help(first) || (asks && argc == 2)) {
        help_program(stdout);
        return true;
    }
    if (strcmp(first, "--version") == 0)
        return help_version(stdout, e);
    const struct command *c = find(asks ? argv[2] : first, e);
    if (!c)
        return false;
    return asks ? run(c, 1, help, arena, e) : run(c, argc - 2, argv + 2, arena, e);
}

int dispatch(int argc, char **argv)
{
    struct err e = {.kind = ERR_NONE};
    struct arena arena = {NULL};
    signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files is an error like a full disk */
    bool ok = answer(argc, argv, &arena, &e);
    /* A full disk behind `linnet ... > file` shows up here at the latest. */
    if ((fflush(stdout) != 0 || ferror(stdout)) && ok && errno != EPIPE)
        ok = err_errno(&e, "standard output");
    arena_release(&arena);
    if (ok)
        return 0;
    fprintf(stderr, "linnet: %s\n", e.msg);
    return err_status(&e);
}
