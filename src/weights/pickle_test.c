/* Pickles that torch.save writes are read; each opcode, name and rule that has no place in one is
 * refused for that, in both layouts of the file. */
#include "weights/sample.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct cost cost;
static struct archive archive;
static struct bytes legacy;

static void check_refused(const char *pickle, size_t n, const char *reason)
{
    sample_zip(&archive, pickle, n);
    const char *why = sample_refused(archive.file.at, archive.file.n, reason, &cost);
    if (why)
        fail_msg("%s (zip): %s", reason, why);
    sample_legacy(&legacy, pickle, n);
    why = sample_refused(legacy.at, legacy.n, reason, &cost);
    if (why)
        fail_msg("%s (legacy): %s", reason, why);
}

static void check_reads(const char *pickle, size_t n)
{
    struct err e;
    sample_zip(&archive, pickle, n);
    if (!sample_reads(archive.file.at, archive.file.n, &e))
        fail_msg("%s", e.msg);
    sample_legacy(&legacy, pickle, n);
    if (!sample_reads(legacy.at, legacy.n, &e))
        fail_msg("%s", e.msg);
}

struct text {
    const char *at;
    size_t n;
};
/* A state_dict of w, and of v under a key of its own. */
#define WITH(v)                                                                                \
    {                                                                                          \
        SEED_WITH(v), sizeof(SEED_WITH(v)) - 1                                                 \
    }
#define SEED_WITH(v) PROTO ODICT "(" NAME1("w") TENSOR NAME1("v") v "u."
/* A state_dict whose w is made like this. */
#define MADE(v)                                                                                \
    {                                                                                          \
        SEED_MADE(v), sizeof(SEED_MADE(v)) - 1                                                 \
    }
#define SEED_MADE(v) PROTO ODICT "(" NAME1("w") v "u."
#define WHOLE(v)                                                                               \
    {                                                                                          \
        v, sizeof(v) - 1                                                                       \
    }

/* clang-format off */
static const struct text good[] = {
    WHOLE(SEED),
    WHOLE(PROTO "}" NAME1("w") TENSOR "s."),
    WITH("N"),
    WITH("\x88"),
    WITH("\x89"),
    WITH("K\x05"),
    WITH("M\x05\x01"),
    WITH("J\xff\xff\xff\xff"),
    WITH("\x8a\x00"),
    WITH("\x8a\x08\1\2\3\4\5\6\7\x88"),
    WITH("\x8a\x09\1\2\3\4\5\6\7\x08\x09"),
    WITH("G\0\0\0\0\0\0\0\0"),
    WITH("X\2\0\0\0ab"),
    WITH("]"),
    WITH("]K\1a"),
    WITH("](K\1K\2e"),
    WITH("}"),
    WITH("(K\1K\2K\3K\4t"),
    WITH("]q\0h\0\x86"),
    WITH("]r\0\1\0\0j\0\1\0\0\x86"),
    WITH("cargparse\nNamespace\n)\x81}NK\1sb"), /* never made */
    WITH("cmy.module\nThing\n)\x81(K\1K\2uN)\x86"
         "b"), /* items and attributes go nowhere */
    WITH("cmy.module\nList\n)\x81(K\1K\2eK\3a"),
    WITH("ccollections\ndefaultdict\nc__builtin__\nint\n\x85RK\1K\2s"),
    WITH("cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nU\2f8\x89\x88\x87RNb"
         "c_codecs\nencode\nX\0\0\0\0U\6latin1\x86R\x86R"),
    WITH("ctorch\nSize\nK\1\x85\x85R"),
    WITH(ODICT "}U\x09_metadata" ODICT "sb"),
    /* of Python 2 */
    WHOLE(PROTO "ccollections\nOrderedDict\n](](" NAME1("w") TENSOR "ee\x85R."),
    WHOLE(PROTO "ccollections\nOrderedDict\n](" NAME1("w") TENSOR "\x86"
                                                                  "e\x85R."),
    /* before PyTorch 0.4 */
    MADE("ctorch._utils\n_rebuild_tensor\n(" STORAGE_OF("FloatStorage", "0",
                                                        "\x06") "K\0" SIZE STRIDE "tR"),
    MADE("ctorch.nn.parameter\nParameter\n" TENSOR "\x85R\x88\x89N\x87"
         "b"),
    MADE("ctorch._utils\n_rebuild_parameter\n" TENSOR "\x88" ODICT "\x87R"),
    MADE("ctorch._utils\n_rebuild_parameter_with_state\n(" TENSOR "\x88" ODICT "}tR"),
    /* a scalar, none at all, a column twice, the last element */
    MADE(TENSOR_IN(STORAGE_OF("FloatStorage", "0", "\x06"), "K\5", ")", ")")),
    MADE(TENSOR_IN(STORAGE_OF("FloatStorage", "0", "\x06"), "K\6", "K\0\x85", "K\1\x85")),
    MADE(TENSOR_IN(STORAGE_OF("FloatStorage", "0", "\x06"), "K\0", "K\2K\3\x86", "K\0K\2\x86")),
    MADE(TENSOR_IN(STORAGE_OF("FloatStorage", "0", "\x06"), "K\0", SIZE, "K\1K\2\x86")),
};

