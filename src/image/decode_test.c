/* Tiny pictures, one hazard each (tests/data/make.py), against the pixels that Pillow makes of
 * them; and what must be refused. */
#include "image/decode.h"

#include "base/build.h"
#include "base/file.h"
#include "image/exif.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <jpeglib.h>

#define FOLDER "tests/data/pictures/"

enum {
    GREY = IMAGE_NOTE_GREY,
    PALETTE = IMAGE_NOTE_PALETTE,
    ALPHA = IMAGE_NOTE_ALPHA,
    DEEP = IMAGE_NOTE_16_BIT,
    CMYK = IMAGE_NOTE_CMYK,
    TURNED = IMAGE_NOTE_ROTATED,
    MOVES = IMAGE_NOTE_ANIMATED,
    MISNAMED = IMAGE_NOTE_EXTENSION,
};

static const struct picture {
    const char *name, *format;
    unsigned notes;
    int w, h;
} pictures[] = {
    {"rgb.jpg", "jpeg", 0, 13, 9},
    {"progressive.jpg", "jpeg", 0, 13, 9},
    {"grey.jpg", "jpeg", GREY, 13, 9},
    {"cmyk.jpg", "jpeg", CMYK, 13, 9},
    {"ycck.jpg", "jpeg", CMYK, 13, 9},
    {"exif_big.jpg", "jpeg", TURNED, 9, 13},
    {"exif_little.jpg", "jpeg", TURNED, 9, 13},
#if WITH_SPNG
    {"misnamed.jpg", "png", MISNAMED, 13, 9},
    {"one_bit.png", "png", GREY, 13, 9},
    {"rgba.png", "png", ALPHA, 13, 9},
    {"grey_alpha.png", "png", GREY | ALPHA, 13, 9},
    {"grey_key.png", "png", GREY | ALPHA, 13, 9},
    {"palette.png", "png", PALETTE, 13, 9},
    {"palette_alpha.png", "png", PALETTE | ALPHA, 13, 9},
    {"rgb16.png", "png", DEEP, 13, 9},
    {"grey16.png", "png", GREY | DEEP, 13, 9},
    {"interlaced.png", "png", 0, 13, 9},
    {"interlaced_alpha.png", "png", ALPHA, 13, 9},
    {"animated.png", "png", MOVES, 13, 9},
    {"exif.png", "png", TURNED, 9, 13},
    {"text_bomb.png", "png", 0, 13, 9},
#endif
#if WITH_WEBP
    {"lossy.webp", "webp", 0, 13, 9},
    {"alpha.webp", "webp", ALPHA, 13, 9},
    {"lossy_alpha.webp", "webp", ALPHA, 13, 9},
    {"exif.webp", "webp", TURNED, 13, 9},
    {"animated.webp", "webp", ALPHA | MOVES, 13, 9},
#endif
#if WITH_GIF
    {"animated.gif", "gif", PALETTE | MOVES, 13, 9},
    {"interlaced.gif", "gif", PALETTE, 13, 9},
    {"clear.gif", "gif", PALETTE | ALPHA, 13, 9},
#endif
};

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof(path), FOLDER "%s", name);
    return path;
}

static uint8_t *bytes_of(const char *name, size_t *n)
{
    struct err e = {0};
    uint8_t *byte = NULL;
    if (!file_read(path_of(name), 0, ERR_DATA, &byte, n, &e))
        fail_msg("%s", e.msg);
    return byte;
}

