/* aligned_alloc and memset, large blocks on huge pages; arenas chain blocks of 64 KiB or of the size asked
 * for. */
#include "base/mem.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGN = 64, ARENA_BLOCK = 64 << 10, HUGE_PAGE = 2 << 20, LARGE = 2 * HUGE_PAGE };

static atomic_int fail_countdown; /* tests only: 0 = off */

void mem_fail_at(int n)
{
    atomic_store(&fail_countdown, n);
}

static bool must_fail(void)
{
    return atomic_load(&fail_countdown) > 0 && atomic_fetch_sub(&fail_countdown, 1) == 1;
}

void *mem_raw(size_t n, size_t size, struct err *e)
{
    size_t bytes;
    void *block = NULL;
    if (!__builtin_mul_overflow(n, size, &bytes) && bytes < SIZE_MAX - HUGE_PAGE &&
        !must_fail()) {
        size_t align = bytes < LARGE ? ALIGN : HUGE_PAGE;
        block = aligned_alloc(align, (bytes + align) / align * align);
        if (block && bytes >= LARGE)
            madvise(block, bytes, MADV_HUGEPAGE); /* a hint: without it pages are small */
    }
    if (!block)
        err_set(e, ERR_NOMEM, "no memory for %zu x %zu bytes", n, size);
    return block;
}

void *mem_new(size_t n, size_t size, struct err *e)
{
    void *block = mem_raw(n, size, e);
    return block ? memset(block, 0, n * size) : NULL;
}

void *mem_grow(void *old, size_t old_n, size_t new_n, size_t size, struct err *e)
{
    void *block = mem_new(new_n, size, e);
    if (block && old) {
        memcpy(block, old, (old_n < new_n ? old_n : new_n) * size);
        mem_free(old);
    }
    return block;
}

char *mem_text(const char *text, struct err *e)
{
    char *copy = mem_new(strlen(text) + 1, 1, e);
    return copy ? strcpy(copy, text) : NULL;
}

char *mem_printf(struct err *e, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *text = n < 0 ? NULL : mem_new((size_t)n + 1, 1, e);
    if (!text)
        return NULL;
    va_start(args, fmt);
    vsnprintf(text, (size_t)n + 1, fmt, args);
    va_end(args);
    return text;
}

void mem_free(void *block)
{
    free(block);
}

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    _Alignas(ALIGN) unsigned char byte[];
};

void *arena_new(struct arena *a, size_t n, size_t size, struct err *e)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 2) {
        err_set(e, ERR_NOMEM, "no memory for %zu x %zu bytes", n, size);
        return NULL;
    }
    bytes = (bytes + 15) / 16 * 16;
    if (!a->block || a->block->size - a->block->used < bytes) {
        size_t room = bytes > ARENA_BLOCK ? bytes : ARENA_BLOCK;
        struct arena_block *b = mem_new(1, sizeof(*b) + room, e);
        if (!b)
            return NULL;
        b->size = room;
        b->next = a->block;
        a->block = b;
    }
    void *at = a->block->byte + a->block->used;
    a->block->used += bytes;
    return at;
}

char *arena_text(struct arena *a, const char *text, struct err *e)
{
    char *copy = arena_new(a, strlen(text) + 1, 1, e);
    return copy ? strcpy(copy, text) : NULL;
}

void arena_release(struct arena *a)
{
    while (a->block) {
        struct arena_block *next = a->block->next;
        mem_free(a->block);
        a->block = next;
    }
}

void *mem_map(size_t bytes, struct err *e)
{
    void *block = must_fail() ? MAP_FAILED
                              : mmap(NULL, bytes ? bytes : 1, PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) {
        err_set(e, ERR_NOMEM, "no memory for %zu bytes", bytes);
        return NULL;
    }
    madvise(block, bytes, MADV_HUGEPAGE); /* a hint: without it pages are small */
    return block;
}

void mem_unmap(void *block, size_t bytes)
{
    if (block)
        munmap(block, bytes ? bytes : 1);
}

/* The number behind `key` in a file of the kernel's, times unit; SIZE_MAX when there is none. */
static size_t kernel_number(const char *path, const char *key, size_t unit)
{
    char line[256];
    size_t found = SIZE_MAX, n = strlen(key);
    FILE *f = fopen(path, "re");
    while (f && found == SIZE_MAX && fgets(line, sizeof(line), f)) {
        unsigned long long value;
        if (!strncmp(line, key, n) && sscanf(line + n, "%llu", &value) == 1 &&
            value < SIZE_MAX / unit)
            found = (size_t)value * unit;
    }
    if (f)
        fclose(f);
    return found;
}

static size_t room_below(const char *limit_path, const char *used_path)
{
    size_t limit = kernel_number(limit_path, "", 1), used = kernel_number(used_path, "", 1);
    if (limit == SIZE_MAX || used == SIZE_MAX)
        return SIZE_MAX;
    return limit > used ? limit - used : 0;
}

size_t mem_available(void)
{
    size_t least = kernel_number("/proc/meminfo", "MemAvailable:", 1024);
    size_t group[2] = {room_below("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
                       room_below("/sys/fs/cgroup/memory/memory.limit_in_bytes",
                                  "/sys/fs/cgroup/memory/memory.usage_in_bytes")};
    for (int i = 0; i < 2; i++)
        least = group[i] < least ? group[i] : least;
    return least;
}
