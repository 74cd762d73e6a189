/* Weights and geometry of resampling, after Pillow's Resample.c (filter support scaled by the
 * reduction, box coordinates in single precision, weights normalised and rounded to 22 bits), and
 * torchvision's sizes. The passes themselves are in resample*.c. */
#include "image/resize.h"

#include "base/mem.h"
#include "image/resample.h"

#include <math.h>
#include <string.h>

static double bilinear(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double bicubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0)
        return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static const struct kernel {
    double (*at)(double x);
    double support;
} kernels[] = {
    [RESIZE_BILINEAR] = {bilinear, 1.0},
    [RESIZE_BICUBIC] = {bicubic, 2.0},
};

/* An axis of the box: n_in pixels, of which [from, to) become n_out. */
struct axis {
    int n_in, n_out;
    int first_kept, n_kept; /* of the n_in, those that the pass is given */
    float from, to;
    double scale, support; /* input pixels an output pixel; half width of the filter */
};

static struct axis axis_of(int n_in, int n_out, double from, double to, const struct kernel *k)
{
    struct axis a = {.n_in = n_in, .n_out = n_out, .from = (float)from, .to = (float)to};
    a.n_kept = n_in;
    a.scale = (double)(a.to - a.from) / n_out;
    a.support = k->support * (a.scale < 1.0 ? 1.0 : a.scale);
    return a;
}

static void range(const struct axis *a, int x, int *first, int *n)
{
    double centre = a->from + (x + 0.5) * a->scale;
    int lo = (int)(centre - a->support + 0.5), hi = (int)(centre + a->support + 0.5);
    *first = lo < 0 ? 0 : lo;
    *n = (hi > a->n_in ? a->n_in : hi) - *first;
}

static void taps_release(struct taps *t)
{
    mem_free(t->first);
    mem_free(t->n_used);
    mem_free(t->weight);
    mem_free(t->high);
    mem_free(t->low);
}

static bool taps_allocate(struct taps *t, const struct axis *a, struct err *e)
{
    int most = 1, first, n;
    for (int x = 0; x < a->n_out; x++) {
        range(a, x, &first, &n);
        most = n > most ? n : most;
    }
    size_t n_out = (size_t)a->n_out;
    *t = (struct taps){.n_in = a->n_kept, .n_out = a->n_out};
    t->n_tap = (most + TAP_GROUP - 1) / TAP_GROUP * TAP_GROUP;
    size_t n_tap = (size_t)t->n_tap;
    return (t->first = mem_new(n_out, sizeof(*t->first), e)) &&
           (t->n_used = mem_new(n_out, sizeof(*t->n_used), e)) &&
           (t->weight = mem_new(n_out * n_tap, sizeof(*t->weight), e)) &&
           (t->high = mem_new(n_out * n_tap, sizeof(*t->high), e)) &&
           (t->low = mem_new(n_out * n_tap, sizeof(*t->low), e));
}

/* The weights of one output position, and the same in halves. Vector kernels read n_tap inputs
 * from first on: near the end it moves back, with zero weights before the real ones. */
static void fill(const struct taps *t, const struct axis *a, const struct kernel *k, int x,
                 double *real)
{
    int first, n;
    range(a, x, &first, &n);
    double centre = a->from + (x + 0.5) * a->scale, sum = 0.0;
    double shrink = 1.0 / (a->scale < 1.0 ? 1.0 : a->scale);
    for (int i = 0; i < n; i++) {
        real[i] = k->at((i + first - centre + 0.5) * shrink);
        sum += real[i];
    }
    first -= a->first_kept;
    int back = first + t->n_tap - t->n_in;
    back = back < 0 ? 0 : back > first ? first : back;
    t->first[x] = first - back;
    t->n_used[x] = n + back;
    size_t at = (size_t)x * (size_t)t->n_tap + (size_t)back;
    for (int i = 0; i < n; i++, at++) {
        double w = (sum != 0.0 ? real[i] / sum : real[i]) * (1 << WEIGHT_BITS);
        int32_t fixed = (int32_t)(w < 0 ? -0.5 + w : 0.5 + w);
        t->weight[at] = fixed;
        t->low[at] = (int16_t)(fixed & ((1 << SPLIT_BITS) - 1));
        t->high[at] = (int16_t)(fixed >> SPLIT_BITS);
    }
}