static const struct {
    struct text pickle;
    const char *reason;
} bad[] = {
    /* commands, by each opcode that could call one */
    {WITH("cos\nsystem\nU\2id\x85R"), "names os.system"},
    {WITH("cos\nsystem\n"), "names os.system"},
    {WITH("cos\nsystem\nU\2id\x85\x81"), "names os.system"},
    {WITH("cos\nsystem\n}b"), "names os.system"},
    {WITH("cposix\nsystem\nU\2id\x85R"), "names posix.system"},
    {WITH("cnt\nsystem\nU\3dir\x85R"), "names nt.system"},
    {WITH("csubprocess\nPopen\nU\2id\x85R"), "names subprocess.Popen"},
    {WITH("cbuiltins\neval\nU\1"
          "1\x85R"),
     "names builtins.eval"},
    {WITH("c__builtin__\nexec\nU\1"
          "1\x85R"),
     "names __builtin__.exec"},
    {WITH("c__builtin__\n__import__\nU\2os\x85R"), "names __builtin__.__import__"},
    {WITH("crunpy\n_run_code\nU\1"
          "1\x85R"),
     "names runpy._run_code"},
    {WITH("csocket\nsocket\n)R"), "names socket.socket"},
    {WITH("cshutil\nrmtree\nU\1/\x85R"), "names shutil.rmtree"},
    {WITH("cos.path\njoin\n)R"), "names os.path.join"},
    {WITH("(U\2idios\nsystem\n"), "opcode 0x69"},      /* INST */
    {WITH("(cmy\nsystem\nU\2ido"), "opcode 0x6f"},     /* OBJ */
    {WITH("\x8c\2os\x8c\6system\x93"), "opcode 0x8c"}, /* SHORT_BINUNICODE */
    {WITH("U\2osU\6system\x93"), "opcode 0x93"},       /* STACK_GLOBAL */
    {WITH("cmy\nclass\n)}\x92"), "opcode 0x92"},       /* NEWOBJ_EX */
    {WITH("\x82\1"), "opcode 0x82"},                   /* EXT1 */
    {WITH("cmy.module\nfunction\n)R"), "calls my.module.function"},
    {WITH("ctorch\nload\nU\1x\x85R"), "calls torch.load"},
    {WITH("ctorch.hub\nload\nU\1x\x85R"), "calls torch.hub.load"},
    {WITH("cbuiltins\ngetattr\nNU\1x\x86R"), "calls builtins.getattr"},
    {WITH("ctorch._utils\n_rebuild_qtensor\n)R"), "calls torch._utils._rebuild_qtensor"},
    {WITH("ctorch\nFloatStorage\n)R"), "calls torch.FloatStorage"},
    {WITH("ctorch\nuint16\n)R"), "calls torch.uint16"},
    {WITH("ccollections.OrderedDict\n\n)R"), "calls collections.OrderedDict."},
    {WITH("ctorch\nSize\nNN\x86R"), "with 2 arguments"},
    {WITH("ctorch\nSize\nNR"), "calls what is no name"},
    {WITH("NNR"), "calls what is no name"},
    {WITH("N)R"), "calls what is no name"},
    {WITH(TENSOR ")R"), "calls what is no name"},
    {WITH("cmy\nclass\nN\x81"), "of what is no class"},
    {WITH("N)\x81"), "of what is no class"},
    {WITH("ccollections\nOrderedDict\n)\x81"), "of what is no class"},
    /* values changed that must not be */
    {WITH(TENSOR "K\0K\0s"), "sets items of a tensor"},
    {WITH(TENSOR "(K\0K\0u"), "sets items of a tensor"},
    {WITH(TENSOR "K\0a"), "sets items of a tensor"},
    {WITH(TENSOR "}b"), "sets attributes of a tensor"},
    {WITH(TENSOR "(NNNNtb"), "sets attributes of a tensor"},
    {WITH("ctorch.nn.parameter\nParameter\n" TENSOR "\x85R}b"), "sets attributes of a tensor"},
    {WITH("]K\1K\2s"), "sets items of a list"},
    {WITH("}K\1a"), "sets items of a dict"},
    {WITH(")K\1a"), "sets items of a tuple"},
    {WITH("U\1xK\1a"), "sets items of a text"},
    {WITH("NK\1a"), "sets items of a None"},
    {WITH("cmy\nclass\nK\1a"), "sets items of a my.class"},
    {WITH("cmy\nclass\n}b"), "sets attributes of a my.class"},
    {WITH("}}b"), "sets attributes of a dict"},
    {WITH(ODICT "Nb"), "sets attributes of a dict"},
    {WITH("](K\1K\2K\3u"), "without a value"},
    /* the machine */
    {WHOLE("\x80\4" ODICT "."), "protocol 2"},
    {WHOLE("\x80\1" ODICT "."), "protocol 2"},
    {WHOLE(ODICT "."), "protocol 2"},
    {WHOLE(PROTO "."), "other than one value"},
    {WHOLE(PROTO "NN."), "other than one value"},
    {WHOLE(PROTO "N(."), "other than one value"},
    {WHOLE(PROTO "NR"), "more values than there are"},
    {WHOLE(PROTO "(N(R"), "more values than there are"},
    {WHOLE(PROTO "NN(\x86"), "more values than there are"},
    {WHOLE(PROTO "q\0"), "more values than there are"},
    {WHOLE(PROTO "b"), "more values than there are"},
    {WHOLE(PROTO "Q"), "more values than there are"},
    {WHOLE(PROTO "t"), "there is none"},
    {WHOLE(PROTO "]e"), "there is none"},
    {WITH("h\x77"), "never put there"},
    {WITH("Nq\1h\0"), "never put there"},
    {WITH("j\xff\xff\xff\xff"), "never put there"},
    {WITH("Nr\xff\xff\xff\xff"), "memo of more than 1048576"},
    {WITH("Nr\0\0\x10\0"), "memo of more than 1048576"},
    {WITH("\x80\2"), "opcode 0x80"},
    /* storages */
    {WITH("NQ"), "no storage"},
    {WITH("U\1"
          "0Q"),
     "no storage"},
    {WITH(")Q"), "no storage"},
    {WITH("(U\6modulectorch\nFloatStorage\nU\1xNtQ"), "a model's program"},
    {WITH("(U\7storagectorch\nFloatStorage\nU\1"
          "0U\3cputQ"),
     "no storage"},
    {WITH("(U\7storagectorch\nFloatTensor\nU\1"
          "0U\3cpuK\6tQ"),
     "no storage"},
    {WITH("(U\7storagecmy\nStorage\nU\1"
          "0U\3cpuK\6tQ"),
     "no storage"},
    {WITH("(U\7storageU\1xU\1"
          "0U\3cpuK\6tQ"),
     "no storage"},
    {WITH("(U\7storagectorch\nFloatStorage\nK\0U\3cpuK\6tQ"), "no storage"},
    {WITH("(U\7storagectorch\nFloatStorage\nU\1"
          "0NK\6tQ"),
     "no storage"},
    {WITH("(U\7storagectorch\nFloatStorage\nU\1"
          "0U\3cpuU\1"
          "6tQ"),
     "no storage"},
    {WITH("(U\7storagectorch\nFloatStorage\nU\1"
          "0U\3cpuJ\xff\xff\xff\xfftQ"),
     "no storage"},
    {WITH("(U\7storagectorch\nFloatStorage\nU\1"
          "0U\3cpuK\6)tQ"),
     "no storage"}, /* a view */
    {WITH(STORAGE_OF("IntStorage", "0", "\6")), "told of in two ways"},
    {WITH(STORAGE_OF("FloatStorage", "0", "\5")), "told of in two ways"},
/* tensors */
#define BAD_TENSOR(offset, size, stride)                                                       \
    MADE(TENSOR_IN(STORAGE_OF("FloatStorage", "0", "\x06"), offset, size, stride))
    {BAD_TENSOR("K\1", SIZE, STRIDE), "past its storage"},
    {BAD_TENSOR("K\0", "K\2K\4\x86", "K\3K\1\x86"), "past its storage"},
    {BAD_TENSOR("K\0", "K\2K\3\x86", "K\4K\1\x86"), "past its storage"},
    {BAD_TENSOR("K\6", ")", ")"), "past its storage"},
    {BAD_TENSOR("K\7", "K\0\x85", "K\1\x85"), "past its storage"},
    {BAD_TENSOR("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f", SIZE, STRIDE), "past its storage"},
    {BAD_TENSOR("K\0", SIZE, "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\1\x86"),
     "past its storage"},
    {BAD_TENSOR("K\0", SIZE, "\x8a\x08\0\0\0\0\0\0\0\x40K\1\x86"), "past its storage"},
    {BAD_TENSOR("K\0", "\x8a\x08\0\0\0\0\0\0\0\x40K\4\x86", "K\0K\0\x86"), "past its storage"},
    {BAD_TENSOR("K\0", "K\7\x85", "K\0\x85"), "past its storage"}, /* one element, seven times */
    {BAD_TENSOR("J\xff\xff\xff\xff", SIZE, STRIDE), "and a place in it"},
    {BAD_TENSOR("U\1"
                "0",
                SIZE, STRIDE),
     "and a place in it"},
    {BAD_TENSOR("K\0", "J\xff\xff\xff\xff\x85", "K\1\x85"), "no count"},
    {BAD_TENSOR("K\0", SIZE, "K\3J\xff\xff\xff\xff\x86"), "no count"},
    {BAD_TENSOR("K\5", "K\2\x85", "J\xff\xff\xff\xff\x85"), "no count"}, /* backwards */
    {BAD_TENSOR("K\0", "K\2N\x86", STRIDE), "no count"},
    {BAD_TENSOR("K\0", "\x88\x85", "K\1\x85"), "no count"},
    {BAD_TENSOR("K\0", "\x8a\x09\0\0\0\0\0\0\0\0\1\x85", "K\1\x85"), "no count"},
    {BAD_TENSOR("K\0", SIZE, "K\1\x85"), "more sizes or more strides"},
    {BAD_TENSOR("K\0", "K\6\x85", STRIDE), "more sizes or more strides"},
    {BAD_TENSOR("K\0", "K\6", "K\1"), "no tuple of at most 8"},
    {BAD_TENSOR("K\0", "](K\2K\3e", STRIDE), "no tuple of at most 8"},
    {BAD_TENSOR("K\0", "(K\1K\1K\1K\1K\1K\1K\1K\1K\1t", STRIDE), "no tuple of at most 8"},
    {MADE("ctorch._utils\n_rebuild_tensor_v2\n(NK\0" SIZE STRIDE "\x89NtR"),
     "without a storage"},
    {MADE("ctorch._utils\n_rebuild_tensor_v2\n(" STORAGE_OF("FloatStorage", "0",
                                                            "\6") "K\0" SIZE STRIDE "tR"),
     "with 4 arguments"},
    {MADE("ctorch._utils\n_rebuild_tensor_v3\n(" STORAGE_OF(
         "FloatStorage", "0", "\6") "K\0" SIZE STRIDE "\x89Nctorch\nuint16\ntR"),
     "which is not read here"},
    {MADE("ctorch._utils\n_rebuild_parameter\nN\x88N\x87R"), "parameter that is no tensor"},
    {WITH("ccollections\nOrderedDict\nN\x85R"), "of what is no list"},
    {WITH("ccollections\nOrderedDict\n]Na\x85R"), "of what are no pairs"},
    {WITH("ccollections\nOrderedDict\n](](NNNee\x85R"), "of what are no pairs"},
};

