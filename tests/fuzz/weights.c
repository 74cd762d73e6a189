/* Damaged .pth files, the same ones each time: each is read or refused, in at most 2 s, without a
 * report of the sanitizers that this is built with. Pickles are put together from pieces and wrapped
 * in either layout, so that most damage gets past the checksums; then the file itself is damaged.
 *     fuzz_weights [RUNS]
 * Prints the counts of each layout, then "N passed, N failed, N skipped". */
#include "mutate.h"
#include "weights/sample.h"

enum { ROOM = 8192, LIMIT_MS = 2000 };

struct piece_of {
    const char *at;
    size_t n;
};
#define PIECE(text)                                                                            \
    {                                                                                          \
        text, sizeof(text) - 1                                                                 \
    }

static const struct piece_of seeds[] = {
    PIECE(SEED),
    PIECE(PROTO "}(U\5modelq\0" ODICT "q\1(" NAME1("w") TENSOR NAME1("v") TENSOR
          "u}U\x09_metadata}sbU\5epochK\3U\4argscargparse\nNamespace\n)\x81}U\1xNsbu."),
    PIECE(PROTO "ccollections\nOrderedDict\n](](U\x08module.w" TENSOR "ee\x85R."),
    PIECE(PROTO "}(U\x0astate_dict" ODICT "(U\x07module.ctorch.nn.parameter\nParameter\n" TENSOR
                "\x85R\x88\x89N\x87"
                "bu"
                "U\3sum](K\1M\2\1J\1\2\3\4\x8a\1\xff"
                "G\1\2\3\4\5\6\7\x08"
                "eu."),
};
static const struct piece_of pieces[] = {
    PIECE("("),
    PIECE("."),
    PIECE("N"),
    PIECE("K\0"),
    PIECE("K\xff"),
    PIECE("K\6"),
    PIECE("M\0\1"),
    PIECE("J\0\0\0\x80"),
    PIECE("\x8a\0"),
    PIECE("\x8a\x09"),
    PIECE("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"),
    PIECE("G"),
    PIECE("X\1\0\0\0a"),
    PIECE("X\xff\xff\xff\xff"),
    PIECE("U\1"
          "0"),
    PIECE("]"),
    PIECE("}"),
    PIECE("t"),
    PIECE(")"),
    PIECE("\x85"),
    PIECE("\x86"),
    PIECE("\x87"),
    PIECE("a"),
    PIECE("e"),
    PIECE("s"),
    PIECE("u"),
    PIECE("q\0"),
    PIECE("q\1"),
    PIECE("h\0"),
    PIECE("h\1"),
    PIECE("r\0\0\1\0"),
    PIECE("j\0\0\1\0"),
    PIECE("R"),
    PIECE("\x81"),
    PIECE("b"),
    PIECE("Q"),
    PIECE("\x88"),
    PIECE("\x89"),
    PIECE(ODICT),
    PIECE(TENSOR),
    PIECE("cmy\nclass\n"),
    PIECE("cos\nsystem\n"),
    PIECE("ctorch._utils\n_rebuild_tensor\n"),
    PIECE("ctorch.nn.parameter\nParameter\n"),
    PIECE("ctorch._utils\n_rebuild_tensor_v3\n"),
    PIECE("ctorch\nuint16\n"),
    PIECE(STORAGE_OF("FloatStorage", "0", "\6")),
    PIECE(STORAGE_OF("ByteStorage", "0", "\x18")),
    PIECE(STORAGE_OF("DoubleStorage", "0", "\3")),
    PIECE("ccollections\nOrderedDict\n"),
};

static void replace(struct blob *b, size_t at, size_t drop, const void *byte, size_t n)
{
    if (b->n - drop + n > b->room)
        return;
    memmove(b->byte + at + n, b->byte + at + drop, b->n - at - drop);
    memcpy(b->byte + at, byte, n);
    b->n += n - drop;
}

static size_t below(struct rng *r, size_t n)
{
    return rng_below(r, (uint32_t)n);
}

