#include "cmd/help.h"
#include "backend/cpu/isa.h"
#include "base/build.h"

#include <string.h>

#include <oneapi/dnnl/dnnl.h>

const struct option common_rows[] = {
    {.name = "config",
     .type = OPTION_STRING,
     .offset = offsetof(struct common_options, config),
     .group = "General",
     .help = "a YAML file of the options above, key: value; what is typed here wins"},
    {.name = "help",
     .type = OPTION_BOOL,
     .offset = offsetof(struct common_options, help),
     .help = "this text"},
    {.name = NULL},
};

int command_tables(const struct command *c, void *config, struct common_options *common,
                   struct option_table table[COMMAND_MAX_TABLES])
{
    int n = 0;
    for (; c->options && c->options[n].row; n++)
        table[n] = (struct option_table){c->options[n].row, (char *)config + c->options[n].at};
    if (c->tables)
        n += c->tables(config, table + n);
    table[n++] = (struct option_table){common_rows, common};
    return n;
}

static const char tour[] =
    "Linnet trains image classifiers from a folder of pictures, on this computer.\n"
    "\n"
    "  linnet check pets                   is every picture readable, none twice?\n"
    "  linnet train pets --out runs/pets   one folder a class, in pets or in pets/train\n"
    "  linnet eval runs/pets               how good it is on the test pictures\n"
    "  linnet predict runs/pets cat.jpg    what is in this picture\n"
    "\n"
    "No pictures at hand? linnet demo-data pets draws some.\n";

void help_program(FILE *out)
{
    fprintf(out, "%s\nCommands\n", tour);
    for (int i = 0; commands[i]; i++)
        fprintf(out, "  %-12s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\nlinnet help COMMAND    its options, their ranges and defaults\n"
          "linnet --version       this build, its kernels and libraries\n",
          out);
}

void help_command(const struct command *c, const struct option_table *table, int n_table,
                  FILE *out)
{
    bool own = n_table > 1; /* than the common rows */
    fprintf(out, "linnet %s\n\n%s.\n", c->synopsis, c->summary);
    if (c->about)
        fprintf(out, "\n%s%s", c->about, c->about[strlen(c->about) - 1] == '\n' ? "" : "\n");
    if (!own)
        return;
    if (!table[0].row->group)
        fputs("\nOptions\n", out);
    option_help(table, n_table, out);
}

bool help_version(FILE *out, struct err *e)
{
    const struct isa *isa = isa_choose(e);
    const dnnl_version_t *v = dnnl_version();
    if (!isa)
        return false;
    fprintf(out, "linnet %s\nkernels: %s\noneDNN %d.%d.%d\n", LINNET_VERSION, isa->name,
            v->major, v->minor, v->patch);
    return true;
}
