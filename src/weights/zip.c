/* The end record, with its 64-bit form in front of it or not; the directory; each entry's local
 * header; last that the entries, in the order of their places, cover the file without a gap. What
 * torch.save never writes (compression, encryption, several disks, comments) is refused.
 * Fields are those of APPNOTE.TXT 6.3, 4.3. */
#include "weights/zip.h"

#include "base/hash.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

enum {
    LOCAL_SIGN = 0x04034b50,
    CENTRAL_SIGN = 0x02014b50,
    END_SIGN = 0x06054b50,
    END64_SIGN = 0x06064b50,
    LOCATOR_SIGN = 0x07064b50,
    DESCRIPTOR_SIGN = 0x08074b50,
};
enum {
    LOCAL = 30,
    CENTRAL = 46,
    END = 22,
    END64 = 56,
    LOCATOR = 20
}; /* bytes of each record */
enum { FLAG_ENCRYPTED = 1, FLAG_DESCRIPTOR = 8, FLAG_UTF8 = 0x800 };
static const uint32_t in_64_bits = 0xffffffff; /* the field stands in the extra field */

static uint64_t number(const uint8_t *p, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)number(p, 2);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)number(p, 4);
}

static bool refuse(struct err *e, const char *why)
{
    return err_set(e, ERR_MODEL, "zip: %s", why);
}

struct reader {
    const uint8_t *byte;
    size_t n;
    uint64_t n_entry, dir_at, dir_n; /* of the directory */
};

/* The 64-bit end record that stands between the directory and the locator before the end record:
 * *dir_end is moved before it. */
static bool read_end64(struct reader *r, size_t *dir_end, struct err *e)
{
    const uint8_t *locator = r->byte + *dir_end - LOCATOR;
    if (*dir_end < LOCATOR + END64)
        return refuse(e, "cut within its 64-bit end record");
    size_t at = *dir_end - LOCATOR - END64;
    const uint8_t *end = r->byte + at;
    if (get32(locator + 4) != 0 || get32(locator + 16) != 1 || number(locator + 8, 8) != at ||
        get32(end) != END64_SIGN || number(end + 4, 8) != END64 - 12)
        return refuse(e, "the 64-bit end record is not where its locator says");
    if (get32(end + 16) != 0 || get32(end + 20) != 0 ||
        number(end + 24, 8) != number(end + 32, 8))
        return refuse(e, "spans several disks");
    uint64_t n_entry = number(end + 32, 8), n = number(end + 40, 8), from = number(end + 48, 8);
    if ((r->n_entry != 0xffff && r->n_entry != n_entry) ||
        (r->dir_n != in_64_bits && r->dir_n != n) ||
        (r->dir_at != in_64_bits && r->dir_at != from))
        return refuse(e, "its two end records differ");
    r->n_entry = n_entry;
    r->dir_n = n;
    r->dir_at = from;
    *dir_end = at;
    return true;
}

/* One end record, the file's last bytes, and the directory just before it. */
static bool read_end(struct reader *r, struct err *e)
{
    if (r->n < END)
        return refuse(e, "shorter than its end record");
    size_t dir_end = r->n - END;
    const uint8_t *end = r->byte + dir_end;
    if (get32(end) != END_SIGN || get16(end + 20) != 0)
        return refuse(e, "no end record in its last 22 bytes: cut short, or bytes added");
    if (get16(end + 4) != 0 || get16(end + 6) != 0 || get16(end + 8) != get16(end + 10))
        return refuse(e, "spans several disks");
    r->n_entry = get16(end + 10);
    r->dir_n = get32(end + 12);
    r->dir_at = get32(end + 16);
    if (dir_end >= LOCATOR && get32(end - LOCATOR) == LOCATOR_SIGN &&
        !read_end64(r, &dir_end, e))
        return false;
    if (r->dir_at > dir_end || r->dir_n != dir_end - r->dir_at)
        return refuse(e, "its directory is not where the end record says");
    if (r->n_entry > ZIP_MAX_ENTRIES)
        return refuse(e, "more than 100000 entries");
    if (r->n_entry > r->dir_n / CENTRAL)
        return refuse(e, "more entries than its directory has room for");
    const uint8_t sign[] = {'P', 'K', 5, 6};
    return !memmem(r->byte + r->dir_at, r->n - END - r->dir_at, sign, sizeof(sign)) ||
           refuse(e, "more than one end record");
}