/* Sound pickles of other things than named tensors. */
static const struct {
    struct text pickle;
    const char *reason;
} other[] = {
    {WHOLE(PROTO "N."), "holds no named tensors but a None"},
    {WHOLE(PROTO "cmodels\nVGG\n)\x81}b."), "holds no named tensors but a models.VGG"},
    {WHOLE(PROTO ODICT "."), "holds no named tensors but a dict"},
    {WHOLE(PROTO "}(U\5epochK\3U\3netcmodels\nVGG\n)\x81u."), "epoch (int), net (models.VGG)"},
    {WHOLE(PROTO TENSOR "."), "holds no named tensors but a tensor"},
    {WHOLE(PROTO ODICT "(K\1" TENSOR "u."), "holds no named tensors"},
    {WHOLE(PROTO ODICT "(" NAME1("w") TENSOR NAME1("w") TENSOR "u."),
     "two tensors of the name w"},
    {WHOLE(PROTO ODICT "(U\2\xff\xfe" TENSOR "u."), "not UTF-8"},
    {WHOLE(PROTO ODICT "(U\3a\0b" TENSOR "u."), "not UTF-8"},
};
/* clang-format on */

static void reads_the_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        check_reads(good[i].at, good[i].n);
}

/* Types that are younger than the storages of one type have bytes for a storage. */
static void reads_types_without_storages(void **state)
{
    (void)state;
#define UNTYPED(offset, size, stride, dtype)                                                   \
    SEED_MADE(                                                                                 \
        "ctorch._utils\n_rebuild_tensor_v3\n((U\7storagectorch.storage\nUntypedStorage\nU\1"   \
        "0U\3cpuK\x18tQ" offset size stride "\x89" ODICT dtype "tR")
    static const char whole[] = UNTYPED("K\1", "K\5\x85", "K\1\x85", "ctorch\nuint32\n");
    struct state_dict s;
    struct err e;
    float x[5];
    uint32_t bits;
    sample_zip(&archive, whole, sizeof(whole) - 1);
    assert_true(sample_open(&s, archive.file.at, archive.file.n, &e));
    assert_true(state_dict_copy(&s, s.tensor, x, 5, &e));
    memcpy(&bits, &sample_data[5], sizeof(bits));
    assert_true(x[4] == (float)bits);
    state_dict_close(&s);
    static const struct {
        struct text pickle;
        const char *reason;
    } wrong[] = {
        {WHOLE(UNTYPED("K\2", "K\5\x85", "K\1\x85", "ctorch\nuint32\n")), "past its storage"},
        {WHOLE(UNTYPED("K\0", "K\4\x85", "K\1\x85", "ctorch\nuint64\n")), "past its storage"},
        {WHOLE(UNTYPED("K\0", "K\4\x85", "K\1\x85", "ctorch\nint1\n")), "type torch.int1"},
        {WHOLE(UNTYPED("K\0", "K\4\x85", "K\1\x85", "N")), "type None"},
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        sample_zip(&archive, wrong[i].pickle.at, wrong[i].pickle.n);
        const char *why =
            sample_refused(archive.file.at, archive.file.n, wrong[i].reason, &cost);
        if (why)
            fail_msg("%s", why);
    }
}