/* One change: a byte, a piece, a stretch dropped or doubled. */
static void change(struct blob *b, struct rng *r)
{
    size_t at = below(r, b->n + 1), left = b->n - at;
    size_t stretch = left ? 1 + below(r, left < 40 ? left : 40) : 0;
    const struct piece_of *p = &pieces[below(r, COUNT_OF(pieces))];
    uint8_t copy[64];
    memcpy(copy, b->byte + at, stretch);
    switch (below(r, 5)) {
    case 0:
        copy[0] = (uint8_t)rng_u32(r);
        replace(b, at, left > 0, copy, 1);
        break;
    case 1:
    case 2:
        replace(b, at, below(r, 3) ? 0 : stretch, p->at, p->n);
        break;
    case 3:
        replace(b, at, stretch, "", 0);
        break;
    default:
        replace(b, at, 0, copy, stretch);
    }
}

enum layout { ZIP, LEGACY, N_LAYOUTS };

/* The seeds themselves come first. */
static void make(enum layout layout, int index, struct archive *a, struct bytes *file)
{
    static uint8_t room[ROOM];
    struct rng r = rng_at(4, RNG_TEST, layout, (uint64_t)index);
    const struct piece_of *seed = &seeds[(size_t)index % COUNT_OF(seeds)];
    struct blob pickle = {room, seed->n, sizeof(room)};
    memcpy(room, seed->at, seed->n);
    bool damaged = (size_t)index >= COUNT_OF(seeds), whole = damaged && below(&r, 4) == 0;
    for (size_t i = damaged && !whole ? 1 + below(&r, 3) : 0; i > 0; i--)
        change(&pickle, &r);
    if (layout == ZIP) {
        sample_zip(a, (const char *)room, pickle.n);
        file->n = 0;
        put(file, a->file.at, a->file.n);
    } else {
        sample_legacy(file, (const char *)room, pickle.n);
    }
    if (whole) {
        struct bytes other = *file;
        struct blob b = {malloc(2 * file->n), file->n, 2 * file->n};
        if (!b.byte)
            abort();
        memcpy(b.byte, file->at, file->n);
        mutate(&b, &(struct blob){other.at, other.n, other.n}, &r);
        file->n = 0;
        put(file, b.byte, b.n);
        free(b.byte);
    }
}

static bool run_layout(enum layout layout, int runs)
{
    static const char *const name[] = {"zip", "legacy"};
    struct archive a = {0};
    struct bytes file = {0};
    int accepted = 0, wrong = 0;
    double start = cpu_ms(), slowest = 0;
    for (int i = 0; i < runs; i++) {
        struct err e;
        make(layout, i, &a, &file);
        uint8_t *exact = malloc(file.n + !file.n);
        if (!exact)
            abort();
        memcpy(exact, file.at, file.n);
        double from = cpu_ms();
        bool ok = sample_reads(exact, file.n, &e);
        double took = cpu_ms() - from;
        slowest = took > slowest ? took : slowest;
        bool bad = took > LIMIT_MS || (!ok && (e.kind != ERR_MODEL || !*e.msg)) ||
                   (!ok && (size_t)i < COUNT_OF(seeds));
        if (bad && wrong++ < 3)
            fprintf(stderr, "fuzz_weights: %s %d: %.0f ms, %s\n", name[layout], i, took,
                    ok ? "accepted" : e.msg);
        accepted += ok;
        free(exact);
    }
    printf("%-7s %d inputs, %d accepted, %d refused, %d wrong, slowest %.0f ms, %.1f s\n",
           name[layout], runs, accepted, runs - accepted, wrong, slowest,
           (cpu_ms() - start) / 1e3);
    free(a.file.at);
    free(file.at);
    return wrong == 0 && accepted > 0 && accepted < runs;
}

int main(int argc, char **argv)
{
    int runs = argc > 1 ? atoi(argv[1]) : 20000, result[2] = {0};
    if (runs <= 0) {
        fprintf(stderr, "usage: fuzz_weights [RUNS]\n");
        return 2;
    }
    for (int layout = 0; layout < N_LAYOUTS; layout++)
        result[run_layout((enum layout)layout, runs)]++;
    printf("%d passed, %d failed, 0 skipped\n", result[1], result[0]);
    return result[0] > 0;
}
