/* A download that is not whole yet: FILE.part beside where FILE will stand, hashed as it grows, and
 * FILE.part.tag, which names the server's state of the file (weights/fetch.h) that it is a part of.
 * One process at a time holds it; what a killed one left is gone on with. */
#ifndef WEIGHTS_PART_H
#define WEIGHTS_PART_H

#include "base/file.h"
#include "base/sha256.h"
#include "weights/fetch.h"

struct part {
    char *path, *tag_path;
    int fd;
    int64_t n; /* bytes */
    struct sha256 hash;
    char validator[FETCH_MAX_VALIDATOR]; /* "" = not known */
};

/* Called with the bytes done and all; false ends the work. */
typedef bool (*part_watch)(void *ctx, int64_t done, int64_t all, struct err *e);

/* Opens or makes the part of `file` and hashes what is in it. ERR_USAGE: another process holds it. */
MUST_CHECK bool part_open(struct part *p, const char *file, part_watch watch, void *ctx,
                          struct err *e);
void part_close(struct part *p); /* keeps it on the disk, unless it is empty */
void part_drop(struct part *p);  /* keeps nothing */

MUST_CHECK bool part_append(struct part *p, const void *byte, size_t n, struct err *e);
/* Empty again, to be filled with the state of the file that validator names. */
MUST_CHECK bool part_restart(struct part *p, const char *validator, struct err *e);
/* Becomes `file`, synced; closed in any case. */
MUST_CHECK bool part_publish(struct part *p, const char *file, struct err *e);

/* The hash of a whole file. */
MUST_CHECK bool part_hash(const char *path, struct sha256 *hash, part_watch watch, void *ctx,
                          struct err *e);

#endif
