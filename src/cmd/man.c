/* linnet man: the manual page in roff, made from the same tables as --help. */
#include "base/build.h"
#include "cmd/command.h"
#include "cmd/help.h"

#include <string.h>

/* Roff takes a dot or quote at the start of a line, '-' and '\' for its own. */
static void roff(const char *text)
{
    for (bool start = true; *text; text++) {
        if (start && (*text == '.' || *text == '\''))
            fputs("\\&", stdout);
        if (*text == '\\')
            fputs("\\e", stdout);
        else if (*text == '-')
            fputs("\\-", stdout);
        else
            putchar(*text);
        start = *text == '\n';
    }
}

static void describe_row(const struct option *row)
{
    char flag[64], fallback[256], range[512];
    option_flag(row, flag, sizeof(flag));
    option_range(row, range, sizeof(range));
    option_fallback_text(row, fallback, sizeof(fallback));
    fputs(".TP\n.B ", stdout);
    roff("--");
    roff(row->type == OPTION_BOOL && row->fallback.b ? "no-" : "");
    roff(flag);
    putchar('\n');
    roff(row->type == OPTION_BOOL && row->fallback.b ? "without: " : "");
    roff(row->help ? row->help : "");
    if (*range) {
        fputs(row->type == OPTION_CHOICE ? ": " : "; ", stdout);
        roff(range);
    }
    if (row->type != OPTION_BOOL && *fallback) {
        fputs("; default ", stdout);
        roff(fallback);
    }
    putchar('\n');
}

static bool describe(const struct command *c, struct arena *a, struct err *e)
{
    struct option_table table[COMMAND_MAX_TABLES];
    struct common_options common;
    void *config = arena_new(a, 1, c->config_size + 1, e);
    if (!config)
        return false;
    int n = command_tables(c, config, &common, table);
    fputs(".SS linnet ", stdout);
    roff(c->synopsis);
    putchar('\n');
    roff(c->summary);
    puts(".");
    if (c->about) {
        puts(".PP\n.nf");
        roff(c->about);
        puts("\n.fi");
    }
    for (int t = 0; n > 1 && t < n; t++) /* the last table is common to all */
        for (const struct option *row = table[t].row; row->name; row++)
            describe_row(row);
    return true;
}

static bool man_run(struct call *c, struct err *e)
{
    printf(".TH LINNET 1 \"\" \"linnet %s\" \"User Commands\"\n", LINNET_VERSION);
    puts(
        ".SH NAME\nlinnet \\- train image classifiers from a folder of pictures\n"
        ".SH SYNOPSIS\n.B linnet\n.I command\n[operands] [options]\n.br\n"
        ".B linnet help\n[\\fIcommand\\fR]\n"
        ".SH DESCRIPTION\n"
        "A data set is a folder with one folder of pictures for each class, or one with train\n"
        "and val or test in it. A run is a folder that training writes: its configuration,\n"
        "metrics, log and models. Every option is also a key of the YAML file named with\n"
        "\\-\\-config; what is typed wins over the file.\n"
        ".SH COMMANDS");
    for (int i = 0; commands[i]; i++)
        if (!describe(commands[i], c->arena, e))
            return false;
    puts(".SH EXIT STATUS\n"
         ".TP\n0\nsuccess\n.TP\n1\na defect of the program, or no memory\n"
         ".TP\n2\na wrong option, configuration or architecture; something this machine cannot "
         "do;\n"
         "a run directory in use\n"
         ".TP\n3\nthe data set or a picture cannot be used\n"
         ".TP\n4\na model file is refused\n"
         ".TP\n5\na disk, directory or download failed; what was saved before stands\n"
         ".TP\n6\ntraining diverged\n"
         ".TP\n7\nthe same picture in training and test, with \\-\\-strict\n"
         ".TP\n130, 143\nstopped by Ctrl\\-C or SIGTERM, and saved\n"
         ".SH ENVIRONMENT\n"
         ".TP\n.B LINNET_ISA\ngeneric, avx2, avx512 or avx512bf16: the kernels to run\n"
         ".TP\n.B LINNET_CACHE\nthe folder of the cache, else XDG_CACHE_HOME/linnet or "
         "~/.cache/linnet\n"
         ".TP\n.B LINNET_ZOO_URL\nwhere pull gets weights from: an https, http or file "
         "address\n"
         ".TP\n.B NO_COLOR\nset to anything: no colours");
    return true;
}

const struct command command_man = {
    .name = "man",
    .synopsis = "man",
    .summary = "the manual page, for man -l -",
    .about = "linnet man | man -l -\n",
    .run = man_run,
};
