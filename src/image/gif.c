/* The first frame of a GIF through giflib, row by row; later frames are noticed and not decoded.
 * What the frame leaves open or marks as transparent is white. */
#include "image/format.h"

#include "base/mem.h"

#include <string.h>

#include <gif_lib.h>

struct gif {
    const uint8_t *byte;
    size_t n, at;
    GifFileType *lib;
    int w, h;        /* the screen, or as far as the frame reaches */
    int transparent; /* index, or NO_TRANSPARENT_COLOR */
    bool animated;
};

static int feed(GifFileType *lib, GifByteType *to, int n)
{
    struct gif *g = lib->UserData;
    size_t left = g->n - g->at, part = (size_t)n < left ? (size_t)n : left;
    memcpy(to, g->byte + g->at, part);
    g->at += part;
    return (int)part;
}

static bool gif_ok(int status, const struct gif *g, struct err *e)
{
    if (status != GIF_ERROR)
        return true;
    const char *why = g->lib ? GifErrorString(g->lib->Error) : NULL;
    return err_set(e, ERR_DATA, "gif: damaged: %s", why ? why : "unreadable");
}

/* Sub-blocks of an extension; of the graphic control the transparent colour is kept. */
static int read_extension(struct gif *g)
{
    int code;
    GifByteType *block;
    int status = DGifGetExtension(g->lib, &code, &block);
    while (status != GIF_ERROR && block) {
        GraphicsControlBlock control;
        if (code == GRAPHICS_EXT_FUNC_CODE && block[0] == 4 &&
            DGifExtensionToGCB(block[0], block + 1, &control) == GIF_OK)
            g->transparent = control.TransparentColor;
        status = DGifGetExtensionNext(g->lib, &block);
    }
    return status;
}

/* Up to the next frame's header; *found is false at the end of the file. */
static bool next_frame(struct gif *g, bool *found, struct err *e)
{
    GifRecordType type;
    *found = false;
    for (;;) {
        if (!gif_ok(DGifGetRecordType(g->lib, &type), g, e))
            return false;
        if (type == TERMINATE_RECORD_TYPE)
            return true;
        if (type == IMAGE_DESC_RECORD_TYPE) {
            *found = true;
            return true;
        }
        if (type == EXTENSION_RECORD_TYPE && !gif_ok(read_extension(g), g, e))
            return false;
    }
}

static bool read_header(struct gif *g, struct decode_info *info, struct err *e)
{
    bool found;
    if (!next_frame(g, &found, e))
        return false;
    if (!found)
        return err_set(e, ERR_DATA, "gif: no frame in %zu bytes", g->n);
    if (!gif_ok(DGifGetImageDesc(g->lib), g, e))
        return false;
    const GifImageDesc *frame = &g->lib->Image;
    if (frame->Width < 1 || frame->Height < 1 || frame->Left < 0 || frame->Top < 0)
        return err_set(e, ERR_DATA, "gif: a frame of %d x %d: empty", frame->Width,
                       frame->Height);
    int right = frame->Left + frame->Width, bottom = frame->Top + frame->Height;
    g->w = g->lib->SWidth > right ? g->lib->SWidth : right;
    g->h = g->lib->SHeight > bottom ? g->lib->SHeight : bottom;
    info->w = g->w;
    info->h = g->h;
    info->notes =
        IMAGE_NOTE_PALETTE | (g->transparent != NO_TRANSPARENT_COLOR ? IMAGE_NOTE_ALPHA : 0);
    return format_size_ok("gif", (uint64_t)g->w, (uint64_t)g->h,
                          (uint64_t)g->w * (uint64_t)g->h * 3, g->n, e);
}

static void place_row(const struct gif *g, const ColorMapObject *map, const uint8_t *index,
                      int y, struct image *out)
{
    const GifImageDesc *frame = &g->lib->Image;
    size_t at = (size_t)(frame->Top + y) * (size_t)g->w + (size_t)frame->Left;
    uint8_t *to = out->pixel + at * 3;
    for (int x = 0; x < frame->Width; x++, to += 3) {
        if (index[x] == g->transparent)
            continue; /* white already */
        GifColorType black = {0},
                     c = index[x] < map->ColorCount ? map->Colors[index[x]] : black;
        to[0] = c.Red;
        to[1] = c.Green;
        to[2] = c.Blue;
    }
}

