/* PNG through libspng, which is given only the chunks that make pixels (IHDR, PLTE, tRNS, IDAT,
 * IEND): compressed texts and colour profiles never reach an inflater. Values of 16 bits are cut
 * to their upper 8; alpha and transparent colours are composited on white. */
#include "image/exif.h"
#include "image/format.h"

#include "base/mem.h"

#include <string.h>

#include <spng.h>

enum { SIGNATURE_BYTES = 8, CHUNK_EXTRA = 12, IHDR_BYTES = 13 }; /* length, type and checksum */
static const uint8_t signature[SIGNATURE_BYTES] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

/* What a walk over the chunks finds, and the place in them that libspng has read up to. */
struct png {
    const uint8_t *byte;
    size_t n, at, left; /* left: bytes of the present chunk from at on */
    uint32_t w, h;
    bool grey, palette, alpha, deep, interlaced, animated;
    int orientation;
};

static bool is(const uint8_t *chunk, const char *type)
{
    return memcmp(chunk + 4, type, 4) == 0;
}

static bool makes_pixels(const uint8_t *chunk)
{
    return is(chunk, "IHDR") || is(chunk, "PLTE") || is(chunk, "tRNS") || is(chunk, "IDAT") ||
           is(chunk, "IEND");
}

static void note_header(struct png *p, const uint8_t *ihdr)
{
    enum { COLOUR = 2, PALETTE = 1, ALPHA = 4 }; /* bits of the colour type */
    p->w = read_be32(ihdr);
    p->h = read_be32(ihdr + 4);
    p->deep = ihdr[8] == 16;
    p->palette = ihdr[9] & PALETTE;
    p->grey = !(ihdr[9] & COLOUR);
    p->alpha = ihdr[9] & ALPHA;
    p->interlaced = ihdr[12] != 0;
}

/* Every chunk must be whole, from IHDR to IEND. */
static bool walk(struct png *p, struct err *e)
{
    *p = (struct png){.byte = p->byte, .n = p->n, .orientation = 1};
    for (size_t at = SIGNATURE_BYTES; p->n - at >= CHUNK_EXTRA;) {
        const uint8_t *chunk = p->byte + at, *data = chunk + 8;
        uint32_t length = read_be32(chunk);
        if (length > p->n - at - CHUNK_EXTRA)
            return err_set(e, ERR_DATA, "png: damaged: a chunk of %u bytes where %zu are left",
                           length, p->n - at - CHUNK_EXTRA);
        bool first = at == SIGNATURE_BYTES;
        if (first != is(chunk, "IHDR") || (first && length != IHDR_BYTES))
            return err_set(e, ERR_DATA, "png: damaged: its header is not the first chunk");
        if (first)
            note_header(p, data);
        else if (is(chunk, "tRNS"))
            p->alpha = true;
        else if (is(chunk, "acTL"))
            p->animated = true;
        else if (is(chunk, "eXIf"))
            p->orientation = exif_orientation(data, length);
        else if (is(chunk, "IEND"))
            return true;
        at += CHUNK_EXTRA + length;
    }
    return err_set(e, ERR_DATA, "png: truncated: no end chunk in %zu bytes", p->n);
}

/* libspng's stream: the signature, then the chunks that make pixels. */
static int feed(spng_ctx *lib, void *user, void *to, size_t n)
{
    (void)lib;
    struct png *p = user;
    for (uint8_t *dst = to; n > 0;) {
        if (p->left == 0) {
            while (p->n - p->at >= CHUNK_EXTRA && !makes_pixels(p->byte + p->at))
                p->at += CHUNK_EXTRA + read_be32(p->byte + p->at);
            if (p->n - p->at < CHUNK_EXTRA)
                return SPNG_IO_EOF;
            p->left = CHUNK_EXTRA + read_be32(p->byte + p->at);
        }
        size_t part = p->left < n ? p->left : n;
        memcpy(dst, p->byte + p->at, part);
        dst += part;
        n -= part;
        p->at += part;
        p->left -= part;
    }
    return 0;
}

