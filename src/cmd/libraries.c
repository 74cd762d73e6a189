/* The one place where versions are asked for; a dropped library's header is not there to include,
 * so its function is compiled only with it. */
#include "cmd/libraries.h"
#include "base/build.h"

#include <stdio.h>

#include <jpeglib.h>
#include <oneapi/dnnl/dnnl.h>
#if WITH_SPNG
#include <spng.h>
#define SPNG spng
#else
#define SPNG NULL
#endif
#if WITH_WEBP
#include <webp/decode.h>
#define WEBP webp
#else
#define WEBP NULL
#endif
#if WITH_GIF
#include <gif_lib.h>
#define GIF gif
#else
#define GIF NULL
#endif
#if WITH_YAML
#include <yaml.h>
#define YAML yaml
#else
#define YAML NULL
#endif
#if WITH_CURL
#include <curl/curl.h>
#define LIBCURL curl
#else
#define LIBCURL NULL
#endif

static const char *three(char text[32], int major, int minor, int patch)
{
    snprintf(text, 32, "%d.%d.%d", major, minor, patch);
    return text;
}

static const char *onednn(char text[32])
{
    const dnnl_version_t *v = dnnl_version();
    return three(text, v->major, v->minor, v->patch);
}

static const char *jpeg(char text[32])
{
    return three(text, LIBJPEG_TURBO_VERSION_NUMBER / 1000000,
                 LIBJPEG_TURBO_VERSION_NUMBER / 1000 % 1000,
                 LIBJPEG_TURBO_VERSION_NUMBER % 1000);
}

#if WITH_SPNG
static const char *spng(char text[32])
{
    (void)text;
    return spng_version_string();
}
#endif

#if WITH_WEBP
static const char *webp(char text[32])
{
    int v = WebPGetDecoderVersion();
    return three(text, v >> 16, v >> 8 & 255, v & 255);
}
#endif

#if WITH_GIF
static const char *gif(char text[32])
{
    return three(text, GIFLIB_MAJOR, GIFLIB_MINOR, GIFLIB_RELEASE);
}
#endif

#if WITH_YAML
static const char *yaml(char text[32])
{
    (void)text;
    return yaml_get_version_string();
}
#endif

#if WITH_CURL
static const char *curl(char text[32])
{
    (void)text;
    return curl_version_info(CURLVERSION_NOW)->version;
}
#endif

const struct library libraries[] = {
    {"oneDNN", "kernels beside our own", onednn},
    {"libjpeg-turbo", "JPEG pictures", jpeg},
    {"libspng", "PNG pictures", SPNG},
    {"libwebp", "WebP pictures", WEBP},
    {"giflib", "GIF pictures", GIF},
    {"libyaml", "--config files", YAML},
    {"libcurl", "downloads of weights", LIBCURL},
    {NULL, NULL, NULL},
};
