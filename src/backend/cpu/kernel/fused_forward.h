/* Included by fused_f32.c and fused_bf16.c after `elem`, eload and estore: the forward half. */

/* The first largest of four. */
struct best {
    vec v;
    vmask low, high; /* bits of its index */
};
ALWAYS struct best best_of(const vec v[4])
{
    vmask m1 = vbeats(v[1], v[0]);
    vec b = vpick(m1, v[1], v[0]);
    vmask m2 = vbeats(v[2], b);
    b = vpick(m2, v[2], b);
    vmask m3 = vbeats(v[3], b);
    return (struct best){vpick(m3, v[3], b), vor(m3, vand(m1, vnot(m2))), vor(m2, m3)};
}
ALWAYS vec take(const struct best *b, const vec v[4])
{
    return vpick(b->high, vpick(b->low, v[3], v[2]), vpick(b->low, v[1], v[0]));
}

/* How the maximum of f over a window is found: f of each; where f rises, f of the largest; where
 * it falls to one minimum and then rises, the better of f(smallest) and f(largest). */
enum course { COURSE_EACH, COURSE_RISES, COURSE_VALLEY };
ALWAYS enum course course_of(enum activation kind)
{
    switch (kind) {
    case ACTIVATION_relu:
    case ACTIVATION_hardswish:
    case ACTIVATION_relu6:
    case ACTIVATION_hardsigmoid:
        return COURSE_EACH; /* flat parts: equal values, of which the first wins */
    case ACTIVATION_gelu:
    case ACTIVATION_gelu_tanh:
    case ACTIVATION_silu:
    case ACTIVATION_mish:
        return COURSE_VALLEY;
    case ACTIVATION_identity:
    case ACTIVATION_leaky_relu:
    case ACTIVATION_elu:
    case ACTIVATION_sigmoid:
    case ACTIVATION_tanh:
    case ACTIVATION_COUNT:
        break;
    }
    return COURSE_RISES;
}

ALWAYS struct best best_each(enum activation kind, const vec z[4])
{
    vec f[4];
    for (int i = 0; i < 4; i++)
        f[i] = vactivate(kind, z[i]);
    return best_of(f);
}
ALWAYS struct best best_rises(enum activation kind, const vec z[4])
{
    struct best b = best_of(z);
    b.v = vactivate(kind, b.v);
    return b;
}
ALWAYS struct best best_valley(enum activation kind, const vec z[4])
{
    struct best top = best_rises(kind, z);
    vec minus[4];
    for (int i = 0; i < 4; i++)
        minus[i] = -z[i];
    struct best bottom = best_of(minus);
    bottom.v = vactivate(kind, -bottom.v);
    vmask earlier =
        vor(vand(vnot(bottom.high), top.high),
            vand(vand(vor(vnot(bottom.high), top.high), vnot(bottom.low)), top.low));
    vmask m = vor(vgt(bottom.v, top.v), vand(veq(bottom.v, top.v), earlier));
    return (struct best){vpick(m, bottom.v, top.v),
                         vor(vand(m, bottom.low), vand(vnot(m), top.low)),
                         vor(vand(m, bottom.high), vand(vnot(m), top.high))};
}

ALWAYS vmask keep_at(const struct fused_task *t, size_t pixel)
{
    return vmask_of(((const vword *)t->keep)[pixel * (size_t)t->keep_step]);
}
ALWAYS struct best best_dropped(const struct fused_task *t, enum activation kind,
                                const vec z[4], size_t pixel)
{
    const size_t at[4] = {pixel, pixel + 1, pixel + (size_t)t->W, pixel + (size_t)t->W + 1};
    vec f[4];
    for (int i = 0; i < 4; i++)
        f[i] = vpick(keep_at(t, at[i]), vactivate(kind, z[i]) * vset(t->factor), vset(0));
    return best_of(f);
}

