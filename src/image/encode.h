/* Pixels to a JPEG file. */
#ifndef IMAGE_ENCODE_H
#define IMAGE_ENCODE_H

#include "image/image.h"

/* A baseline JPEG with halved chroma, quality 1 .. 100. The caller frees *out with mem_free. */
MUST_CHECK bool encode_jpeg(const struct image *im, int quality, uint8_t **out, size_t *n,
                            struct err *e);
/* The same to a file, written plainly (base/file.h). */
MUST_CHECK bool encode_jpeg_file(const struct image *im, int quality, const char *path,
                                 struct err *e);

#endif
