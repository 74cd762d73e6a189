/* POSIX calls with the error's path and reason; a test counts the writes, fsyncs and renames. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_int fail_countdown, fail_error; /* tests only: 0 = off */

void file_fail_at(int n, int error)
{
    atomic_store(&fail_error, error);
    atomic_store(&fail_countdown, n);
}

/* Counts one call that changes the disk; true: this one is to fail. */
static bool must_fail(void)
{
    if (atomic_load(&fail_countdown) <= 0 || atomic_fetch_sub(&fail_countdown, 1) != 1)
        return false;
    errno = atomic_load(&fail_error);
    return true;
}

static bool errno_as(enum err_kind kind, const char *path, struct err *e)
{
    return err_set(e, kind, "%s: %s", path, strerror(errno));
}

/* O_NONBLOCK: a FIFO without a writer must not hold us; it is refused once its kind is known. */
static int open_regular(const char *path, enum err_kind kind, struct stat *st, struct err *e)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, st) != 0)
        errno_as(kind, path, e);
    else if (!S_ISREG(st->st_mode))
        err_set(e, kind, "%s: %s, not a regular file", path,
                S_ISDIR(st->st_mode) ? "a directory" : "a device, pipe or socket");
    else
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Reads to the end, growing: a file may change while it is read, and /proc states no sizes. */
static bool read_all(int fd, const char *path, size_t limit, enum err_kind kind, uint8_t **out,
                     size_t *n, size_t room, struct err *e)
{
    uint8_t *byte = mem_new(room, 1, e);
    if (!byte)
        return false;
    size_t got = 0;
    ssize_t r = 1;
    while (r > 0 && (limit == 0 || got <= limit)) {
        if (got + 1 >= room) {
            uint8_t *grown = mem_grow(byte, room, 2 * room, 1, e);
            if (!grown)
                break;
            byte = grown;
            room *= 2;
        }
        r = read(fd, byte + got, room - got - 1);
        if (r > 0)
            got += (size_t)r;
        else if (r < 0 && errno == EINTR)
            r = 1;
    }
    if (r == 0) {
        byte[got] = '\0';
        *out = byte;
        *n = got;
        return true;
    }
    if (r < 0)
        errno_as(kind, path, e);
    else if (limit && got > limit)
        err_set(e, kind, "%s: over the limit of %zu bytes", path, limit);
    mem_free(byte);
    return false;
}

bool file_read(const char *path, size_t limit, enum err_kind kind, uint8_t **out, size_t *n,
               struct err *e)
{
    struct stat st;
    int fd = open_regular(path, kind, &st, e);
    if (fd < 0)
        return false;
    bool ok;
    if (limit && (uint64_t)st.st_size > limit)
        ok = err_set(e, kind, "%s: %lld bytes, over the limit of %zu", path,
                     (long long)st.st_size, limit);
    else /* room for the NUL, and for seeing that the end is the end */
        ok = read_all(fd, path, limit, kind, out, n, (size_t)st.st_size + 2, e);
    close(fd);
    return ok;
}

bool file_map(const char *path, enum err_kind kind, struct file_map *out, struct err *e)
{
    struct stat st;
    int fd = open_regular(path, kind, &st, e);
    if (fd < 0)
        return false;
    *out = (struct file_map){(const uint8_t *)"", 0};
    bool ok = true;
    if (st.st_size > 0) { /* nothing to map in an empty file */
        void *at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (at == MAP_FAILED)
            ok = errno_as(kind, path, e);
        else
            *out = (struct file_map){at, (size_t)st.st_size};
    }
    close(fd);
    return ok;
}

void file_unmap(struct file_map *m)
{
    if (m && m->n > 0)
        munmap((void *)(uintptr_t)m->byte, m->n);
    if (m)
        *m = (struct file_map){0};
}

static bool write_all(int fd, const void *byte, size_t n)
{
    const uint8_t *p = byte;
    while (n > 0) {
        ssize_t w = must_fail() ? -1 : write(fd, p, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return false;
        p += w;
        n -= (size_t)w;
    }
    return true;
}

static bool write_synced(int fd, const struct file_part *part, int n_part)
{
    for (int i = 0; i < n_part; i++)
        if (!write_all(fd, part[i].byte, part[i].n))
            return false;
    return !must_fail() && fsync(fd) == 0;
}

/* The folder that path lies in, allocated. */
static char *folder_of(const char *path, struct err *e)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return mem_text(".", e);
    return slash == path ? mem_text("/", e) : mem_printf(e, "%.*s", (int)(slash - path), path);
}