static void refuses_the_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        check_refused(bad[i].pickle.at, bad[i].pickle.n, bad[i].reason);
    print_message("%zu pickles refused in both layouts\n", COUNT_OF(bad));
}

static void refuses_other_content(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(other); i++) {
        sample_zip(&archive, other[i].pickle.at, other[i].pickle.n);
        const char *why =
            sample_refused(archive.file.at, archive.file.n, other[i].reason, &cost);
        if (why)
            fail_msg("%s: %s", other[i].reason, why);
    }
}

/* Each byte that is no opcode of torch.save's, before STOP. */
static void refuses_other_opcodes(void **state)
{
    (void)state;
    static const char written[] = "\x80(.NKMJ\x8aGXU]})t\x85\x86\x87"
                                  "aesuqrhjcR\x81"
                                  "bQ\x88\x89";
    int n = 0;
    for (int code = 0; code < 256; code++) {
        if (code && strchr(written, code))
            continue;
        char pickle[sizeof(SEED) + 1], reason[32];
        memcpy(pickle, SEED, sizeof(SEED) - 2);
        pickle[sizeof(SEED) - 2] = (char)code;
        pickle[sizeof(SEED) - 1] = '.';
        snprintf(reason, sizeof(reason), "opcode 0x%02x", code);
        check_refused(pickle, sizeof(SEED), reason);
        n++;
    }
    print_message("%d opcodes refused in both layouts\n", n);
}

