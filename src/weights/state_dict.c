/* Opening, by content; the walk from a checkpoint's root to its weights; names. */
#include "weights/state_dict.h"

#include "base/utf8.h"
#include "weights/seal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Entries of a checkpoint that hold the weights, and what is put before their names; the first
 * that is there counts, as in timm.models.load_state_dict. */
static const char *const wrappers[] = {"state_dict_ema", "model_ema", "state_dict", "model",
                                       "model_state_dict"};
static const char *const prefixes[] = {"module.", "_orig_mod.", "model."};
enum { MAX_WRAPPED = 4, MAX_PREFIX = 64 };

static bool refuse(struct err *e, const char *why)
{
    return err_set(e, ERR_MODEL, "%s", why);
}

static void list_safetensors(struct state_dict *s)
{
    for (int i = 0; i < s->safetensors.n_tensor; i++) {
        const struct st_tensor *from = &s->safetensors.tensor[i];
        struct sd_tensor *t = &s->tensor[s->n_tensor++];
        *t = (struct sd_tensor){
            .name = from->name, .dtype = from->dtype, .rank = from->rank, .data = from->data};
        memcpy(t->dim, from->dim, sizeof(from->dim));
        uint64_t step = 1; /* of a tensor without elements it may wrap */
        for (int k = t->rank - 1; k >= 0; step *= (uint64_t)t->dim[k--])
            t->stride[k] = (int64_t)step;
    }
}

static bool read_safetensors(struct state_dict *s, const uint8_t *byte, size_t n, struct err *e)
{
    s->format = "safetensors";
    if (!safetensors_parse(&s->safetensors, byte, n, e))
        return false;
    s->tensor = arena_new(&s->arena, (size_t)s->safetensors.n_tensor, sizeof(*s->tensor), e);
    if (s->tensor)
        list_safetensors(s);
    return s->tensor != NULL;
}

static bool holds_tensors(const struct pickle_value *v)
{
    for (uint32_t i = 0; v && v->type == PICKLE_DICT && i < v->n; i += 2)
        if (v->item[i]->type == PICKLE_TEXT && v->item[i + 1]->type == PICKLE_TENSOR)
            return true;
    return false;
}

/* The entry of a checkpoint that holds the weights, as deep as it goes. */
static const struct pickle_value *enter(struct state_dict *s, const struct pickle_value *v)
{
    for (int depth = 0; depth < MAX_WRAPPED; depth++) {
        const struct pickle_value *in = NULL;
        for (size_t i = 0; !in && i < COUNT_OF(wrappers); i++)
            if ((in = pickle_get(v, wrappers[i])) && in->type == PICKLE_DICT)
                s->inside = wrappers[i];
            else
                in = NULL;
        if (!in)
            break;
        v = in;
    }
    return v;
}

/* A file without weights: what is in it instead. */
static bool tell_content(const struct pickle_value *v, struct err *e)
{
    char text[256], *at = text, name[64];
    size_t room = sizeof(text);
    *text = '\0';
    for (uint32_t i = 0; v->type == PICKLE_DICT && i < v->n && i < 8; i += 2) {
        const struct pickle_value *key = v->item[i];
        int n = snprintf(at, room, "%s%.*s (%s)", i ? ", " : ": ",
                         key->type == PICKLE_TEXT ? (int)(key->n < 24 ? key->n : 24) : 1,
                         key->type == PICKLE_TEXT ? key->text : "?",
                         pickle_describe(v->item[i + 1], name, sizeof(name)));
        if (n < 0 || (size_t)n >= room)
            break;
        at += n;
        room -= (size_t)n;
    }
    return err_set(e, ERR_MODEL,
                   "holds no named tensors but a %s%s; expected a state_dict, as "
                   "torch.save(model.state_dict(), path) writes",
                   pickle_describe(v, name, sizeof(name)), text);
}

static bool good_name(const struct pickle_value *key)
{
    size_t i = 0, step = 1;
    for (; step && i < key->n; i += step)
        step = key->text[i] ? (size_t)utf8_length(key->text + i, key->n - i) : 0;
    return step && key->n <= SAFETENSORS_MAX_NAME;
}

