/* Included by fused_f32.c and fused_bf16.c after fused_forward.h: the backward half. */

/* Two sums over many pixels; a second level bounds the rounding. */
struct pair_sum {
    vec block[2], whole[2];
};
ALWAYS void pair_add(struct pair_sum *s, vec dz, vec term)
{
    s->block[0] += dz;
    s->block[1] = vfma(dz, term, s->block[1]);
}
ALWAYS void pair_close(struct pair_sum *s)
{
    for (int i = 0; i < 2; i++) {
        s->whole[i] += s->block[i];
        s->block[i] = vset(0);
    }
}
ALWAYS void pair_store(const struct pair_sum *s, float *out)
{
    vstore(out, s->whole[0]);
    vstore(out + V, s->whole[1]);
}

ALWAYS vec dropped_gradient(const struct fused_task *t, size_t pixel, vec dy)
{
    dy *= vset(t->factor);
    return t->keep ? vpick(keep_at(t, pixel), dy, vset(0)) : dy;
}

ALWAYS void sums(const struct fused_task *t, enum activation kind)
{
    const vec scale = vload(t->coef + COEF_SCALE * V), shift = vload(t->coef + COEF_SHIFT * V);
    const vec mean = vload(t->coef + COEF_MEAN * V);
    const elem *x = t->x, *dy = t->dy;
    struct pair_sum s[2] = {{{vset(0)}, {vset(0)}}, {{vset(0)}, {vset(0)}}};
    for (size_t row = (size_t)t->row0; row < (size_t)t->row1; row++) {
        for (size_t w = 0, i = row * (size_t)t->W; w < (size_t)t->W; w++, i++) {
            vec at = eload(x + i * V), dz = dropped_gradient(t, i, eload(dy + i * V));
            pair_add(&s[w & 1], dz * vslope(kind, vfma(at, scale, shift)), at - mean);
        }
        pair_close(&s[0]);
        pair_close(&s[1]);
    }
    s[0].whole[0] += s[1].whole[0];
    s[0].whole[1] += s[1].whole[1];
    pair_store(&s[0], t->sum);
}

/* The keep word of the pixel that won a window. */
ALWAYS vmask keep_of_winner(const struct fused_task *t, size_t pixel, vword low, vword high)
{
    const vword *k = t->keep;
    const size_t step = (size_t)t->keep_step, W = (size_t)t->W;
    unsigned upper = (~low & k[pixel * step]) | (low & k[(pixel + 1) * step]);
    unsigned lower = (~low & k[(pixel + W) * step]) | (low & k[(pixel + W + 1) * step]);
    return vmask_of((vword)((~high & upper) | (high & lower)));
}

ALWAYS void sums_win(const struct fused_task *t, enum activation kind)
{
    const vec scale = vload(t->coef + COEF_SCALE * V), shift = vload(t->coef + COEF_SHIFT * V);
    const vec mean = vload(t->coef + COEF_MEAN * V), factor = vset(t->factor);
    const size_t OW = (size_t)t->W / 2;
    struct pair_sum s = {{vset(0)}, {vset(0)}};
    for (size_t oh = (size_t)t->row0; oh < (size_t)t->row1; oh++) {
        elem *win = (elem *)t->win + oh * OW * V;
        const elem *dy = (const elem *)t->dy + oh * OW * V;
        const vword *index = (const vword *)t->index + 2 * oh * OW;
        for (size_t ow = 0; ow < OW; ow++) {
            vec at = eload(win + ow * V);
            vec dz = eload(dy + ow * V) * vslope(kind, vfma(at, scale, shift));
            if (t->keep)
                dz = vpick(keep_of_winner(t, 2 * (oh * (size_t)t->W + ow), index[2 * ow],
                                          index[2 * ow + 1]),
                           dz * factor, vset(0));
            estore(win + ow * V, dz);
            pair_add(&s, dz, at - mean);
        }
        pair_close(&s);
    }
    pair_store(&s, t->sum);
}

/* z where the slope is not 0, for the kinds whose inverse is trivial. */
ALWAYS vec inverse(enum activation kind, vec y)
{
    return kind == ACTIVATION_leaky_relu ? vpick(vgt(y, vset(0)), y, y * vset(100)) : y;
}

ALWAYS void sums_pool(const struct fused_task *t, enum activation kind)
{
    const vec beta = vload(t->coef + COEF_BETA * V);
    const size_t OW = (size_t)t->W / 2;
    struct pair_sum s[2] = {{{vset(0)}, {vset(0)}}, {{vset(0)}, {vset(0)}}};
    for (size_t oh = (size_t)t->row0; oh < (size_t)t->row1; oh++) {
        for (size_t ow = 0, i = oh * OW; ow < OW; ow++, i++) {
            vec y = eload((const elem *)t->y + i * V);
            vec dz = eload((const elem *)t->dy + i * V) * vslope_y(kind, y);
            pair_add(&s[ow & 1], dz, inverse(kind, y) - beta);
        }
        pair_close(&s[0]);
        pair_close(&s[1]);
    }
    s[0].whole[0] += s[1].whole[0];
    s[0].whole[1] += s[1].whole[1];
    pair_store(&s[0], t->sum);
}