/* Every truncation of all that is good; bytes behind its end are refused where the file says how
 * long it is. */
static void refuses_other_lengths(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        for (size_t n = 0; n < good[i].n; n++) {
            sample_zip(&archive, good[i].at, n);
            const char *why = sample_refused(archive.file.at, archive.file.n, "pickle", &cost);
            if (why)
                fail_msg("%zu bytes of %zu: %s", n, i, why);
        }
    sample_zip(&archive, SEED ".", sizeof(SEED));
    const char *why = sample_refused(archive.file.at, archive.file.n, "behind its end", &cost);
    if (why)
        fail_msg("%s", why);
}

/* Each opcode that is written, on an empty stack, on one value and on one mark. */
static void refuses_bare_opcodes(void **state)
{
    (void)state;
    static const char written[] = ".NKMJ\x8aGXU]})t\x85\x86\x87"
                                  "aesuqrhjcR\x81"
                                  "bQ\x88\x89";
    static const char *const front[] = {PROTO, PROTO "N", PROTO "N(", PROTO "](N", PROTO "})"};
    for (size_t i = 0; i < sizeof(written) - 1; i++)
        for (size_t k = 0; k < COUNT_OF(front); k++) {
            char pickle[16];
            int n = snprintf(pickle, sizeof(pickle), "%s%c", front[k], written[i]);
            sample_zip(&archive, pickle, (size_t)n);
            const char *why = sample_refused(archive.file.at, archive.file.n, "", &cost);
            if (why)
                fail_msg("0x%02x: %s", (unsigned char)written[i], why);
        }
}

