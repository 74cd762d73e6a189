/* linnet completion SHELL: a script for bash, zsh or fish, made from the option tables. */
#include "cmd/command.h"
#include "cmd/help.h"

#include <string.h>

/* Calls fn for each row of a command; the rows are only looked at, their struct is scratch. */
static bool each_row(const struct command *c, struct arena *a,
                     void (*fn)(const struct command *c, const struct option *row),
                     struct err *e)
{
    struct option_table table[COMMAND_MAX_TABLES];
    struct common_options common;
    void *config = arena_new(a, 1, c->config_size + 1, e);
    int n = config ? command_tables(c, config, &common, table) : 0;
    for (int t = 0; t < n; t++)
        for (const struct option *row = table[t].row; row->name; row++)
            fn(c, row);
    return config != NULL;
}

/* Text between single quotes; a quote inside ends, escapes and begins anew. */
static void quoted(const char *text)
{
    for (; *text; text++)
        if (*text == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*text);
}

static void command_names(void)
{
    for (int i = 0; commands[i]; i++)
        printf("%s ", commands[i]->name);
}

static void bash_flag(const struct command *c, const struct option *row)
{
    char flag[64];
    (void)c;
    option_flag(row, flag, sizeof(flag));
    printf("--%s%s ", flag, row->type == OPTION_BOOL ? "" : "=");
    if (row->type == OPTION_BOOL && strcmp(row->name, "help") != 0)
        printf("--no-%s ", flag);
}

static void bash_values(const struct command *c, const struct option *row)
{
    char flag[64];
    if (row->type != OPTION_CHOICE)
        return;
    printf("    %s,--%s) words='", c->name, option_flag(row, flag, sizeof(flag)));
    for (int i = 0; row->choice[i]; i++)
        printf("%s ", row->choice[i]);
    puts("' ;;");
}

static bool bash(struct arena *a, struct err *e)
{
    fputs("_linnet()\n{\n"
          "    local command=${COMP_WORDS[1]} word=${COMP_WORDS[COMP_CWORD]} words= option=\n"
          "    local before=${COMP_WORDS[COMP_CWORD - 1]}\n"
          "    COMPREPLY=()\n"
          "    if ((COMP_CWORD == 1)) || [[ $COMP_CWORD == 2 && $command == help ]]; then\n"
          "        COMPREPLY=($(compgen -W '",
          stdout);
    command_names();
    fputs("help --help --version' -- \"$word\"))\n        return\n    fi\n"
          "    # bash splits --name=value at the =\n"
          "    [[ $word == = ]] && option=$before word=\n"
          "    [[ $before == = ]] && option=${COMP_WORDS[COMP_CWORD - 2]}\n"
          "    [[ $before == --* ]] && option=${option:-$before}\n"
          "    case $command,$option in\n",
          stdout);
    for (int i = 0; commands[i]; i++)
        if (!each_row(commands[i], a, bash_values, e))
            return false;
    puts("    esac\n"
         "    if [[ ! $words && $word == -* ]]; then\n"
         "        case $command in");
    for (int i = 0; commands[i]; i++) {
        printf("        %s) words='", commands[i]->name);
        if (!each_row(commands[i], a, bash_flag, e))
            return false;
        puts("' ;;");
    }
    puts("        esac\n"
         "    fi\n"
         "    [[ $words ]] && COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
         "    [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace\n"
         "    return 0\n"
         "}\n"
         "complete -o default -F _linnet linnet");
    return true;
}

/* Brackets and colons mean something in zsh's specifications. */
static void zsh_text(const char *text)
{
    for (; *text; text++) {
        if (strchr("[]:\\", *text))
            putchar('\\');
        quoted((char[]){*text, '\0'});
    }
}

