/* For tests: a temporary folder with small pictures in it. */
#ifndef DATA_FIXTURE_H
#define DATA_FIXTURE_H

#include "base/rng.h"

#include <ftw.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jpeglib.h> /* needs stdio.h before it */

/* The path of a name below the temporary folder, valid for the next 15 calls. */
__attribute__((format(printf, 1, 2))) static inline const char *at(const char *fmt, ...)
{
    static char root[64], text[16][1024];
    static unsigned turn;
    if (!root[0]) {
        strcpy(root, "/tmp/linnet_test_XXXXXX");
        if (!mkdtemp(root))
            abort();
    }
    char *out = text[turn++ % 16];
    int n = snprintf(out, 1024, "%s/", root);
    va_list args;
    va_start(args, fmt);
    vsnprintf(out + n, 1024 - (size_t)n, fmt, args);
    va_end(args);
    if (out[n] == '\0')
        out[n - 1] = '\0';
    return out;
}

static inline void make_dir(const char *path)
{
    char part[1024];
    for (const char *p = path + 1; (p = strchr(p, '/')); p++) {
        snprintf(part, sizeof(part), "%.*s", (int)(p - path), path);
        mkdir(part, 0777);
    }
    mkdir(path, 0777);
}

/* With its folders. */
static inline void make_file(const char *path, const void *byte, size_t n)
{
    char folder[1024];
    snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(path, '/') - path), path);
    make_dir(folder);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(byte, 1, n, f) != n || fclose(f) != 0)
        abort();
}

/* Pixels (h, w, 3) as a JPEG of a quality. */
static inline void write_jpeg(const char *path, const uint8_t *pixel, int w, int h, int quality)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr error;
    unsigned char *out = NULL;
    unsigned long n = 0;
    c.err = jpeg_std_error(&error);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &out, &n);
    c.image_width = (JDIMENSION)w;
    c.image_height = (JDIMENSION)h;
    c.input_components = 3;
    c.in_color_space = JCS_RGB;
    jpeg_set_defaults(&c);
    jpeg_set_quality(&c, quality, TRUE);
    jpeg_start_compress(&c, TRUE);
    for (int y = 0; y < h; y++) {
        uint8_t *row = (uint8_t *)pixel + (size_t)y * (size_t)w * 3;
        jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    make_file(path, out, n);
    free(out);
}

/* A JPEG of random blocks, the same for the same number. */
static inline void make_jpeg(const char *path, uint32_t number, int w, int h)
{
    struct rng r = rng_at(number, RNG_TEST, 1, 0);
    uint8_t colour[8][8][3], *pixel = malloc((size_t)w * (size_t)h * 3);
    for (int i = 0; i < 8 * 8 * 3; i++)
        colour[i / 24][i / 3 % 8][i % 3] = (uint8_t)rng_below(&r, 256);
    if (!pixel)
        abort();
    for (int i = 0; i < w * h; i++)
        memcpy(pixel + 3 * i, colour[i / w * 8 / h][i % w * 8 / w], 3);
    write_jpeg(path, pixel, w, h, 75);
    free(pixel);
}

static inline int remove_entry(const char *path, const struct stat *st, int type, struct FTW *f)
{
    (void)st;
    (void)type;
    (void)f;
    return remove(path);
}

static inline int remove_tree(const char *path)
{
    return nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