/* Each allocation, failing. */
static void survives_no_memory(void **state)
{
    (void)state;
    int failed = 0;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct err e = {0};
        sample_zip(&archive, good[i].at, good[i].n);
        for (int n = 1;; n++, failed++) {
            mem_fail_at(n);
            bool ok = sample_reads(archive.file.at, archive.file.n, &e);
            mem_fail_at(0);
            if (ok)
                break;
            assert_int_equal(e.kind, ERR_NOMEM);
        }
    }
    print_message("%d allocations failed\n", failed);
    assert_true(failed > 100);
}

/* n times a piece, between a front and an end. */
static void check_many(const char *front, size_t n_front, const char *piece, size_t n_piece,
                       size_t n, const char *end, const char *reason)
{
    struct bytes b = {0};
    put(&b, PROTO, 2);
    put(&b, front, n_front);
    for (size_t i = 0; i < n; i++)
        put(&b, piece, n_piece);
    put(&b, end, strlen(end));
    if (reason)
        check_refused((const char *)b.at, b.n, reason);
    else
        check_reads((const char *)b.at, b.n);
    free(b.at);
}

static void keeps_to_its_limits(void **state)
{
    (void)state;
    static const char deep[] = "}" NAME1("w") TENSOR "s" NAME1("v") "N", wide[] = "]";
    check_many(deep, sizeof(deep) - 1, "\x85", 1, 63, "s.", NULL);
    check_many(deep, sizeof(deep) - 1, "\x85", 1, 64, "s.", "nests more than 64 deep");
    check_many("N", 1, "\x85", 1, 66, ".", "nests more than 64 deep");
    check_many(wide, 1, "]", 1, 70,
               "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.",
               "nests more than 64 deep");
    check_many("", 0, "(", 1, 65, ".", "nests more than 64 deep");
    check_many("", 0, "N", 1, PICKLE_MAX_STACK + 1, ".", "a stack of more than 1048576");
    check_many("", 0, "]", 1, PICKLE_MAX_STACK + 1, ".", "a stack of more than 1048576");
    check_many(wide, 1, "]a", 2, 2 << 20, ".", "more values than 30 MiB");
    check_many(wide, 1, "(NNNNNNNNe", 10, 800000, ".", "more values than 30 MiB");
    check_many("N", 1, "q\0", 2, 5 << 20, ".", "longer than 8 MiB");
    static const char pairs[] = "}(" NAME1("w") "q\0" TENSOR "q\1";
    check_many(pairs, sizeof(pairs) - 1, "h\0h\1", 4, 100000, "u.", "more than 100000 tensors");
    /* all of it: memo, stack, values and bytes */
    check_many("Nr\xff\xff\x0f\0", 6, "M\xff\xff", 3, 1000000, "e", "there is none");
    check_many("Nr\xff\xff\x0f\0", 6, "X\3\0\0\0abc", 8, 1040000, "e", "there is none");
}

static void tells_what_it_cost(void **state)
{
    (void)state;
    assert_true(cost_told(&cost, 800));
    free(archive.file.at);
    free(legacy.at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_good),        cmocka_unit_test(reads_types_without_storages),
        cmocka_unit_test(refuses_the_bad),       cmocka_unit_test(refuses_other_content),
        cmocka_unit_test(refuses_other_opcodes), cmocka_unit_test(refuses_other_lengths),
        cmocka_unit_test(refuses_bare_opcodes),  cmocka_unit_test(survives_no_memory),
        cmocka_unit_test(keeps_to_its_limits),   cmocka_unit_test(tells_what_it_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
