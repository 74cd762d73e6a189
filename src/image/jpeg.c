/* JPEG through libjpeg-turbo: its exact integer DCT and smooth chroma upsampling, as Pillow uses
 * them, straight into the picture's rows. Any warning that means damage ends the decoding. */
#include "image/exif.h"
#include "image/format.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

enum {
    MAX_SCANS = 500, /* progressive files of cameras have about 10 */
    ROWS_AT_ONCE = 8,
};
static const uint64_t max_scanned_pixels = 1u << 30; /* scans x pixels: a second's work */

struct jpeg {
    struct jpeg_decompress_struct lib;
    struct jpeg_error_mgr error;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    struct err *e;
    const uint8_t *byte;
    size_t n;
    int shrink, orientation;
    struct image *out;
    uint8_t *cmyk; /* one row */
};

static _Noreturn void fail(struct jpeg *j, const char *why)
{
    err_set(j->e, ERR_DATA, "jpeg: %s", why);
    longjmp(j->escape, 1);
}

static void on_error(j_common_ptr lib)
{
    char why[JMSG_LENGTH_MAX];
    lib->err->format_message(lib, why);
    fail(lib->client_data, why);
}

/* Below 0: a warning. Those about the header alone are harmless; the rest mean lost pixels. */
static void on_message(j_common_ptr lib, int level)
{
    struct jpeg *j = lib->client_data;
    int code = lib->err->msg_code;
    bool harmless = code == JWRN_JFIF_MAJOR || code == JWRN_ADOBE_XFORM ||
                    (code == JWRN_EXTRANEOUS_DATA && j->lib.input_scan_number == 0);
    if (level < 0 && !harmless)
        on_error(lib);
}

static void on_progress(j_common_ptr lib)
{
    struct jpeg *j = lib->client_data;
    uint64_t scans = (uint64_t)j->lib.input_scan_number;
    if (scans > MAX_SCANS ||
        scans * j->lib.image_width * j->lib.image_height > max_scanned_pixels)
        fail(j, "too many scans for its size");
}

/* Coefficients of a picture in several scans are kept until the last one. */
static uint64_t coefficient_bytes(struct jpeg *j)
{
    uint64_t n_block = 0;
    if (!jpeg_has_multiple_scans(&j->lib))
        return 0;
    for (int i = 0; i < j->lib.num_components; i++)
        n_block += (uint64_t)j->lib.comp_info[i].width_in_blocks *
                   j->lib.comp_info[i].height_in_blocks;
    return n_block * DCTSIZE2 * sizeof(JCOEF);
}

static bool read_header(struct jpeg *j, struct decode_info *info)
{
    struct jpeg_decompress_struct *lib = &j->lib;
    jpeg_mem_src(lib, j->byte, j->n);
    jpeg_read_header(lib, TRUE);
    uint64_t w = lib->image_width, h = lib->image_height, kept = coefficient_bytes(j);
    uint64_t shrink = (uint64_t)j->shrink;
    if (!format_size_ok("jpeg", w, h, w * h * 3 / (shrink * shrink) + kept, j->n, j->e))
        return false;
    if (lib->num_components != 1 && lib->num_components != 3 && lib->num_components != 4)
        return err_set(j->e, ERR_DATA, "jpeg: %d colour components; expected 1, 3 or 4",
                       lib->num_components);
    j->orientation = exif_orientation_jpeg(j->byte, j->n);
    info->w = (int)(exif_swaps_sides(j->orientation) ? h : w);
    info->h = (int)(exif_swaps_sides(j->orientation) ? w : h);
    info->notes = (lib->num_components == 1 ? IMAGE_NOTE_GREY : 0) |
                  (lib->num_components == 4 ? IMAGE_NOTE_CMYK : 0) |
                  (j->orientation != 1 ? IMAGE_NOTE_ROTATED : 0);
    return true;
}

/* Inverted CMYK, as Adobe's programs write it and Pillow takes all CMYK JPEGs to be; the formula
 * and its rounding are Pillow's. */
