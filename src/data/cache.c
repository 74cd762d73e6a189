/* The index in memory is a hash table of record numbers over the mapped INDEX. One mutex guards the
 * table; an flock on INDEX orders the writers of all processes, who read each other's records
 * before they add their own. */
#include "data/cache.h"

#include "base/file.h"
#include "data/cache_files.h"

#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Address space, not memory: the INDEX of 16 million pictures. */
#define INDEX_MAP_BYTES ((size_t)CACHE_RECORD << 24)

#define WRITE_AHEAD ((uint64_t)16 << 20)

enum state { UNCHECKED, WHOLE, DAMAGED };

struct cache {
    struct cache_files files;
    struct picture_rule rule;
    pthread_mutex_t lock;
    const uint8_t *index_map, *pack_map;
    size_t pack_map_bytes;
    uint64_t writing;  /* bytes of PACK that the disk was told to write */
    uint32_t n_record; /* read so far */
    uint8_t *state;    /* (state_room) enum state of each */
    uint32_t state_room;
    uint32_t *table; /* (table_size, a power of two) record number + 1, 0 = free */
    uint32_t table_size, n_used;
    struct cache_stats stats;
    char note[256];
    bool note_given;
};

static const struct cache_record *record_at(const struct cache *c, uint32_t i)
{
    return (const struct cache_record *)(c->index_map + CACHE_RECORD * ((size_t)i + 1));
}

static struct cache_key key_of(const struct sample *s)
{
    return (struct cache_key){(uint64_t)s->dev, (uint64_t)s->ino, s->size, s->mtime_ns};
}

static size_t pixel_bytes(const struct cache_record *r)
{
    return (size_t)r->w * r->h * 3;
}

/* The place of a key in the table: its entry, or the free one where it belongs. */
static uint32_t *place_of(const struct cache *c, const struct cache_key *key)
{
    uint32_t at = (uint32_t)hash64(key, sizeof(*key), 0);
    for (;; at++) {
        uint32_t *entry = c->table + (at & (c->table_size - 1));
        if (!*entry || !memcmp(&record_at(c, *entry - 1)->key, key, sizeof(*key)))
            return entry;
    }
}

/* Room in the table and the states for n more records; less than half of the table is used. */
static bool reserve(struct cache *c, uint32_t n, struct err *e)
{
    uint32_t need = c->n_record + n, size = c->table_size ? c->table_size : 1024;
    if (need > c->state_room) {
        uint32_t room = need + need / 2 + 1024;
        uint8_t *state = mem_grow(c->state, c->state_room, room, 1, e);
        if (!state)
            return false;
        c->state = state;
        c->state_room = room;
    }
    while (size / 2 <= need)
        size *= 2;
    if (size == c->table_size)
        return true;
    uint32_t *old = c->table, *table = mem_new(size, sizeof(*table), e);
    if (!table)
        return false;
    uint32_t old_size = c->table_size;
    c->table = table;
    c->table_size = size;
    for (uint32_t i = 0; i < old_size; i++)
        if (old[i])
            *place_of(c, &record_at(c, old[i] - 1)->key) = old[i];
    mem_free(old);
    return true;
}

static bool record_whole(const struct cache_record *r, uint64_t pack_bytes)
{
    return r->crc == crc32c(0, r, offsetof(struct cache_record, crc)) && r->w > 0 && r->h > 0 &&
           r->w < 1u << 20 && r->h < 1u << 20 && pixel_bytes(r) <= pack_bytes &&
           r->offset <= pack_bytes - pixel_bytes(r);
}