/* "top/data/0": parts between single slashes, none of them . or .. */
static bool plain_name(const char *name, size_t n)
{
    for (size_t i = 0, length; i < n; i += length) {
        length = (size_t)utf8_length(name + i, n - i);
        if (length == 0 || (uint8_t)name[i] < ' ' || name[i] == 0x7f || name[i] == '\\')
            return false;
    }
    for (size_t i = 0, from = 0; i <= n; i++) {
        if (i < n && name[i] != '/')
            continue;
        if (i == from || (i - from <= 2 && memcmp(name + from, "..", i - from) == 0))
            return false;
        from = i + 1;
    }
    return true;
}

/* The fields that do not fit 32 bits, in their order, from the extra field of id 1. */
static bool read_extra64(const uint8_t *extra, size_t n, uint64_t *field[], int n_field,
                         struct err *e)
{
    bool seen = false;
    size_t at = 0;
    while (n - at >= 4) {
        size_t size = get16(extra + at + 2);
        if (size > n - at - 4)
            return refuse(e, "an extra field past its header");
        const uint8_t *p = extra + at + 4;
        if (get16(extra + at) == 1 && seen)
            return refuse(e, "two extra fields of 64-bit sizes");
        seen = seen || get16(extra + at) == 1;
        for (int i = 0; get16(extra + at) == 1 && i < n_field; i++) {
            if (*field[i] != in_64_bits)
                continue;
            if (size < 8)
                return refuse(e, "an extra field without its 64-bit size");
            *field[i] = number(p, 8);
            p += 8;
            size -= 8;
        }
        at += 4 + get16(extra + at + 2);
    }
    return at == n || refuse(e, "an extra field past its header");
}

static bool fits_limits(const uint8_t *p, struct err *e)
{
    if (get16(p + 8) & FLAG_ENCRYPTED)
        return refuse(e, "encrypted");
    if (get16(p + 8) & ~(FLAG_DESCRIPTOR | FLAG_UTF8))
        return refuse(e, "flags that torch.save does not set");
    if (get16(p + 10) != 0)
        return refuse(e, "compressed; expected stored, as torch.save writes");
    if (get16(p + 32) != 0 || get16(p + 34) != 0)
        return refuse(e, "a comment, or part of another disk");
    return true;
}

/* Behind its local header, which must repeat the directory's: p is the directory's record. */
static bool read_local(const struct reader *r, const uint8_t *p, struct zip_entry *out,
                       struct err *e)
{
    size_t n_name = get16(p + 28);
    if (out->header_at > r->dir_at || r->dir_at - out->header_at < LOCAL + n_name)
        return refuse(e, "its header lies outside the file");
    const uint8_t *local = r->byte + out->header_at;
    size_t room = (size_t)r->dir_at - out->header_at - LOCAL - n_name,
           n_extra = get16(local + 28);
    if (get32(local) != LOCAL_SIGN || get16(local + 26) != n_name ||
        memcmp(local + LOCAL, p + CENTRAL, n_name) != 0 || memcmp(local + 6, p + 8, 8) != 0)
        return refuse(e, "its header and the directory differ");
    if (n_extra > room || out->n > room - n_extra)
        return refuse(e, "its data lies outside the file");
    uint64_t stored = get32(local + 18), size = get32(local + 22);
    if (!read_extra64(local + LOCAL + n_name, n_extra, (uint64_t *[]){&size, &stored}, 2, e))
        return false;
    bool later = out->has_descriptor && get32(local + 14) == 0 && stored == 0 && size == 0;
    if (!later && (get32(local + 14) != out->crc || stored != out->n || size != out->n))
        return refuse(e, "its header and the directory differ in size or checksum");
    out->data = local + LOCAL + n_name + n_extra;
    return true;
}

static bool read_entry(const struct reader *r, const uint8_t *p, struct zip_entry *out,
                       struct err *e)
{
    size_t n_name = get16(p + 28), n_extra = get16(p + 30);
    uint64_t stored = get32(p + 20), size = get32(p + 24), at = get32(p + 42);
    if (!fits_limits(p, e) ||
        !read_extra64(p + CENTRAL + n_name, n_extra, (uint64_t *[]){&size, &stored, &at}, 3, e))
        return false;
    if (stored != size)
        return refuse(e, "two sizes, though it is not compressed");
    out->n = (size_t)size;
    out->crc = get32(p + 16);
    out->header_at = (size_t)at;
    out->has_descriptor = get16(p + 8) & FLAG_DESCRIPTOR;
    return read_local(r, p, out, e);
}

