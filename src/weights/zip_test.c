/* A good archive is read; each field spoilt alone, each rule broken alone, is refused for that. */
#include "weights/sample.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char seed[] = SEED;
static struct cost cost;

static void check_refused(const char *what, const struct bytes *b, const char *reason)
{
    const char *why = sample_refused(b->at, b->n, reason, &cost);
    if (why)
        fail_msg("%s: %s", what, why);
}

static void reads_the_good(void **state)
{
    (void)state;
    struct archive a = {0};
    struct zip z;
    struct err e = {0};
    sample_zip(&a, seed, sizeof(seed) - 1);
    assert_true(zip_parse(&z, a.file.at, a.file.n, &e));
    assert_int_equal(z.n_entry, N_PARTS);
    struct zip_entry *t = zip_find(&z, "m/data/0");
    assert_non_null(t);
    assert_int_equal(t->n, sizeof(sample_data));
    assert_memory_equal(t->data, sample_data, sizeof(sample_data));
    assert_true(zip_check(t, &e) && t->checked);
    assert_null(zip_find(&z, "m/data/1"));
    zip_release(&z);
    if (!sample_reads(a.file.at, a.file.n, &e))
        fail_msg("%s", e.msg);
    free(a.file.at);
}

/* What Python's zipfile writes: no descriptors, sizes in front, one end record. */
static void reads_a_plainer_one(void **state)
{
    (void)state;
    struct archive a = {0};
    struct bytes b = {0};
    struct part part[N_PARTS];
    struct err e = {0};
    size_t local_at[N_PARTS], from;
    sample_parts(part, seed, sizeof(seed) - 1);
    archive_write(&a, part, N_PARTS); /* for its directory */
    for (int i = 0; i < N_PARTS; i++) {
        local_at[i] = b.n;
        put(&b, a.file.at + a.local_at[i], 26);
        set_number(b.at + local_at[i] + 6, 0, 2);
        memcpy(b.at + local_at[i] + 14, a.file.at + a.central_at[i] + 16, 12);
        put_number(&b, strlen(part[i].name), 2);
        put_number(&b, 0, 2);
        put(&b, part[i].name, strlen(part[i].name));
        put(&b, part[i].data, part[i].n);
    }
    from = b.n;
    put(&b, a.file.at + a.central_at[0], a.end64_at - a.central_at[0]);
    for (int i = 0; i < N_PARTS; i++) {
        uint8_t *central = b.at + from + (a.central_at[i] - a.central_at[0]);
        set_number(central + 8, 0, 2);
        set_number(central + 42, local_at[i], 4);
    }
    put(&b, a.file.at + a.end_at, 22);
    set_number(b.at + b.n - 6, from, 4);
    if (!sample_reads(b.at, b.n, &e))
        fail_msg("%s", e.msg);
    free(a.file.at);
    free(b.at);
}

enum record { LOCAL, DATA, DESCRIPTOR, CENTRAL, END64, LOCATOR, END };
static uint8_t *record_at(const struct archive *a, enum record r, int part)
{
    const size_t *const at[] = {a->local_at + part,
                                a->data_at + part,
                                a->descriptor_at + part,
                                a->central_at + part,
                                &a->end64_at,
                                &a->locator_at,
                                &a->end_at};
    return a->file.at + *at[r];
}

