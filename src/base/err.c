/* Messages are formatted into the caller's struct; nothing here allocates. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Copies src, showing control characters as \xNN, so that a message stays one line. */
static void copy_one_line(char *dst, size_t size, const char *src)
{
    size_t at = 0;
    for (; *src && at + 5 < size; src++) {
        unsigned char c = (unsigned char)*src;
        if (c < 0x20 || c == 0x7f)
            at += (size_t)snprintf(dst + at, size - at, "\\x%02x", c);
        else
            dst[at++] = *src;
    }
    dst[at] = '\0';
}

bool err_set(struct err *e, enum err_kind kind, const char *fmt, ...)
{
    char text[sizeof(e->msg)];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    e->kind = kind;
    copy_one_line(e->msg, sizeof(e->msg), text);
    return false;
}

bool err_in(struct err *e, const char *fmt, ...)
{
    char text[sizeof(e->msg)];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof(text))
        snprintf(text + n, sizeof(text) - (size_t)n, ": %s", e->msg);
    copy_one_line(e->msg, sizeof(e->msg), text);
    return false;
}

bool err_errno(struct err *e, const char *path)
{
    return err_set(e, ERR_STORAGE, "%s: %s", path, strerror(errno));
}

int err_status(const struct err *e)
{
    switch (e->kind) {
    case ERR_NONE:
        return 0;
    case ERR_INTERNAL:
    case ERR_NOMEM:
        return 1;
    case ERR_USAGE:
    case ERR_SHAPE:
    case ERR_DEVICE:
        return 2;
    case ERR_DATA:
        return 3;
    case ERR_MODEL:
        return 4;
    case ERR_STORAGE:
        return 5;
    case ERR_DIVERGED:
        return 6;
    case ERR_LEAK:
        return 7;
    case ERR_INTERRUPTED:
        return 128 + e->signal;
    }
    return 1;
}
