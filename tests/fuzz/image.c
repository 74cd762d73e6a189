/* Damaged pictures, the same ones each time: each is decoded or refused, in at most 2 s and 256 MiB,
 * without a report of the sanitizers that this is built with.
 *     fuzz_image [--runs N] [--only FORMAT:INDEX [--save FILE]] SEEDS...
 * Seeds are folders. Prints the counts of each format, then "N passed, N failed, N skipped". */
#include "base/file.h"
#include "image/decode.h"
#include "image/resize.h"
#include "mutate.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_SEEDS = 1024,
    MAX_SEED_BYTES = 64 << 10,
    LIMIT_S = 2,
    LIMIT_MIB = 256,
};

/* Read by AddressSanitizer: freed memory is not held back, so that resident memory is real. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "quarantine_size_mb=1:hard_rss_limit_mb=256:max_allocation_size_mb=256:"
           "allocator_may_return_null=1";
}

static struct {
    struct blob seed[MAX_SEEDS];
    int n_seed;
    const char *format; /* the input at hand, for the report of a crash */
    int index;
} fuzz;

static void say_where(void)
{
    fprintf(stderr, "fuzz_image: at --only %s:%d\n", fuzz.format ? fuzz.format : "?",
            fuzz.index);
}

static void on_limit(int signal_number)
{
    (void)signal_number;
    say_where();
    fprintf(stderr, "fuzz_image: over %d s of processor time\n", LIMIT_S);
    _exit(1);
}

void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static const struct decoder *decoder_of(const struct blob *b)
{
    for (const struct decoder *const *d = decoders; *d; d++)
        if ((*d)->matches(b->byte, b->n))
            return *d;
    return NULL;
}

static void read_seeds(const char *folder)
{
    struct dirent **entry;
    int n = scandir(folder, &entry, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char path[4096];
        struct err e = {0};
        struct blob b = {0};
        snprintf(path, sizeof(path), "%s/%s", folder, entry[i]->d_name);
        free(entry[i]);
        if (fuzz.n_seed == MAX_SEEDS ||
            !file_read(path, MAX_SEED_BYTES, ERR_DATA, &b.byte, &b.n, &e))
            continue;
        if (decoder_of(&b))
            fuzz.seed[fuzz.n_seed++] = b;
        else
            mem_free(b.byte);
    }
    if (n >= 0)
        free(entry);
}

/* Input number index of a format: a seed, damaged. In a block of just its size, so that a read
 * behind its end is seen. */
static uint8_t *input(const struct decoder *d, const int *own, int n_own, int index, size_t *n)
{
    static uint8_t room[2 * MAX_SEED_BYTES];
    struct rng r = rng_at(3, RNG_TEST, (uint64_t)d->name[0], (uint64_t)index);
    const struct blob *seed = &fuzz.seed[own[rng_below(&r, (uint32_t)n_own)]];
    const struct blob *other =
        &fuzz.seed[rng_below(&r, 4) ? own[rng_below(&r, (uint32_t)n_own)]
                                    : (int)rng_below(&r, (uint32_t)fuzz.n_seed)];
    struct blob b = {room, seed->n, sizeof(room)};
    memcpy(room, seed->byte, seed->n);
    mutate(&b, other, &r);
    uint8_t *byte = malloc(b.n ? b.n : 1);
    memcpy(byte, b.byte, b.n);
    *n = b.n;
    return byte;
}

/* Every value is read, as training would: by way of a resize. */
static bool decodes(const uint8_t *byte, size_t n, struct err *e)
{
    struct image im, small;
    if (!decode_bytes(byte, n, 1, &im, NULL, e))
        return false;
    bool ok = resize(&im, 32, 32, RESIZE_BILINEAR, &small, e);
    image_release(&im);
    image_release(&small);
    return ok;
}

/* Processor time, so that a busy machine fails nothing. */
static void limit_cpu(int s)
{
    struct itimerval limit = {.it_value = {.tv_sec = s}};
    setitimer(ITIMER_PROF, &limit, NULL);
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* False on a refusal for want of memory: the limit is then the sanitizer's, not the decoder's. */
static bool run_one(const uint8_t *byte, size_t n, int *decoded, double *slowest)
{
    struct err e = {0};
    double start = now_ms();
    limit_cpu(LIMIT_S);
    *decoded += decodes(byte, n, &e);
    limit_cpu(0);
    double took = now_ms() - start;
    *slowest = took > *slowest ? took : *slowest;
    if (e.kind != ERR_NONE && e.kind != ERR_DATA) {
        say_where();
        fprintf(stderr, "fuzz_image: %s\n", e.msg);
        return false;
    }
    return true;
}

struct options {
    int runs, only_index;
    char only[16];
    const char *save;
};

static int own_seeds(const struct decoder *d, int *own)
{
    int n = 0;
    for (int i = 0; i < fuzz.n_seed; i++)
        if (decoder_of(&fuzz.seed[i]) == d)
            own[n++] = i;
    return n;
}

static bool run_format(const struct decoder *d, const struct options *o)
{
    int own[MAX_SEEDS], n_own = own_seeds(d, own), decoded = 0, bad = 0;
    double slowest = 0, start = now_ms();
    if (n_own == 0) {
        fprintf(stderr, "fuzz_image: no seeds of %s\n", d->name);
        return false;
    }
    int first = o->only[0] ? o->only_index : 0, last = o->only[0] ? first + 1 : o->runs;
    for (int i = first; i < last; i++) {
        size_t n;
        fuzz.format = d->name;
        fuzz.index = i;
        uint8_t *byte = input(d, own, n_own, i, &n);
        struct err e = {0};
        if (o->save && !file_write_plain(o->save, byte, n, &e))
            fprintf(stderr, "fuzz_image: %s\n", e.msg);
        bad += !run_one(byte, n, &decoded, &slowest);
        free(byte);
    }
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    long mib = use.ru_maxrss / 1024;
    printf(
        "%-5s %3d seeds, %d inputs, %d decoded, %d refused, slowest %.0f ms, at most %ld MiB, "
        "%.1f s\n",
        d->name, n_own, last - first, decoded, last - first - decoded, slowest, mib,
        (now_ms() - start) / 1e3);
    return bad == 0 && mib <= LIMIT_MIB;
}

static bool parse(int argc, char **argv, struct options *o)
{
    *o = (struct options){.runs = 10000};
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--runs") == 0 && more)
            o->runs = atoi(argv[++i]);
        else if (strcmp(argv[i], "--save") == 0 && more)
            o->save = argv[++i];
        else if (strcmp(argv[i], "--only") == 0 && more) {
            if (sscanf(argv[++i], "%15[a-z]:%d", o->only, &o->only_index) != 2)
                return false;
        } else
            read_seeds(argv[i]);
    }
    return o->runs > 0 && fuzz.n_seed > 0;
}

int main(int argc, char **argv)
{
    struct options o;
    int passed = 0, failed = 0;
    if (!parse(argc, argv, &o)) {
        fprintf(stderr, "usage: fuzz_image [--runs N] [--only FORMAT:INDEX] [--save FILE] "
                        "FOLDER...\n");
        return 2;
    }
    signal(SIGPROF, on_limit);
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(say_where);
    for (const struct decoder *const *d = decoders; *d; d++)
        if (!o.only[0] || strcmp(o.only, (*d)->name) == 0) {
            if (run_format(*d, &o))
                passed++;
            else
                failed++;
        }
    for (int i = 0; i < fuzz.n_seed; i++)
        mem_free(fuzz.seed[i].byte);
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed > 0;
}
