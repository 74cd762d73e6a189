/* IDX files (LeCun's MNIST format; Fashion-MNIST): a folder with train-images-idx3-ubyte,
 * train-labels-idx1-ubyte and the same for t10k, each gzipped or not. Pictures are small and grey:
 * they stay in memory, grouped by class. Classes are the labels' numbers. */
#include "base/file.h"
#include "data/source.h"

#include "base/build.h"
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#if WITH_ZLIB
#include <zlib.h>
#endif

enum { IMAGE_MAGIC = 0x803, LABEL_MAGIC = 0x801, MAX_BYTES = 1 << 30, MAX_SIDE = 4096 };

struct bytes {
    uint8_t *byte;
    size_t n;
};

static bool find_file(const char *root, const char *part, const char *what, char *out,
                      size_t size)
{
    static const char *const suffix[] = {"", ".gz"};
    struct stat st;
    for (size_t i = 0; i < COUNT_OF(suffix); i++) {
        snprintf(out, size, "%s/%s-%s-ubyte%s", root, part, what, suffix[i]);
        if (stat(out, &st) == 0 && S_ISREG(st.st_mode))
            return true;
    }
    return false;
}

#if WITH_ZLIB
static bool inflate_all(const char *path, const struct bytes *in, struct bytes *out,
                        struct err *e)
{
    size_t room = in->n * 4 + 4096;
    z_stream z = {.next_in = in->byte, .avail_in = (uInt)in->n};
    if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK) /* 16: a gzip header */
        return err_set(e, ERR_NOMEM, "%s: zlib has no memory", path);
    int status = Z_OK;
    for (; status == Z_OK; room *= 2) {
        uint8_t *more = room <= MAX_BYTES ? mem_grow(out->byte, out->n, room, 1, e) : NULL;
        if (!more)
            break;
        out->byte = more;
        z.next_out = out->byte + out->n;
        z.avail_out = (uInt)(room - out->n);
        status = inflate(&z, Z_NO_FLUSH);
        out->n = room - z.avail_out;
    }
    inflateEnd(&z);
    if (status == Z_STREAM_END)
        return true;
    return err_set(e, ERR_DATA, "%s: a damaged gzip file, or one of more than 1 GiB", path);
}
#else
static bool inflate_all(const char *path, const struct bytes *in, struct bytes *out,
                        struct err *e)
{
    (void)in;
    (void)out;
    return err_set(e, ERR_DATA, "%s: this build has no zlib; gunzip the file first", path);
}
#endif

static bool read_file(const char *path, struct bytes *out, struct err *e)
{
    struct bytes raw;
    if (!file_read(path, MAX_BYTES, ERR_DATA, &raw.byte, &raw.n, e))
        return false;
    if (raw.n < 2 || raw.byte[0] != 0x1f || raw.byte[1] != 0x8b) { /* not gzip's magic */
        *out = raw;
        return true;
    }
    *out = (struct bytes){0};
    bool ok = inflate_all(path, &raw, out, e);
    mem_free(raw.byte);
    return ok;
}

static uint32_t big_endian(const uint8_t *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Checks the header: extents go to dim (n_dim) and the body must be their product of bytes. */
static bool check_header(const char *path, const struct bytes *f, uint32_t magic, int n_dim,
                         uint32_t *dim, struct err *e)
{
    size_t header = 4 + 4 * (size_t)n_dim, body = 1;
    if (f->n < header || big_endian(f->byte) != magic)
        return err_set(e, ERR_DATA, "%s: not an IDX file of %s", path,
                       n_dim == 3 ? "pictures" : "labels");
    for (int i = 0; i < n_dim; i++) {
        dim[i] = big_endian(f->byte + 4 + 4 * i);
        if (i > 0 && (dim[i] == 0 || dim[i] > MAX_SIDE))
            return err_set(e, ERR_DATA, "%s: pictures of side %u; expected 1 to %d", path,
                           dim[i], MAX_SIDE);
        body *= dim[i];
    }
    if (f->n != header + body)
        return err_set(e, ERR_DATA, "%s: %zu bytes; its header promises %zu", path, f->n,
                       header + body);
    return true;
}

/* Classes "0" .. "largest label", then each picture in the order of its label. */
static bool take_all(struct scan *s, const char *path, const struct bytes *image,
                     const struct bytes *label, uint32_t n, struct err *e)
{
    struct dataset *d = s->d;
    size_t side = (size_t)d->raw_h * (size_t)d->raw_w;
    int n_class = 0;
    for (uint32_t i = 0; i < n; i++)
        n_class = label->byte[8 + i] >= n_class ? label->byte[8 + i] + 1 : n_class;
    uint8_t *raw = mem_new(n, side, e);
    d->raw = raw;
    for (int c = 0; raw && c < n_class; c++) {
        char name[512];
        snprintf(name, sizeof(name), "%d", c);
        if (scan_class(s, name, e) < 0)
            return false;
        for (uint32_t i = 0; i < n; i++) {
            if (label->byte[8 + i] != c)
                continue;
            char at[PATH_MAX];
            snprintf(at, sizeof(at), "%s#%u", path, i);
            memcpy(raw + (size_t)d->n_sample * side, image->byte + 16 + i * side, side);
            if (!scan_sample(s, (struct sample){.path = at, .label = c}, e))
                return false;
        }
    }
    return raw != NULL;
}

static bool read_pair(struct scan *s, const char *image_path, const char *label_path,
                      struct err *e)
{
    struct bytes image = {0}, label = {0};
    uint32_t dim[3], n_label;
    bool ok = read_file(image_path, &image, e) && read_file(label_path, &label, e) &&
              check_header(image_path, &image, IMAGE_MAGIC, 3, dim, e) &&
              check_header(label_path, &label, LABEL_MAGIC, 1, &n_label, e);
    if (ok && dim[0] != n_label)
        ok = err_set(e, ERR_DATA, "%s: %u pictures, but %s has %u labels", image_path, dim[0],
                     label_path, n_label);
    if (ok) {
        s->d->raw_h = (int)dim[1];
        s->d->raw_w = (int)dim[2];
        ok = take_all(s, image_path, &image, &label, n_label, e);
    }
    mem_free(image.byte);
    mem_free(label.byte);
    return ok;
}

static bool read_idx(struct scan *s, const struct dataset_config *cfg, enum part part,
                     struct err *e)
{
    const char *name = part == PART_TRAIN ? "train" : "t10k";
    char image[PATH_MAX], label[PATH_MAX];
    if (part == PART_VAL || !find_file(cfg->path, name, "images-idx3", image, sizeof(image)) ||
        !find_file(cfg->path, name, "labels-idx1", label, sizeof(label)))
        return err_set(e, ERR_DATA,
                       "%s: expected %s-images-idx3-ubyte and %s-labels-idx1-ubyte (or .gz)",
                       cfg->path, name, name);
    s->d->root = arena_text(&s->d->arena, cfg->path, e);
    return s->d->root && read_pair(s, image, label, e);
}

static bool has(const struct dataset_config *cfg, enum part part)
{
    char path[PATH_MAX];
    return part != PART_VAL && find_file(cfg->path, part == PART_TRAIN ? "train" : "t10k",
                                         "images-idx3", path, sizeof(path));
}

static bool matches(const char *path)
{
    char file[PATH_MAX];
    return find_file(path, "train", "images-idx3", file, sizeof(file)) ||
           find_file(path, "t10k", "images-idx3", file, sizeof(file));
}

const struct source source_idx = {
    .name = "idx",
    .matches = matches,
    .has = has,
    .read = read_idx,
};
