/* A file is a header and records, each of a head with checksums and the data, STEP-aligned. Whoever has
 * it open holds a shared lock on it; appending and removing happen under the directory's lock. */
#include "data/feature_cache.h"

#include "base/file.h"
#include "base/machine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { STEP = 64, FREE_SHARE = 5, MAGIC = 0x3146434c /* "LCF1" */ };
static const char suffix[] = ".features";

struct header {
    uint32_t magic, zero;
    uint64_t key, bytes;
    uint8_t unused[STEP - 28];
    uint32_t crc; /* of all before it */
};

struct record {
    struct feature_key key;
    uint64_t hash; /* of the data */
    uint8_t unused[STEP - 52];
    uint32_t crc; /* of all before it */
};
_Static_assert(sizeof(struct header) == STEP, "header");
_Static_assert(sizeof(struct record) == STEP, "record");

enum state { UNCHECKED, WHOLE, DAMAGED };

struct feature_cache {
    char *dir, *path;
    int fd, lock_fd;
    size_t bytes, stride;
    uint64_t limit; /* bytes that this file may have */
    const uint8_t *map;
    size_t map_bytes;
    uint32_t n; /* records read so far */
    uint8_t *state;
    uint32_t room;
    uint32_t *table; /* (table_size, a power of two) record number + 1, 0 = free */
    uint32_t table_size;
    uint8_t *buffer; /* (stride) the record to be written */
};

struct feature_key feature_key_of(const struct dataset *d, uint32_t sample, uint64_t view)
{
    const struct sample *s = d->sample + sample;
    if (!d->raw)
        return (struct feature_key){(uint64_t)s->dev, (uint64_t)s->ino, s->size, s->mtime_ns,
                                    view};
    size_t n = (size_t)d->raw_h * (size_t)d->raw_w;
    return (struct feature_key){
        .ino = hash64(d->raw + sample * n, n, 0), .size = (int64_t)n, .view = view};
}

static const struct record *record_at(const struct feature_cache *c, uint32_t i)
{
    return (const struct record *)(c->map + STEP + c->stride * i);
}

/* The place of a key in the table: its entry, or the free one where it belongs. */
static uint32_t *place_of(const struct feature_cache *c, const struct feature_key *key)
{
    uint32_t at = (uint32_t)hash64(key, sizeof(*key), 0);
    for (;; at++) {
        uint32_t *entry = c->table + (at & (c->table_size - 1));
        if (!*entry || !memcmp(&record_at(c, *entry - 1)->key, key, sizeof(*key)))
            return entry;
    }
}

/* Room for n records in all; less than half of the table is used. */
static bool reserve(struct feature_cache *c, uint32_t n, struct err *e)
{
    uint32_t size = c->table_size ? c->table_size : 1024;
    if (n > c->room) {
        uint32_t room = n + n / 2 + 1024;
        uint8_t *state = mem_grow(c->state, c->room, room, 1, e);
        if (!state)
            return false;
        c->state = state;
        c->room = room;
    }
    while (size / 2 <= n)
        size *= 2;
    if (size == c->table_size)
        return true;
    uint32_t *old = c->table, old_size = c->table_size;
    uint32_t *table = mem_new(size, sizeof(*table), e);
    if (!table)
        return false;
    c->table = table;
    c->table_size = size;
    for (uint32_t i = 0; i < old_size; i++)
        if (old[i])
            *place_of(c, &record_at(c, old[i] - 1)->key) = old[i];
    mem_free(old);
    return true;
}

/* Takes in the records that the file has beyond those known; the last one of a key counts. */
static bool read_records(struct feature_cache *c, struct err *e)
{
    struct stat st;
    if (fstat(c->fd, &st) != 0)
        return err_errno(e, c->path);
    size_t size = (size_t)st.st_size < c->map_bytes ? (size_t)st.st_size : c->map_bytes;
    size_t n = size > STEP ? (size - STEP) / c->stride : 0;
    if (n <= c->n)
        return true;
    if (n >= UINT32_MAX / 4)
        return err_set(e, ERR_STORAGE, "%s: too many records", c->path);
    if (!reserve(c, (uint32_t)n, e))
        return false;
    for (; c->n < n; c->n++) {
        const struct record *r = record_at(c, c->n);
        if (r->crc == crc32c(0, r, offsetof(struct record, crc)))
            *place_of(c, &r->key) = c->n + 1;
    }
    return true;
}

