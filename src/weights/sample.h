/* For tests and fuzzing: .pth files made byte by byte, each field where a test can spoil it, and the
 * proof that a spoilt one is refused within its limits of time and memory. */
#ifndef WEIGHTS_SAMPLE_H
#define WEIGHTS_SAMPLE_H

#include "base/hash.h"
#include "weights/state_dict.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SAMPLE_LIMIT_MS = 2000, SAMPLE_LIMIT_MIB = 1024 };
#else
enum { SAMPLE_LIMIT_MS = 100, SAMPLE_LIMIT_MIB = 64 };
#endif

struct bytes {
    uint8_t *at;
    size_t n, room;
};

static inline void put(struct bytes *b, const void *from, size_t n)
{
    while (b->n + n > b->room) {
        b->room = b->room ? 2 * b->room : 4096;
        b->at = realloc(b->at, b->room);
        if (!b->at)
            abort();
    }
    if (n)
        memcpy(b->at + b->n, from, n);
    b->n += n;
}

static inline void set_number(uint8_t *at, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        at[i] = (uint8_t)(v >> 8 * i);
}

static inline void put_number(struct bytes *b, uint64_t v, int bytes)
{
    uint8_t byte[8];
    set_number(byte, v, bytes);
    put(b, byte, (size_t)bytes);
}

/* A pickle in pieces, joined by the compiler: PROTO ODICT "(" NAME1("w") TENSOR "u." is a state_dict
 * of w, 2 x 3, in storage 0 of 6 floats. */
#define PROTO         "\x80\x02"
#define ODICT         "ccollections\nOrderedDict\n)R"
#define NAME1(letter) "U\x01" letter
#define STORAGE_OF(type, key, n)                                                               \
    "(U\x07storagectorch\n" type "\nU\x01" key "U\x03"                                         \
    "cpuK" n "tQ"
#define TENSOR_IN(storage, offset, size, stride)                                               \
    "ctorch._utils\n_rebuild_tensor_v2\n(" storage offset size stride "\x89" ODICT "tR"
#define SIZE   "K\x02K\x03\x86"
#define STRIDE "K\x03K\x01\x86"
#define TENSOR TENSOR_IN(STORAGE_OF("FloatStorage", "0", "\x06"), "K\0", SIZE, STRIDE)
#define SEED   PROTO ODICT "(" NAME1("w") TENSOR "u."

static const float sample_data[6] = {1, -2, 3.5f, 0, 1e-30f, 6};

struct part {
    const char *name;
    const void *data;
    size_t n;
};
enum { MAX_PARTS = 8 };
/* A zip archive and where its records are. */
struct archive {
    struct bytes file;
    int n_part;
    size_t local_at[MAX_PARTS], data_at[MAX_PARTS], descriptor_at[MAX_PARTS];
    size_t central_at[MAX_PARTS], end64_at, locator_at, end_at;
};

static inline void put_local(struct bytes *b, const struct part *p)
{
    size_t n_name = strlen(p->name), front = b->n + 30 + n_name + 4, pad = -front % 64;
    put_number(b, 0x04034b50, 4);
    put_number(b, 0, 2);
    put_number(b, 0x808, 2);
    put(b, (uint8_t[18]){0}, 18);
    put_number(b, n_name, 2);
    put_number(b, 4 + pad, 2);
    put(b, p->name, n_name);
    put(b, "FB", 2);
    put_number(b, pad, 2);
    for (; pad > 0; pad--)
        put(b, "Z", 1);
}

static inline void put_central(struct bytes *b, const struct part *p, size_t local_at)
{
    put_number(b, 0x02014b50, 4);
    put_number(b, 0, 4);
    put_number(b, 0x808, 2);
    put_number(b, 0, 6);
    put_number(b, crc32_zip(0, p->data, p->n), 4);
    put_number(b, p->n, 4);
    put_number(b, p->n, 4);
    put_number(b, strlen(p->name), 2);
    put(b, (uint8_t[12]){0}, 12);
    put_number(b, local_at, 4);
    put(b, p->name, strlen(p->name));
}

/* As PyTorch writes it: data at multiples of 64, descriptors behind, both end records. */
static inline void archive_write(struct archive *a, const struct part *part, int n_part)
{
    struct bytes *b = &a->file;
    b->n = 0;
    a->n_part = n_part;
    for (int i = 0; i < n_part; i++) {
        a->local_at[i] = b->n;
        put_local(b, &part[i]);
        a->data_at[i] = b->n;
        put(b, part[i].data, part[i].n);
        a->descriptor_at[i] = b->n;
        put_number(b, 0x08074b50, 4);
        put_number(b, crc32_zip(0, part[i].data, part[i].n), 4);
        put_number(b, part[i].n, 4);
        put_number(b, part[i].n, 4);
    }
    size_t from = b->n;
    for (int i = 0; i < n_part; i++) {
        a->central_at[i] = b->n;
        put_central(b, &part[i], a->local_at[i]);
    }
    size_t n = b->n - from;
    a->end64_at = b->n;
    put_number(b, 0x06064b50, 4);
    put_number(b, 44, 8);
    put_number(b, 45ull << 16 | 0x31e, 4);
    put_number(b, 0, 8);
    put_number(b, (uint64_t)n_part, 8);
    put_number(b, (uint64_t)n_part, 8);
    put_number(b, n, 8);
    put_number(b, from, 8);
    a->locator_at = b->n;
    put_number(b, 0x07064b50, 4);
    put_number(b, 0, 4);
    put_number(b, a->end64_at, 8);
    put_number(b, 1, 4);
    a->end_at = b->n;
    put_number(b, 0x06054b50, 4);
    put_number(b, 0, 4);
    put_number(b, (uint64_t)n_part, 2);
    put_number(b, (uint64_t)n_part, 2);
    put_number(b, n, 4);
    put_number(b, from, 4);
    put_number(b, 0, 2);
}

