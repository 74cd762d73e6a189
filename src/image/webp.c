/* WebP through libwebp's simple decoder. The container is walked here: for the orientation, for
 * the first frame of an animation, and because a truncated file must not pass. */
#include "image/exif.h"
#include "image/format.h"

#include "base/mem.h"

#include <string.h>

#include <webp/decode.h>

enum {
    RIFF_BYTES = 12,  /* "RIFF", size, "WEBP" */
    CHUNK_BYTES = 8,  /* type, size */
    FRAME_BYTES = 16, /* ANMF: place, size, duration, flags */
};

struct webp {
    const uint8_t *byte;
    size_t n;
    const uint8_t *still; /* what libwebp decodes: the file, or the first frame's chunks */
    size_t still_n;
    uint32_t w, h; /* of the canvas, which is more than the frame in some animations */
    uint32_t left, top, frame_w, frame_h;
    bool animated, alpha, lossless;
    int orientation;
};

static uint32_t read_le24(const uint8_t *p)
{
    return (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static bool note_chunk(struct webp *p, const uint8_t *chunk, uint32_t n, struct err *e)
{
    const uint8_t *data = chunk + CHUNK_BYTES;
    if (memcmp(chunk, "VP8X", 4) == 0 && n >= 10) {
        p->animated = data[0] & 2;
        p->w = read_le24(data + 4) + 1;
        p->h = read_le24(data + 7) + 1;
    } else if (memcmp(chunk, "EXIF", 4) == 0) {
        p->orientation = exif_orientation(data, n);
    } else if (memcmp(chunk, "ANMF", 4) == 0 && p->animated && p->still == p->byte) {
        if (n < FRAME_BYTES)
            return err_set(e, ERR_DATA, "webp: damaged: a frame of %u bytes", n);
        p->left = read_le24(data) * 2;
        p->top = read_le24(data + 3) * 2;
        p->still = data + FRAME_BYTES;
        p->still_n = n - FRAME_BYTES;
    }
    return true;
}

static bool walk(struct webp *p, struct err *e)
{
    p->still = p->byte;
    p->orientation = 1;
    uint64_t said = (uint64_t)read_le32(p->byte + 4) + CHUNK_BYTES;
    if (said > p->n)
        return err_set(e, ERR_DATA, "webp: truncated: %zu of %llu bytes", p->n,
                       (unsigned long long)said);
    p->still_n = p->n = (size_t)said;
    for (size_t at = RIFF_BYTES; p->n >= at + CHUNK_BYTES;) {
        uint32_t n = read_le32(p->byte + at + 4);
        if (n > p->n - at - CHUNK_BYTES)
            return err_set(e, ERR_DATA, "webp: damaged: a chunk of %u bytes where %zu are left",
                           n, p->n - at - CHUNK_BYTES);
        if (!note_chunk(p, p->byte + at, n, e))
            return false;
        at += CHUNK_BYTES + (size_t)n + (n & 1); /* padded to even */
    }
    return !p->animated || p->still != p->byte ||
           err_set(e, ERR_DATA, "webp: an animation without frames");
}

static bool webp_ok(VP8StatusCode status, struct err *e)
{
    static const char *const name[] = {
        [VP8_STATUS_OUT_OF_MEMORY] = "no memory",
        [VP8_STATUS_INVALID_PARAM] = "unusable size",
        [VP8_STATUS_BITSTREAM_ERROR] = "damaged",
        [VP8_STATUS_UNSUPPORTED_FEATURE] = "unknown feature",
        [VP8_STATUS_SUSPENDED] = "truncated",
        [VP8_STATUS_USER_ABORT] = "stopped",
        [VP8_STATUS_NOT_ENOUGH_DATA] = "truncated",
    };
    if (status == VP8_STATUS_OK)
        return true;
    bool known = (size_t)status < COUNT_OF(name) && name[status];
    return err_set(e, ERR_DATA, "webp: %s", known ? name[status] : "damaged");
}

/* Bytes a pixel that decoding takes: RGB or RGBA, and what libwebp keeps meanwhile. */
static uint64_t pixel_cost(const struct webp *p)
{
    uint64_t out = p->alpha ? 4 : 3, kept = p->lossless ? 4 : p->alpha ? 1 : 0;
    return out + kept;
}

static bool read_header(struct webp *p, struct decode_info *info, struct err *e)
{
    WebPBitstreamFeatures f;
    if (!walk(p, e) || !webp_ok(WebPGetFeatures(p->still, p->still_n, &f), e))
        return false;
    p->frame_w = (uint32_t)f.width;
    p->frame_h = (uint32_t)f.height;
    p->alpha = f.has_alpha;
    p->lossless = f.format == 2;
    if (!p->animated) {
        p->w = p->frame_w;
        p->h = p->frame_h;
    }
    if (p->left + p->frame_w > p->w || p->top + p->frame_h > p->h)
        return err_set(e, ERR_DATA, "webp: a frame of %u x %u at %u, %u outside its %u x %u",
                       p->frame_w, p->frame_h, p->left, p->top, p->w, p->h);
    uint64_t need = (uint64_t)p->w * p->h * pixel_cost(p);
    if (!format_size_ok("webp", p->w, p->h, need, p->n, e))
        return false;
    bool turned = exif_swaps_sides(p->orientation);
    info->w = (int)(turned ? p->h : p->w);
    info->h = (int)(turned ? p->w : p->h);
    info->notes = (p->alpha ? IMAGE_NOTE_ALPHA : 0) | (p->animated ? IMAGE_NOTE_ANIMATED : 0) |
                  (p->orientation != 1 ? IMAGE_NOTE_ROTATED : 0);
    return true;
}

/* Straight into the picture's memory; with alpha that is four bytes a pixel at first. */
static bool read_pixels(struct webp *p, struct image *out, struct err *e)
{
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return err_set(e, ERR_INTERNAL, "webp: the library is not the one compiled against");
    size_t size = p->alpha ? 4 : 3, n_pixel = (size_t)p->frame_w * p->frame_h;
    *out = (struct image){.w = (int)p->frame_w, .h = (int)p->frame_h};
    out->pixel = mem_new(n_pixel, size, e);
    if (!out->pixel)
        return false;
    config.output.colorspace = p->alpha ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = out->pixel;
    config.output.u.RGBA.stride = (int)(p->frame_w * size);
    config.output.u.RGBA.size = n_pixel * size;
    bool ok = webp_ok(WebPDecode(p->still, p->still_n, &config), e);
    WebPFreeDecBuffer(&config.output);
    if (ok && p->alpha)
        over_white(out->pixel, n_pixel, out->pixel);
    return ok;
}

/* A first frame that does not fill the canvas lies on white. */
static bool place_frame(const struct webp *p, struct image *out, struct err *e)
{
    if (p->frame_w == p->w && p->frame_h == p->h)
        return true;
    struct image canvas;
    if (!image_init(&canvas, (int)p->w, (int)p->h, e))
        return false;
    memset(canvas.pixel, 255, (size_t)p->w * p->h * 3);
    for (size_t y = 0; y < p->frame_h; y++)
        memcpy(canvas.pixel + ((p->top + y) * p->w + p->left) * 3,
               out->pixel + y * p->frame_w * 3, (size_t)p->frame_w * 3);
    image_release(out);
    *out = canvas;
    return true;
}

static bool webp_matches(const uint8_t *byte, size_t n)
{
    return n >= RIFF_BYTES && memcmp(byte, "RIFF", 4) == 0 && memcmp(byte + 8, "WEBP", 4) == 0;
}

static bool webp_probe(const uint8_t *byte, size_t n, struct decode_info *info, struct err *e)
{
    struct webp p = {.byte = byte, .n = n};
    return read_header(&p, info, e);
}

static bool webp_decode(const uint8_t *byte, size_t n, int shrink, struct image *out,
                        struct decode_info *info, struct err *e)
{
    (void)shrink;
    struct webp p = {.byte = byte, .n = n};
    bool ok = read_header(&p, info, e) && read_pixels(&p, out, e) && place_frame(&p, out, e) &&
              (p.orientation == 1 || exif_apply(out, p.orientation, e));
    if (!ok)
        image_release(out);
    return ok;
}

static const char *const extension[] = {"webp", NULL};

const struct decoder webp_decoder = {
    .name = "webp",
    .extension = extension,
    .matches = webp_matches,
    .probe = webp_probe,
    .decode = webp_decode,
};