static bool taps_init(struct taps *t, const struct axis *a, const struct kernel *k,
                      struct err *e)
{
    if (!taps_allocate(t, a, e))
        return false;
    double *real = mem_new((size_t)t->n_tap, sizeof(*real), e);
    if (!real)
        return false;
    for (int x = 0; x < a->n_out; x++)
        fill(t, a, k, x, real);
    mem_free(real);
    return true;
}

static void run(const struct resample_pass *p, bool across)
{
    const struct resample_kernel *k = resample_choose();
    if (k->fits && !k->fits(p, across))
        k = &resample_generic;
    if (across)
        k->across(p);
    else
        k->down(p);
}

static bool pass_across(const struct image *src, struct box box, int w, const struct kernel *k,
                        struct image *out, struct err *e)
{
    struct taps t = {0};
    struct axis a = axis_of(src->w, w, box.x0, box.x1, k);
    bool ok = taps_init(&t, &a, k, e) && image_raw(out, w, src->h, e);
    if (ok)
        run(&(struct resample_pass){&t, src->pixel, out->pixel, src->w, src->h}, true);
    taps_release(&t);
    return ok;
}

static bool pass_down(const struct image *src, const struct axis *a, const struct kernel *k,
                      struct image *out, struct err *e)
{
    struct taps t = {0};
    bool ok = taps_init(&t, a, k, e) && image_raw(out, src->w, a->n_out, e);
    if (ok)
        run(&(struct resample_pass){&t, src->pixel, out->pixel, src->w, src->h}, false);
    taps_release(&t);
    return ok;
}

static bool copy(const struct image *src, struct image *out, struct err *e)
{
    if (!image_init(out, src->w, src->h, e))
        return false;
    memcpy(out->pixel, src->pixel, (size_t)src->w * (size_t)src->h * 3);
    return true;
}

/* Positions by repeated addition, as Pillow's affine transform steps. */
static bool nearest(const struct image *src, struct box box, int w, int h, struct image *out,
                    struct err *e)
{
    int *column = mem_new((size_t)w, sizeof(*column), e);
    if (!column || !image_init(out, w, h, e)) {
        mem_free(column);
        return false;
    }
    double step_x = (double)((float)box.x1 - (float)box.x0) / w;
    double step_y = (double)((float)box.y1 - (float)box.y0) / h;
    double at_x = (float)box.x0 + step_x * 0.5, at_y = (float)box.y0 + step_y * 0.5;
    for (int x = 0; x < w; x++, at_x += step_x)
        column[x] = (int)at_x < src->w ? (int)at_x : src->w - 1;
    uint8_t *to = out->pixel;
    for (int y = 0; y < h; y++, at_y += step_y) {
        int from_y = (int)at_y < src->h ? (int)at_y : src->h - 1;
        const uint8_t *row = src->pixel + (size_t)from_y * (size_t)src->w * 3;
        for (int x = 0; x < w; x++, to += 3)
            memcpy(to, row + (size_t)column[x] * 3, 3);
    }
    mem_free(column);
    return true;
}

/* The pass down, then the one across. */
static bool down_across(const struct image *src, struct box box, int w, const struct axis *rows,
                        const struct kernel *k, struct image *out, struct err *e)
{
    struct image low = {0};
    bool ok = pass_down(src, rows, k, &low, e) && pass_across(&low, box, w, k, out, e);
    image_release(&low);
    return ok;
}

/* The pass across the rows that the one down will read (from the first row of its first position
 * to the last of its last), then that. */
