/* The table of commands, in the order in which --help tells of them. */
#include "base/parallel.h"
#include "cmd/command.h"

extern const struct command command_train;
extern const struct command command_eval;
extern const struct command command_predict;
extern const struct command command_embed;
extern const struct command command_similar;
extern const struct command command_compare;
extern const struct command command_check;
extern const struct command command_model;
extern const struct command command_zoo;
extern const struct command command_pull;
extern const struct command command_demo_data;
extern const struct command command_augment;
extern const struct command command_bench;
extern const struct command command_doctor;
extern const struct command command_completion;
extern const struct command command_man;

/* clang-format off */
const struct command *const commands[] = {
    &command_train,
    &command_eval,
    &command_predict,
    &command_embed,
    &command_similar,
    &command_compare,
    &command_check,
    &command_model,
    &command_zoo,
    &command_pull,
    &command_demo_data,
    &command_augment,
    &command_bench,
    &command_doctor,
    &command_completion,
    &command_man,
    NULL,
};
/* clang-format on */

int main(int argc, char **argv)
{
    parallel_settle(argv);
    return dispatch(argc, argv);
}
