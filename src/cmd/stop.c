#include "cmd/stop.h"

#include <stddef.h>
#include <unistd.h>

static volatile sig_atomic_t signal_seen; /* a handler can reach nothing else */

static void on_signal(int number)
{
    if (signal_seen)
        _exit(128 + number);
    signal_seen = number;
}

const volatile sig_atomic_t *stop_watch(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    return &signal_seen;
}