static bool add_tensor(struct state_dict *s, const struct pickle_value *key,
                       const struct pickle_tensor *from, struct err *e)
{
    if (!good_name(key))
        return refuse(e, "a tensor's name of more than 1024 bytes, or not UTF-8");
    char *name = arena_new(&s->arena, (size_t)key->n + 1, 1, e);
    if (!name)
        return false;
    struct sd_tensor *t = &s->tensor[s->n_tensor++];
    *t = (struct sd_tensor){.name = memcpy(name, key->text, key->n),
                            .dtype = from->dtype,
                            .rank = from->rank,
                            .entry = from->storage->owner};
    t->data = from->storage->data + from->offset * (st_dtype_bits(t->dtype) / 8);
    memcpy(t->dim, from->dim, sizeof(from->dim));
    memcpy(t->stride, from->stride, sizeof(from->stride));
    return true;
}

static bool read_pth(struct state_dict *s, const uint8_t *byte, size_t n, struct err *e)
{
    s->format = pth_is_zip(byte, n) ? "torch.save (zip)" : "torch.save (legacy)";
    if (!pth_parse(&s->pth, byte, n, e))
        return false;
    const struct pickle_value *v = enter(s, s->pth.pickle.root);
    if (!holds_tensors(v))
        return tell_content(v, e);
    if (v->n / 2 > SAFETENSORS_MAX_TENSORS)
        return refuse(e, "more than 100000 tensors");
    s->tensor = arena_new(&s->arena, v->n / 2, sizeof(*s->tensor), e);
    bool ok = s->tensor != NULL;
    for (uint32_t i = 0; ok && i < v->n; i += 2)
        if (v->item[i]->type == PICKLE_TEXT && v->item[i + 1]->type == PICKLE_TENSOR)
            ok = add_tensor(s, v->item[i], v->item[i + 1]->tensor, e);
    return ok;
}

/* Bytes of the prefix if most names have it. Most: beside the weights stand counts of their own
 * (n_averaged) and, from Lightning, those of losses. */
static size_t common_prefix(const struct state_dict *s, const char *prefix)
{
    size_t n = strlen(prefix);
    int with = 0;
    for (int i = 0; i < s->n_tensor; i++)
        with += strncmp(s->tensor[i].name, prefix, n) == 0 && s->tensor[i].name[n];
    return with > s->n_tensor / 2 ? n : 0;
}

static void strip(struct state_dict *s, const char *prefix)
{
    size_t n = strlen(prefix);
    for (int i = 0; i < s->n_tensor; i++)
        if (strncmp(s->tensor[i].name, prefix, n) == 0 && s->tensor[i].name[n])
            s->tensor[i].name += n;
}

/* They come in any order, one behind another. */
static bool strip_prefixes(struct state_dict *s, struct err *e)
{
    char stripped[MAX_PREFIX] = "";
    size_t n = 0;
    for (size_t i = 0; i < COUNT_OF(prefixes);) {
        size_t more = common_prefix(s, prefixes[i]);
        if (more == 0 || n + more >= sizeof(stripped)) {
            i++;
            continue;
        }
        strip(s, prefixes[i]);
        memcpy(stripped + n, prefixes[i], more + 1);
        n += more;
        i = 0;
    }
    s->prefix = arena_text(&s->arena, stripped, e);
    return s->prefix != NULL;
}

