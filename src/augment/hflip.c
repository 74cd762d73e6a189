#include "augment/augment.h"

#include <string.h>

static bool active(const struct augment_config *cfg)
{
    return cfg->hflip > 0;
}

static void mirror_row(uint8_t *row, int w)
{
    uint8_t *a = row, *b = row + 3 * (ptrdiff_t)(w - 1);
    for (; a < b; a += 3, b -= 3) {
        uint8_t t[3];
        memcpy(t, a, 3);
        memcpy(a, b, 3);
        memcpy(b, t, 3);
    }
}

#if defined(__x86_64__)
#include <immintrin.h>

enum { MAX_ROW = 4096, BLOCK = 5 }; /* pixels; five fill 15 of a vector's 16 bytes */

/* Five pixels at a time from a copy of the row; each store's 16th byte is written over by the next. */
__attribute__((target("ssse3"))) static void mirror_row_ssse3(uint8_t *row, int w)
{
    uint8_t copy[3 * MAX_ROW + 1];
    const __m128i turn = _mm_setr_epi8(13, 14, 15, 10, 11, 12, 7, 8, 9, 4, 5, 6, 1, 2, 3, 0);
    memcpy(copy + 1, row, 3 * (size_t)w); /* loads begin a byte early */
    copy[0] = 0;
    int left = w;
    for (; left > BLOCK; left -= BLOCK, row += 3 * BLOCK) {
        __m128i five = _mm_loadu_si128((const void *)(copy + 3 * (ptrdiff_t)(left - BLOCK)));
        _mm_storeu_si128((void *)row, _mm_shuffle_epi8(five, turn));
    }
    for (; left > 0; left--, row += 3)
        memcpy(row, copy + 1 + 3 * (ptrdiff_t)(left - 1), 3);
}

static void mirror(struct image *im)
{
    bool wide = __builtin_cpu_supports("ssse3") && im->w <= MAX_ROW;
    for (int y = 0; y < im->h; y++)
        (wide ? mirror_row_ssse3 : mirror_row)(im->pixel + 3 * (ptrdiff_t)im->w * y, im->w);
}
#else
static void mirror(struct image *im)
{
    for (int y = 0; y < im->h; y++)
        mirror_row(im->pixel + 3 * (ptrdiff_t)im->w * y, im->w);
}
#endif

static bool edit(const struct augment_config *cfg, struct rng *r, struct image *im,
                 struct err *e)
{
    (void)e;
    if (rng_uniform(r) < (float)cfg->hflip)
        mirror(im);
    return true;
}

static const struct option options[] = {
    {.name = "hflip",
     .type = OPTION_REAL,
     .offset = offsetof(struct augment_config, hflip),
     .min.r = 0,
     .max.r = 1,
     .fallback.r = 0.5,
     .help = "probability of a mirror image, left to right"},
    {.name = NULL},
};

const struct transform transform_hflip = {
    .name = "hflip", .options = options, .active = active, .edit = edit};