static bool across_down(const struct image *src, struct box box, int w, struct axis *rows,
                        const struct kernel *k, struct image *out, struct err *e)
{
    int first, n;
    range(rows, 0, &rows->first_kept, &n);
    range(rows, rows->n_out - 1, &first, &n);
    rows->n_kept = first + n - rows->first_kept;
    size_t skipped = (size_t)rows->first_kept * (size_t)src->w * 3;
    struct image part = {src->w, rows->n_kept, src->pixel + skipped}, narrow = {0};
    bool ok = pass_across(&part, box, w, k, &narrow, e) && pass_down(&narrow, rows, k, out, e);
    image_release(&narrow);
    return ok;
}

/* Values are rounded to 8 bits between the passes, so their order shows: it is that of Pillow 13,
 * which goes down first where the height shrinks by more than twice the pixels of the width. */
static bool both_passes(const struct image *src, struct box box, int w, int h,
                        const struct kernel *k, struct image *out, struct err *e)
{
    bool across = w != src->w || box.x0 > 0 || box.x1 < w;
    bool down = h != src->h || box.y0 > 0 || box.y1 < h;
    struct axis rows = axis_of(src->h, h, box.y0, box.y1, k);
    if (!across)
        return down ? pass_down(src, &rows, k, out, e) : copy(src, out, e);
    if (!down)
        return pass_across(src, box, w, k, out, e);
    if (h < src->h && 2 * ((int64_t)src->w - w) < (int64_t)src->h - h)
        return down_across(src, box, w, &rows, k, out, e);
    return across_down(src, box, w, &rows, k, out, e);
}

bool resize_box(const struct image *src, struct box box, int w, int h,
                enum resize_filter filter, struct image *out, struct err *e)
{
    *out = (struct image){0};
    if (w < 1 || h < 1 ||
        !(box.x0 >= 0 && box.y0 >= 0 && box.x1 <= src->w && box.y1 <= src->h &&
          box.x1 > box.x0 && box.y1 > box.y0))
        return err_set(e, ERR_INTERNAL,
                       "resize of %g,%g to %g,%g in %d x %d to %d x %d: outside the picture",
                       box.x0, box.y0, box.x1, box.y1, src->w, src->h, w, h);
    bool ok = filter == RESIZE_NEAREST ? nearest(src, box, w, h, out, e)
                                       : both_passes(src, box, w, h, &kernels[filter], out, e);
    if (!ok)
        image_release(out);
    return ok;
}

bool resize(const struct image *src, int w, int h, enum resize_filter filter, struct image *out,
            struct err *e)
{
    struct box box = {0, 0, src->w, src->h};
    return resize_box(src, box, w, h, filter, out, e);
}

void resize_shorter_size(int w, int h, int side, int *out_w, int *out_h)
{
    int shorter = w < h ? w : h, longer = w < h ? h : w;
    int scaled = (int)((double)((int64_t)side * longer) / shorter);
    *out_w = w <= h ? side : scaled;
    *out_h = w <= h ? scaled : side;
}

bool resize_shorter(const struct image *src, int side, enum resize_filter filter,
                    struct image *out, struct err *e)
{
    int w, h;
    resize_shorter_size(src->w, src->h, side, &w, &h);
    return resize(src, w, h, filter, out, e);
}

bool center_crop(const struct image *src, int w, int h, struct image *out, struct err *e)
{
    if (!image_init(out, w, h, e))
        return false;
    /* Where the crop begins in the picture, or (negative) the padding before it. */
    int left = w > src->w ? -((w - src->w) / 2) : (int)nearbyint((src->w - w) / 2.0);
    int top = h > src->h ? -((h - src->h) / 2) : (int)nearbyint((src->h - h) / 2.0);
    int n_x = w < src->w ? w : src->w, n_y = h < src->h ? h : src->h;
    int from_x = left > 0 ? left : 0, from_y = top > 0 ? top : 0;
    int to_x = left < 0 ? -left : 0, to_y = top < 0 ? -top : 0;
    for (int y = 0; y < n_y; y++)
        memcpy(out->pixel + ((size_t)(to_y + y) * (size_t)w + (size_t)to_x) * 3,
               src->pixel + ((size_t)(from_y + y) * (size_t)src->w + (size_t)from_x) * 3,
               (size_t)n_x * 3);
    return true;
}
