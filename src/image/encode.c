/* libjpeg-turbo's compressor into a block that holds any picture of the size. */
#include "image/encode.h"

#include "base/file.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>

struct encoder {
    struct jpeg_compress_struct lib;
    struct jpeg_error_mgr error;
    struct jpeg_destination_mgr to;
    jmp_buf escape;
    struct err *e;
    uint8_t *byte;
    size_t room;
};

static void on_error(j_common_ptr lib)
{
    struct encoder *j = lib->client_data;
    char why[JMSG_LENGTH_MAX];
    lib->err->format_message(lib, why);
    err_set(j->e, ERR_INTERNAL, "jpeg: %s", why);
    longjmp(j->escape, 1);
}

static void on_message(j_common_ptr lib, int level)
{
    (void)lib;
    (void)level; /* a compressor's warnings concern nobody */
}

static void begin(j_compress_ptr lib)
{
    struct encoder *j = lib->client_data;
    j->to.next_output_byte = j->byte;
    j->to.free_in_buffer = j->room;
}

static boolean full(j_compress_ptr lib)
{
    struct encoder *j = lib->client_data;
    err_set(j->e, ERR_INTERNAL, "jpeg: %ux%u pixels need more than %zu bytes", lib->image_width,
            lib->image_height, j->room);
    longjmp(j->escape, 1);
}

static void end(j_compress_ptr lib)
{
    (void)lib;
}

static void compress(struct encoder *j, const struct image *im, int quality)
{
    jpeg_create_compress(&j->lib);
    j->lib.dest = &j->to;
    j->lib.image_width = (JDIMENSION)im->w;
    j->lib.image_height = (JDIMENSION)im->h;
    j->lib.input_components = 3;
    j->lib.in_color_space = JCS_RGB;
    jpeg_set_defaults(&j->lib);
    jpeg_set_quality(&j->lib, quality, TRUE);
    jpeg_start_compress(&j->lib, TRUE);
    while (j->lib.next_scanline < j->lib.image_height) {
        JSAMPROW row = im->pixel + 3 * (size_t)im->w * j->lib.next_scanline;
        jpeg_write_scanlines(&j->lib, &row, 1);
    }
    jpeg_finish_compress(&j->lib);
}

bool encode_jpeg(const struct image *im, int quality, uint8_t **out, size_t *n, struct err *e)
{
    /* Random bytes at quality 100 take about 4 bytes a pixel; whole blocks of 16, and a header. */
    size_t w = ((size_t)im->w + 15) / 16 * 16, h = ((size_t)im->h + 15) / 16 * 16;
    struct encoder *j = mem_new(1, sizeof(*j), e);
    if (!j)
        return false;
    bool ok = false;
    j->e = e;
    j->room = 6 * w * h + 4096;
    j->byte = mem_new(j->room, 1, e);
    if (j->byte) {
        j->lib.err = jpeg_std_error(&j->error);
        j->lib.client_data = j;
        j->error.error_exit = on_error;
        j->error.emit_message = on_message;
        j->to = (struct jpeg_destination_mgr){
            .init_destination = begin, .empty_output_buffer = full, .term_destination = end};
        if (!setjmp(j->escape)) {
            compress(j, im, quality);
            *out = j->byte;
            *n = j->room - j->to.free_in_buffer;
            ok = true;
        }
        jpeg_destroy_compress(&j->lib);
    }
    if (!ok)
        mem_free(j->byte);
    mem_free(j);
    return ok;
}

bool encode_jpeg_file(const struct image *im, int quality, const char *path, struct err *e)
{
    uint8_t *byte;
    size_t n;
    if (!encode_jpeg(im, quality, &byte, &n, e))
        return err_in(e, "%s", path);
    bool ok = file_write_plain(path, byte, n, e);
    mem_free(byte);
    return ok;
}
