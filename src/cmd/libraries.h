/* The libraries of this build: a row each, present or dropped. */
#ifndef CMD_LIBRARIES_H
#define CMD_LIBRARIES_H

#include <stddef.h>

struct library {
    const char *name, *purpose;
    const char *(*version)(char text[32]); /* NULL: built without it */
};
extern const struct library libraries[]; /* ended by name == NULL */

#endif
