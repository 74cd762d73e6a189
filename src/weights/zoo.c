#include "weights/zoo.h"
#include "base/machine.h"
#include "base/option.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

const double zoo_mean[3] = {0.485, 0.456, 0.406}, zoo_std[3] = {0.229, 0.224, 0.225};

#define BILINEAR RESIZE_BILINEAR
#define BICUBIC  RESIZE_BICUBIC
#define SWAG     "CC-BY-NC 4.0: https://github.com/facebookresearch/SWAG/blob/main/LICENSE"
#define V2_S     "dd5fe13b1d60ec15317ccc8ca158186e134d3366c3dde9cb9a4e301f2dc66c74"
/* clang-format off */
const struct zoo_weights zoo[] = {
    /* model               tag               file                                   parameters 10^6 MAC    MiB   top-1   top-5 resize crop */
    {"alexnet",            "V1",             "alexnet-owt-7be5be79.pth",                61100840,   714, 233.087, 56.522, 79.066, 256, 224, BILINEAR, NULL, NULL},
    {"convnext_tiny",      "V1",             "convnext_tiny-983f1562.pth",              28589128,  4456, 109.119, 82.520, 96.146, 236, 224, BILINEAR, NULL, NULL},
    {"densenet121",        "V1",             "densenet121-a639ec97.pth",                 7978856,  2834,  30.845, 74.434, 91.972, 256, 224, BILINEAR, NULL, NULL},
    {"efficientnet_b0",    "V1",             "efficientnet_b0_rwightman-7f5810bc.pth",   5288548,   386,  20.451, 77.692, 93.532, 256, 224, BICUBIC,  NULL, NULL},
    {"efficientnet_b1",    "V2",             "efficientnet_b1-c27df63c.pth",             7794184,   687,  30.136, 79.838, 94.934, 255, 240, BILINEAR, NULL, NULL},
    {"efficientnet_b1",    "V1",             "efficientnet_b1_rwightman-bac287d4.pth",   7794184,   687,  30.134, 78.642, 94.186, 256, 240, BICUBIC,  NULL, NULL},
    {"efficientnet_b2",    "V1",             "efficientnet_b2_rwightman-c35c1473.pth",   9109994,  1088,  35.174, 80.608, 95.310, 288, 288, BICUBIC,  NULL, NULL},
    {"efficientnet_b3",    "V1",             "efficientnet_b3_rwightman-b3899882.pth",  12233232,  1827,  47.184, 82.008, 96.054, 320, 300, BICUBIC,  NULL, NULL},
    {"efficientnet_v2_s",  "V1",             "efficientnet_v2_s-dd5fe13b.pth",          21458488,  8366,  82.704, 84.228, 96.878, 384, 384, BILINEAR, NULL, V2_S},
    {"efficientnet_v2_m",  "V1",             "efficientnet_v2_m-dc08266a.pth",          54139356, 24582, 208.010, 85.112, 97.156, 480, 480, BILINEAR, NULL, NULL},
    {"googlenet",          "V1",             "googlenet-1378be20.pth",                   6624904,  1498,  49.731, 69.778, 89.530, 256, 224, BILINEAR, NULL, NULL},
    {"inception_v3",       "V1",             "inception_v3_google-0cc3c7bd.pth",        27161264,  5713, 103.903, 77.294, 93.450, 342, 299, BILINEAR, NULL, NULL},
    {"mobilenet_v2",       "V2",             "mobilenet_v2-7ebf99e0.pth",                3504872,   301,  13.598, 72.154, 90.822, 232, 224, BILINEAR, NULL, NULL},
    {"mobilenet_v2",       "V1",             "mobilenet_v2-b0353104.pth",                3504872,   301,  13.555, 71.878, 90.286, 256, 224, BILINEAR, NULL, NULL},
    {"mobilenet_v3_large", "V2",             "mobilenet_v3_large-5c1a4163.pth",          5483032,   217,  21.107, 75.274, 92.566, 232, 224, BILINEAR, NULL, NULL},
    {"mobilenet_v3_large", "V1",             "mobilenet_v3_large-8738ca79.pth",          5483032,   217,  21.114, 74.042, 91.340, 256, 224, BILINEAR, NULL, NULL},
    {"mobilenet_v3_small", "V1",             "mobilenet_v3_small-047dcff4.pth",          2542856,    57,   9.829, 67.668, 87.402, 256, 224, BILINEAR, NULL, NULL},
    {"resnet18",           "V1",             "resnet18-f37072fd.pth",                   11689512,  1814,  44.661, 69.758, 89.078, 256, 224, BILINEAR, NULL, NULL},
    {"resnet34",           "V1",             "resnet34-b627a593.pth",                   21797672,  3664,  83.275, 73.314, 91.420, 256, 224, BILINEAR, NULL, NULL},
    {"resnet50",           "V2",             "resnet50-11ad3fa6.pth",                   25557032,  4089,  97.790, 80.858, 95.434, 232, 224, BILINEAR, NULL, NULL},
    {"resnet50",           "V1",             "resnet50-0676ba61.pth",                   25557032,  4089,  97.781, 76.130, 92.862, 256, 224, BILINEAR, NULL, NULL},
    {"resnet101",          "V2",             "resnet101-cd907fc2.pth",                  44549160,  7801, 170.530, 81.886, 95.780, 232, 224, BILINEAR, NULL, NULL},
    {"resnet101",          "V1",             "resnet101-63fe2227.pth",                  44549160,  7801, 170.511, 77.374, 93.546, 256, 224, BILINEAR, NULL, NULL},
    {"squeezenet1_0",      "V1",             "squeezenet1_0-b66bff10.pth",               1248424,   819,   4.778, 58.092, 80.420, 256, 224, BILINEAR, NULL, NULL},
    {"squeezenet1_1",      "V1",             "squeezenet1_1-b8a52dc0.pth",               1235496,   349,   4.729, 58.178, 80.624, 256, 224, BILINEAR, NULL, NULL},
    {"vgg11",              "V1",             "vgg11-8a719046.pth",                     132863336,  7609, 506.840, 69.020, 88.628, 256, 224, BILINEAR, NULL, NULL},
    {"vgg11_bn",           "V1",             "vgg11_bn-6002323d.pth",                  132868840,  7609, 506.881, 70.370, 89.810, 256, 224, BILINEAR, NULL, NULL},
    {"vgg13",              "V1",             "vgg13-19584684.pth",                     133047848, 11308, 507.545, 69.928, 89.246, 256, 224, BILINEAR, NULL, NULL},
    {"vgg13_bn",           "V1",             "vgg13_bn-abd245e5.pth",                  133053736, 11308, 507.590, 71.586, 90.374, 256, 224, BILINEAR, NULL, NULL},
    {"vgg16",              "V1",             "vgg16-397923af.pth",                     138357544, 15470, 527.796, 71.592, 90.382, 256, 224, BILINEAR, NULL, NULL},
    {"vgg16_bn",           "V1",             "vgg16_bn-6c64b313.pth",                  138365992, 15470, 527.866, 73.360, 91.516, 256, 224, BILINEAR, NULL, NULL},
    {"vgg19",              "V1",             "vgg19-dcbb9e9d.pth",                     143667240, 19632, 548.051, 72.376, 90.876, 256, 224, BILINEAR, NULL, NULL},
    {"vgg19_bn",           "V1",             "vgg19_bn-c79401a0.pth",                  143678248, 19632, 548.143, 74.218, 91.842, 256, 224, BILINEAR, NULL, NULL},
    {"vit_b_16",           "V1",             "vit_b_16-c867db91.pth",                   86567656, 17564, 330.285, 81.072, 95.318, 256, 224, BILINEAR, NULL, NULL},
    {"vit_b_16",           "SWAG_E2E_V1",    "vit_b_16_swag-9ac1b537.pth",              86859496, 55484, 331.398, 85.304, 97.650, 384, 384, BICUBIC,  SWAG, NULL},
    {"vit_b_16",           "SWAG_LINEAR_V1", "vit_b_16_lc_swag-4e70ced5.pth",           86567656, 17564, 330.285, 81.886, 96.180, 224, 224, BICUBIC,  SWAG, NULL},
    {"vit_b_32",           "V1",             "vit_b_32-d86f8d99.pth",                   88224232,  4409, 336.604, 75.912, 92.466, 256, 224, BILINEAR, NULL, NULL},
    {.model = NULL},
};
/* clang-format on */

