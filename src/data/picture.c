#include "data/picture.h"

#include "augment/config.h"
#include "base/file.h"

#include <string.h>
#include <sys/stat.h>

enum { MAX_FILE_BYTES = 256 << 20 };

int picture_side(const struct dataset *d, int size_px, int resize_px)
{
    if (resize_px > 0)
        return resize_px;
    return d && d->raw ? size_px : augment_start_px(size_px);
}

bool picture_scale(struct image *im, struct picture_rule rule, struct err *e)
{
    int w = im->w, h = im->h;
    if (w > PICTURE_MAX_ASPECT * h)
        w = PICTURE_MAX_ASPECT * h;
    if (h > PICTURE_MAX_ASPECT * w)
        h = PICTURE_MAX_ASPECT * w;
    int out_w, out_h, x = (im->w - w) / 2, y = (im->h - h) / 2;
    resize_shorter_size(w, h, rule.side_px, &out_w, &out_h);
    if (out_w == im->w && out_h == im->h)
        return true;
    struct image out;
    struct box box = {x, y, x + w, y + h};
    if (!resize_box(im, box, out_w, out_h, rule.filter, &out, e))
        return false;
    image_release(im);
    *im = out;
    return true;
}

/* Grey bytes in memory to RGB. */
static bool read_raw(const struct dataset *d, int i, struct image *out, struct err *e)
{
    size_t n = (size_t)d->raw_h * (size_t)d->raw_w;
    const uint8_t *grey = d->raw + (size_t)i * n;
    if (!image_init(out, d->raw_w, d->raw_h, e))
        return false;
    for (size_t k = 0; k < n; k++)
        memset(out->pixel + 3 * k, grey[k], 3);
    return true;
}

bool picture_read(const struct dataset *d, int i, struct picture_rule rule, struct image *out,
                  struct decode_info *info, struct err *e)
{
    const char *path = d->sample[i].path;
    if (!(d->raw ? read_raw(d, i, out, e) : decode_file(path, 1, out, info, e)))
        return false;
    if (picture_scale(out, rule, e))
        return true;
    image_release(out);
    return err_in(e, "%s", path);
}

bool picture_read_full(const struct dataset *d, int i, int size_px, struct image *out,
                       struct err *e)
{
    const char *path = d->sample[i].path;
    uint8_t *byte;
    size_t n;
    struct decode_info info;
    if (d->raw)
        return read_raw(d, i, out, e);
    if (!file_read(path, MAX_FILE_BYTES, ERR_DATA, &byte, &n, e))
        return false;
    bool ok = decode_probe(byte, n, &info, e);
    int shrink = 1, side = ok ? (info.w < info.h ? info.w : info.h) : 0;
    while (shrink < 8 && side / (2 * shrink) >= 2 * size_px)
        shrink *= 2;
    ok = (ok && decode_bytes(byte, n, shrink, out, NULL, e)) || err_in(e, "%s", path);
    mem_free(byte);
    return ok;
}

bool picture_drifted(const struct dataset *d, int i)
{
    const struct sample *s = d->sample + i;
    struct stat st;
    if (d->raw)
        return false;
    return stat(s->path, &st) != 0 || st.st_size != s->size ||
           st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec != s->mtime_ns;
}