ALWAYS void forward_pool(const struct fused_task *t, enum activation kind, bool dropped)
{
    const size_t W = (size_t)t->W, OW = W / 2;
    const vec scale = vload(t->coef + COEF_SCALE * V), shift = vload(t->coef + COEF_SHIFT * V);
    const vmask real = vgt(vload(t->coef + COEF_REAL * V), vset(0));
    for (size_t oh = (size_t)t->row0; oh < (size_t)t->row1; oh++) {
        const elem *x0 = (const elem *)t->x + 2 * oh * W * V, *x1 = x0 + W * V;
        elem *y = (elem *)t->y + oh * OW * V;
        elem *win = t->win ? (elem *)t->win + oh * OW * V : NULL;
        vword *index = t->index ? (vword *)t->index + 2 * oh * OW : NULL;
        for (size_t ow = 0; ow < OW; ow++, x0 += 2 * V, x1 += 2 * V) {
            const vec x[4] = {eload(x0), eload(x0 + V), eload(x1), eload(x1 + V)};
            vec z[4];
            for (int i = 0; i < 4; i++)
                z[i] = vfma(x[i], scale, shift);
            struct best b = dropped ? best_dropped(t, kind, z, 2 * oh * W + 2 * ow)
                            : course_of(kind) == COURSE_EACH   ? best_each(kind, z)
                            : course_of(kind) == COURSE_VALLEY ? best_valley(kind, z)
                                                               : best_rises(kind, z);
            estore(y + ow * V, vpick(real, b.v, vset(0)));
            if (index) {
                index[2 * ow] = vbits(b.low);
                index[2 * ow + 1] = vbits(b.high);
            }
            if (win)
                estore(win + ow * V, take(&b, x));
        }
    }
}

ALWAYS void forward(const struct fused_task *t, enum activation kind)
{
    const vec scale = vload(t->coef + COEF_SCALE * V), shift = vload(t->coef + COEF_SHIFT * V);
    const vmask real = vgt(vload(t->coef + COEF_REAL * V), vset(0));
    const vec factor = vset(t->factor);
    const elem *x = t->x;
    elem *y = t->y;
    size_t end = (size_t)t->row1 * (size_t)t->W;
    for (size_t i = (size_t)t->row0 * (size_t)t->W; i < end; i++) {
        vec v = vactivate(kind, vfma(eload(x + i * V), scale, shift));
        if (t->keep)
            v = vpick(keep_at(t, i), v * factor, vset(0));
        estore(y + i * V, vpick(real, v, vset(0)));
    }
}

/* Sums of what differs from the first pixel, in blocks that bound how many small numbers are
 * added to one big one. */
static void moments(const struct fused_task *t)
{
    enum { LINES = 4, BLOCK = 256 };
    size_t i = (size_t)t->row0 * (size_t)t->W, end = (size_t)t->row1 * (size_t)t->W;
    const elem *x = t->x;
    const float n = (float)(end - i);
    const vec origin = eload(x + i * V);
    vec sum = vset(0), square = vset(0);
    while (i < end) {
        size_t stop = end - i > BLOCK ? i + BLOCK : end;
        vec s[LINES] = {vset(0)}, q[LINES] = {vset(0)};
        for (; i + LINES <= stop; i += LINES)
            for (size_t l = 0; l < LINES; l++) {
                vec d = eload(x + (i + l) * V) - origin;
                s[l] += d;
                q[l] = vfma(d, d, q[l]);
            }
        for (; i < stop; i++) {
            vec d = eload(x + i * V) - origin;
            s[0] += d;
            q[0] = vfma(d, d, q[0]);
        }
        sum += (s[0] + s[1]) + (s[2] + s[3]);
        square += (q[0] + q[1]) + (q[2] + q[3]);
    }
    vec mean = sum / vset(n);
    vstore(t->sum, origin + mean);
    vstore(t->sum + V, vfma(-sum, mean, square));
}
