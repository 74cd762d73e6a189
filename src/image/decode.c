/* Picks the decoder by the first bytes of a file, and holds what all formats must obey. */
#include "image/decode.h"

#include "base/build.h"
#include "base/file.h"
#include "image/format.h"

#include <string.h>
#include <strings.h>

enum { MAX_FILE_BYTES = 256 << 20 }; /* more than any 64 megapixels need, compressed */

const struct decoder *const decoders[] = {
    &jpeg_decoder,
#if WITH_SPNG
    &png_decoder,
#endif
#if WITH_WEBP
    &webp_decoder,
#endif
#if WITH_GIF
    &gif_decoder,
#endif
    NULL,
};

static const struct decoder *find(const uint8_t *byte, size_t n, struct err *e)
{
    for (const struct decoder *const *d = decoders; *d; d++)
        if ((*d)->matches(byte, n))
            return *d;
    char known[64] = "", start[16] = "";
    for (const struct decoder *const *d = decoders; *d; d++) {
        strcat(known, d == decoders ? "" : ", ");
        strcat(known, (*d)->name);
    }
    for (size_t i = 0; i < n && i < 4; i++) {
        static const char digit[] = "0123456789abcdef";
        const char text[] = {' ', digit[byte[i] >> 4], digit[byte[i] & 15], '\0'};
        strcat(start, text);
    }
    if (n == 0)
        err_set(e, ERR_DATA, "empty file");
    else
        err_set(e, ERR_DATA, "not a picture (starts%s; known are %s)", start, known);
    return NULL;
}

bool decode_probe(const uint8_t *byte, size_t n, struct decode_info *info, struct err *e)
{
    const struct decoder *d = find(byte, n, e);
    if (!d)
        return false;
    struct decode_info unused = {0};
    info = info ? info : &unused;
    *info = (struct decode_info){.format = d->name};
    return d->probe(byte, n, info, e);
}

bool decode_bytes(const uint8_t *byte, size_t n, int shrink, struct image *out,
                  struct decode_info *info, struct err *e)
{
    *out = (struct image){0};
    const struct decoder *d = find(byte, n, e);
    if (!d)
        return false;
    struct decode_info unused = {0};
    info = info ? info : &unused;
    *info = (struct decode_info){.format = d->name};
    return d->decode(byte, n, shrink, out, info, e);
}

static bool lists(const struct decoder *d, const char *extension)
{
    for (const char *const *known = d->extension; *known; known++)
        if (strcasecmp(*known, extension) == 0)
            return true;
    return false;
}

/* The name says a format, and it is not the one found inside. */
static bool misnamed(const char *path, const char *format)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
    for (const struct decoder *const *d = decoders; dot && *d; d++)
        if (lists(*d, dot + 1))
            return strcmp((*d)->name, format) != 0;
    return false;
}

bool decode_file(const char *path, int shrink, struct image *out, struct decode_info *info,
                 struct err *e)
{
    *out = (struct image){0};
    struct decode_info unused = {0};
    info = info ? info : &unused;
    uint8_t *byte;
    size_t n;
    if (!file_read(path, MAX_FILE_BYTES, ERR_DATA, &byte, &n, e))
        return false;
    bool ok = decode_bytes(byte, n, shrink, out, info, e) || err_in(e, "%s", path);
    mem_free(byte);
    if (ok && misnamed(path, info->format))
        info->notes |= IMAGE_NOTE_EXTENSION;
    return ok;
}

bool format_size_ok(const char *format, uint64_t w, uint64_t h, uint64_t need,
                    size_t file_bytes, struct err *e)
{
    if (w == 0 || h == 0)
        return err_set(e, ERR_DATA, "%s: %llu x %llu pixels: empty", format,
                       (unsigned long long)w, (unsigned long long)h);
    if (w > DECODE_MAX_PIXELS || h > DECODE_MAX_PIXELS || w * h > DECODE_MAX_PIXELS)
        return err_set(e, ERR_DATA, "%s: %llu x %llu pixels: over the limit of %d megapixels",
                       format, (unsigned long long)w, (unsigned long long)h,
                       DECODE_MAX_PIXELS / 1000000);
    if (need > MAX_BYTES)
        return err_set(e, ERR_DATA,
                       "%s: %llu x %llu pixels would take %llu MiB; the limit is %d", format,
                       (unsigned long long)w, (unsigned long long)h,
                       (unsigned long long)(need >> 20), MAX_BYTES >> 20);
    if (need > FREE_BYTES && need / MAX_GROWTH > file_bytes)
        return err_set(e, ERR_DATA,
                       "%s: %llu x %llu pixels would take %llu MiB out of a file of %zu bytes: "
                       "refused as a decompression bomb",
                       format, (unsigned long long)w, (unsigned long long)h,
                       (unsigned long long)(need >> 20), file_bytes);
    return true;
}

void over_white(const uint8_t *rgba, size_t n, uint8_t *rgb)
{
    for (size_t i = 0; i < n; i++, rgba += 4, rgb += 3) {
        unsigned alpha = rgba[3], white = 255 * (255 - alpha) + 127;
        uint8_t r = (uint8_t)((rgba[0] * alpha + white) / 255);
        uint8_t g = (uint8_t)((rgba[1] * alpha + white) / 255);
        uint8_t b = (uint8_t)((rgba[2] * alpha + white) / 255);
        rgb[0] = r;
        rgb[1] = g;
        rgb[2] = b;
    }
}
