/* The zoo: published ImageNet weights, torchvision's own, a row each: what they are, how good, how
 * pictures are prepared for them, which file holds them and where it lies once it is here. Numbers
 * are those of torchvision's weight enums (tests/parity/test_zoo.py holds each against them). */
#ifndef WEIGHTS_ZOO_H
#define WEIGHTS_ZOO_H

#include "base/mem.h"
#include "image/resize.h"

struct zoo_weights {
    const char *model;         /* torchvision's name: "vgg19" */
    const char *tag;           /* "V1": IMAGENET1K_V1 there */
    const char *file;          /* "vgg19-dcbb9e9d.pth": the first digits of its SHA-256 */
    int64_t n_param;           /* trained, as torchvision counts them */
    int64_t mmacs;             /* millions of multiply-adds a picture of crop_px */
    double mib;                /* of the file, to 0.001 MiB */
    double top1, top5;         /* percent of ImageNet-1K's validation pictures */
    int resize_px, crop_px;    /* shorter side, antialiased; then the centre */
    enum resize_filter filter; /* pictures become (v / 255 - zoo_mean) / zoo_std */
    const char *licence;       /* where it is a special one, else NULL */
    const char *sha256;        /* all 64 digits where they are known, else NULL */
};
/* The rows of a model stand together, its default weights first. Ended by model == NULL. */
extern const struct zoo_weights zoo[];
extern const double zoo_mean[3], zoo_std[3];
/* Models whose weights no server has under a name with a hash: they come as files. NULL-ended. */
extern const char *const zoo_file_only[];

/* "vgg19" is a model's default weights, "resnet50:V1" and "resnet50:IMAGENET1K_V1" those named,
 * "resnet50:default" the default again. NULL and ERR_USAGE name what is nearest, or known. */
MUST_CHECK const struct zoo_weights *zoo_find(const char *name, struct err *e);
/* The row of a file's name, or NULL. */
const struct zoo_weights *zoo_find_file(const char *file);
/* Are these what zoo_find gives for the model's name alone? */
bool zoo_is_default(const struct zoo_weights *w);

/* The first digits of the SHA-256 that a file's name carries ("dcbb9e9d" of vgg19-dcbb9e9d.pth, at
 * least 8), n of them; NULL: it carries none, or is no plain name of a .pth, .pt, .th, .bin or
 * .safetensors file. Points into file. */
const char *zoo_digits(const char *file, size_t *n);

/* Where the file comes from, LINNET_ZOO_URL or torchvision's server, and where it lies or would lie
 * on this disk, weights/ in the cache's folder (base/machine.h). In the arena; ERR_USAGE: the
 * address is none of http, https and file. */
MUST_CHECK const char *zoo_url(const char *file, struct arena *a, struct err *e);
MUST_CHECK const char *zoo_path(const char *file, struct arena *a, struct err *e);
/* Is there a file at that place? It is given its name only once its hash was right. */
bool zoo_here(const char *path);
/* What --weights NAME means to a reader of weights: zoo_path of what zoo_find finds; ERR_MODEL tells
 * how to get it when it is not here. */
MUST_CHECK const char *zoo_pulled(const char *name, struct arena *a, struct err *e);

#endif
