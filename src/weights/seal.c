/* "linnet.crc32c" is {"tensor": "hex", ...} as text; "linnet.header_crc32c" is that of the file's
 * bytes before the tensors, taken while its own eight digits are zeros. */
#include "weights/seal.h"

#include <stdio.h>
#include <string.h>

static const char tensors_key[] = "linnet.crc32c", header_key[] = "linnet.header_crc32c";
static const char blank[] = "00000000";
enum { DIGITS = 8, MAX_NOTES = 16 };

static char *list_checksums(const struct st_tensor *tensor, int n_tensor, struct err *e)
{
    struct json_writer w = {0};
    json_open(&w, NULL, '{');
    for (int i = 0; i < n_tensor; i++) {
        char hex[DIGITS + 1];
        snprintf(hex, sizeof(hex), "%08x", crc32c(0, tensor[i].data, tensor[i].bytes));
        json_put_text(&w, tensor[i].name, hex);
    }
    json_close(&w, '}');
    if (json_done(&w, e))
        return w.text;
    json_writer_release(&w);
    return NULL;
}

/* Where the header's own digits stand in its text, or NULL. */
static const char *find_digits(const char *header, size_t n)
{
    const char *key = memmem(header, n, header_key, sizeof(header_key) - 1);
    size_t skip = sizeof(header_key) - 1 + 3; /* key":" */
    return key && (size_t)(header + n - key) >= skip + DIGITS ? key + skip : NULL;
}

static uint32_t header_checksum(const char *header, size_t n, const char *digits)
{
    size_t before = (size_t)(digits - header);
    uint32_t crc = crc32c(0, header, before);
    crc = crc32c(crc, blank, DIGITS);
    return crc32c(crc, digits + DIGITS, n - before - DIGITS);
}

static char *sealed_header(const struct st_tensor *tensor, int n_tensor,
                           const struct st_note *note, int n_note, size_t *n, struct err *e)
{
    struct st_note all[MAX_NOTES];
    if (n_note + 2 > MAX_NOTES) {
        err_set(e, ERR_INTERNAL, "%d notes in a model file; at most %d", n_note, MAX_NOTES - 2);
        return NULL;
    }
    char *list = list_checksums(tensor, n_tensor, e);
    if (!list)
        return NULL;
    all[0] = (struct st_note){header_key, blank};
    memcpy(all + 1, note, (size_t)n_note * sizeof(*note));
    all[n_note + 1] = (struct st_note){tensors_key, list};
    char *header = safetensors_header(tensor, n_tensor, all, n_note + 2, n, e);
    mem_free(list);
    if (header) {
        char hex[DIGITS + 1], *digits = header + (find_digits(header, *n) - header);
        snprintf(hex, sizeof(hex), "%08x", header_checksum(header, *n, digits));
        memcpy(digits, hex, DIGITS);
    }
    return header;
}

bool seal_write(const char *path, const struct st_tensor *tensor, int n_tensor,
                const struct st_note *note, int n_note, struct err *e)
{
    size_t n;
    char *header = sealed_header(tensor, n_tensor, note, n_note, &n, e);
    bool ok = header && safetensors_write(path, header, n, tensor, n_tensor, e);
    mem_free(header);
    return ok;
}

bool seal_present(const struct safetensors *s)
{
    return safetensors_metadata(s, header_key) || safetensors_metadata(s, tensors_key);
}

static bool check_header(const struct safetensors *s, const char *path, struct err *e)
{
    const char *front = (const char *)s->header - 8;
    size_t n = s->header_bytes + 8;
    const char *digits = find_digits(front, n);
    char hex[DIGITS + 1];
    if (!digits)
        return err_set(e, ERR_MODEL, "%s: no checksums in its metadata: not written by linnet",
                       path);
    snprintf(hex, sizeof(hex), "%08x", header_checksum(front, n, digits));
    return memcmp(hex, digits, DIGITS) == 0 ||
           err_set(e, ERR_MODEL, "%s: damaged: the header has checksum %s, expected %.8s", path,
                   hex, digits);
}

/* The list is in the order of the tensors' data, as it was written. */
static bool check_tensors(const struct safetensors *s, const struct json *list,
                          const char *path, struct err *e)
{
    for (int i = 0; i < s->n_tensor; i++) {
        const struct st_tensor *t = &s->tensor[i];
        char hex[DIGITS + 1];
        bool listed = i < list->n && list->key && strcmp(list->key[i], t->name) == 0 &&
                      list->item[i].type == JSON_STRING;
        const char *want = listed ? list->item[i].text : "none";
        snprintf(hex, sizeof(hex), "%08x", crc32c(0, t->data, t->bytes));
        if (strcmp(want, hex) != 0)
            return err_set(e, ERR_MODEL, "%s: damaged: %s has checksum %s, expected %s", path,
                           t->name, hex, want);
    }
    return true;
}

bool seal_check(const struct safetensors *s, const char *path, struct err *e)
{
    if (!check_header(s, path, e))
        return false;
    struct arena a = {0};
    const char *text = safetensors_metadata(s, tensors_key);
    if (!text)
        return err_set(e, ERR_MODEL, "%s: no list of checksums in its metadata", path);
    const struct json *list = json_parse(text, strlen(text), &a, e);
    bool ok = list && check_tensors(s, list, path, e);
    if (!list)
        err_in(e, "%s: its list of checksums", path);
    arena_release(&a);
    return ok;
}