static void every_format_reads_as_pillow_reads_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(pictures); i++) {
        const struct picture *p = &pictures[i];
        struct err e = {0};
        struct image im;
        struct decode_info info;
        if (!decode_file(path_of(p->name), 1, &im, &info, &e))
            fail_msg("%s", e.msg);
        if (strcmp(info.format, p->format) != 0 || info.notes != p->notes || im.w != p->w ||
            im.h != p->h || info.w != p->w || info.h != p->h)
            fail_msg("%s: %s, %d x %d, notes %#x", p->name, info.format, im.w, im.h,
                     info.notes);
        char name[64];
        size_t n;
        snprintf(name, sizeof(name), "%s.rgb", p->name);
        uint8_t *want = bytes_of(name, &n);
        assert_int_equal(n, im.w * im.h * 3);
        for (size_t k = 0; k < n; k++)
            if (abs(im.pixel[k] - want[k]) > 1)
                fail_msg("%s: value %zu is %d, Pillow's %d", p->name, k, im.pixel[k], want[k]);
        mem_free(want);
        image_release(&im);
    }
}

static void probe_says_what_decoding_will(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(pictures); i++) {
        const struct picture *p = &pictures[i];
        struct err e = {0};
        struct decode_info info;
        size_t n;
        uint8_t *byte = bytes_of(p->name, &n);
        assert_true(decode_probe(byte, n, &info, &e));
        assert_string_equal(info.format, p->format);
        assert_int_equal(info.w, p->w);
        assert_int_equal(info.h, p->h);
        mem_free(byte);
    }
}

/* Decodes and expects the refusal to hold a word. */
static void refuse(const char *name, const uint8_t *byte, size_t n, const char *word)
{
    struct err e = {0};
    struct image im;
    if (decode_bytes(byte, n, 1, &im, NULL, &e))
        fail_msg("%s (%zu bytes) was taken; expected \"%s\"", name, n, word);
    if (e.kind != ERR_DATA || !strstr(e.msg, word))
        fail_msg("%s: \"%s\"; expected \"%s\"", name, e.msg, word);
    assert_null(im.pixel);
}

/* Every eighth of every file, and all but its last byte. */
static void truncated_files_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(pictures); i++) {
        size_t n;
        uint8_t *byte = bytes_of(pictures[i].name, &n);
        for (size_t part = 0; part < 8; part++) {
            size_t kept = n * part / 8;
            uint8_t *some =
                malloc(kept ? kept : 1); /* just this size, for the address sanitizer */
            assert_non_null(some);
            memcpy(some, byte, kept);
            refuse(pictures[i].name, some, kept, "");
            free(some);
        }
        refuse(pictures[i].name, byte, n - 1, "");
        mem_free(byte);
    }
}

/* All 8 orientations, 0 and junk, in both byte orders: patched into a file that has one. */
static void orientation_is_applied(void **state)
{
    (void)state;
    const char *const names[] = {"exif_big.jpg", "exif_little.jpg"};
    const int values[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 99, 255};
    struct err e = {0};
    for (int i = 0; i < 2; i++) {
        size_t n;
        uint8_t *byte = bytes_of(names[i], &n), *tag = NULL;
        const uint8_t key[2][4] = {{0x01, 0x12, 0, 3}, {0x12, 0x01, 3, 0}};
        tag = memmem(byte, n, key[i], 4);
        assert_non_null(tag);
        struct image upright, im, want;
        for (size_t v = 0; v < COUNT_OF(values); v++) {
            int o = values[v] >= 1 && values[v] <= 8 ? values[v] : 1;
            tag[8 + (i == 0)] = (uint8_t)values[v];
            struct decode_info info;
            assert_true(decode_bytes(byte, n, 1, &im, &info, &e));
            assert_int_equal(info.notes & TURNED, o == 1 ? 0 : TURNED);
            tag[8 + (i == 0)] = 1;
            assert_true(decode_bytes(byte, n, 1, &upright, NULL, &e));
            want = upright;
            assert_true(exif_apply(&want, o, &e));
            assert_int_equal(im.w, want.w);
            assert_memory_equal(im.pixel, want.pixel, (size_t)(im.w * im.h * 3));
            image_release(&want);
            image_release(&im);
        }
        mem_free(byte);
    }
}

