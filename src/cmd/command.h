/* One subcommand: a file src/cmd/<name>.c with its row at the foot, and a line in main.c's table.
 * The dispatcher fills its configuration from --config FILE and the flags, then runs it. */
#ifndef CMD_COMMAND_H
#define CMD_COMMAND_H

#include "base/option.h"

enum { COMMAND_MAX_TABLES = 48 }; /* two of them are the frame's own */ /* of either kind */

/* Option rows over a struct that lies inside the command's configuration. */
struct command_options {
    const struct option *row; /* ended by name == NULL */
    size_t at;                /* of the struct, in the configuration */
};

struct call {
    void *config;               /* config_size bytes, every option resolved */
    const char *const *operand; /* NULL-ended */
    int n_operand;
    /* The rows bound to config, for records and comparisons; not --config and --help. */
    const struct option_table *table;
    int n_table;
    struct arena *arena; /* lives until the command has ended */
    /* What was given, for command_apply: */
    const char *file; /* --config's, or NULL */
    int argc;
    char **argv;
};
/* Applies --config FILE and the flags again, over what the configuration holds by now. */
MUST_CHECK bool command_apply(struct call *c, struct err *e);

struct command {
    const char *name;             /* "train" */
    const char *synopsis;         /* "train DIR [options]" */
    const char *summary;          /* one line without a full stop, for the list of commands */
    const char *about;            /* what --help says before the options; may be NULL */
    int min_operand, max_operand; /* -1 = any number */
    size_t config_size;
    const struct command_options *options; /* ended by row == NULL; NULL = none */
    /* Further tables over config, where other modules own the rows (the transforms'): fills in at
     * most COMMAND_MAX_TABLES - 2 and returns how many. NULL = none. */
    int (*tables)(void *config, struct option_table *table);
    bool (*run)(struct call *c, struct err *e);
};

extern const struct command *const commands[]; /* main.c: in the order of --help, NULL-ended */

/* The whole program: its exit status. Errors are one line on stderr: "linnet: train: ...". A
 * command prints its result on stdout and what goes on meanwhile on stderr (cmd/progress.h). */
int dispatch(int argc, char **argv);

#endif
