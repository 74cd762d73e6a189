/* Finds tag 0x0112 in the first directory of a TIFF block, and turns pictures by it. Nothing else
 * of EXIF is read, and every offset is checked: the bytes come from strangers. */
#include "image/exif.h"

#include "base/mem.h"

#include <string.h>

enum { TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3, TYPE_LONG = 4, ENTRY_BYTES = 12 };

static uint32_t read_u16(const uint8_t *p, bool big)
{
    return big ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

static uint32_t read_u32(const uint8_t *p, bool big)
{
    uint32_t first = read_u16(p, big), second = read_u16(p + 2, big);
    return big ? first << 16 | second : second << 16 | first;
}

int exif_orientation(const uint8_t *tiff, size_t n)
{
    if (n >= 6 && memcmp(tiff, "Exif\0\0", 6) == 0) {
        tiff += 6;
        n -= 6;
    }
    if (n < 10 || (memcmp(tiff, "II*\0", 4) != 0 && memcmp(tiff, "MM\0*", 4) != 0))
        return 1;
    bool big = tiff[0] == 'M';
    size_t at = read_u32(tiff + 4, big);
    if (at > n - 2)
        return 1;
    uint32_t n_entry = read_u16(tiff + at, big);
    at += 2;
    for (uint32_t i = 0; i < n_entry && n - at >= ENTRY_BYTES; i++, at += ENTRY_BYTES) {
        const uint8_t *entry = tiff + at;
        if (read_u16(entry, big) != TAG_ORIENTATION)
            continue;
        uint32_t type = read_u16(entry + 2, big), count = read_u32(entry + 4, big);
        uint32_t value = type == TYPE_SHORT  ? read_u16(entry + 8, big)
                         : type == TYPE_LONG ? read_u32(entry + 8, big)
                                             : 0;
        return count >= 1 && value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

int exif_orientation_jpeg(const uint8_t *byte, size_t n)
{
    size_t at = 2; /* behind SOI */
    while (at + 4 <= n) {
        if (byte[at] != 0xff || byte[at + 1] == 0xff) { /* fill bytes between segments */
            at++;
            continue;
        }
        uint8_t marker = byte[at + 1];
        size_t length = read_u16(byte + at + 2, true); /* counts itself */
        if (marker == 0xda || marker == 0xd9 || length < 2 || length > n - at - 2)
            return 1;
        if (marker == 0xe1 && length >= 8 && memcmp(byte + at + 4, "Exif\0\0", 6) == 0)
            return exif_orientation(byte + at + 4, length - 2);
        at += 2 + length;
    }
    return 1;
}

static void swap_pixels(uint8_t *a, uint8_t *b)
{
    for (int c = 0; c < 3; c++) {
        uint8_t kept = a[c];
        a[c] = b[c];
        b[c] = kept;
    }
}

static void mirror_rows(struct image *im)
{
    for (int y = 0; y < im->h; y++) {
        uint8_t *row = im->pixel + (size_t)y * (size_t)im->w * 3;
        for (int x = 0; x < im->w / 2; x++)
            swap_pixels(row + (size_t)x * 3, row + (size_t)(im->w - 1 - x) * 3);
    }
}

static void reverse_pixels(struct image *im)
{
    size_t n = (size_t)im->w * (size_t)im->h;
    for (size_t i = 0; i < n / 2; i++)
        swap_pixels(im->pixel + i * 3, im->pixel + (n - 1 - i) * 3);
}

/* Pixel (x, y) goes to (y, x): in square tiles, so that both sides stay in the cache. */
static bool transpose(struct image *im, struct err *e)
{
    enum { TILE = 32 };
    struct image turned;
    if (!image_init(&turned, im->h, im->w, e))
        return false;
    size_t from_row = (size_t)im->w * 3, to_row = (size_t)im->h * 3;
    for (int ty = 0; ty < im->h; ty += TILE) {
        for (int tx = 0; tx < im->w; tx += TILE) {
            int y_end = im->h - ty < TILE ? im->h : ty + TILE;
            int x_end = im->w - tx < TILE ? im->w : tx + TILE;
            for (int x = tx; x < x_end; x++)
                for (int y = ty; y < y_end; y++)
                    memcpy(turned.pixel + (size_t)x * to_row + (size_t)y * 3,
                           im->pixel + (size_t)y * from_row + (size_t)x * 3, 3);
        }
    }
    image_release(im);
    *im = turned;
    return true;
}

/* Each orientation is a transposition or none, then a mirror, a half turn or both: with T the
 * transposition, M the mirror and R the half turn, 2 = M, 3 = R, 4 = M R, 5 = T, 6 = T M,
 * 7 = T R, 8 = T M R. */
bool exif_apply(struct image *im, int orientation, struct err *e)
{
    if (exif_swaps_sides(orientation) && !transpose(im, e))
        return false;
    if (orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8)
        reverse_pixels(im);
    if (orientation == 2 || orientation == 4 || orientation == 6 || orientation == 8)
        mirror_rows(im);
    return true;
}
