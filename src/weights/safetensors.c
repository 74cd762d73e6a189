/* Two passes over the header: a scan that bounds depth and counts, so that parsing costs no more
 * than the file is worth, then the JSON reader and the format's own rules. */
#include "weights/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_HEADER = 100 * 1000 * 1000,
    MAX_DEPTH = 4,
    MAX_MEMBERS = 4 * SAFETENSORS_MAX_TENSORS, /* of all objects together */
    ALIGN_HEADER = 64,
};

static const struct {
    const char *name;
    int bits;
} dtypes[ST_DTYPE_COUNT] = {
    [ST_BOOL] = {"BOOL", 8},
    [ST_F4] = {"F4", 4},
    [ST_F6_E2M3] = {"F6_E2M3", 6},
    [ST_F6_E3M2] = {"F6_E3M2", 6},
    [ST_U8] = {"U8", 8},
    [ST_I8] = {"I8", 8},
    [ST_F8_E5M2] = {"F8_E5M2", 8},
    [ST_F8_E4M3] = {"F8_E4M3", 8},
    [ST_F8_E8M0] = {"F8_E8M0", 8},
    [ST_F8_E4M3FNUZ] = {"F8_E4M3FNUZ", 8},
    [ST_F8_E5M2FNUZ] = {"F8_E5M2FNUZ", 8},
    [ST_I16] = {"I16", 16},
    [ST_U16] = {"U16", 16},
    [ST_F16] = {"F16", 16},
    [ST_BF16] = {"BF16", 16},
    [ST_I32] = {"I32", 32},
    [ST_U32] = {"U32", 32},
    [ST_F32] = {"F32", 32},
    [ST_C64] = {"C64", 64},
    [ST_F64] = {"F64", 64},
    [ST_I64] = {"I64", 64},
    [ST_U64] = {"U64", 64},
};

const char *st_dtype_name(enum st_dtype d)
{
    return dtypes[d].name;
}

int st_dtype_bits(enum st_dtype d)
{
    return dtypes[d].bits;
}

static bool refuse(struct err *e, const char *why)
{
    return err_set(e, ERR_MODEL, "safetensors: %s", why);
}

/* The byte past the string that opens at byte[i], or n. */
static size_t skip_string(const uint8_t *byte, size_t i, size_t n)
{
    for (i++; i < n && byte[i] != '"'; i++)
        i += byte[i] == '\\';
    return i < n ? i : n;
}

static bool scan_header(const uint8_t *byte, size_t n, struct err *e)
{
    int depth = 0, in_array = 0, members = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = byte[i];
        if (c == '"') {
            i = skip_string(byte, i, n);
        } else if (c == '{' || c == '[') {
            if (++depth > MAX_DEPTH)
                return refuse(e, "the header nests too deeply");
            in_array = 0;
        } else if (c == '}' || c == ']') {
            depth--;
        } else if (c == ':' && ++members > MAX_MEMBERS) {
            return refuse(e, "more than 100000 tensors");
        } else if (c == ',' && depth >= 3 && ++in_array > SAFETENSORS_MAX_RANK) {
            return refuse(e, "a tensor of more than 8 dimensions");
        }
    }
    return true;
}

static bool find_dtype(const struct json *v, enum st_dtype *out)
{
    for (int i = 0; v && v->type == JSON_STRING && i < ST_DTYPE_COUNT; i++)
        if (strcmp(v->text, dtypes[i].name) == 0) {
            *out = (enum st_dtype)i;
            return true;
        }
    return false;
}

static bool is_count(const struct json *v)
{
    return v->type == JSON_NUMBER && v->is_int && v->i >= 0;
}

/* Bytes of a tensor of t's type and shape; false when they do not fit or are no whole number. */
static bool shape_bytes(const struct st_tensor *t, size_t *bytes)
{
    size_t count = 1, bits;
    for (int i = 0; i < t->rank; i++)
        if (__builtin_mul_overflow(count, (size_t)t->dim[i], &count))
            return false;
    if (__builtin_mul_overflow(count, (size_t)dtypes[t->dtype].bits, &bits) || bits % 8)
        return false;
    *bytes = bits / 8;
    return true;
}

