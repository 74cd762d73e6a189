#include "weights/part.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HASH_BYTES = 4 << 20 }; /* between looks at the watch */

bool part_hash(const char *path, struct sha256 *hash, part_watch watch, void *ctx,
               struct err *e)
{
    struct file_map map;
    if (!file_map(path, ERR_STORAGE, &map, e))
        return false;
    bool ok = true;
    sha256_init(hash);
    for (size_t at = 0; ok && at < map.n; at += HASH_BYTES) {
        sha256_add(hash, map.byte + at, map.n - at < HASH_BYTES ? map.n - at : HASH_BYTES);
        ok = watch(ctx, (int64_t)hash->n, (int64_t)map.n, e);
    }
    file_unmap(&map);
    return ok;
}

/* Opens and locks. A process that published its part while we waited for the lock took the file
 * that we opened away from this path: then it is opened anew. */
static bool take(struct part *p, struct err *e)
{
    for (;;) {
        struct stat held, named;
        p->fd = open(p->path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (p->fd < 0 || fstat(p->fd, &held) != 0)
            return err_errno(e, p->path);
        if (!S_ISREG(held.st_mode))
            return err_set(e, ERR_STORAGE, "%s: not a regular file", p->path);
        if (flock(p->fd, LOCK_EX | LOCK_NB) != 0)
            return errno == EWOULDBLOCK
                       ? err_set(e, ERR_USAGE, "%s: in use by another linnet pull", p->path)
                       : err_errno(e, p->path);
        if (stat(p->path, &named) == 0 && named.st_ino == held.st_ino)
            return true;
        close(p->fd);
    }
}

/* What the server called the file, if that is known and fit to be sent back to it. */
static void read_tag(struct part *p)
{
    struct err e;
    uint8_t *text;
    size_t n;
    if (!file_read(p->tag_path, FETCH_MAX_VALIDATOR - 1, ERR_STORAGE, &text, &n, &e))
        return;
    bool printable = true;
    for (size_t i = 0; i < n; i++)
        printable = printable && text[i] >= 0x20 && text[i] < 0x7f;
    if (printable)
        memcpy(p->validator, text, n + 1);
    mem_free(text);
}

bool part_open(struct part *p, const char *file, part_watch watch, void *ctx, struct err *e)
{
    *p = (struct part){.fd = -1};
    p->path = mem_printf(e, "%s.part", file);
    p->tag_path = p->path ? mem_printf(e, "%s.part.tag", file) : NULL;
    bool ok = p->tag_path && take(p, e) && part_hash(p->path, &p->hash, watch, ctx, e);
    if (ok) {
        p->n = (int64_t)p->hash.n;
        read_tag(p);
    } else {
        p->n = -1; /* not ours, or not known: nothing is removed */
        part_close(p);
    }
    return ok;
}

void part_close(struct part *p)
{
    if (p->fd >= 0 && p->n == 0) {
        unlink(p->tag_path);
        unlink(p->path);
    }
    if (p->fd >= 0)
        close(p->fd); /* and the lock goes */
    mem_free(p->path);
    mem_free(p->tag_path);
    *p = (struct part){.fd = -1};
}

void part_drop(struct part *p)
{
    p->n = 0;
    part_close(p);
}

bool part_append(struct part *p, const void *byte, size_t n, struct err *e)
{
    if (!file_append(p->fd, p->path, byte, n, e))
        return false;
    sha256_add(&p->hash, byte, n);
    p->n += (int64_t)n;
    return true;
}

/* The old tag goes before the old bytes: never do new bytes stand under an old tag. */
bool part_restart(struct part *p, const char *validator, struct err *e)
{
    unlink(p->tag_path);
    if (ftruncate(p->fd, 0) != 0)
        return err_errno(e, p->path);
    p->n = 0;
    sha256_init(&p->hash);
    memmove(p->validator, validator, strlen(validator) + 1);
    return !*validator || file_write_plain(p->tag_path, validator, strlen(validator), e);
}

bool part_publish(struct part *p, const char *file, struct err *e)
{
    unlink(p->tag_path);
    bool ok = file_publish(p->fd, p->path, file, e);
    p->n = ok ? -1 : p->n; /* the path is no longer ours to remove */
    part_close(p);
    return ok;
}