static void cmyk_to_rgb(const uint8_t *cmyk, int w, uint8_t *rgb)
{
    for (int x = 0; x < w; x++, cmyk += 4, rgb += 3) {
        unsigned k = cmyk[3];
        for (int c = 0; c < 3; c++) {
            unsigned ink = (255u - cmyk[c]) * k + 128;
            ink = ((ink >> 8) + ink) >> 8;
            rgb[c] = (uint8_t)(k > ink ? k - ink : 0);
        }
    }
}

static void read_rows(struct jpeg *j)
{
    size_t row_bytes = (size_t)j->out->w * 3;
    while (j->lib.output_scanline < j->lib.output_height) {
        uint8_t *row[ROWS_AT_ONCE] = {j->cmyk}, *at;
        at = j->out->pixel + j->lib.output_scanline * row_bytes;
        if (j->cmyk) {
            jpeg_read_scanlines(&j->lib, row, 1);
            cmyk_to_rgb(j->cmyk, j->out->w, at);
            continue;
        }
        JDIMENSION left = j->lib.output_height - j->lib.output_scanline;
        JDIMENSION n = left < ROWS_AT_ONCE ? left : ROWS_AT_ONCE;
        for (JDIMENSION i = 0; i < n; i++)
            row[i] = at + i * row_bytes;
        jpeg_read_scanlines(&j->lib, row, n);
    }
}

static bool read_pixels(struct jpeg *j)
{
    struct jpeg_decompress_struct *lib = &j->lib;
    lib->out_color_space = lib->num_components == 4 ? JCS_CMYK : JCS_RGB;
    lib->scale_num = 1;
    lib->scale_denom = (unsigned)j->shrink;
    jpeg_start_decompress(lib);
    if (!image_raw(j->out, (int)lib->output_width, (int)lib->output_height, j->e))
        return false;
    if (lib->num_components == 4 && !(j->cmyk = mem_new(lib->output_width, 4, j->e)))
        return false;
    read_rows(j);
    jpeg_finish_decompress(lib);
    return true;
}

/* The library's errors jump to here, so nothing that is freed may live in this frame. */
static bool run(struct jpeg *j, struct decode_info *info)
{
    if (setjmp(j->escape))
        return false;
    jpeg_create_decompress(&j->lib);
    j->lib.client_data = j;
    j->lib.progress = &j->progress;
    return read_header(j, info) && (!j->out || read_pixels(j));
}

static bool start(struct jpeg *j, struct decode_info *info)
{
    j->lib.err = jpeg_std_error(&j->error);
    j->lib.client_data = j;
    j->error.error_exit = on_error;
    j->error.emit_message = on_message;
    j->progress.progress_monitor = on_progress;
    bool ok = run(j, info);
    jpeg_destroy_decompress(&j->lib);
    mem_free(j->cmyk);
    return ok;
}

static bool jpeg_matches(const uint8_t *byte, size_t n)
{
    return n >= 3 && byte[0] == 0xff && byte[1] == 0xd8 && byte[2] == 0xff;
}

static bool jpeg_probe(const uint8_t *byte, size_t n, struct decode_info *info, struct err *e)
{
    struct jpeg j = {.e = e, .byte = byte, .n = n, .shrink = 1};
    return start(&j, info);
}

static bool jpeg_decode(const uint8_t *byte, size_t n, int shrink, struct image *out,
                        struct decode_info *info, struct err *e)
{
    struct jpeg j = {.e = e, .byte = byte, .n = n, .shrink = shrink, .out = out};
    bool ok = start(&j, info) && (j.orientation == 1 || exif_apply(out, j.orientation, e));
    if (!ok)
        image_release(out);
    return ok;
}

static const char *const extension[] = {"jpg", "jpeg", "jpe", "jfif", NULL};

const struct decoder jpeg_decoder = {
    .name = "jpeg",
    .extension = extension,
    .matches = jpeg_matches,
    .probe = jpeg_probe,
    .decode = jpeg_decode,
};