const void *feature_cache_get(struct feature_cache *c, const struct feature_key *key)
{
    uint32_t entry = *place_of(c, key);
    if (!entry)
        return NULL;
    const struct record *r = record_at(c, entry - 1);
    uint8_t *state = c->state + entry - 1;
    const void *data = r + 1;
    if (*state == UNCHECKED)
        *state = hash64(data, c->bytes, 0) == r->hash ? WHOLE : DAMAGED;
    return *state == WHOLE ? data : NULL;
}

/* A torn record at the end (a crash, a full disk) would shift all that follow. Locked. */
static bool trim(const struct feature_cache *c, uint64_t *size, struct err *e)
{
    struct stat st;
    if (fstat(c->fd, &st) != 0)
        return err_errno(e, c->path);
    *size = (uint64_t)st.st_size;
    uint64_t torn = *size > STEP ? (*size - STEP) % c->stride : 0;
    *size -= torn;
    return !torn || ftruncate(c->fd, (off_t)*size) == 0 || err_errno(e, c->path);
}

static bool append(struct feature_cache *c, const struct feature_key *key, struct err *e)
{
    uint64_t size = 0;
    if (!trim(c, &size, e) || !read_records(c, e))
        return false;
    if (feature_cache_get(c, key)) /* another process was faster */
        return true;
    if (size + c->stride > c->limit)
        return err_set(e, ERR_STORAGE, "%s: %.1f GB are reached (--cache-limit)", c->dir,
                       (double)c->limit / 1e9);
    return file_append(c->fd, c->path, c->buffer, c->stride, e) && read_records(c, e);
}

bool feature_cache_put(struct feature_cache *c, const struct feature_key *key, const void *data,
                       struct err *e)
{
    struct record *r = (struct record *)c->buffer;
    memcpy(c->buffer + STEP, data, c->bytes);
    r->key = *key;
    r->hash = hash64(data, c->bytes, 0);
    r->crc = crc32c(0, r, offsetof(struct record, crc));
    if (flock(c->lock_fd, LOCK_EX) != 0)
        return err_errno(e, c->dir);
    bool ok = append(c, key, e);
    flock(c->lock_fd, LOCK_UN);
    return ok;
}

static bool ends_in(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n > m && !strcmp(name + n - m, end);
}

/* Bytes of the directory's other files, and of them the least recently used one that nobody has open,
 * "" = none. */
static int64_t list_others(const struct feature_cache *c, char oldest[PATH_MAX])
{
    char path[PATH_MAX];
    int64_t age = INT64_MAX, sum = 0;
    struct stat st;
    DIR *dir = opendir(c->dir);
    *oldest = '\0';
    for (struct dirent *at; dir && (at = readdir(dir));) {
        snprintf(path, sizeof(path), "%s/%s", c->dir, at->d_name);
        if (!ends_in(at->d_name, suffix) || !strcmp(path, c->path) || stat(path, &st) != 0)
            continue;
        sum += (int64_t)st.st_blocks * 512;
        int64_t used = st.st_atim.tv_sec * 1000000000 + st.st_atim.tv_nsec;
        int fd = used < age ? open(path, O_RDWR | O_CLOEXEC) : -1;
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) {
            age = used;
            snprintf(oldest, PATH_MAX, "%s", path);
        }
        if (fd >= 0)
            close(fd);
    }
    if (dir)
        closedir(dir);
    return sum;
}

/* Sets how large this file may grow; others make room for what is expected. Locked. */
static void make_room(struct feature_cache *c, const struct feature_cache_config *cfg)
{
    struct statvfs disk;
    struct stat st = {0};
    char oldest[PATH_MAX];
    int64_t own = fstat(c->fd, &st) == 0 ? (int64_t)st.st_size : 0;
    int64_t others = list_others(c, oldest);
    int64_t free_bytes =
        statvfs(c->dir, &disk) == 0 ? (int64_t)disk.f_bavail * (int64_t)disk.f_frsize : 0;
    int64_t limit = cfg->limit > 0 ? cfg->limit : (free_bytes + own + others) / FREE_SHARE;
    int64_t expected = cfg->n_expected * (int64_t)c->stride;
    int64_t want = own > expected ? own : expected;
    while (others + want > limit && *oldest && unlink(oldest) == 0)
        others = list_others(c, oldest);
    c->limit = (uint64_t)(limit - others > own ? limit - others : own);
}

