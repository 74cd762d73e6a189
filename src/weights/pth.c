/* Zip: NAME/data.pkl, NAME/data/KEY for each storage, NAME/version, NAME/byteorder (torch/csrc,
 * caffe2/serialize/inline_container.h). Before: five pickles (a magic number, the protocol, the
 * writing system, the object, the storages' keys), then each storage as its count of elements in 8
 * bytes and the elements (torch/serialization.py, _legacy_load). */
#include "weights/pth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_KEY = 64, MAX_FACT = 64, PROTOCOL = 1001 };

/* 0x1950a86a20f9469cfc6c as a pickle. */
static const uint8_t legacy_magic[] = {0x80, 2,    0x8a, 10,   0x6c, 0xfc, 0x9c, 0x46,
                                       0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};

static bool refuse(struct err *e, const char *why)
{
    return err_set(e, ERR_MODEL, "%s", why);
}

/* Of a key in a message. */
static int shown(size_t n_key)
{
    return n_key < MAX_KEY ? (int)n_key : MAX_KEY;
}

bool pth_is_zip(const uint8_t *byte, size_t n)
{
    return n >= 4 && memcmp(byte, "PK\3\4", 4) == 0;
}

bool pth_is_legacy(const uint8_t *byte, size_t n)
{
    return n >= sizeof(legacy_magic) && memcmp(byte, legacy_magic, sizeof(legacy_magic)) == 0;
}

/* All mentions of storages, sorted by key. */
struct mentions {
    struct pickle_storage **at;
    size_t n;
};

static int by_key(const void *a, const void *b)
{
    const struct pickle_storage *const *x = a, *const *y = b;
    size_t n = (*x)->n_key < (*y)->n_key ? (*x)->n_key : (*y)->n_key;
    int order = memcmp((*x)->key, (*y)->key, n);
    return order ? order : ((*x)->n_key > (*y)->n_key) - ((*x)->n_key < (*y)->n_key);
}

static bool same_key(const struct mentions *m, size_t i)
{
    return i > 0 && by_key(&m->at[i - 1], &m->at[i]) == 0;
}

/* The caller frees m->at. Mentions of one key must agree. */
static bool list_mentions(struct pickle *p, struct mentions *m, struct err *e)
{
    m->n = 0;
    for (const struct pickle_storage *s = p->storage; s; s = s->next)
        m->n++;
    m->at = mem_new(m->n, sizeof(struct pickle_storage *), e);
    if (!m->at)
        return false;
    size_t i = 0;
    for (struct pickle_storage *s = p->storage; s; s = s->next)
        m->at[i++] = s;
    if (m->n)
        qsort(m->at, m->n, sizeof(*m->at), by_key);
    for (i = 1; i < m->n; i++)
        if (same_key(m, i) &&
            (m->at[i - 1]->dtype != m->at[i]->dtype || m->at[i - 1]->n != m->at[i]->n))
            return err_set(e, ERR_MODEL, "storage %.*s: told of in two ways",
                           shown(m->at[i]->n_key), m->at[i]->key);
    return true;
}

/* What the first mention of each key has found, for the others. */
static void share_mentions(const struct mentions *m)
{
    for (size_t i = 1; i < m->n; i++)
        if (same_key(m, i)) {
            m->at[i]->data = m->at[i - 1]->data;
            m->at[i]->owner = m->at[i - 1]->owner;
        }
}

static bool storage_bytes(const struct pickle_storage *s, size_t *bytes)
{
    return !__builtin_mul_overflow((size_t)s->n, (size_t)st_dtype_bits(s->dtype) / 8, bytes);
}

/* The entry NAME/what of the archive; NULL: none. */
static struct zip_entry *find_entry(const struct zip *z, const char *what)
{
    char name[ZIP_MAX_NAME + 1];
    const char *top = z->entry[0].name;
    int n =
        snprintf(name, sizeof(name), "%.*s%s", (int)(strchr(top, '/') + 1 - top), top, what);
    return n < (int)sizeof(name) ? zip_find(z, name) : NULL;
}

