/* Every step here is taken under the lock of the directory, which is held for milliseconds. */
#include "data/cache_files.h"

#include "base/file.h"
#include "base/machine.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { FREE_SHARE = 5 /* a fifth of the disk's room */, NAME_BYTES = 40 };

static const char suffix_pack[] = ".pack", suffix_index[] = ".index";

/* "imagenette-0123456789abcdef-s147b": of the root's real path and the rule. */
static void base_name(const struct cache_config *cfg, char *out, size_t size)
{
    char path[PATH_MAX], name[NAME_BYTES];
    if (!realpath(cfg->root, path))
        snprintf(path, sizeof(path), "%s", cfg->root);
    const char *slash = strrchr(path, '/');
    snprintf(name, sizeof(name), "%s", slash ? slash + 1 : path);
    for (char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '_')
            *c = '_';
    snprintf(out, size, "%s-%016llx-s%d%c", name,
             (unsigned long long)hash64(path, strlen(path), 0), cfg->rule.side_px,
             "bcn"[cfg->rule.filter]);
}

static bool ends_in(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n > m && !strcmp(name + n - m, end);
}

/* A pack of the directory. */
struct pack {
    char name[NAME_MAX + 1];
    int64_t bytes, used_ns; /* its last opening */
};

static int by_age(const void *a, const void *b)
{
    const struct pack *p = a, *q = b;
    return p->used_ns < q->used_ns ? -1 : p->used_ns > q->used_ns;
}

/* The packs below dir that are not of base, oldest first. */
static bool list_packs(const char *dir, const char *base, struct pack **out, int *n,
                       struct err *e)
{
    DIR *open = opendir(dir);
    struct stat st;
    int room = 0;
    *out = NULL;
    *n = 0;
    if (!open)
        return err_errno(e, dir);
    for (struct dirent *at; (at = readdir(open));) {
        if (!ends_in(at->d_name, suffix_pack) || !strncmp(at->d_name, base, strlen(base)) ||
            fstatat(dirfd(open), at->d_name, &st, 0) != 0)
            continue;
        if (*n == room) {
            struct pack *more =
                mem_grow(*out, (size_t)room, 2 * (size_t)room + 16, sizeof(*more), e);
            if (!more) {
                closedir(open);
                return false;
            }
            *out = more;
            room = 2 * room + 16;
        }
        struct pack *p = *out + (*n)++;
        snprintf(p->name, sizeof(p->name), "%s", at->d_name);
        p->bytes = (int64_t)st.st_blocks * 512;
        p->used_ns = st.st_atim.tv_sec * 1000000000 + st.st_atim.tv_nsec;
    }
    closedir(open);
    if (*n)
        qsort(*out, (size_t)*n, sizeof(**out), by_age);
    return true;
}

