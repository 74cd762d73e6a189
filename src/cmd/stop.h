/* SIGINT, SIGTERM and SIGHUP: the first asks to finish the step and save, a second ends the
 * program at once. */
#ifndef CMD_STOP_H
#define CMD_STOP_H

#include <signal.h>

/* From now on; the returned number turns from 0 into that of the first signal. */
const volatile sig_atomic_t *stop_watch(void);

#endif
