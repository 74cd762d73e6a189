/* The files of a cache: their format, their names, making room. Internal to data/cache.c. */
#ifndef DATA_CACHE_FILES_H
#define DATA_CACHE_FILES_H

#include "data/cache.h"

enum { CACHE_RECORD = 128, CACHE_MAGIC = 0x31434e4c /* "LNC1" */ };

/* INDEX begins with this; numbers are the machine's own, the cache does not travel. */
struct cache_header {
    uint32_t magic, side_px, filter, zero;
    uint64_t generation; /* in the name of its PACK */
    uint8_t unused[CACHE_RECORD - 28];
    uint32_t crc; /* crc32c of all before it */
};

struct cache_key {
    uint64_t dev, ino;
    int64_t size, mtime_ns;
};

/* Then one of these a picture; the last one of a key counts. */
struct cache_record {
    struct cache_key key;
    uint64_t offset, hash; /* of w x h x 3 bytes in PACK */
    uint32_t w, h;
    uint64_t sum[3], square[3];
    uint8_t unused[CACHE_RECORD - 108];
    uint32_t crc;
};
_Static_assert(sizeof(struct cache_header) == CACHE_RECORD, "cache header");
_Static_assert(sizeof(struct cache_record) == CACHE_RECORD, "cache record");

struct cache_files {
    int index_fd, pack_fd; /* append only; pack_fd holds a shared lock: in use */
    char *index, *pack;    /* paths */
    int64_t limit;         /* bytes that the pack may have */
};

/* Opens or makes the pair for cfg, removing what is damaged or, for room, least recently used. */
MUST_CHECK bool cache_files_open(const struct cache_config *cfg, struct cache_files *out,
                                 struct err *e);
void cache_files_close(struct cache_files *f);

#endif
