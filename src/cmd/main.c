/* The table of commands, in the order in which --help tells of them. */
#include "cmd/command.h"

extern const struct command command_model, command_demo_data;

const struct command *const commands[] = {
    &command_model,
    &command_demo_data,
    NULL,
};

int main(int argc, char **argv)
{
    return dispatch(argc, argv);
}