ALWAYS void sums_gather(const struct fused_task *t, enum activation kind)
{
    const vec scale = vload(t->coef + COEF_SCALE * V), shift = vload(t->coef + COEF_SHIFT * V);
    const vec mean = vload(t->coef + COEF_MEAN * V);
    const size_t W = (size_t)t->W, OW = W / 2;
    struct pair_sum s = {{vset(0)}, {vset(0)}};
    for (size_t oh = (size_t)t->row0; oh < (size_t)t->row1; oh++) {
        const elem *x0 = (const elem *)t->x + 2 * oh * W * V, *x1 = x0 + W * V;
        const elem *dy = (const elem *)t->dy + oh * OW * V;
        const vword *index = (const vword *)t->index + 2 * oh * OW;
        for (size_t ow = 0; ow < OW; ow++, x0 += 2 * V, x1 += 2 * V) {
            const vec x[4] = {eload(x0), eload(x0 + V), eload(x1), eload(x1 + V)};
            struct best b = {.low = vmask_of(index[2 * ow]),
                             .high = vmask_of(index[2 * ow + 1])};
            vec at = take(&b, x);
            pair_add(&s, eload(dy + ow * V) * vslope(kind, vfma(at, scale, shift)), at - mean);
        }
        pair_close(&s);
    }
    pair_store(&s, t->sum);
}

ALWAYS void gradient(const struct fused_task *t, enum activation kind)
{
    const vec scale = vload(t->coef + COEF_SCALE * V), shift = vload(t->coef + COEF_SHIFT * V);
    const vec k = vload(t->coef + COEF_DZ * V), a = vload(t->coef + COEF_X * V);
    const vec c = vload(t->coef + COEF_ONE * V);
    const elem *x = t->x, *dy = t->dy;
    elem *dx = t->dx;
    size_t end = (size_t)t->row1 * (size_t)t->W;
    for (size_t i = (size_t)t->row0 * (size_t)t->W; i < end; i++) {
        vec at = eload(x + i * V), dz = dropped_gradient(t, i, eload(dy + i * V));
        dz *= vslope(kind, vfma(at, scale, shift));
        estore(dx + i * V, vfma(k, dz, vfma(a, at, c)));
    }
}

ALWAYS void gradient_y(const struct fused_task *t, enum activation kind)
{
    const vec k = vload(t->coef + COEF_DZ * V);
    const elem *y = t->y, *dy = t->dy;
    elem *dx = t->dx;
    size_t end = (size_t)t->row1 * (size_t)t->W;
    for (size_t i = (size_t)t->row0 * (size_t)t->W; i < end; i++)
        estore(dx + i * V, k * eload(dy + i * V) * vslope_y(kind, eload(y + i * V)));
}

/* Pixels that no window holds: the last column and row of odd extents. */
ALWAYS void gradient_rest(const struct fused_task *t, size_t first, size_t count, bool affine)
{
    const vec a = vload(t->coef + COEF_X * V), c = vload(t->coef + COEF_ONE * V);
    for (size_t i = first; i < first + count; i++)
        estore((elem *)t->dx + i * V,
               affine ? vfma(a, eload((const elem *)t->x + i * V), c) : vset(0));
}

ALWAYS void gradient_pool(const struct fused_task *t, enum activation kind, bool affine)
{
    const vec k = vload(t->coef + COEF_DZ * V), a = vload(t->coef + COEF_X * V);
    const vec c = vload(t->coef + COEF_ONE * V);
    const size_t W = (size_t)t->W, OW = W / 2;
    for (size_t oh = (size_t)t->row0; oh < (size_t)t->row1; oh++) {
        const elem *x0 = (const elem *)t->x + 2 * oh * W * V, *x1 = x0 + W * V;
        elem *d0 = (elem *)t->dx + 2 * oh * W * V, *d1 = d0 + W * V;
        const elem *y = (const elem *)t->y + oh * OW * V,
                   *dy = (const elem *)t->dy + oh * OW * V;
        const vword *index = (const vword *)t->index + 2 * oh * OW;
        for (size_t ow = 0; ow < OW; ow++) {
            size_t at = 2 * ow * V;
            vec dz = k * eload(dy + ow * V);
            if (kind != ACTIVATION_identity)
                dz *= vslope_y(kind, eload(y + ow * V));
            vmask low = vmask_of(index[2 * ow]), high = vmask_of(index[2 * ow + 1]);
            vec r[4] = {vset(0), vset(0), vset(0), vset(0)};
            if (affine) {
                r[0] = vfma(a, eload(x0 + at), c);
                r[1] = vfma(a, eload(x0 + at + V), c);
                r[2] = vfma(a, eload(x1 + at), c);
                r[3] = vfma(a, eload(x1 + at + V), c);
            }
            estore(d0 + at, vadd_where(vand(vnot(high), vnot(low)), r[0], dz));
            estore(d0 + at + V, vadd_where(vand(vnot(high), low), r[1], dz));
            estore(d1 + at, vadd_where(vand(high, vnot(low)), r[2], dz));
            estore(d1 + at + V, vadd_where(vand(high, low), r[3], dz));
        }
        if (W & 1) {
            gradient_rest(t, (2 * oh + 1) * W - 1, 1, affine);
            gradient_rest(t, (2 * oh + 2) * W - 1, 1, affine);
        }
    }
    if ((t->H & 1) && t->row1 == t->H / 2)
        gradient_rest(t, (size_t)(t->H - 1) * W, W, affine);
}