static bool one_folder(const struct zip *z, struct err *e)
{
    if (z->n_entry == 0)
        return refuse(e, "an empty archive");
    const char *slash = strchr(z->entry[0].name, '/');
    size_t n = slash ? (size_t)(slash + 1 - z->entry[0].name) : 0;
    for (int i = 0; i < z->n_entry; i++)
        if (n == 0 || strncmp(z->entry[i].name, z->entry[0].name, n) != 0)
            return err_set(e, ERR_MODEL, "zip: entry %.80s: not in the archive's one folder",
                           z->entry[i].name);
    return true;
}

/* A small entry must be one of the given texts; may_lack: or not be there. */
static bool check_fact(const struct zip *z, const char *what, const char *const *known,
                       bool may_lack, struct err *e)
{
    struct zip_entry *t = find_entry(z, what);
    if (!t)
        return may_lack ||
               err_set(e, ERR_MODEL, "has no entry %s: not written by torch.save", what);
    if (t->n > MAX_FACT)
        return err_set(e, ERR_MODEL, "entry %s: %zu bytes, expected a word", what, t->n);
    if (!zip_check(t, e))
        return false;
    for (int i = 0; known[i]; i++)
        if (strlen(known[i]) == t->n && memcmp(known[i], t->data, t->n) == 0)
            return true;
    return err_set(e, ERR_MODEL, "entry %s: \"%.*s\", expected \"%s\"", what, (int)t->n,
                   (const char *)t->data, known[0]);
}

static bool find_in_zip(const struct zip *z, const struct mentions *m, struct err *e)
{
    for (size_t i = 0; i < m->n; i++) {
        struct pickle_storage *s = m->at[i];
        char what[sizeof("data/") + MAX_KEY];
        size_t bytes;
        if (same_key(m, i))
            continue;
        if (s->n_key > MAX_KEY || memchr(s->key, '\0', s->n_key))
            return refuse(e, "a storage's key that torch.save does not give");
        snprintf(what, sizeof(what), "data/%.*s", (int)s->n_key, s->key);
        struct zip_entry *t = find_entry(z, what);
        if (!t)
            return err_set(e, ERR_MODEL, "has no entry %s, which a tensor lies in", what);
        if (!storage_bytes(s, &bytes) || bytes != t->n)
            return err_set(e, ERR_MODEL, "entry %s: %zu bytes, expected %lld elements of %s",
                           what, t->n, (long long)s->n, st_dtype_name(s->dtype));
        s->data = t->data;
        s->owner = t;
    }
    return true;
}

static bool parse_zip(struct pth *p, const uint8_t *byte, size_t n, struct err *e)
{
    static const char *const version[] = {"3\n", "1\n", "2\n", "4\n",  "5\n", "6\n",
                                          "7\n", "8\n", "9\n", "10\n", NULL};
    static const char *const order[] = {"little", NULL}, *const format[] = {"1", NULL};
    struct mentions m = {0};
    if (!zip_parse(&p->zip, byte, n, e) || !one_folder(&p->zip, e) ||
        !check_fact(&p->zip, "version", version, false, e) ||
        !check_fact(&p->zip, "byteorder", order, true, e) ||
        !check_fact(&p->zip, ".format_version", format, true, e))
        return false;
    struct zip_entry *object = find_entry(&p->zip, "data.pkl");
    if (!object)
        return refuse(e, "has no entry data.pkl: not written by torch.save");
    if (object->n > PICKLE_MAX_BYTES)
        return refuse(e, "entry data.pkl: longer than 8 MiB");
    if (!zip_check(object, e) || !pickle_parse(&p->pickle, object->data, object->n, e))
        return false;
    if (p->pickle.used != object->n)
        return refuse(e, "entry data.pkl: bytes behind its end");
    bool ok = list_mentions(&p->pickle, &m, e) && find_in_zip(&p->zip, &m, e);
    if (ok)
        share_mentions(&m);
    mem_free(m.at);
    return ok;
}

/* One of the small pickles at *at, moved behind it; the caller releases it. */
static bool next_pickle(struct pickle *p, const uint8_t **at, const uint8_t *end, struct err *e)
{
    if (!pickle_parse(p, *at, (size_t)(end - *at), e))
        return false;
    *at += p->used;
    return true;
}