/* Takes in the records that INDEX has beyond those known. Locked. */
static bool read_records(struct cache *c, struct err *e)
{
    struct stat index, pack;
    if (fstat(c->files.index_fd, &index) != 0 || fstat(c->files.pack_fd, &pack) != 0)
        return err_errno(e, c->files.index);
    size_t n = (size_t)index.st_size / CACHE_RECORD;
    n = n > INDEX_MAP_BYTES / CACHE_RECORD ? INDEX_MAP_BYTES / CACHE_RECORD : n;
    if (n <= c->n_record + 1)
        return true;
    if (!reserve(c, (uint32_t)n - 1 - c->n_record, e))
        return false;
    uint64_t pack_bytes = (uint64_t)pack.st_size;
    if (pack_bytes > c->pack_map_bytes)
        pack_bytes = c->pack_map_bytes;
    for (; c->n_record < n - 1; c->n_record++) {
        const struct cache_record *r = record_at(c, c->n_record);
        if (record_whole(r, pack_bytes))
            *place_of(c, &r->key) = c->n_record + 1;
        else
            c->stats.damaged++;
    }
    return true;
}

static bool map_files(struct cache *c, struct err *e)
{
    c->pack_map_bytes = (size_t)c->files.limit + 1; /* never 0 */
    void *index = mmap(NULL, INDEX_MAP_BYTES, PROT_READ, MAP_SHARED, c->files.index_fd, 0);
    if (index == MAP_FAILED)
        return err_errno(e, c->files.index);
    c->index_map = index;
    void *pack = mmap(NULL, c->pack_map_bytes, PROT_READ, MAP_SHARED, c->files.pack_fd, 0);
    if (pack == MAP_FAILED)
        return err_errno(e, c->files.pack);
    c->pack_map = pack;
    return true;
}

struct cache *cache_open(const struct cache_config *cfg, struct err *e)
{
    struct cache *c = mem_new(1, sizeof(*c), e);
    if (!c)
        return NULL;
    pthread_mutex_init(&c->lock, NULL);
    c->rule = cfg->rule;
    if (cache_files_open(cfg, &c->files, e) && map_files(c, e) && reserve(c, 0, e) &&
        read_records(c, e))
        return c;
    err_in(e, "cache of decoded pictures");
    cache_close(c);
    return NULL;
}

/* The record of a sample and its state, NULL when there is none. */
static const struct cache_record *find(struct cache *c, const struct sample *s,
                                       uint32_t *number, enum state *state)
{
    struct cache_key key = key_of(s);
    pthread_mutex_lock(&c->lock);
    uint32_t entry = *place_of(c, &key);
    if (entry) {
        *number = entry - 1;
        *state = (enum state)c->state[*number];
    }
    pthread_mutex_unlock(&c->lock);
    return entry ? record_at(c, entry - 1) : NULL;
}

/* Compares the pixels with their checksum and remembers the outcome. */
static bool check(struct cache *c, const struct cache_record *r, uint32_t number)
{
    bool whole = hash64(c->pack_map + r->offset, pixel_bytes(r), 0) == r->hash;
    pthread_mutex_lock(&c->lock);
    c->state[number] = whole ? WHOLE : DAMAGED;
    c->stats.damaged += !whole;
    pthread_mutex_unlock(&c->lock);
    return whole;
}

bool cache_get(struct cache *c, const struct sample *s, struct image *out)
{
    uint32_t number;
    enum state state;
    const struct cache_record *r = find(c, s, &number, &state);
    if (!r || state == DAMAGED || (state == UNCHECKED && !check(c, r, number)))
        return false;
    *out = (struct image){(int)r->w, (int)r->h, (uint8_t *)c->pack_map + r->offset};
    pthread_mutex_lock(&c->lock);
    c->stats.hits++;
    pthread_mutex_unlock(&c->lock);
    return true;
}

bool cache_has(struct cache *c, const struct sample *s)
{
    uint32_t number;
    enum state state;
    return find(c, s, &number, &state) && state != DAMAGED;
}

bool cache_sums(struct cache *c, const struct sample *s, struct picture_sums *out)
{
    uint32_t number;
    enum state state;
    const struct cache_record *r = find(c, s, &number, &state);
    if (!r || state == DAMAGED)
        return false;
    out->n = (uint64_t)r->w * r->h;
    memcpy(out->sum, r->sum, sizeof(out->sum));
    memcpy(out->square, r->square, sizeof(out->square));
    return true;
}

static void set_full(struct cache *c, const char *why)
{
    c->stats.full = true;
    snprintf(c->note, sizeof(c->note),
             "the cache of decoded pictures is full (%s): the rest is decoded each epoch", why);
}