static void shrinking_rounds_up(void **state)
{
    (void)state;
    size_t n;
    uint8_t *byte = bytes_of("rgb.jpg", &n);
    for (int shrink = 2; shrink <= 8; shrink *= 2) {
        struct err e = {0};
        struct image im;
        struct decode_info info;
        assert_true(decode_bytes(byte, n, shrink, &im, &info, &e));
        assert_int_equal(im.w, (13 + shrink - 1) / shrink);
        assert_int_equal(im.h, (9 + shrink - 1) / shrink);
        assert_int_equal(info.w, 13);
        image_release(&im);
    }
    mem_free(byte);
}

/* CRC-32 (PNG's), for a header that is changed and sealed again. */
static void seal(uint8_t *chunk, size_t n)
{
    uint32_t crc = 0xffffffffu;
    for (size_t i = 4; i < n + 8; i++) {
        crc ^= chunk[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    crc = ~crc;
    for (int i = 0; i < 4; i++)
        chunk[n + 8 + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
}

static void big_endian_16(uint8_t *at, unsigned v)
{
    at[0] = (uint8_t)(v >> 8);
    at[1] = (uint8_t)v;
}

/* A small file that says it is w x h. */
static uint8_t *claiming(const char *name, unsigned w, unsigned h, size_t *n)
{
    uint8_t *byte = bytes_of(name, n);
    if (byte[0] == 0xff) { /* JPEG: the frame header, after its length and precision */
        uint8_t *frame = memmem(byte, *n, "\xff\xc0", 2);
        frame = frame ? frame : memmem(byte, *n, "\xff\xc2", 2);
        big_endian_16(frame + 5, h);
        big_endian_16(frame + 7, w);
    } else if (byte[0] == 'G') { /* GIF: little-endian */
        byte[6] = (uint8_t)w;
        byte[7] = (uint8_t)(w >> 8);
        byte[8] = (uint8_t)h;
        byte[9] = (uint8_t)(h >> 8);
    } else {
        big_endian_16(byte + 18, w);
        big_endian_16(byte + 22, h);
        seal(byte + 8, 13);
    }
    return byte;
}

static void huge_claims_are_refused_from_the_header(void **state)
{
    (void)state;
    const char *const names[] = {
        "rgb.jpg",
        "progressive.jpg",
#if WITH_SPNG
        "rgba.png",
        "interlaced.png",
#endif
#if WITH_GIF
        "clear.gif",
#endif
    };
    const struct {
        unsigned w, h;
        const char *word;
    } claims[] = {
        {65500, 65500, "limit of 64 megapixels"},
        {8001, 8000, "limit of 64 megapixels"},
        {8000, 8000, "decompression bomb"},
        {65000, 500, "decompression bomb"},
    };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        for (size_t k = 0; k < COUNT_OF(claims); k++) {
            size_t n;
            uint8_t *byte = claiming(names[i], claims[k].w, claims[k].h, &n);
            bool huge = !strcmp(names[i], "progressive.jpg") && k == 2; /* coefficients too */
            refuse(names[i], byte, n, huge ? "the limit is 240" : claims[k].word);
            mem_free(byte);
        }
}

/* A file in many scans: its last one (one component's) is repeated. */
static uint8_t *many_scans(int n_scan, unsigned long *n)
{
    struct jpeg_compress_struct lib;
    struct jpeg_error_mgr error;
    unsigned char *byte = NULL;
    const jpeg_scan_info scan[] = {
        {1, {0}, 0, 63, 0, 0}, {1, {1}, 0, 63, 0, 0}, {1, {2}, 0, 63, 0, 0}};
    lib.err = jpeg_std_error(&error);
    jpeg_create_compress(&lib);
    jpeg_mem_dest(&lib, &byte, n);
    lib.image_width = lib.image_height = 16;
    lib.input_components = 3;
    lib.in_color_space = JCS_RGB;
    jpeg_set_defaults(&lib);
    lib.scan_info = scan;
    lib.num_scans = 3;
    jpeg_start_compress(&lib, TRUE);
    uint8_t row[48] = {0}, *rows[] = {row};
    while (lib.next_scanline < 16)
        jpeg_write_scanlines(&lib, rows, 1);
    jpeg_finish_compress(&lib);
    jpeg_destroy_compress(&lib);
    size_t last = *n - 2;
    while (byte[last] != 0xff || byte[last + 1] != 0xda)
        last--;
    size_t size = *n - 2 - last;
    uint8_t *many = malloc(last + size * (size_t)n_scan + 2);
    memcpy(many, byte, last);
    for (int i = 0; i < n_scan; i++)
        memcpy(many + last + size * (size_t)i, byte + last, size);
    *n = last + size * (unsigned long)n_scan;
    many[(*n)++] = 0xff;
    many[(*n)++] = 0xd9;
    free(byte);
    return many;
}

static void scans_without_end_are_refused(void **state)
{
    (void)state;
    struct err e = {0};
    struct image im;
    unsigned long n;
    uint8_t *byte = many_scans(100, &n);
    assert_true(decode_bytes(byte, n, 1, &im, NULL, &e));
    image_release(&im);
    free(byte);
    byte = many_scans(80000, &n);
    refuse("80,000 scans", byte, n, "too many scans");
    free(byte);
}

static void damage_is_refused(void **state)
{
    (void)state;
    struct err e = {0};
    struct image im;
    size_t n;
#if WITH_SPNG
    uint8_t *png = bytes_of("interlaced.png", &n);
    uint8_t *data = memmem(png, n, "IDAT", 4);
    data[40] ^= 1;
    refuse("interlaced.png with a flipped bit", png, n, "damaged");
    mem_free(png);
#endif
    /* Harmless: filling before a marker of the header. */
    uint8_t *jpeg = bytes_of("rgb.jpg", &n);
    uint8_t *filled = malloc(n + 3);
    memcpy(filled, jpeg, 20);
    memset(filled + 20, 0xff, 3);
    memcpy(filled + 23, jpeg + 20, n - 20);
    assert_true(decode_bytes(filled, n + 3, 1, &im, NULL, &e));
    image_release(&im);
    free(filled);
    mem_free(jpeg);
    refuse("nothing", (const uint8_t *)"", 0, "empty file");
    refuse("text", (const uint8_t *)"GIF, I say", 10, "not a picture (starts 47 49 46 2c");
}

static void only_regular_files_are_read(void **state)
{
    (void)state;
    char folder[] = "/tmp/linnet_decode_XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/fifo.jpg", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    const char *const odd[] = {path, folder, "/dev/null", "/no/such/file.jpg"};
    for (size_t i = 0; i < COUNT_OF(odd); i++) {
        struct err e = {0};
        struct image im;
        assert_false(decode_file(odd[i], 1, &im, NULL, &e));
        assert_int_equal(e.kind, ERR_DATA);
        assert_non_null(strstr(e.msg, odd[i]));
        assert_null(im.pixel);
    }
    unlink(path);
    rmdir(folder);
}

static void no_memory_is_an_error_and_no_leak(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(pictures); i++) {
        size_t bytes;
        uint8_t *byte = bytes_of(pictures[i].name, &bytes);
        struct err e = {0};
        struct image im;
        int n = 1;
        for (mem_fail_at(n); !decode_bytes(byte, bytes, 1, &im, NULL, &e); mem_fail_at(++n)) {
            assert_int_equal(e.kind, ERR_NOMEM);
            assert_null(im.pixel);
        }
        mem_fail_at(0);
        assert_true(n > 1);
        image_release(&im);
        mem_free(byte);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_reads_as_pillow_reads_it),
        cmocka_unit_test(probe_says_what_decoding_will),
        cmocka_unit_test(truncated_files_are_refused),
        cmocka_unit_test(orientation_is_applied),
        cmocka_unit_test(shrinking_rounds_up),
        cmocka_unit_test(huge_claims_are_refused_from_the_header),
        cmocka_unit_test(scans_without_end_are_refused),
        cmocka_unit_test(damage_is_refused),
        cmocka_unit_test(only_regular_files_are_read),
        cmocka_unit_test(no_memory_is_an_error_and_no_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
