/* Included by pool_f32.c and pool_bf16.c, which define POOL_TABLE, after `elem`. Backward each cell is the
 * sum over the windows that read it, row by row of them, and is written once. */

typedef uint8_t bytes __attribute__((vector_size(V), aligned(1)));

ALWAYS vec pixel_at(const void *plane, int row, int width, int column)
{
    return eload((const elem *)plane + ((size_t)row * (size_t)width + (size_t)column) * V);
}

ALWAYS void pixel_to(void *plane, int row, int width, int column, vec v)
{
    estore((elem *)plane + ((size_t)row * (size_t)width + (size_t)column) * V, v);
}

static void max(const struct pool_task *t)
{
    for (int oh = 0; oh < t->h.n_out; oh++)
        for (int ow = 0; ow < t->w.n_out; ow++) {
            int h0 = t->h.from[oh], w0 = t->w.from[ow];
            int corner = (h0 - t->h.begin[oh]) * t->kernel_w + w0 - t->w.begin[ow];
            vec best = pixel_at(t->x, h0, t->w.n_in, w0);
            vecu winner = (vecu){0} + (uint32_t)corner;
            for (int h = h0; h < t->h.to[oh]; h++)
                for (int w = w0; w < t->w.to[ow]; w++) {
                    vec v = pixel_at(t->x, h, t->w.n_in, w);
                    vmask m = vbeats(v, best);
                    int cell = corner + (h - h0) * t->kernel_w + w - w0;
                    best = vpick(m, v, best);
                    winner = vpick_int(m, (vecu){0} + (uint32_t)cell, winner);
                }
            pixel_to(t->y, oh, t->w.n_out, ow, best);
            if (t->winner)
                *(bytes *)(t->winner + ((size_t)oh * (size_t)t->w.n_out + (size_t)ow) * V) =
                    __builtin_convertvector(winner, bytes);
        }
}

/* Cells of a row whose sums stay in the nearest cache. */
enum { STRIP = 64 };

static inline int less(int a, int b)
{
    return a < b ? a : b;
}

/* Adds dy of one window where a cell of row h won, to the sums of cells w0 .. w1 - 1. */
ALWAYS void add_won(const struct pool_task *t, int oh, int ow, int h, int w0, int w1, vec *sum)
{
    const uint8_t *at = t->winner + ((size_t)oh * (size_t)t->w.n_out + (size_t)ow) * V;
    vecu winner = __builtin_convertvector(*(const bytes *)at, vecu);
    veci dy = (veci)pixel_at(t->dy, oh, t->w.n_out, ow);
    int cell = (h - t->h.begin[oh]) * t->kernel_w - t->w.begin[ow];
    int from = t->w.from[ow] > w0 ? t->w.from[ow] : w0, to = less(t->w.to[ow], w1);
    for (int w = from; w < to; w++)
        sum[w - w0] += (vec)(dy & (veci)(winner == (uint32_t)(cell + w)));
}

static void max_back(const struct pool_task *t)
{
    for (int h = 0; h < t->h.n_in; h++)
        for (int w0 = 0; w0 < t->w.n_in; w0 += STRIP) {
            vec sum[STRIP] = {{0}};
            int w1 = less(w0 + STRIP, t->w.n_in);
            for (int w = w0; w < w1; w++)
                __builtin_prefetch(
                    (elem *)t->dx + ((size_t)h * (size_t)t->w.n_in + (size_t)w) * V, 1, 3);
            for (int oh = t->h.first[h]; oh < t->h.last[h]; oh++)
                for (int ow = t->w.first[w0]; ow < t->w.last[w1 - 1]; ow++)
                    add_won(t, oh, ow, h, w0, w1, sum);
            for (int w = w0; w < w1; w++)
                pixel_to(t->dx, h, t->w.n_in, w, sum[w - w0]);
        }
}

/* Row by row, which bounds how many small numbers are added to one big one. */
static void average(const struct pool_task *t)
{
    for (int oh = 0; oh < t->h.n_out; oh++)
        for (int ow = 0; ow < t->w.n_out; ow++) {
            vec sum = vset(0);
            for (int h = t->h.from[oh]; h < t->h.to[oh]; h++) {
                vec row = vset(0);
                for (int w = t->w.from[ow]; w < t->w.to[ow]; w++)
                    row += pixel_at(t->x, h, t->w.n_in, w);
                sum += row;
            }
            pixel_to(t->y, oh, t->w.n_out, ow, sum * vset(t->h.share[oh] * t->w.share[ow]));
        }
}

static void average_back(const struct pool_task *t)
{
    for (int h = 0; h < t->h.n_in; h++)
        for (int w = 0; w < t->w.n_in; w++) {
            vec sum = vset(0);
            for (int oh = t->h.first[h]; oh < t->h.last[h]; oh++)
                for (int ow = t->w.first[w]; ow < t->w.last[w]; ow++)
                    sum = vfma(pixel_at(t->dy, oh, t->w.n_out, ow),
                               vset(t->h.share[oh] * t->w.share[ow]), sum);
            pixel_to(t->dx, h, t->w.n_in, w, sum);
        }
}

const struct pool_kernels POOL_TABLE = {max, max_back, average, average_back};
