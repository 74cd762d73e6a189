/* What the decoders share; private to image/. */
#ifndef IMAGE_FORMAT_H
#define IMAGE_FORMAT_H

#include "image/decode.h"

extern const struct decoder jpeg_decoder, png_decoder, webp_decoder, gif_decoder;

enum {
    MAX_BYTES =
        240 << 20, /* a decoder's memory for one picture; 64 megapixels of RGB are 183 */
    /* A decoder that needs more memory than this for its picture ... */
    FREE_BYTES = 48 << 20,
    /* ... must be given a file of at least 1/96 of it: what a small file blows up to more is a
     * decompression bomb, not a photograph (those shrink to a tenth). */
    MAX_GROWTH = 96,
};

/* Refuses, from the header alone, what is empty, over DECODE_MAX_PIXELS, or a bomb: need is the
 * memory that decoding takes, in bytes. */
MUST_CHECK bool format_size_ok(const char *format, uint64_t w, uint64_t h, uint64_t need,
                               size_t file_bytes, struct err *e);

/* n pixels of RGBA composited on white; rgb may be rgba (in place). */
void over_white(const uint8_t *rgba, size_t n, uint8_t *rgb);

static inline uint32_t read_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint32_t read_le32(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

#endif
