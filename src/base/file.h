/* Files: whole reads, maps, and writes that are atomic and synced. Every read and write of the
 * project goes through here, so that a test can make the n-th one fail. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/hash.h"
#include "base/mem.h"

#include <stdint.h>

/* The whole file and a NUL behind it; the caller frees *out. Regular files only; never blocks on a
 * FIFO. Over limit bytes (0 = none) is refused. Errors have the given kind (ERR_DATA for
 * pictures, ERR_MODEL for models, ERR_STORAGE otherwise) and name the path. */
MUST_CHECK bool file_read(const char *path, size_t limit, enum err_kind kind, uint8_t **out,
                          size_t *n, struct err *e);

struct file_map {
    const uint8_t *byte;
    size_t n;
};
MUST_CHECK bool file_map(const char *path, enum err_kind kind, struct file_map *out,
                         struct err *e);
void file_unmap(struct file_map *m);

/* Pieces written one after the other. */
struct file_part {
    const void *byte;
    size_t n;
};
/* Writes path.tmp.PID in the same directory, fsyncs, renames over path, fsyncs the directory. On
 * any failure the temporary file is removed and what stood at path stands. ERR_STORAGE. */
MUST_CHECK bool file_write_atomic(const char *path, const struct file_part *part, int n_part,
                                  struct err *e);
/* Writes or replaces path, not synced: for what can be made again. Removed on failure. */
MUST_CHECK bool file_write_plain(const char *path, const void *byte, size_t n, struct err *e);
/* Appends a line or record to an open log descriptor, whole or with an error. */
MUST_CHECK bool file_append(int fd, const char *path, const void *byte, size_t n,
                            struct err *e);
MUST_CHECK bool file_sync(int fd, const char *path, struct err *e);
/* The file tmp, written through fd, becomes path in the same folder: synced, renamed over what stood
 * there, the folder synced. */
MUST_CHECK bool file_publish(int fd, const char *tmp, const char *path, struct err *e);
/* What stands at path also stands at kept, replacing it atomically: a hard link, or a rename on
 * file systems that have none. */
MUST_CHECK bool file_keep(const char *path, const char *kept, struct err *e);
MUST_CHECK bool dir_make(const char *path, struct err *e); /* with parents; existing is fine */
MUST_CHECK bool dir_sync(const char *path, struct err *e);

/* Tests: the n-th write, fsync or rename from now fails with error (errno), 0 = none. */
void file_fail_at(int n, int error);

#endif