static bool read_rows(struct gif *g, struct image *out, struct err *e)
{
    static const int first[] = {0, 4, 2, 1, 0}, step[] = {8, 8, 4, 2, 1};
    const GifImageDesc *frame = &g->lib->Image;
    const ColorMapObject *map = frame->ColorMap ? frame->ColorMap : g->lib->SColorMap;
    if (!map)
        return err_set(e, ERR_DATA, "gif: no palette");
    uint8_t *index = mem_new((size_t)frame->Width, 1, e);
    bool ok = index != NULL;
    /* Interlaced rows come in the first four passes, others in the last one. */
    for (int pass = frame->Interlace ? 0 : 4; ok && pass < (frame->Interlace ? 4 : 5); pass++)
        for (int y = first[pass]; ok && y < frame->Height; y += step[pass]) {
            ok = gif_ok(DGifGetLine(g->lib, index, frame->Width), g, e);
            if (ok)
                place_row(g, map, index, y, out);
        }
    mem_free(index);
    return ok;
}

/* Over length-led blocks up to the empty one; false at the end of the file. */
static bool skip_blocks(struct gif *g)
{
    while (g->at < g->n && g->byte[g->at] > 0)
        g->at += 1 + (size_t)g->byte[g->at];
    return g->at++ < g->n;
}

/* The first frame is whole. A file that ends before its trailer is refused all the same; giflib is
 * not asked, because it keeps something of every frame. */
static bool walk_rest(struct gif *g, struct decode_info *info, struct err *e)
{
    enum {
        EXTENSION = 0x21,
        FRAME = 0x2c,
        TRAILER = 0x3b,
        FRAME_BYTES = 9,
        OWN_PALETTE = 0x80
    };
    while (g->at < g->n) {
        uint8_t type = g->byte[g->at++];
        if (type == TRAILER)
            return true;
        if (type != EXTENSION && type != FRAME)
            return err_set(e, ERR_DATA, "gif: damaged: a block of type %#x", type);
        if (type == FRAME && g->n - g->at > FRAME_BYTES) {
            info->notes |= IMAGE_NOTE_ANIMATED;
            uint8_t flags = g->byte[g->at + FRAME_BYTES - 1];
            g->at += FRAME_BYTES + (flags & OWN_PALETTE ? 3u << ((flags & 7) + 1) : 0);
        }
        g->at++; /* the extension's label, or the frame's code size */
        if (!skip_blocks(g))
            break;
    }
    return err_set(e, ERR_DATA, "gif: truncated: no trailer in %zu bytes", g->n);
}

static bool read_pixels(struct gif *g, struct image *out, struct decode_info *info,
                        struct err *e)
{
    if (!image_init(out, g->w, g->h, e))
        return false;
    memset(out->pixel, 255, (size_t)g->w * (size_t)g->h * 3);
    if (!read_rows(g, out, e))
        return false;
    return walk_rest(g, info, e);
}

static bool gif_matches(const uint8_t *byte, size_t n)
{
    return n >= 6 && (memcmp(byte, "GIF87a", 6) == 0 || memcmp(byte, "GIF89a", 6) == 0);
}

static bool start(const uint8_t *byte, size_t n, struct image *out, struct decode_info *info,
                  struct err *e)
{
    struct gif g = {.byte = byte, .n = n, .transparent = NO_TRANSPARENT_COLOR};
    int error, unused;
    g.lib = DGifOpen(&g, feed, &error);
    if (!g.lib)
        return err_set(e, ERR_DATA, "gif: damaged: %s", GifErrorString(error));
    bool ok = read_header(&g, info, e) && (!out || read_pixels(&g, out, info, e));
    DGifCloseFile(g.lib, &unused);
    return ok;
}

static bool gif_probe(const uint8_t *byte, size_t n, struct decode_info *info, struct err *e)
{
    return start(byte, n, NULL, info, e);
}

static bool gif_decode(const uint8_t *byte, size_t n, int shrink, struct image *out,
                       struct decode_info *info, struct err *e)
{
    (void)shrink;
    bool ok = start(byte, n, out, info, e);
    if (!ok)
        image_release(out);
    return ok;
}

static const char *const extension[] = {"gif", NULL};

const struct decoder gif_decoder = {
    .name = "gif",
    .extension = extension,
    .matches = gif_matches,
    .probe = gif_probe,
    .decode = gif_decode,
};
