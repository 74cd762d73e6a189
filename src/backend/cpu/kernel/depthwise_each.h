/* Included by depthwise_f32.c and depthwise_bf16.c after `elem`. */

/* Outputs [lo, hi) of one dimension at which tap `at` (in cells) meets the input. */
ALWAYS void meets(int at, int stride, int n_in, int n_out, int *lo, int *hi)
{
    *lo = at < 0 ? (-at + stride - 1) / stride : 0;
    *hi = at < n_in ? (n_in - 1 - at) / stride + 1 : 0;
    if (*hi > n_out)
        *hi = n_out;
}

/* The sum over a row of dy times x, whose first pixels are given and whose step is in pixels. */
ALWAYS vec row_sum(const elem *x, const elem *dy, int n, size_t step)
{
    vec sum[2] = {vset(0), vset(0)};
    int i = 0;
    for (; i + 2 <= n; i += 2, x += 2 * step * V, dy += 2 * V) {
        sum[0] = vfma(eload(x), eload(dy), sum[0]);
        sum[1] = vfma(eload(x + step * V), eload(dy + V), sum[1]);
    }
    if (i < n)
        sum[0] = vfma(eload(x), eload(dy), sum[0]);
    return sum[0] + sum[1];
}

ALWAYS vec tap_sum(const struct depthwise_task *t, int at_h, int at_w)
{
    int h0, h1, w0, w1;
    meets(at_h, t->stride_h, t->H, t->OH, &h0, &h1);
    meets(at_w, t->stride_w, t->W, t->OW, &w0, &w1);
    vec sum = vset(0);
    for (int oh = h0; oh < h1 && w0 < w1; oh++) {
        size_t x = (size_t)(oh * t->stride_h + at_h) * (size_t)t->W +
                   (size_t)(w0 * t->stride_w + at_w);
        size_t y = (size_t)oh * (size_t)t->OW + (size_t)w0;
        sum += row_sum((const elem *)t->x + x * V, (const elem *)t->dy + y * V, w1 - w0,
                       (size_t)t->stride_w);
    }
    return sum;
}

ALWAYS void plane_gradient(const struct depthwise_task *t)
{
    for (int r = 0; r < t->R; r++)
        for (int s = 0; s < t->S; s++)
            vstoreu(t->sum + (r * t->S + s) * V,
                    tap_sum(t, r * t->dilation_h - t->pad_h, s * t->dilation_w - t->pad_w));
    vec bias = vset(0);
    for (int oh = 0; oh < t->OH; oh++) {
        vec row = vset(0);
        for (int ow = 0; ow < t->OW; ow++)
            row += eload((const elem *)t->dy + ((size_t)oh * (size_t)t->OW + (size_t)ow) * V);
        bias += row;
    }
    vstoreu(t->sum + t->R * t->S * V, bias);
}