/* One field set to a value. */
static const struct spoil {
    const char *what;
    enum record record;
    int part;
    size_t at;
    int bytes;
    uint64_t value;
    const char *reason;
} spoils[] = {
    {"encrypted", CENTRAL, PART_DATA, 8, 2, 0x809, "encrypted"},
    {"deflated", CENTRAL, PART_DATA, 10, 2, 8, "compressed"},
    {"deflated pickle", CENTRAL, PART_PICKLE, 10, 2, 8, "compressed"},
    {"masked", CENTRAL, PART_DATA, 8, 2, 0x2808, "flags"},
    {"strong encryption", CENTRAL, PART_DATA, 8, 2, 0x848, "flags"},
    {"patch data", CENTRAL, PART_DATA, 8, 2, 0x828, "flags"},
    {"comment of an entry", CENTRAL, PART_DATA, 32, 2, 1, "comment"},
    {"entry on disk 1", CENTRAL, PART_DATA, 34, 2, 1, "another disk"},
    {"two sizes", CENTRAL, PART_DATA, 20, 4, 23, "two sizes"},
    {"a bomb of 4 GB", CENTRAL, PART_DATA, 24, 4, 0xfffffffe, "two sizes"},
    {"offset past the end", CENTRAL, PART_DATA, 42, 4, 0xfffffff0, "outside the file"},
    {"offset in the directory", CENTRAL, PART_DATA, 42, 4, 1000, "outside the file"},
    {"offset of another entry", CENTRAL, PART_DATA, 42, 4, 0, "differ"},
    {"checksum in the directory", CENTRAL, PART_DATA, 16, 4, 1, "descriptor and the directory"},
    {"directory's signature", CENTRAL, PART_DATA, 0, 4, 0, "fewer entries"},
    {"directory's name too long", CENTRAL, PART_VERSION, 28, 2, 0xffff, "cut short"},
    {"directory's extra too long", CENTRAL, PART_VERSION, 30, 2, 0xffff, "cut short"},
    {"directory's empty name", CENTRAL, PART_DATA, 28, 2, 0, "not a name"},
    {"local signature", LOCAL, PART_DATA, 0, 4, 0, "differ"},
    {"local flags", LOCAL, PART_DATA, 6, 2, 0x800, "differ"},
    {"local method", LOCAL, PART_DATA, 8, 2, 8, "differ"},
    {"local time", LOCAL, PART_DATA, 10, 2, 1, "differ"},
    {"local checksum", LOCAL, PART_DATA, 14, 4, 1, "differ in size or checksum"},
    {"local stored size", LOCAL, PART_DATA, 18, 4, 1, "differ in size or checksum"},
    {"local size", LOCAL, PART_DATA, 22, 4, 1, "differ in size or checksum"},
    {"local name's length", LOCAL, PART_DATA, 26, 2, 7, "differ"},
    {"local extra past the file", LOCAL, PART_DATA, 28, 2, 0xffff, "data lies outside"},
    {"local name", LOCAL, PART_DATA, 30, 1, 'M', "differ"},
    {"local extra past itself", LOCAL, PART_DATA, 40, 2, 0x7fff, "extra field past"},
    {"descriptor's signature", DESCRIPTOR, PART_DATA, 0, 4, 0, "no data descriptor"},
    {"descriptor's checksum", DESCRIPTOR, PART_DATA, 4, 4, 0, "descriptor and the directory"},
    {"descriptor's stored size", DESCRIPTOR, PART_DATA, 8, 4, 0,
     "descriptor and the directory"},
    {"descriptor's size", DESCRIPTOR, PART_DATA, 12, 4, 0, "descriptor and the directory"},
    {"damaged data", DATA, PART_DATA, 5, 1, 0x55, "damaged"},
    {"damaged pickle", DATA, PART_PICKLE, 5, 1, 0x55, "damaged"},
    {"damaged version", DATA, PART_VERSION, 0, 1, '4', "damaged"},
    {"end: comment", END, 0, 20, 2, 1, "no end record"},
    {"end: signature", END, 0, 0, 4, 0, "no end record"},
    {"end: this disk", END, 0, 4, 2, 1, "several disks"},
    {"end: directory's disk", END, 0, 6, 2, 1, "several disks"},
    {"end: entries here", END, 0, 8, 2, 3, "several disks"},
    {"end: directory's size", END, 0, 12, 4, 7, "two end records differ"},
    {"end: directory's place", END, 0, 16, 4, 7, "two end records differ"},
    {"end64: signature", END64, 0, 0, 4, 0, "64-bit end record"},
    {"end64: its size", END64, 0, 4, 8, 45, "64-bit end record"},
    {"end64: this disk", END64, 0, 16, 4, 1, "several disks"},
    {"end64: directory's disk", END64, 0, 20, 4, 1, "several disks"},
    {"end64: entries here", END64, 0, 24, 8, 3, "several disks"},
    {"end64: directory's size", END64, 0, 40, 8, 7, "two end records differ"},
    {"end64: directory's place", END64, 0, 48, 8, 7, "two end records differ"},
    {"locator: signature", LOCATOR, 0, 0, 4, 0, "not where"},
    {"locator: disk", LOCATOR, 0, 4, 4, 1, "64-bit end record"},
    {"locator: place", LOCATOR, 0, 8, 8, 0, "64-bit end record"},
    {"locator: disks", LOCATOR, 0, 16, 4, 2, "64-bit end record"},
};

static void refuses_spoilt_fields(void **state)
{
    (void)state;
    struct archive a = {0};
    for (size_t i = 0; i < COUNT_OF(spoils); i++) {
        const struct spoil *s = &spoils[i];
        sample_zip(&a, seed, sizeof(seed) - 1);
        set_number(record_at(&a, s->record, s->part) + s->at, s->value, s->bytes);
        check_refused(s->what, &a.file, s->reason);
    }
    free(a.file.at);
    print_message("%zu archives refused\n", COUNT_OF(spoils));
}

