#include "data/inspect.h"

#include "base/file.h"
#include "data/each.h"
#include "data/picture.h"

#include <math.h>
#include <string.h>

enum { MAX_FILE_BYTES = 256 << 20 };

static void fingerprint(const void *byte, size_t n, uint64_t out[2])
{
    out[0] = hash64(byte, n, 1);
    out[1] = hash64(byte, n, 2);
}

static int grey(const uint8_t *rgb)
{
    return (299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2] + 500) / 1000;
}

/* The small copy, and the signs of its grey values' steps to the right ("dHash"). */
static bool take_print(struct inspected *p, const struct image *im, struct err *e)
{
    struct image small, wide;
    if (!resize(im, PRINT_SIDE, PRINT_SIDE, RESIZE_BILINEAR, &small, e))
        return false;
    if (!resize(im, PRINT_SIDE + 1, PRINT_SIDE, RESIZE_BILINEAR, &wide, e)) {
        image_release(&small);
        return false;
    }
    memcpy(p->small, small.pixel, sizeof(p->small));
    for (int i = 0; i < PRINT_SIDE * PRINT_SIDE; i++) {
        const uint8_t *left =
            wide.pixel + 3 * (i / PRINT_SIDE * (PRINT_SIDE + 1) + i % PRINT_SIDE);
        p->print[i / 64] |= (uint64_t)(grey(left) < grey(left + 3)) << i % 64;
    }
    double sum = 0, square = 0, n = PRINT_SIDE * PRINT_SIDE;
    for (int i = 0; i < PRINT_SIDE * PRINT_SIDE; i++) {
        double v = grey(p->small + 3 * i);
        sum += v;
        square += v * v;
    }
    p->mean = (float)(sum / n);
    p->contrast = (float)sqrt(fmax(0, square / n - sum / n * sum / n));
    image_release(&small);
    image_release(&wide);
    return true;
}

static bool decode(struct inspected *p, struct image *im, struct err *e)
{
    const char *path = p->d->sample[p->sample].path;
    uint8_t *byte;
    size_t n;
    if (p->d->raw) {
        size_t side = (size_t)p->d->raw_h * (size_t)p->d->raw_w;
        fingerprint(p->d->raw + (size_t)p->sample * side, side, p->bytes);
        struct picture_rule as_it_is = {.side_px = p->d->raw_h < p->d->raw_w ? p->d->raw_h
                                                                             : p->d->raw_w};
        return picture_read(p->d, p->sample, as_it_is, im, &p->info, e);
    }
    if (!file_read(path, MAX_FILE_BYTES, ERR_DATA, &byte, &n, e))
        return false;
    fingerprint(byte, n, p->bytes);
    mem_free(byte);
    return decode_file(path, 1, im, &p->info, e);
}

static bool look_at(void *ctx, int i, struct err *e)
{
    struct inspected *p = (struct inspected *)ctx + i;
    const char *path = p->d->sample[p->sample].path;
    struct image im;
    struct err why = {0};
    if (!decode(p, &im, &why)) {
        size_t n = strlen(path);
        bool named = !strncmp(why.msg, path, n) && why.msg[n] == ':';
        p->bad = mem_text(named ? why.msg + n + 2 : why.msg, e);
        return p->bad != NULL;
    }
    fingerprint(im.pixel, (size_t)im.w * (size_t)im.h * 3, p->pixels);
    p->pixels[0] ^= (uint64_t)im.w << 32;
    bool ok = take_print(p, &im, e);
    image_release(&im);
    return ok;
}

bool inspect(const struct dataset *const *d, const enum part *part, int n_part, int n_thread,
             bool (*progress)(void *ctx, int done, int total), void *ctx,
             struct inspection *out, struct err *e)
{
    *out = (struct inspection){0};
    for (int p = 0; p < n_part; p++)
        out->n += d[p]->n_sample;
    out->at = mem_new((size_t)out->n, sizeof(*out->at), e);
    if (!out->at)
        return false;
    struct inspected *at = out->at;
    for (int p = 0; p < n_part; p++)
        for (int i = 0; i < d[p]->n_sample; i++)
            *at++ = (struct inspected){.d = d[p], .part = (int)part[p], .sample = i};
    struct each each = {.n = out->n,
                        .n_thread = n_thread,
                        .fn = look_at,
                        .ctx = out->at,
                        .progress = progress,
                        .progress_ctx = ctx};
    bool ok = each_sample(&each, e);
    for (int i = 0; i < out->n; i++)
        out->n_bad += out->at[i].bad != NULL;
    if (ok && inspect_find(out, n_thread, e))
        return true;
    inspection_release(out);
    return false;
}

void inspection_release(struct inspection *in)
{
    for (int i = 0; i < in->n; i++)
        mem_free(in->at[i].bad);
    mem_free(in->at);
    mem_free(in->finding);
    *in = (struct inspection){0};
}