/* A torn record at the end of INDEX (a crash, a cut copy) would shift all that follow. */
static bool trim_index(struct cache *c)
{
    struct stat st;
    int fd = c->files.index_fd;
    return fstat(fd, &st) == 0 && (st.st_size % CACHE_RECORD == 0 ||
                                   ftruncate(fd, st.st_size - st.st_size % CACHE_RECORD) == 0);
}

/* The disk begins early: left alone, the kernel collects gigabytes and then stops the writers. */
static void start_writing(struct cache *c, uint64_t end)
{
#ifdef SYNC_FILE_RANGE_WRITE
    if (end - c->writing < WRITE_AHEAD)
        return;
    sync_file_range(c->files.pack_fd, (off_t)c->writing, (off_t)(end - c->writing),
                    SYNC_FILE_RANGE_WRITE);
    c->writing = end;
#else
    (void)c, (void)end;
#endif
}

/* Writes pixels, then the record that makes them known. Both locks held. */
static void append(struct cache *c, struct cache_record *r, const struct image *im)
{
    struct err e;
    struct stat st;
    uint32_t number;
    if (!trim_index(c) || !read_records(c, &e) || fstat(c->files.pack_fd, &st) != 0)
        return;
    uint32_t entry = *place_of(c, &r->key);
    number = entry - 1;
    if (entry && c->state[number] != DAMAGED)
        return; /* another process was faster */
    r->offset = (uint64_t)st.st_size;
    if (r->offset + pixel_bytes(r) > (uint64_t)c->files.limit) {
        set_full(c, "--cache-limit");
        return;
    }
    r->crc = crc32c(0, r, offsetof(struct cache_record, crc));
    if (!file_append(c->files.pack_fd, c->files.pack, im->pixel, pixel_bytes(r), &e) ||
        !file_append(c->files.index_fd, c->files.index, r, sizeof(*r), &e)) {
        set_full(c, e.msg);
        return;
    }
    c->stats.added++;
    c->stats.bytes = (int64_t)(r->offset + pixel_bytes(r));
    start_writing(c, r->offset + pixel_bytes(r));
    if (!read_records(c, &e))
        set_full(c, e.msg);
    else if ((entry = *place_of(c, &r->key)))
        c->state[entry - 1] = WHOLE; /* the very bytes that were just written */
}

void cache_put(struct cache *c, const struct sample *s, const struct image *im)
{
    struct picture_sums sums;
    struct cache_record r = {.key = key_of(s), .w = (uint32_t)im->w, .h = (uint32_t)im->h};
    picture_sums_of(im, &sums);
    memcpy(r.sum, sums.sum, sizeof(r.sum));
    memcpy(r.square, sums.square, sizeof(r.square));
    r.hash = hash64(im->pixel, pixel_bytes(&r), 0);
    pthread_mutex_lock(&c->lock);
    if (!c->stats.full && flock(c->files.index_fd, LOCK_EX) == 0) {
        append(c, &r, im);
        flock(c->files.index_fd, LOCK_UN);
    }
    pthread_mutex_unlock(&c->lock);
}

struct picture_rule cache_rule(const struct cache *c)
{
    return c->rule;
}

struct cache_stats cache_stats(struct cache *c)
{
    pthread_mutex_lock(&c->lock);
    struct cache_stats stats = c->stats;
    pthread_mutex_unlock(&c->lock);
    return stats;
}

const char *cache_note(struct cache *c)
{
    pthread_mutex_lock(&c->lock);
    bool tell = c->note[0] && !c->note_given;
    c->note_given |= tell;
    pthread_mutex_unlock(&c->lock);
    return tell ? c->note : NULL;
}

void cache_close(struct cache *c)
{
    if (!c)
        return;
    if (c->index_map)
        munmap((void *)c->index_map, INDEX_MAP_BYTES);
    if (c->pack_map)
        munmap((void *)c->pack_map, c->pack_map_bytes);
    cache_files_close(&c->files);
    pthread_mutex_destroy(&c->lock);
    mem_free(c->state);
    mem_free(c->table);
    mem_free(c);
}