/* Leaves no file at tmp unless it is whole and on the disk. */
static bool write_tmp(const char *tmp, const char *path, const struct file_part *part,
                      int n_part, struct err *e)
{
    int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0)
        return err_errno(e, path);
    bool ok = write_synced(fd, part, n_part);
    if (!ok)
        err_errno(e, path);
    if (close(fd) != 0 && ok)
        ok = err_errno(e, path);
    if (!ok)
        unlink(tmp);
    return ok;
}

/* The second half of an atomic write. */
static bool move_over(const char *tmp, const char *path, struct err *e)
{
    char *folder = folder_of(path, e);
    bool ok = folder && ((!must_fail() && rename(tmp, path) == 0) || err_errno(e, path)) &&
              dir_sync(folder, e);
    mem_free(folder);
    return ok;
}

bool file_write_atomic(const char *path, const struct file_part *part, int n_part,
                       struct err *e)
{
    char *tmp = mem_printf(e, "%s.tmp.%ld", path, (long)getpid());
    bool ok = tmp && write_tmp(tmp, path, part, n_part, e);
    if (ok && !move_over(tmp, path, e)) {
        unlink(tmp);
        ok = false;
    }
    mem_free(tmp);
    return ok;
}

bool file_write_plain(const char *path, const void *byte, size_t n, struct err *e)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0)
        return err_errno(e, path);
    bool ok = write_all(fd, byte, n) || err_errno(e, path);
    if (close(fd) != 0 && ok)
        ok = err_errno(e, path);
    if (!ok)
        unlink(path);
    return ok;
}

bool file_append(int fd, const char *path, const void *byte, size_t n, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return err_errno(e, path);
    if (write_all(fd, byte, n))
        return true;
    err_errno(e, path);
    if (S_ISREG(st.st_mode) && ftruncate(fd, st.st_size) != 0)
        return err_in(e, "a torn record was left");
    return false;
}

bool file_sync(int fd, const char *path, struct err *e)
{
    return (!must_fail() && fsync(fd) == 0) || err_errno(e, path);
}

bool file_publish(int fd, const char *tmp, const char *path, struct err *e)
{
    return file_sync(fd, tmp, e) && move_over(tmp, path, e);
}

bool file_keep(const char *path, const char *kept, struct err *e)
{
    char *tmp = mem_printf(e, "%s.tmp.%ld", kept, (long)getpid());
    if (!tmp)
        return false;
    bool linked = !must_fail() && link(path, tmp) == 0;
    bool none = errno == EPERM || errno == EOPNOTSUPP || errno == EMLINK || errno == ENOSYS;
    bool ok = (linked || none) && rename(linked ? tmp : path, kept) == 0;
    if (!ok)
        err_errno(e, kept);
    if (linked)
        unlink(tmp); /* still there when both names were one file already */
    mem_free(tmp);
    return ok;
}

/* One folder; that it stands already is fine. */
static bool make_one(const char *path, struct err *e)
{
    struct stat st;
    if (mkdir(path, 0777) == 0)
        return true;
    int why = errno;
    if (why == EEXIST && stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return true;
        why = ENOTDIR;
    }
    errno = why;
    return err_errno(e, path);
}

bool dir_make(const char *path, struct err *e)
{
    char *part = mem_text(path, e);
    bool ok = part != NULL;
    for (char *at = part ? part + 1 : NULL; ok && *part && *at; at++)
        if (*at == '/' && at[-1] != '/') {
            *at = '\0';
            struct stat st;
            ok = stat(part, &st) == 0 || make_one(part, e);
            *at = '/';
        }
    ok = ok && make_one(path, e);
    mem_free(part);
    return ok;
}

bool dir_sync(const char *path, struct err *e)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(e, path);
    /* EINVAL: a file system without synced folders, such as some network mounts. */
    bool ok = (!must_fail() && fsync(fd) == 0) || errno == EINVAL;
    if (!ok)
        err_errno(e, path);
    close(fd);
    return ok;
}