static void zsh_flag(const struct command *c, const struct option *row)
{
    char flag[64];
    (void)c;
    printf("        '--%s%s[", option_flag(row, flag, sizeof(flag)),
           row->type == OPTION_BOOL ? "" : "=");
    zsh_text(row->help ? row->help : "");
    if (row->type == OPTION_CHOICE) {
        printf("]:%s:(", flag);
        for (int i = 0; row->choice[i]; i++)
            printf("%s%s", i ? " " : "", row->choice[i]);
        puts(")' \\");
    } else {
        printf("]%s%s%s' \\\n", row->type == OPTION_BOOL ? "" : ":",
               row->type == OPTION_BOOL ? "" : flag,
               row->type == OPTION_STRING ? ":_files"
               : row->type == OPTION_BOOL ? ""
                                          : ":");
    }
}

static bool zsh(struct arena *a, struct err *e)
{
    puts("#compdef linnet\n"
         "_linnet()\n{\n"
         "    local -a commands\n"
         "    commands=(");
    for (int i = 0; commands[i]; i++) {
        printf("        '%s:", commands[i]->name);
        quoted(commands[i]->summary);
        puts("'");
    }
    puts("        'help:the options of a command')\n"
         "    if ((CURRENT == 2)) || [[ $CURRENT == 3 && $words[2] == help ]]; then\n"
         "        _describe command commands\n"
         "        return\n"
         "    fi\n"
         "    local command=$words[2]\n"
         "    shift words\n"
         "    ((CURRENT--))\n"
         "    case $command in");
    for (int i = 0; commands[i]; i++) {
        printf("    %s)\n        _arguments \\\n", commands[i]->name);
        if (!each_row(commands[i], a, zsh_flag, e))
            return false;
        puts("        '*:file:_files'\n        ;;");
    }
    puts("    esac\n}\n"
         "if [[ $funcstack[1] == _linnet ]]; then\n    _linnet \"$@\"\n"
         "else\n    compdef _linnet linnet\nfi");
    return true;
}

static void fish_flag(const struct command *c, const struct option *row)
{
    char flag[64];
    printf("complete -c linnet -n '__fish_seen_subcommand_from %s' -l %s -d '", c->name,
           option_flag(row, flag, sizeof(flag)));
    for (const char *at = row->help ? row->help : ""; *at; at++) {
        if (*at == '\'' || *at == '\\')
            putchar('\\');
        putchar(*at);
    }
    putchar('\'');
    if (row->type == OPTION_CHOICE) {
        fputs(" -x -a '", stdout);
        for (int i = 0; row->choice[i]; i++)
            printf("%s%s", i ? " " : "", row->choice[i]);
        putchar('\'');
    } else if (row->type != OPTION_BOOL) {
        fputs(row->type == OPTION_STRING ? " -r" : " -x", stdout);
    }
    putchar('\n');
}

static bool fish(struct arena *a, struct err *e)
{
    for (int i = 0; commands[i]; i++)
        printf("complete -c linnet -f -n __fish_use_subcommand -a %s -d '%s'\n",
               commands[i]->name, commands[i]->summary);
    for (int i = 0; commands[i]; i++)
        if (!each_row(commands[i], a, fish_flag, e))
            return false;
    return true;
}

static const struct shell {
    const char *name;
    bool (*write)(struct arena *a, struct err *e);
} shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};

static bool completion_run(struct call *c, struct err *e)
{
    for (size_t i = 0; i < COUNT_OF(shells); i++)
        if (strcmp(shells[i].name, c->operand[0]) == 0)
            return shells[i].write(c->arena, e);
    return err_set(e, ERR_USAGE, "unknown shell \"%s\"; known are bash, zsh, fish",
                   c->operand[0]);
}

const struct command command_completion = {
    .name = "completion",
    .synopsis = "completion bash|zsh|fish",
    .summary = "a script that completes commands and options in your shell",
    .about =
        "bash:  linnet completion bash > ~/.local/share/bash-completion/completions/linnet\n"
        "zsh:   linnet completion zsh > a folder of $fpath/_linnet\n"
        "fish:  linnet completion fish > ~/.config/fish/completions/linnet.fish\n",
    .min_operand = 1,
    .max_operand = 1,
    .run = completion_run,
};
