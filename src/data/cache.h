/* Starting pictures (data/picture.h), decoded and scaled once and kept on disk for later epochs and
 * runs. A picture is found by its file's device, inode, size and time and the rule it was scaled
 * by; the cache on, off or full changes no byte of what the network sees.
 *
 * A data set root and a rule make a pair of files: PACK, pixels one after the other, and INDEX, a
 * 128-byte record for each with checksums. Both only grow, under a lock, so processes share them;
 * readers map them. What is damaged or cut off is not used and is written again. Files are
 * removed, never shortened, so a map stays whole; the least recently used go first when the
 * directory is over its limit. Nothing here is ever an error of the run: without the cache it is
 * slower. */
#ifndef DATA_CACHE_H
#define DATA_CACHE_H

#include "data/picture.h"
#include "data/sums.h"

struct cache_config {
    const char *dir;  /* NULL: machine_cache_folder() */
    const char *root; /* of the data set: its whole folder, for all parts */
    struct picture_rule rule;
    int64_t limit;  /* bytes of the directory; 0 = 20 % of what is free and what it holds */
    int n_expected; /* pictures: room is made for as many; 0 = unknown */
};

struct cache_stats {
    int64_t hits, added, damaged;
    int64_t bytes; /* of the pack */
    bool full;
};

struct cache;

/* NULL and e when there can be no cache: say so once and go on without. */
MUST_CHECK struct cache *cache_open(const struct cache_config *cfg, struct err *e);
/* A mapped picture, to be read only, valid until cache_close. Checked on its first use. */
MUST_CHECK bool cache_get(struct cache *c, const struct sample *s, struct image *out);
bool cache_has(struct cache *c, const struct sample *s);
MUST_CHECK bool cache_sums(struct cache *c, const struct sample *s, struct picture_sums *out);
/* Stores a starting picture; a full disk or limit ends storing, not the caller. */
void cache_put(struct cache *c, const struct sample *s, const struct image *im);
struct picture_rule cache_rule(const struct cache *c);
struct cache_stats cache_stats(struct cache *c);
/* One line for the user the first time after something went wrong ("full"), else NULL. */
const char *cache_note(struct cache *c);
void cache_close(struct cache *c);

#endif