/* Protocol and writing system. */
static bool read_legacy_facts(const uint8_t **at, const uint8_t *end, struct err *e)
{
    struct pickle p = {0};
    if (!next_pickle(&p, at, end, e))
        return false;
    bool ok = (p.root->type == PICKLE_INT && p.root->i == PROTOCOL) ||
              refuse(e, "not protocol 1001 of torch.save");
    pickle_release(&p);
    if (!ok || !next_pickle(&p, at, end, e))
        return false;
    const struct pickle_value *little = pickle_get(p.root, "little_endian");
    ok = (little && little->type == PICKLE_BOOL && little->i) ||
         refuse(e, "written by a big-endian machine; expected little_endian");
    pickle_release(&p);
    return ok;
}

/* The storage of this key at *at, moved behind it. */
static bool take_storage(const struct mentions *m, const struct pickle_value *key,
                         const uint8_t **at, const uint8_t *end, struct err *e)
{
    if (key->type != PICKLE_TEXT)
        return refuse(e, "a storage's key that is no text");
    const struct pickle_storage wanted = {.key = key->text, .n_key = key->n}, *w = &wanted;
    struct pickle_storage **found =
        m->n ? bsearch(&w, m->at, m->n, sizeof(*m->at), by_key) : NULL;
    while (found && same_key(m, (size_t)(found - m->at)))
        found--;
    int n_shown = shown(key->n);
    if (!found || (*found)->data)
        return err_set(e, ERR_MODEL, "storage %.*s: %s", n_shown, key->text,
                       found ? "twice in the file" : "no tensor lies in it");
    uint64_t n = 0;
    size_t bytes;
    if (end - *at < 8)
        return err_set(e, ERR_MODEL, "cut short before storage %.*s", n_shown, key->text);
    for (int i = 7; i >= 0; i--)
        n = n << 8 | (*at)[i];
    *at += 8;
    if (n != (uint64_t)(*found)->n)
        return err_set(e, ERR_MODEL, "storage %.*s: %llu elements, expected %lld", n_shown,
                       key->text, (unsigned long long)n, (long long)(*found)->n);
    if (!storage_bytes(*found, &bytes) || bytes > (size_t)(end - *at))
        return err_set(e, ERR_MODEL, "cut short in storage %.*s", n_shown, key->text);
    (*found)->data = *at;
    *at += bytes;
    return true;
}

static bool find_behind(const struct mentions *m, const uint8_t *at, const uint8_t *end,
                        struct err *e)
{
    struct pickle keys = {0};
    if (!next_pickle(&keys, &at, end, e))
        return err_in(e, "the list of storages");
    bool ok = keys.root->type == PICKLE_LIST || refuse(e, "has no list of storages");
    for (uint32_t i = 0; ok && i < keys.root->n; i++)
        ok = take_storage(m, keys.root->item[i], &at, end, e);
    for (size_t i = 0; ok && i < m->n; i++)
        if (!m->at[i]->data && !same_key(m, i))
            ok = err_set(e, ERR_MODEL, "storage %.*s is not in the file",
                         shown(m->at[i]->n_key), m->at[i]->key);
    if (ok && at != end)
        ok = refuse(e, "bytes behind its last storage");
    pickle_release(&keys);
    return ok;
}

static bool parse_legacy(struct pth *p, const uint8_t *byte, size_t n, struct err *e)
{
    const uint8_t *at = byte + sizeof(legacy_magic), *end = byte + n;
    struct mentions m = {0};
    bool ok = read_legacy_facts(&at, end, e) && next_pickle(&p->pickle, &at, end, e) &&
              list_mentions(&p->pickle, &m, e) && find_behind(&m, at, end, e);
    if (ok)
        share_mentions(&m);
    mem_free(m.at);
    return ok;
}

bool pth_parse(struct pth *p, const uint8_t *byte, size_t n, struct err *e)
{
    *p = (struct pth){0};
    if (pth_is_zip(byte, n) ? parse_zip(p, byte, n, e) : parse_legacy(p, byte, n, e))
        return true;
    pth_release(p);
    return false;
}

void pth_release(struct pth *p)
{
    pickle_release(&p->pickle);
    zip_release(&p->zip);
    *p = (struct pth){0};
}