const char *const zoo_file_only[] = {"efficientnet_lite0", "efficientnet_lite1",
                                     "efficientnet_lite2", NULL};
static const char prefix[] = "IMAGENET1K_";

static const struct zoo_weights *unknown_model(const char *model, struct err *e)
{
    enum { MAX_MODELS = 64 };
    const char *known[MAX_MODELS];
    int n = 0;
    for (const char *const *f = zoo_file_only; *f; f++)
        if (strcmp(model, *f) == 0) {
            err_set(e, ERR_USAGE,
                    "%s: its weights are timm's and come as a file; name that with --weights",
                    model);
            return NULL;
        }
    for (const struct zoo_weights *w = zoo; w->model && n < MAX_MODELS; w++)
        if (zoo_is_default(w))
            known[n++] = w->model;
    const char *nearest = nearest_name(model, known, n);
    err_set(e, ERR_USAGE, "unknown model \"%s\"%s%s%s; linnet zoo lists them", model,
            nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
    return NULL;
}

/* One of the rows from first on that are of its model. */
static const struct zoo_weights *find_tag(const struct zoo_weights *first, const char *tag,
                                          struct err *e)
{
    char known[128] = "";
    if (strncasecmp(tag, prefix, strlen(prefix)) == 0)
        tag += strlen(prefix);
    if (strcasecmp(tag, "default") == 0)
        return first;
    for (const struct zoo_weights *w = first; w->model && strcmp(w->model, first->model) == 0;
         w++) {
        if (strcasecmp(w->tag, tag) == 0)
            return w;
        size_t n = strlen(known);
        snprintf(known + n, sizeof(known) - n, "%s%s", n ? ", " : "", w->tag);
    }
    err_set(e, ERR_USAGE, "%s: unknown weights \"%s\"; known are %s", first->model, tag, known);
    return NULL;
}

const struct zoo_weights *zoo_find(const char *name, struct err *e)
{
    char model[64];
    size_t n = strcspn(name, ":");
    snprintf(model, sizeof(model), "%.*s", (int)n, name);
    for (const struct zoo_weights *w = zoo; w->model; w++)
        if (strcmp(w->model, model) == 0)
            return find_tag(w, name[n] ? name + n + 1 : "default", e);
    return unknown_model(model, e);
}

const struct zoo_weights *zoo_find_file(const char *file)
{
    for (const struct zoo_weights *w = zoo; w->model; w++)
        if (strcmp(w->file, file) == 0)
            return w;
    return NULL;
}

bool zoo_is_default(const struct zoo_weights *w)
{
    return w == zoo || strcmp(w->model, w[-1].model) != 0;
}

static bool ends_as_weights(const char *dot)
{
    static const char *const ending[] = {".pth", ".pt", ".th", ".bin", ".safetensors"};
    for (size_t i = 0; i < COUNT_OF(ending); i++)
        if (strcmp(dot, ending[i]) == 0)
            return true;
    return false;
}

const char *zoo_digits(const char *file, size_t *n)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    enum { MIN_DIGITS = 8, MAX_DIGITS = 64, MAX_NAME = 200 };
    const char *dash = strrchr(file, '-');
    size_t length = strlen(file);
    *n = dash ? strspn(dash + 1, "0123456789abcdef") : 0;
    bool ok = length <= MAX_NAME && strspn(file, plain) == length && file[0] != '.' &&
              *n >= MIN_DIGITS && *n <= MAX_DIGITS && ends_as_weights(dash + 1 + *n);
    return ok ? dash + 1 : NULL;
}