static int by_name(const void *a, const void *b)
{
    const struct sd_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static bool sort_names(struct state_dict *s, struct err *e)
{
    s->by_name = arena_new(&s->arena, (size_t)s->n_tensor, sizeof(*s->by_name), e);
    if (!s->by_name)
        return false;
    for (int i = 0; i < s->n_tensor; i++)
        s->by_name[i] = &s->tensor[i];
    if (s->n_tensor)
        qsort(s->by_name, (size_t)s->n_tensor, sizeof(*s->by_name), by_name);
    for (int i = 1; i < s->n_tensor; i++)
        if (by_name(&s->by_name[i - 1], &s->by_name[i]) == 0)
            return err_set(e, ERR_MODEL, "two tensors of the name %.80s", s->by_name[i]->name);
    return true;
}

/* What people take for weights: an archive of PyTorch 0.1, and what a server sent instead. */
static bool tell_format(const uint8_t *byte, size_t n, struct err *e)
{
    static const char advice[] =
        "; in Python, torch.save(torch.load(old), new) makes a file that "
        "is read here";
    if (n >= 262 && memcmp(byte + 257, "ustar", 5) == 0)
        return err_set(e, ERR_MODEL, "a tar archive, as PyTorch 0.1 wrote%s", advice);
    if (n >= 2 && byte[0] == 0x80 && byte[1] >= 2 && byte[1] <= 5)
        return err_set(e, ERR_MODEL, "a pickle of protocol %d that is not torch.save's%s",
                       byte[1], advice);
    if (n == 0)
        return refuse(e, "an empty file");
    if (n >= 8 && (memcmp(byte, "version ", 8) == 0 || byte[0] == '<'))
        return refuse(e, "text, not weights: a page or a pointer to the file was downloaded in "
                         "its place");
    char start[40] = "";
    for (size_t i = 0; i < n && i < 8; i++)
        snprintf(start + 3 * i, sizeof(start) - 3 * i, " %02x", byte[i]);
    return err_set(e, ERR_MODEL, "neither .safetensors nor .pth (starts%s)", start);
}

static bool read_bytes(struct state_dict *s, const uint8_t *byte, size_t n, struct err *e)
{
    if (pth_is_zip(byte, n) || pth_is_legacy(byte, n)) {
        if (!read_pth(s, byte, n, e))
            return false;
    } else if (n > 8 && byte[8] == '{') {
        if (!read_safetensors(s, byte, n, e))
            return false;
    } else {
        return tell_format(byte, n, e);
    }
    return strip_prefixes(s, e) && sort_names(s, e);
}

bool state_dict_parse(struct state_dict *s, const char *path, const uint8_t *byte, size_t n,
                      struct err *e)
{
    *s = (struct state_dict){.inside = ""};
    bool ok = (s->path = mem_text(path, e)) != NULL;
    ok = ok && (read_bytes(s, byte, n, e) || err_in(e, "%s", path));
    if (ok && seal_present(&s->safetensors)) /* our own files carry checksums */
        ok = seal_check(&s->safetensors, path, e);
    if (!ok)
        state_dict_close(s);
    return ok;
}

bool state_dict_open(struct state_dict *s, const char *path, struct err *e)
{
    struct file_map map;
    *s = (struct state_dict){0};
    if (!file_map(path, ERR_MODEL, &map, e))
        return false;
    bool ok = state_dict_parse(s, path, map.byte, map.n, e);
    if (ok)
        s->map = map;
    else
        file_unmap(&map);
    return ok;
}

void state_dict_close(struct state_dict *s)
{
    pth_release(&s->pth);
    arena_release(&s->safetensors.arena); /* its map is s's */
    arena_release(&s->arena);
    file_unmap(&s->map);
    mem_free(s->path);
    *s = (struct state_dict){0};
}

const struct sd_tensor *state_dict_find(const struct state_dict *s, const char *name)
{
    struct sd_tensor key = {.name = name};
    const struct sd_tensor *at = &key;
    const struct sd_tensor **found = s->n_tensor ? bsearch(&at, s->by_name, (size_t)s->n_tensor,
                                                           sizeof(*s->by_name), by_name)
                                                 : NULL;
    return found ? *found : NULL;
}

const char *state_dict_stripped(const struct state_dict *s, char *out, size_t size)
{
    snprintf(out, size, "%s%s%s%s%s", *s->inside ? "in its entry " : "", s->inside,
             *s->inside && *s->prefix ? ", " : "", *s->prefix ? "names begin with " : "",
             s->prefix);
    return out;
}
