/* An append-only log of a run whose length is part of the training state: on resume it is cut back
 * to what the checkpoint knew. A full disk loses nothing: lines wait in memory for the next try. */
#ifndef TRAIN_JOURNAL_H
#define TRAIN_JOURNAL_H

#include "base/file.h"

struct journal {
    char *path;
    int fd;
    int64_t bytes; /* all lines so far, those waiting included: what a checkpoint stores */
    int64_t on_disk;
    char *waiting; /* (bytes - on_disk) */
    size_t room;
    bool doubted; /* an fsync failed: what the disk holds is not known */
};

/* Opens or creates; what is there stays until journal_cut. */
MUST_CHECK bool journal_open(struct journal *j, const char *path, struct err *e);
void journal_close(struct journal *j);
/* Cuts the file back to `bytes`; ERR_STORAGE when it is shorter. */
MUST_CHECK bool journal_cut(struct journal *j, int64_t bytes, struct err *e);
/* Adds text (n bytes, with its newlines) and tries to write; only a lack of memory fails. */
MUST_CHECK bool journal_add(struct journal *j, const char *text, size_t n, struct err *e);
/* Everything written and on the disk. */
MUST_CHECK bool journal_sync(struct journal *j, struct err *e);

#endif
