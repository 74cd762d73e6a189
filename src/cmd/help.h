/* What the program says about itself. */
#ifndef CMD_HELP_H
#define CMD_HELP_H

#include "cmd/command.h"

/* Rows that every command with options has: --config, --help. */
struct common_options {
    const char *config;
    bool help;
};
extern const struct option common_rows[];

/* The command's tables over config (NULL to look at the rows only), the common one last; returns
 * how many. */
int command_tables(const struct command *c, void *config, struct common_options *common,
                   struct option_table table[COMMAND_MAX_TABLES]);

void help_program(FILE *out);
void help_command(const struct command *c, const struct option_table *table, int n_table,
                  FILE *out);
MUST_CHECK bool help_version(FILE *out, struct err *e);

#endif