static bool read_directory(struct zip *z, const struct reader *r, struct err *e)
{
    const uint8_t *p = r->byte + r->dir_at, *end = p + r->dir_n;
    z->entry = arena_new(&z->arena, (size_t)r->n_entry, sizeof(*z->entry), e);
    if (!z->entry)
        return false;
    for (; (uint64_t)z->n_entry < r->n_entry; z->n_entry++) {
        if (end - p < CENTRAL || get32(p) != CENTRAL_SIGN)
            return refuse(e, "its directory has fewer entries than the end record says");
        size_t n_name = get16(p + 28), n = CENTRAL + n_name + get16(p + 30);
        if ((size_t)(end - p) < n)
            return refuse(e, "its directory is cut short");
        if (n_name > ZIP_MAX_NAME || !plain_name((const char *)p + CENTRAL, n_name))
            return err_set(e, ERR_MODEL, "zip: entry %.*s: not a name that torch.save gives",
                           (int)(n_name < 80 ? n_name : 80), (const char *)p + CENTRAL);
        char *name = arena_new(&z->arena, n_name + 1, 1, e);
        if (!name)
            return false;
        z->entry[z->n_entry].name = memcpy(name, p + CENTRAL, n_name);
        if (!read_entry(r, p, &z->entry[z->n_entry], e))
            return err_in(e, "entry %.80s", name);
        p += n;
    }
    return p == end || refuse(e, "its directory has more entries than the end record says");
}

/* The gap behind an entry's data: none, or the descriptor, with or without its sign, in 32 or 64
 * bits. */
static bool check_descriptor(const struct zip_entry *t, size_t gap, struct err *e)
{
    if (!t->has_descriptor)
        return gap == 0 || refuse(e, "bytes behind its data");
    const uint8_t *p = t->data + t->n;
    int wide = gap == 20 || gap == 24 ? 8 : 4;
    size_t sign = gap == 16 || gap == 24 ? 4 : 0;
    if (gap != sign + 4 + 2 * (size_t)wide || (sign && get32(p) != DESCRIPTOR_SIGN))
        return refuse(e, "no data descriptor behind its data");
    p += sign;
    return (get32(p) == t->crc && number(p + 4, wide) == t->n &&
            number(p + 4 + wide, wide) == t->n) ||
           refuse(e, "its data descriptor and the directory differ");
}

static int by_place(const void *a, const void *b)
{
    const struct zip_entry *x = a, *y = b;
    return (x->header_at > y->header_at) - (x->header_at < y->header_at);
}

static int by_name(const void *a, const void *b)
{
    const struct zip_entry *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* Each entry begins where the one before it ends, the directory where the last one ends. */
static bool check_places(struct zip *z, const struct reader *r, struct err *e)
{
    size_t at = 0;
    qsort(z->entry, (size_t)z->n_entry, sizeof(*z->entry), by_place);
    for (int i = 0; i < z->n_entry; i++) {
        const struct zip_entry *t = &z->entry[i];
        size_t next = i + 1 < z->n_entry ? t[1].header_at : (size_t)r->dir_at;
        size_t end = (size_t)(t->data - r->byte) + t->n;
        if (t->header_at != at)
            return refuse(e, "bytes before its first entry");
        if (end > next)
            return err_set(e, ERR_MODEL, "zip: entry %.80s: overlaps the next one", t->name);
        if (!check_descriptor(t, next - end, e))
            return err_in(e, "entry %.80s", t->name);
        at = next;
    }
    return at == r->dir_at || refuse(e, "bytes before its directory");
}

bool zip_parse(struct zip *z, const uint8_t *byte, size_t n, struct err *e)
{
    struct reader r = {byte, n, 0, 0, 0};
    *z = (struct zip){0};
    bool ok = read_end(&r, e) && read_directory(z, &r, e) && check_places(z, &r, e);
    if (ok && z->n_entry)
        qsort(z->entry, (size_t)z->n_entry, sizeof(*z->entry), by_name);
    for (int i = 1; ok && i < z->n_entry; i++)
        if (strcmp(z->entry[i - 1].name, z->entry[i].name) == 0)
            ok = err_set(e, ERR_MODEL, "zip: entry %.80s: twice", z->entry[i].name);
    if (!ok)
        zip_release(z);
    return ok;
}

void zip_release(struct zip *z)
{
    arena_release(&z->arena);
    *z = (struct zip){0};
}

struct zip_entry *zip_find(const struct zip *z, const char *name)
{
    struct zip_entry key = {.name = name};
    return z->n_entry ? bsearch(&key, z->entry, (size_t)z->n_entry, sizeof(*z->entry), by_name)
                      : NULL;
}

bool zip_check(struct zip_entry *entry, struct err *e)
{
    uint32_t crc = entry->checked ? entry->crc : crc32_zip(0, entry->data, entry->n);
    if (crc != entry->crc)
        return err_set(e, ERR_MODEL, "zip: entry %.80s: damaged: checksum %08x, expected %08x",
                       entry->name, crc, entry->crc);
    entry->checked = true;
    return true;
}