/* Fields that are told twice, in agreement. */
static void refuses_agreed_lies(void **state)
{
    (void)state;
    struct archive a = {0};
    for (int i = 0; i < 6; i++) {
        sample_zip(&a, seed, sizeof(seed) - 1);
        uint8_t *central = record_at(&a, CENTRAL, PART_DATA), *end = record_at(&a, END, 0),
                *end64 = record_at(&a, END64, 0);
        static const uint64_t entries[] = {100001, 1ull << 60, 5, 3};
        static const char *const reason[] = {"more than 100000", "more than 100000",
                                             "more entries than its directory",
                                             "more entries than the end"};
        if (i < 4) { /* that many entries */
            set_number(end + 8, 0xffff, 2);
            set_number(end + 10, 0xffff, 2);
            set_number(end64 + 24, entries[i], 8);
            set_number(end64 + 32, entries[i], 8);
            check_refused("entries", &a.file, reason[i]);
        } else { /* 4 GB of data; 200 bytes, into the next entry */
            set_number(central + 20, i == 4 ? 0xfffffffe : 100, 4);
            set_number(central + 24, i == 4 ? 0xfffffffe : 100, 4);
            check_refused("size", &a.file, i == 4 ? "outside the file" : "overlaps");
        }
    }
    sample_zip(&a, seed, sizeof(seed) - 1);
    set_number(record_at(&a, CENTRAL, PART_DATA) + 16, 1, 4);
    set_number(record_at(&a, DESCRIPTOR, PART_DATA) + 4, 1, 4);
    check_refused("checksum", &a.file, "damaged: checksum");
    free(a.file.at);
}

/* 40 GB, told in 64 bits by the directory. */
static void refuses_a_large_bomb(void **state)
{
    (void)state;
    struct archive a = {0};
    struct bytes b = {0};
    sample_zip(&a, seed, sizeof(seed) - 1);
    size_t at = a.central_at[PART_DATA] + 46 + strlen("m/data/0"), dir = a.central_at[0];
    put(&b, a.file.at, at);
    put_number(&b, 1, 2);
    put_number(&b, 16, 2);
    put_number(&b, 40ull << 30, 8);
    put_number(&b, 40ull << 30, 8);
    put(&b, a.file.at + at, a.file.n - at);
    uint8_t *central = b.at + a.central_at[PART_DATA], *end64 = b.at + a.end64_at + 20;
    set_number(central + 20, 0xffffffff, 4);
    set_number(central + 24, 0xffffffff, 4);
    set_number(central + 30, 20, 2);
    set_number(end64 + 40, a.end64_at + 20 - dir, 8);
    set_number(b.at + a.locator_at + 20 + 8, a.end64_at + 20, 8);
    set_number(b.at + a.end_at + 20 + 12, a.end64_at + 20 - dir, 4);
    check_refused("40 GB", &b, "data lies outside");
    set_number(central + 46 + 8 + 2, 12, 2); /* 64-bit sizes cut within */
    check_refused("short extra", &b, "extra field without");
    set_number(central + 46 + 8, 2, 2); /* of another kind: no sizes */
    set_number(central + 46 + 8 + 2, 16, 2);
    check_refused("no extra", &b, "data lies outside");
    set_number(central + 46 + 8, 1, 2); /* two that are empty */
    set_number(central + 46 + 8 + 2, 0, 2);
    set_number(central + 20, 24, 4);
    set_number(central + 24, 24, 4);
    set_number(central + 46 + 8 + 4, 1, 2);
    set_number(central + 46 + 8 + 6, 12, 2);
    check_refused("two extras", &b, "two extra fields");
    b.n = 0; /* a locator of what lies before the file */
    put(&b, "PK\3\4", 4);
    put(&b, a.file.at + a.locator_at, 42);
    check_refused("no room", &b, "cut within");
    free(a.file.at);
    free(b.at);
}

static void refuses_names(void **state)
{
    (void)state;
    static const struct {
        const char *name, *reason;
    } bad[] = {
        {"../evil", "not a name"},
        {"m/../../etc/passwd", "not a name"},
        {"/etc/passwd", "not a name"},
        {"m//evil", "not a name"},
        {"m/./evil", "not a name"},
        {"m/evil/", "not a name"},
        {"m\\..\\evil", "not a name"},
        {"m/evil\n", "not a name"},
        {"m/evil\x7f", "not a name"},
        {"m/\xff\xfe", "not a name"},
        {"..", "not a name"},
        {"m/data/..", "not a name"},
        {"m/PK\5\6", "more than one end"},
        {"n/data.pkl", "one folder"},
        {"data.pkl", "one folder"},
        {"m/data/0", "twice"},
        {"m/data.pkl", "twice"},
        {"mm/version", "one folder"},
    };
    struct archive a = {0};
    struct part part[N_PARTS + 1];
    sample_parts(part, seed, sizeof(seed) - 1);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        part[N_PARTS] = (struct part){bad[i].name, "x", 1};
        archive_write(&a, part, N_PARTS + 1);
        check_refused(bad[i].name, &a.file, bad[i].reason);
    }
    static char name[1100];
    memset(name, 'a', sizeof(name) - 1);
    memcpy(name, "m/", 2);
    part[N_PARTS].name = name;
    archive_write(&a, part, N_PARTS + 1);
    check_refused("a name of 1099 bytes", &a.file, "not a name");
    static const char *const good[] = {"m/.data/serialization_id", "m/a..b", "m/...",
                                       "m/\xc3\xa9"};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct err e;
        part[N_PARTS].name = good[i];
        archive_write(&a, part, N_PARTS + 1);
        if (!sample_reads(a.file.at, a.file.n, &e))
            fail_msg("%s: %s", good[i], e.msg);
    }
    free(a.file.at);
}

