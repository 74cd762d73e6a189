/* Finds the command, fills its configuration, runs it, and turns its error into a line and an exit
 * status. */
#include "base/build.h"
#include "cmd/command.h"

#include <string.h>

static const char tour[] =
    "Linnet trains, tunes, explains and serves image classifiers from a folder of pictures.\n"
    "\n"
    "  linnet train pets             one folder a class in pets/train (or in pets itself)\n"
    "  linnet eval runs/pets         opens the test set, once you are done\n"
    "  linnet predict runs/pets *.jpg\n"
    "\n";

static void list_commands(FILE *out)
{
    fputs(tour, out);
    fputs("Commands:\n", out);
    for (int i = 0; commands[i]; i++)
        fprintf(out, "  %-12s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\n  linnet COMMAND --help tells its options; linnet --version what this is.\n", out);
}

static const struct command *find(const char *name, struct err *e)
{
    const char *known[64];
    int n = 0;
    for (; commands[n] && n < (int)COUNT_OF(known); n++) {
        known[n] = commands[n]->name;
        if (!strcmp(name, known[n]))
            return commands[n];
    }
    const char *near = nearest_name(name, known, n);
    err_set(e, ERR_USAGE, "no command '%s'%s%s; see linnet --help", name,
            near ? "; did you mean " : "", near ? near : "");
    return NULL;
}

static int bind(const struct command *c, void *config, struct option_table *table)
{
    int n = 0;
    for (; c->options && c->options[n].row && n < COMMAND_MAX_TABLES; n++)
        table[n] = (struct option_table){c->options[n].row, (char *)config + c->options[n].at};
    return n + (c->tables ? c->tables(config, table + n) : 0);
}

static void help(const struct command *c, const struct option_table *table, int n_table)
{
    printf("linnet %s\n\n%s\n", c->synopsis, c->summary);
    if (c->about)
        printf("\n%s\n", c->about);
    if (n_table > 0)
        option_help(table, n_table, stdout);
}

/* Takes --config FILE out of the arguments and says what it was. */
static const char *take_config(int *argc, char **argv, struct err *e)
{
    static const char flag[] = "--config";
    for (int i = 0; i < *argc && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], flag, strlen(flag)) != 0)
            continue;
        const char *rest = argv[i] + strlen(flag), *file = *rest == '=' ? rest + 1 : NULL;
        int taken = file ? 1 : 2;
        if (*rest && *rest != '=')
            continue;
        if (!file && i + 1 < *argc)
            file = argv[i + 1];
        if (!file)
            err_set(e, ERR_USAGE, "--config needs a file");
        for (int k = i; file && k + taken < *argc; k++)
            argv[k] = argv[k + taken];
        *argc -= file ? taken : 0;
        return file;
    }
    return NULL;
}

bool command_apply(struct call *c, struct err *e)
{
    return (!c->file || option_read_yaml(c->table, c->n_table, c->file, c->arena, e)) &&
           option_parse(c->table, c->n_table, c->argc, c->argv, &c->operand, c->arena, e);
}

static bool fill(const struct command *c, struct call *call, int argc, char **argv,
                 struct err *e)
{
    call->file = take_config(&argc, argv, e);
    call->argc = argc;
    call->argv = argv;
    if (e->kind != ERR_NONE || !option_defaults(call->table, call->n_table, call->arena, e) ||
        !command_apply(call, e))
        return false;
    while (call->operand[call->n_operand])
        call->n_operand++;
    if (call->n_operand < c->min_operand ||
        (c->max_operand >= 0 && call->n_operand > c->max_operand))
        return err_set(e, ERR_USAGE, "%d operand%s given; usage: linnet %s", call->n_operand,
                       call->n_operand == 1 ? "" : "s", c->synopsis);
    return true;
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
            return true;
    return false;
}

static bool run(const struct command *c, int argc, char **argv, struct arena *arena,
                struct err *e)
{
    struct option_table table[2 * COMMAND_MAX_TABLES];
    struct call call = {.arena = arena, .table = table};
    call.config = arena_new(arena, 1, c->config_size + 1, e);
    if (!call.config)
        return false;
    call.n_table = bind(c, call.config, table);
    if (wants_help(argc, argv)) {
        help(c, table, call.n_table);
        return true;
    }
    return (fill(c, &call, argc, argv, e) && c->run(&call, e)) || err_in(e, "%s", c->name);
}

int dispatch(int argc, char **argv)
{
    struct err e = {.kind = ERR_NONE};
    struct arena arena = {NULL};
    const char *first = argc > 1 ? argv[1] : "--help";
    const struct command *c = NULL;
    if (!strcmp(first, "--version")) {
        printf("linnet %s\n", LINNET_VERSION);
    } else if (!strcmp(first, "--help") || !strcmp(first, "-h") ||
               (!strcmp(first, "help") && argc == 2)) {
        list_commands(stdout);
    } else if (!strcmp(first, "help")) {
        char *ask[] = {"--help"};
        if ((c = find(argv[2], &e)))
            run(c, 1, ask, &arena, &e);
    } else if ((c = find(first, &e))) {
        run(c, argc - 2, argv + 2, &arena, &e);
    }
    if (e.kind != ERR_NONE)
        fprintf(stderr, "linnet: %s\n", e.msg);
    arena_release(&arena);
    return err_status(&e);
}
