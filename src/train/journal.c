#include "train/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WAITING_MIN = 4096 };

bool journal_open(struct journal *j, const char *path, struct err *e)
{
    *j = (struct journal){.fd = -1};
    j->path = mem_text(path, e);
    if (!j->path)
        return false;
    struct stat st;
    j->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (j->fd < 0 || fstat(j->fd, &st) != 0) {
        err_errno(e, path);
        journal_close(j);
        return false;
    }
    j->bytes = j->on_disk = st.st_size;
    return true;
}

void journal_close(struct journal *j)
{
    if (j->path && j->fd >= 0)
        close(j->fd);
    mem_free(j->path);
    mem_free(j->waiting);
    *j = (struct journal){.fd = -1};
}

bool journal_cut(struct journal *j, int64_t bytes, struct err *e)
{
    if (bytes > j->on_disk)
        return err_set(e, ERR_STORAGE, "%s: has %lld bytes, the checkpoint counts on %lld",
                       j->path, (long long)j->on_disk, (long long)bytes);
    if (ftruncate(j->fd, bytes) != 0)
        return err_errno(e, j->path);
    j->bytes = j->on_disk = bytes;
    return true;
}

/* Tries to move what waits to the file; on failure it goes on waiting and the file is as before. */
static bool flush(struct journal *j, struct err *e)
{
    size_t n = (size_t)(j->bytes - j->on_disk);
    if (n == 0)
        return true;
    if (!file_append(j->fd, j->path, j->waiting, n, e))
        return false;
    j->on_disk = j->bytes;
    return true;
}

bool journal_add(struct journal *j, const char *text, size_t n, struct err *e)
{
    size_t waits = (size_t)(j->bytes - j->on_disk);
    if (waits + n > j->room) {
        size_t room = 2 * (waits + n) + WAITING_MIN;
        char *grown = mem_grow(j->waiting, j->room, room, 1, e);
        if (!grown)
            return false;
        j->waiting = grown;
        j->room = room;
    }
    memcpy(j->waiting + waits, text, n);
    j->bytes += (int64_t)n;
    struct err later; /* told by journal_sync, before a checkpoint counts on these lines */
    return flush(j, &later) || true;
}

/* After a failed fsync the kernel calls lost pages clean: the whole file is written anew. */
static bool rewrite(struct journal *j, struct err *e)
{
    uint8_t *byte;
    size_t n;
    if (!file_read(j->path, 0, ERR_STORAGE, &byte, &n, e))
        return false;
    struct file_part part = {byte, n};
    bool ok = file_write_atomic(j->path, &part, 1, e);
    mem_free(byte);
    int fd = ok ? open(j->path, O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC) : -1;
    if (fd < 0)
        return ok ? err_errno(e, j->path) : false;
    close(j->fd);
    j->fd = fd;
    j->doubted = false;
    return true;
}

bool journal_sync(struct journal *j, struct err *e)
{
    if (!flush(j, e))
        return false;
    if (j->doubted)
        return rewrite(j, e);
    j->doubted = !file_sync(j->fd, j->path, e);
    return !j->doubted;
}
