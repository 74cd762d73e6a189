/* Every allocation of the project. Blocks are zeroed and aligned to 64 bytes (a cache line, a
 * 512-bit vector). A test can make the n-th allocation fail. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* n x size zeroed bytes, never NULL for n = 0; NULL and ERR_NOMEM when there is no memory or
 * n x size overflows. The caller frees with mem_free. */
MUST_CHECK void *mem_new(size_t n, size_t size, struct err *e);
/* The same, not zeroed: for what is about to be written whole. */
MUST_CHECK void *mem_raw(size_t n, size_t size, struct err *e);
/* The same block at new_n elements, the added ones zeroed; on failure the old block stands. */
MUST_CHECK void *mem_grow(void *old, size_t old_n, size_t new_n, size_t size, struct err *e);
MUST_CHECK char *mem_text(const char *text, struct err *e); /* a copy */
MUST_CHECK char *mem_printf(struct err *e, const char *fmt, ...) PRINTF(2, 3);
void mem_free(void *block); /* NULL is fine */

/* Large memory straight from the system: zeroed, on huge pages where there are any, touched only
 * when used. The caller releases it with mem_unmap. */
MUST_CHECK void *mem_map(size_t bytes, struct err *e);
void mem_unmap(void *block, size_t bytes);
/* Bytes this process may still take: what the machine has available, or the cgroup's limit. */
size_t mem_available(void);

/* Tests: the n-th allocation from now fails (1 = the next), 0 = none. */
void mem_fail_at(int n);

/* An arena: many small things that die together. Zero it to begin. */
struct arena {
    struct arena_block *block;
};
MUST_CHECK void *arena_new(struct arena *a, size_t n, size_t size, struct err *e);
MUST_CHECK char *arena_text(struct arena *a, const char *text, struct err *e);
void arena_release(struct arena *a);

#endif