/* Removes a pack that nobody has open, its index first. */
static bool remove_pack(const char *dir, const char *name)
{
    char path[PATH_MAX], index[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    bool unused = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
    if (unused) { /* BASE.GENERATION.pack has BASE.index */
        int n = (int)(strlen(path) - strlen(suffix_pack)) - 17;
        snprintf(index, sizeof(index), "%.*s%s", n > 0 ? n : 0, path, suffix_index);
        unlink(index);
        unlink(path);
    }
    if (fd >= 0)
        close(fd);
    return unused;
}

/* Sets how large this pack may grow; other packs make room for what is expected. */
static bool make_room(const struct cache_config *cfg, const char *dir, const char *base,
                      struct cache_files *f, struct err *e)
{
    struct pack *other;
    struct statvfs disk;
    struct stat st = {0};
    int n;
    if (!list_packs(dir, base, &other, &n, e))
        return false;
    int64_t others = 0, own = fstat(f->pack_fd, &st) == 0 ? (int64_t)st.st_size : 0;
    for (int i = 0; i < n; i++)
        others += other[i].bytes;
    int64_t free_bytes =
        statvfs(dir, &disk) == 0 ? (int64_t)disk.f_bavail * (int64_t)disk.f_frsize : 0;
    int64_t limit = cfg->limit > 0 ? cfg->limit : (free_bytes + own + others) / FREE_SHARE;
    int64_t side = cfg->rule.side_px; /* photos are 4 : 3 mostly */
    int64_t expected = (int64_t)cfg->n_expected * (side * side * 4);
    int64_t want = own > expected ? own : expected;
    for (int i = 0; i < n && others + want > limit; i++)
        if (remove_pack(dir, other[i].name))
            others -= other[i].bytes;
    f->limit = limit - others > own ? limit - others : own;
    mem_free(other);
    return true;
}

static uint32_t header_crc(const struct cache_header *h)
{
    return crc32c(0, h, offsetof(struct cache_header, crc));
}

static bool open_pack(struct cache_files *f, const char *stem, uint64_t generation, int flags,
                      struct err *e)
{
    f->pack = mem_printf(e, "%s.%016llx%s", stem, (unsigned long long)generation, suffix_pack);
    if (!f->pack)
        return false;
    f->pack_fd = open(f->pack, O_RDWR | O_APPEND | O_CLOEXEC | flags, 0666);
    if (f->pack_fd < 0)
        return err_errno(e, f->pack);
    return flock(f->pack_fd, LOCK_SH | LOCK_NB) == 0 || err_errno(e, f->pack);
}

/* The pair that is there, if its header is whole and the pack exists. */
static bool open_old(struct cache_files *f, const struct cache_config *cfg, const char *stem,
                     struct err *e)
{
    struct cache_header h;
    f->index_fd = open(f->index, O_RDWR | O_APPEND | O_CLOEXEC);
    if (f->index_fd < 0)
        return err_errno(e, f->index);
    bool whole = pread(f->index_fd, &h, sizeof(h), 0) == (ssize_t)sizeof(h) &&
                 h.magic == CACHE_MAGIC && h.crc == header_crc(&h) &&
                 h.side_px == (uint32_t)cfg->rule.side_px &&
                 h.filter == (uint32_t)cfg->rule.filter;
    return whole ? open_pack(f, stem, h.generation, 0, e)
                 : err_set(e, ERR_STORAGE, "%s: a damaged cache index", f->index);
}

static void close_both(struct cache_files *f)
{
    if (f->index_fd >= 0)
        close(f->index_fd);
    if (f->pack_fd >= 0)
        close(f->pack_fd);
    mem_free(f->pack);
    f->pack = NULL;
    f->index_fd = f->pack_fd = -1;
}

static bool make_new(struct cache_files *f, const struct cache_config *cfg, const char *stem,
                     struct err *e)
{
    struct cache_header h = {
        .magic = CACHE_MAGIC,
        .side_px = (uint32_t)cfg->rule.side_px,
        .filter = (uint32_t)cfg->rule.filter,
    };
    close_both(f);
    if (getrandom(&h.generation, sizeof(h.generation), 0) != (ssize_t)sizeof(h.generation))
        return err_errno(e, "getrandom");
    h.crc = header_crc(&h);
    unlink(f->index); /* whoever has it open goes on with it */
    if (!open_pack(f, stem, h.generation, O_CREAT | O_EXCL, e))
        return false;
    f->index_fd = open(f->index, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (f->index_fd < 0)
        return err_errno(e, f->index);
    return file_append(f->index_fd, f->index, &h, sizeof(h), e);
}

/* Packs of base that no index names any more. */
static void remove_strays(const char *dir, const char *base, const char *keep)
{
    DIR *open = opendir(dir);
    for (struct dirent *at; open && (at = readdir(open));)
        if (!strncmp(at->d_name, base, strlen(base)) && at->d_name[strlen(base)] == '.' &&
            ends_in(at->d_name, suffix_pack) && !ends_in(keep, at->d_name)) {
            char path[PATH_MAX];
            snprintf(path, sizeof(path), "%s/%s", dir, at->d_name);
            unlink(path);
        }
    if (open)
        closedir(open);
}

static bool open_locked(const struct cache_config *cfg, const char *dir, struct cache_files *f,
                        struct err *e)
{
    char base[2 * NAME_BYTES + 32], stem[PATH_MAX];
    base_name(cfg, base, sizeof(base));
    snprintf(stem, sizeof(stem), "%s/%s", dir, base);
    f->index = mem_printf(e, "%s%s", stem, suffix_index);
    if (!f->index)
        return false;
    struct err why;
    if (!open_old(f, cfg, stem, &why)) {
        if (!make_new(f, cfg, stem, e))
            return false;
        remove_strays(dir, base, f->pack);
    }
    struct timespec now_and_keep[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};
    futimens(f->pack_fd, now_and_keep); /* its last opening, for list_packs */
    return make_room(cfg, dir, base, f, e);
}

static bool open_in(const struct cache_config *cfg, const char *dir, struct cache_files *f,
                    struct err *e)
{
    char lock[PATH_MAX];
    if (!dir_make(dir, e))
        return false;
    snprintf(lock, sizeof(lock), "%s/lock", dir);
    int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0 || flock(fd, LOCK_EX) != 0) {
        err_errno(e, lock);
        if (fd >= 0)
            close(fd);
        return false;
    }
    bool ok = open_locked(cfg, dir, f, e);
    close(fd);
    if (!ok)
        cache_files_close(f);
    return ok;
}

bool cache_files_open(const struct cache_config *cfg, struct cache_files *f, struct err *e)
{
    struct arena a = {0};
    *f = (struct cache_files){.index_fd = -1, .pack_fd = -1};
    const char *dir = cfg->dir ? cfg->dir : machine_cache_folder(&a, e);
    bool ok = dir && open_in(cfg, dir, f, e);
    arena_release(&a);
    return ok;
}

void cache_files_close(struct cache_files *f)
{
    close_both(f);
    mem_free(f->index);
    f->index = NULL;
}