static bool read_tensor(const char *name, const struct json *v, const uint8_t *data, size_t n,
                        struct st_tensor *t, struct err *e)
{
    const struct json *shape = json_get(v, "shape"), *range = json_get(v, "data_offsets");
    *t = (struct st_tensor){.name = name};
    if (strlen(name) > SAFETENSORS_MAX_NAME)
        return refuse(e, "a tensor's name of more than 1024 bytes");
    if (v->type != JSON_OBJECT || v->n != 3 || !shape || shape->type != JSON_ARRAY || !range ||
        range->type != JSON_ARRAY || range->n != 2)
        return refuse(e, "expected dtype, shape and two data_offsets");
    if (!find_dtype(json_get(v, "dtype"), &t->dtype))
        return refuse(e, "unknown dtype");
    if (shape->n > SAFETENSORS_MAX_RANK)
        return refuse(e, "more than 8 dimensions");
    for (t->rank = 0; t->rank < shape->n; t->rank++) {
        if (!is_count(&shape->item[t->rank]))
            return refuse(e, "a dimension that is no count");
        t->dim[t->rank] = shape->item[t->rank].i;
    }
    if (!is_count(&range->item[0]) || !is_count(&range->item[1]))
        return refuse(e, "data_offsets that are no counts");
    size_t begin = (size_t)range->item[0].i, end = (size_t)range->item[1].i;
    if (begin > end || end > n)
        return refuse(e, "data_offsets outside the file");
    if (!shape_bytes(t, &t->bytes) || t->bytes != end - begin)
        return refuse(e, "data_offsets do not fit dtype and shape");
    t->data = data + begin;
    return true;
}