static bool read_header(struct png *p, struct decode_info *info, struct err *e)
{
    if (!walk(p, e) || !format_size_ok("png", p->w, p->h, (uint64_t)p->w * p->h * 3, p->n, e))
        return false;
    bool turned = exif_swaps_sides(p->orientation);
    info->w = (int)(turned ? p->h : p->w);
    info->h = (int)(turned ? p->w : p->h);
    info->notes = (p->grey ? IMAGE_NOTE_GREY : 0) | (p->palette ? IMAGE_NOTE_PALETTE : 0) |
                  (p->alpha ? IMAGE_NOTE_ALPHA : 0) | (p->deep ? IMAGE_NOTE_16_BIT : 0) |
                  (p->animated ? IMAGE_NOTE_ANIMATED : 0) |
                  (p->orientation != 1 ? IMAGE_NOTE_ROTATED : 0);
    return true;
}

static bool spng_ok(int status, struct err *e)
{
    return status == 0 || err_set(e, ERR_DATA, "png: damaged: %s", spng_strerror(status));
}

/* A row of RGBA, or one of Adam7's seven passes over it: every step-th pixel from the start. */
static void place_row(const struct png *p, const struct spng_row_info *at, const uint8_t *rgba,
                      struct image *out)
{
    static const uint8_t pass_start[] = {0, 4, 0, 2, 0, 1, 0};
    static const uint8_t pass_step[] = {8, 8, 4, 4, 2, 2, 1};
    uint8_t *row = out->pixel + (size_t)at->row_num * p->w * 3;
    size_t start = p->interlaced ? pass_start[at->pass] : 0;
    size_t step = p->interlaced ? pass_step[at->pass] : 1;
    if (step == 1)
        over_white(rgba, p->w, row);
    else
        for (size_t x = start; x < p->w; x += step)
            over_white(rgba + x * 4, 1, row + x * 3);
}

static bool read_alpha_rows(spng_ctx *lib, const struct png *p, struct image *out,
                            struct err *e)
{
    size_t row_bytes = (size_t)p->w * 4;
    uint8_t *rgba = mem_new(p->w, 4, e);
    if (!rgba)
        return false;
    int flags = SPNG_DECODE_PROGRESSIVE | SPNG_DECODE_TRNS;
    int status = spng_decode_image(lib, NULL, 0, SPNG_FMT_RGBA8, flags);
    while (status == 0) {
        struct spng_row_info at;
        status = spng_get_row_info(lib, &at);
        if (status != 0)
            break;
        status = spng_decode_row(lib, rgba, row_bytes);
        if (status == 0 || status == SPNG_EOI)
            place_row(p, &at, rgba, out);
    }
    mem_free(rgba);
    return spng_ok(status == SPNG_EOI ? 0 : status, e);
}

static bool read_pixels(struct png *p, struct image *out, struct err *e)
{
    spng_ctx *lib = spng_ctx_new(0);
    if (!lib)
        return err_set(e, ERR_NOMEM, "png: no memory for the decoder");
    p->at = 0;
    p->left = SIGNATURE_BYTES;
    bool ok = spng_ok(spng_set_png_stream(lib, feed, p), e) &&
              image_init(out, (int)p->w, (int)p->h, e);
    if (ok && p->alpha)
        ok = read_alpha_rows(lib, p, out, e);
    else if (ok)
        ok = spng_ok(
            spng_decode_image(lib, out->pixel, (size_t)p->w * p->h * 3, SPNG_FMT_RGB8, 0), e);
    spng_ctx_free(lib);
    return ok;
}

static bool png_matches(const uint8_t *byte, size_t n)
{
    return n >= SIGNATURE_BYTES && memcmp(byte, signature, SIGNATURE_BYTES) == 0;
}

static bool png_probe(const uint8_t *byte, size_t n, struct decode_info *info, struct err *e)
{
    struct png p = {.byte = byte, .n = n};
    return read_header(&p, info, e);
}

static bool png_decode(const uint8_t *byte, size_t n, int shrink, struct image *out,
                       struct decode_info *info, struct err *e)
{
    (void)shrink;
    struct png p = {.byte = byte, .n = n};
    bool ok = read_header(&p, info, e) && read_pixels(&p, out, e) &&
              (p.orientation == 1 || exif_apply(out, p.orientation, e));
    if (!ok)
        image_release(out);
    return ok;
}

static const char *const extension[] = {"png", "apng", NULL};

const struct decoder png_decoder = {
    .name = "png",
    .extension = extension,
    .matches = png_matches,
    .probe = png_probe,
    .decode = png_decode,
};