/* What torch.save's entries may say. */
static void refuses_facts(void **state)
{
    (void)state;
    static const struct {
        int part;
        struct part as;
        const char *reason;
    } bad[] = {
        {PART_ORDER, {"m/byteorder", "big", 3}, "expected \"little\""},
        {PART_ORDER, {"m/byteorder", "", 0}, "expected \"little\""},
        {PART_ORDER, {"m/.format_version", "2", 1}, "expected \"1\""},
        {PART_VERSION, {"m/version", "11\n", 3}, "entry version"},
        {PART_VERSION, {"m/version", seed, 65}, "expected a word"},
        {PART_VERSION, {"m/other", "3\n", 2}, "no entry version"},
        {PART_PICKLE, {"m/constants.pkl", seed, sizeof(seed) - 1}, "no entry data.pkl"},
        {PART_DATA, {"m/data/1", sample_data, 24}, "no entry data/0"},
        {PART_DATA, {"m/data/0", sample_data, 20}, "20 bytes, expected 6 elements of F32"},
        {PART_DATA, {"m/data/0", seed, 28}, "28 bytes, expected 6 elements of F32"},
    };
    struct archive a = {0};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct part part[N_PARTS];
        sample_parts(part, seed, sizeof(seed) - 1);
        part[bad[i].part] = bad[i].as;
        archive_write(&a, part, N_PARTS);
        check_refused(bad[i].as.name, &a.file, bad[i].reason);
    }
    free(a.file.at);
}

/* Every truncation; bytes before, between and behind; two archives in one. */
static void refuses_other_extents(void **state)
{
    (void)state;
    struct archive a = {0};
    struct bytes b = {0};
    sample_zip(&a, seed, sizeof(seed) - 1);
    for (size_t n = 4; n < a.file.n; n++) {
        struct bytes cut = {a.file.at, n, 0};
        check_refused("cut", &cut, "zip: ");
    }
    print_message("%zu truncations refused\n", a.file.n - 4);
    put(&b, a.file.at, a.file.n);
    put(&b, "x", 1);
    check_refused("one byte more", &b, "no end record");
    b.n = a.file.n;
    put(&b, a.file.at, a.file.n);
    check_refused("twice", &b, "not where");
    size_t more = a.file.n; /* the second one's directory, with its true places */
    set_number(b.at + more + a.locator_at + 8, more + a.end64_at, 8);
    set_number(b.at + more + a.end64_at + 48, more + a.central_at[0], 8);
    set_number(b.at + more + a.end_at + 16, more + a.central_at[0], 4);
    for (int i = 0; i < N_PARTS; i++)
        set_number(b.at + more + a.central_at[i] + 42, more + a.local_at[i], 4);
    check_refused("a second one behind", &b, "before its first entry");
    for (int i = 0; i < N_PARTS; i++)
        set_number(b.at + more + a.central_at[i] + 42, a.local_at[i], 4);
    check_refused("a second directory", &b, "no data descriptor");
    b.n = 0;
    put(&b, a.file.at, a.central_at[0]);
    put(&b, "hidden", 6);
    put(&b, a.file.at + a.central_at[0], a.file.n - a.central_at[0]);
    set_number(b.at + 6 + a.locator_at + 8, 6 + a.end64_at, 8);
    set_number(b.at + 6 + a.end64_at + 48, 6 + a.central_at[0], 8);
    set_number(b.at + 6 + a.end_at + 16, 6 + a.central_at[0], 4);
    check_refused("a hole", &b, "no data descriptor");
    free(a.file.at);
    free(b.at);
}

static void tells_what_it_cost(void **state)
{
    (void)state;
    assert_true(cost_told(&cost, 900));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_good),        cmocka_unit_test(reads_a_plainer_one),
        cmocka_unit_test(refuses_spoilt_fields), cmocka_unit_test(refuses_agreed_lies),
        cmocka_unit_test(refuses_a_large_bomb),  cmocka_unit_test(refuses_names),
        cmocka_unit_test(refuses_facts),         cmocka_unit_test(refuses_other_extents),
        cmocka_unit_test(tells_what_it_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
