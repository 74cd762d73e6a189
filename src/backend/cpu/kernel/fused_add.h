/* Included by fused_f32.c and fused_bf16.c after fused_backward.h:
 * z = factor (scale x + shift) + more. */

ALWAYS void forward_add(const struct fused_task *t, enum activation kind)
{
    const vec factor = vset(t->factor);
    const vec scale = vload(t->coef + COEF_SCALE * V) * factor;
    const vec shift = vload(t->coef + COEF_SHIFT * V) * factor;
    const vmask real = vgt(vload(t->coef + COEF_REAL * V), vset(0));
    const elem *x = t->x, *more = t->more;
    elem *y = t->y;
    size_t end = (size_t)t->row1 * (size_t)t->W;
    for (size_t i = (size_t)t->row0 * (size_t)t->W; i < end; i++) {
        vec z = vfma(eload(x + i * V), scale, shift) + eload(more + i * V);
        estore(y + i * V, vpick(real, vactivate(kind, z), vset(0)));
    }
}

ALWAYS void sums_add(const struct fused_task *t, enum activation kind, bool from_y)
{
    const vec factor = vset(t->factor);
    const vec scale = vload(t->coef + COEF_SCALE * V) * factor;
    const vec shift = vload(t->coef + COEF_SHIFT * V) * factor;
    const vec mean = vload(t->coef + COEF_MEAN * V);
    const elem *x = t->x, *y = t->y, *more = t->more;
    const void *part[GROUP_MAX_PART];
    const int n_part = t->n_part;
    elem *out = t->dz;
    struct pair_sum s[2] = {{{vset(0)}, {vset(0)}}, {{vset(0)}, {vset(0)}}};
    memcpy(part, t->part, sizeof(part)); /* stores do not alias it */
    for (size_t row = (size_t)t->row0; row < (size_t)t->row1; row++) {
        for (size_t w = 0, i = row * (size_t)t->W; w < (size_t)t->W; w++, i++) {
            vec at = eload(x + i * V), dz = eload((const elem *)part[0] + i * V);
            for (int k = 1; k < n_part; k++)
                dz += eload((const elem *)part[k] + i * V);
            dz *= from_y ? vslope_y(kind, eload(y + i * V))
                         : vslope(kind, vfma(at, scale, shift) + eload(more + i * V));
            estore(out + i * V, dz);
            pair_add(&s[w & 1], dz * factor, at - mean);
        }
        pair_close(&s[0]);
        pair_close(&s[1]);
    }
    s[0].whole[0] += s[1].whole[0];
    s[0].whole[1] += s[1].whole[1];
    pair_store(&s[0], t->sum);
}