static int by_place(const void *a, const void *b)
{
    const struct st_tensor *x = a, *y = b;
    const uint8_t *p = x->data, *q = y->data;
    return p != q ? (p > q) - (p < q) : (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static int by_name(const void *a, const void *b)
{
    const struct st_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

/* Each tensor begins where the one before it ends, and the last one ends the file. */
static bool check_places(const struct safetensors *s, const uint8_t *data, size_t n,
                         struct err *e)
{
    const uint8_t *at = data;
    for (int i = 0; i < s->n_tensor; i++) {
        if (s->tensor[i].data != at)
            return err_set(e, ERR_MODEL,
                           "safetensors: %s: a hole or an overlap before its data",
                           s->tensor[i].name);
        at += s->tensor[i].bytes;
    }
    return at == data + n || refuse(e, "bytes behind the last tensor");
}

static bool check_metadata(const struct json *v, struct err *e)
{
    bool ok = v->type == JSON_OBJECT;
    for (int i = 0; ok && i < v->n; i++)
        ok = v->item[i].type == JSON_STRING;
    return ok || refuse(e, "__metadata__ that is not text by text");
}

static bool read_header(struct safetensors *s, const struct json *root, const uint8_t *data,
                        size_t n, struct err *e)
{
    if (root->type != JSON_OBJECT)
        return refuse(e, "the header is no object");
    s->tensor = arena_new(&s->arena, (size_t)root->n, sizeof(*s->tensor), e);
    s->by_name = arena_new(&s->arena, (size_t)root->n, sizeof(*s->by_name), e);
    if (!s->tensor || !s->by_name)
        return false;
    for (int i = 0; i < root->n; i++) {
        if (strcmp(root->key[i], "__metadata__") == 0) {
            if (!check_metadata(&root->item[i], e))
                return false;
            s->metadata = &root->item[i];
            continue;
        }
        if (s->n_tensor == SAFETENSORS_MAX_TENSORS)
            return refuse(e, "more than 100000 tensors");
        if (!read_tensor(root->key[i], &root->item[i], data, n, &s->tensor[s->n_tensor], e))
            return err_in(e, "tensor %.80s", root->key[i]);
        s->n_tensor++;
    }
    if (s->n_tensor)
        qsort(s->tensor, (size_t)s->n_tensor, sizeof(*s->tensor), by_place);
    for (int i = 0; i < s->n_tensor; i++)
        s->by_name[i] = &s->tensor[i];
    if (s->n_tensor)
        qsort(s->by_name, (size_t)s->n_tensor, sizeof(*s->by_name), by_name);
    return check_places(s, data, n, e);
}

/* The header's extent; what ends it may be padded with spaces. */
static bool find_header(struct safetensors *s, const uint8_t *byte, size_t n, struct err *e)
{
    uint64_t size = 0;
    if (n < 8)
        return refuse(e, "shorter than its 8 bytes of length");
    for (int i = 7; i >= 0; i--)
        size = size << 8 | byte[i];
    if (size > n - 8)
        return refuse(e, "the header is longer than the file");
    if (size > MAX_HEADER || size > n / 2 + (64 << 10))
        return refuse(e, "a header out of proportion");
    s->header = byte + 8;
    s->header_bytes = (size_t)size;
    while (size && s->header[size - 1] == ' ')
        size--;
    if (size < 2 || s->header[0] != '{' || s->header[size - 1] != '}')
        return refuse(e, "the header is no JSON object");
    return scan_header(s->header, (size_t)size, e);
}

bool safetensors_parse(struct safetensors *s, const uint8_t *byte, size_t n, struct err *e)
{
    struct file_map map = s->map;
    *s = (struct safetensors){.map = map};
    if (!find_header(s, byte, n, e))
        return false;
    const struct json *root =
        json_parse((const char *)s->header, s->header_bytes, &s->arena, e);
    if (!root) {
        if (e->kind == ERR_DATA)
            e->kind = ERR_MODEL;
        return err_in(e, "safetensors: header");
    }
    size_t front = 8 + s->header_bytes;
    return read_header(s, root, byte + front, n - front, e);
}

bool safetensors_open(struct safetensors *s, const char *path, struct err *e)
{
    *s = (struct safetensors){0};
    if (!file_map(path, ERR_MODEL, &s->map, e))
        return false;
    if (safetensors_parse(s, s->map.byte, s->map.n, e))
        return true;
    safetensors_close(s);
    return err_in(e, "%s", path);
}

void safetensors_close(struct safetensors *s)
{
    arena_release(&s->arena);
    file_unmap(&s->map);
    *s = (struct safetensors){0};
}

const struct st_tensor *safetensors_find(const struct safetensors *s, const char *name)
{
    struct st_tensor key = {.name = name};
    const struct st_tensor *at = &key;
    const struct st_tensor **found = s->n_tensor ? bsearch(&at, s->by_name, (size_t)s->n_tensor,
                                                           sizeof(*s->by_name), by_name)
                                                 : NULL;
    return found ? *found : NULL;
}

const char *safetensors_metadata(const struct safetensors *s, const char *key)
{
    return json_text(s->metadata, key, NULL);
}

static void put_tensor(struct json_writer *w, const struct st_tensor *t, size_t begin)
{
    json_open(w, t->name, '{');
    json_put_text(w, "dtype", st_dtype_name(t->dtype));
    json_open(w, "shape", '[');
    for (int i = 0; i < t->rank; i++)
        json_put_int(w, NULL, t->dim[i]);
    json_close(w, ']');
    json_open(w, "data_offsets", '[');
    json_put_int(w, NULL, (int64_t)begin);
    json_put_int(w, NULL, (int64_t)(begin + t->bytes));
    json_close(w, ']');
    json_close(w, '}');
}

char *safetensors_header(const struct st_tensor *tensor, int n_tensor,
                         const struct st_note *note, int n_note, size_t *n, struct err *e)
{
    struct json_writer w = {0};
    json_open(&w, NULL, '{');
    json_open(&w, "__metadata__", '{');
    for (int i = 0; i < n_note; i++)
        json_put_text(&w, note[i].key, note[i].value);
    json_close(&w, '}');
    size_t at = 0;
    for (int i = 0; i < n_tensor; i++, at += tensor[i - 1].bytes)
        put_tensor(&w, &tensor[i], at);
    json_close(&w, '}');
    char *out = NULL;
    if (json_done(&w, e)) {
        *n = (8 + w.n + ALIGN_HEADER - 1) / ALIGN_HEADER * ALIGN_HEADER;
        out = mem_new(*n, 1, e);
    }
    if (out) {
        memset(out, ' ', *n);
        for (int i = 0; i < 8; i++)
            out[i] = (char)((uint64_t)(*n - 8) >> (8 * i) & 0xFF);
        memcpy(out + 8, w.text, w.n);
    }
    json_writer_release(&w);
    return out;
}

bool safetensors_write(const char *path, const char *header, size_t n,
                       const struct st_tensor *tensor, int n_tensor, struct err *e)
{
    struct file_part *part = mem_new((size_t)n_tensor + 1, sizeof(*part), e);
    if (!part)
        return false;
    part[0] = (struct file_part){header, n};
    for (int i = 0; i < n_tensor; i++)
        part[i + 1] = (struct file_part){tensor[i].data, tensor[i].bytes};
    bool ok = file_write_atomic(path, part, n_tensor + 1, e);
    mem_free(part);
    return ok;
}