static const char *join(const char *folder, const char *between, const char *file,
                        struct arena *a, struct err *e)
{
    size_t room = strlen(folder) + strlen(between) + strlen(file) + 1;
    char *text = arena_new(a, room, 1, e);
    if (text)
        snprintf(text, room, "%s%s%s", folder, between, file);
    return text;
}

const char *zoo_url(const char *file, struct arena *a, struct err *e)
{
    static const char *const scheme[] = {"https://", "http://", "file://"};
    const char *from = getenv("LINNET_ZOO_URL");
    if (!from || !*from)
        from = "https://download.pytorch.org/models/";
    for (size_t i = 0; i < COUNT_OF(scheme); i++)
        if (strncasecmp(from, scheme[i], strlen(scheme[i])) == 0)
            return join(from, from[strlen(from) - 1] == '/' ? "" : "/", file, a, e);
    err_set(e, ERR_USAGE,
            "LINNET_ZOO_URL=%s: expected an address that begins with https://, "
            "http:// or file://",
            from);
    return NULL;
}

const char *zoo_path(const char *file, struct arena *a, struct err *e)
{
    const char *cache = machine_cache_folder(a, e);
    return cache ? join(cache, "/weights/", file, a, e) : NULL;
}

bool zoo_here(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

const char *zoo_pulled(const char *name, struct arena *a, struct err *e)
{
    const struct zoo_weights *w = zoo_find(name, e);
    const char *path = w ? zoo_path(w->file, a, e) : NULL;
    if (!path || zoo_here(path))
        return path;
    err_set(e, ERR_MODEL, "%s: its weights are not here (%s); linnet pull %s brings them", name,
            path, name);
    return NULL;
}
