/* Bytes of a file to a picture, by content and not by extension. */
#ifndef IMAGE_DECODE_H
#define IMAGE_DECODE_H

#include "image/image.h"

enum { DECODE_MAX_PIXELS = 64 * 1000 * 1000 }; /* more is refused from the header */

struct decode_info {
    const char *format; /* "jpeg", "png", "webp", "gif" */
    int w, h;           /* upright: after EXIF orientation */
    unsigned notes;     /* image_note bits */
};

/* A row per format; NULL-ended array decoders, in decode.c. */
struct decoder {
    const char *name;
    const char *const *extension; /* "jpg", "jpeg", NULL */
    bool (*matches)(const uint8_t *byte, size_t n);
    /* Header only: size (upright) and notes. */
    bool (*probe)(const uint8_t *byte, size_t n, struct decode_info *info, struct err *e);
    /* The whole picture, upright, on the background. shrink is 1, 2, 4 or 8: JPEG decodes at
     * that fraction (scaled DCT), other formats ignore it. */
    bool (*decode)(const uint8_t *byte, size_t n, int shrink, struct image *out,
                   struct decode_info *info, struct err *e);
};
extern const struct decoder *const decoders[];

/* Transparent pixels are composited on white. Any defect (truncation, a checksum, trailing
 * corruption that the library warns of) is ERR_DATA: never a partly grey picture.
 * info may be NULL. The caller releases out with image_release. */
MUST_CHECK bool decode_probe(const uint8_t *byte, size_t n, struct decode_info *info,
                             struct err *e);
MUST_CHECK bool decode_bytes(const uint8_t *byte, size_t n, int shrink, struct image *out,
                             struct decode_info *info, struct err *e);
/* Reads the file (regular files only, never blocks on a FIFO) and decodes it; errors name it. */
MUST_CHECK bool decode_file(const char *path, int shrink, struct image *out,
                            struct decode_info *info, struct err *e);

#endif