static bool header_whole(const struct feature_cache *c, uint64_t key)
{
    struct header h;
    return pread(c->fd, &h, sizeof(h), 0) == (ssize_t)sizeof(h) && h.magic == MAGIC &&
           h.key == key && h.bytes == c->bytes &&
           h.crc == crc32c(0, &h, offsetof(struct header, crc));
}

/* The file that is there, or a new one where there is none or a damaged one. Locked. */
static bool open_file(struct feature_cache *c, uint64_t key, struct err *e)
{
    struct header h = {.magic = MAGIC, .key = key, .bytes = c->bytes};
    h.crc = crc32c(0, &h, offsetof(struct header, crc));
    c->fd = open(c->path, O_RDWR | O_APPEND | O_CLOEXEC);
    if (c->fd >= 0 && !header_whole(c, key)) {
        close(c->fd);
        unlink(c->path); /* whoever has it open goes on with it */
        c->fd = -1;
    }
    bool old = c->fd >= 0;
    if (!old)
        c->fd = open(c->path, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (c->fd < 0 || flock(c->fd, LOCK_SH | LOCK_NB) != 0)
        return err_errno(e, c->path);
    struct timespec now_and_keep[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};
    futimens(c->fd, now_and_keep); /* its last opening, for list_others */
    return old || file_append(c->fd, c->path, &h, sizeof(h), e);
}

static bool open_all(struct feature_cache *c, const struct feature_cache_config *cfg,
                     struct err *e)
{
    struct arena a = {0};
    const char *root = cfg->dir ? cfg->dir : machine_cache_folder(&a, e);
    bool ok = root && (c->dir = mem_printf(e, "%s/features", root)) != NULL &&
              (c->path = mem_printf(e, "%s/%s-%016llx%s", c->dir, cfg->name,
                                    (unsigned long long)cfg->key, suffix)) != NULL &&
              dir_make(c->dir, e);
    arena_release(&a);
    char *lock = ok ? mem_printf(e, "%s/lock", c->dir) : NULL;
    if (lock && ((c->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0666)) < 0 ||
                 flock(c->lock_fd, LOCK_EX) != 0))
        ok = err_errno(e, lock);
    ok = ok && lock && open_file(c, cfg->key, e);
    mem_free(lock);
    if (!ok)
        return false;
    make_room(c, cfg);
    flock(c->lock_fd, LOCK_UN);
    c->map_bytes = (size_t)c->limit + STEP;
    void *map = mmap(NULL, c->map_bytes, PROT_READ, MAP_SHARED, c->fd, 0);
    if (map == MAP_FAILED)
        return err_errno(e, c->path);
    c->map = map;
    return (c->buffer = mem_new(c->stride, 1, e)) != NULL && reserve(c, 0, e) &&
           read_records(c, e);
}

struct feature_cache *feature_cache_open(const struct feature_cache_config *cfg, struct err *e)
{
    struct feature_cache *c = mem_new(1, sizeof(*c), e);
    if (!c)
        return NULL;
    c->fd = c->lock_fd = -1;
    c->bytes = cfg->bytes;
    c->stride = STEP + (cfg->bytes + STEP - 1) / STEP * STEP;
    if (open_all(c, cfg, e))
        return c;
    feature_cache_close(c);
    return NULL;
}

void feature_cache_close(struct feature_cache *c)
{
    if (!c)
        return;
    if (c->map)
        munmap((void *)(uintptr_t)c->map, c->map_bytes);
    if (c->fd >= 0)
        close(c->fd);
    if (c->lock_fd >= 0)
        close(c->lock_fd);
    mem_free(c->state);
    mem_free(c->table);
    mem_free(c->buffer);
    mem_free(c->path);
    mem_free(c->dir);
    mem_free(c);
}