enum { PART_PICKLE, PART_ORDER, PART_DATA, PART_VERSION, N_PARTS };
/* A .pth with this data.pkl and storage 0 of sample_data. */
static inline void sample_parts(struct part part[N_PARTS], const char *pickle, size_t n)
{
    part[PART_PICKLE] = (struct part){"m/data.pkl", pickle, n};
    part[PART_ORDER] = (struct part){"m/byteorder", "little", 6};
    part[PART_DATA] = (struct part){"m/data/0", sample_data, sizeof(sample_data)};
    part[PART_VERSION] = (struct part){"m/version", "3\n", 2};
}

static inline void sample_zip(struct archive *a, const char *pickle, size_t n)
{
    struct part part[N_PARTS];
    sample_parts(part, pickle, n);
    archive_write(a, part, N_PARTS);
}

#define LEGACY_FRONT                                                                           \
    "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19." PROTO "M\xe9\x03." PROTO       \
    "}U\x0d"                                                                                   \
    "little_endian\x88s."
#define LEGACY_KEYS PROTO "](" NAME1("0") "e."
/* The layout before PyTorch 1.6, of these pickles and storage 0. */
static inline void sample_legacy(struct bytes *b, const char *pickle, size_t n)
{
    b->n = 0;
    put(b, LEGACY_FRONT, sizeof(LEGACY_FRONT) - 1);
    put(b, pickle, n);
    put(b, LEGACY_KEYS, sizeof(LEGACY_KEYS) - 1);
    put_number(b, COUNT_OF(sample_data), 8);
    put(b, sample_data, sizeof(sample_data));
}

/* Opens bytes as a file, by its path. */
static inline bool sample_open(struct state_dict *s, const void *byte, size_t n, struct err *e)
{
    char path[64];
    int fd = memfd_create("sample", MFD_CLOEXEC);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    bool ok = fd >= 0 && write(fd, byte, n) == (ssize_t)n;
    if (!ok)
        abort();
    *e = (struct err){0};
    ok = state_dict_open(s, path, e);
    close(fd);
    return ok;
}

/* Reads every tensor in n bytes, which should be a block of just their size, so that a read past
 * their end is seen. */
static inline bool sample_reads(const void *byte, size_t n, struct err *e)
{
    struct state_dict s;
    *e = (struct err){0};
    bool ok = state_dict_parse(&s, "sample", byte, n, e);
    for (int i = 0; ok && i < s.n_tensor; i++) {
        size_t count = sd_tensor_count(&s.tensor[i]);
        float *x = malloc(count * sizeof(*x) + 1);
        ok = x ? state_dict_copy(&s, &s.tensor[i], x, count, e)
               : err_set(e, ERR_NOMEM, "no memory for %zu floats", count);
        free(x);
    }
    state_dict_close(&s);
    return ok;
}

static inline double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static inline long peak_mib(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return use.ru_maxrss >> 10;
}

/* The peak starts anew, where the kernel lets us; else what was before hides a part of it. */
static inline void forget_peak(void)
{
    int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && write(fd, "5", 1) != 1)
        fprintf(stderr, "sample: the peak of memory stands\n");
    if (fd >= 0)
        close(fd);
}

/* What refusing files has cost at most, of all so far. */
struct cost {
    int n;
    double ms;
    long mib;
};

/* Why the file was not refused as it must be: by ERR_MODEL, in one line that says `reason`, in
 * 100 ms of processor time and 64 MiB; NULL: it was. */
static inline const char *sample_refused(const void *byte, size_t n, const char *reason,
                                         struct cost *c)
{
    static char why[1200];
    struct err e;
    uint8_t *copy = malloc(n + !n);
    if (!copy)
        abort();
    memcpy(copy, byte, n);
    forget_peak();
    long before = peak_mib();
    double start = cpu_ms();
    bool ok = sample_reads(copy, n, &e);
    double took = cpu_ms() - start;
    long grown = peak_mib() - before;
    free(copy);
    c->n++;
    c->ms = took > c->ms ? took : c->ms;
    c->mib = grown > c->mib ? grown : c->mib;
    if (ok)
        return "was accepted";
    snprintf(why, sizeof(why), "kind %d, %.0f ms, %ld MiB, \"%s\", expected \"%s\"",
             (int)e.kind, took, grown, e.msg, reason);
    bool fine = e.kind == ERR_MODEL && strstr(e.msg, reason) && !strchr(e.msg, '\n') &&
                took <= SAMPLE_LIMIT_MS && grown <= SAMPLE_LIMIT_MIB;
    return fine ? NULL : why;
}

/* Prints the cost; false when fewer than least files were refused: some test did nothing. */
static inline bool cost_told(const struct cost *c, int least)
{
    printf("%d files refused, slowest %.1f ms, %ld MiB at most\n", c->n, c->ms, c->mib);
    return c->n >= least;
}

#endif
