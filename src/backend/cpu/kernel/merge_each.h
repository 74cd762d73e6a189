/* Included by merge_f32.c and merge_bf16.c, which define MERGE_TABLE, after `elem`. */

/* z of V elements, or of the last ones. */
ALWAYS vec sum_at(const void *const *in, int n_in, size_t i, size_t n)
{
    vec z = n == V ? eload((const elem *)in[0] + i) : eload_some((const elem *)in[0] + i, n);
    for (int k = 1; k < n_in; k++)
        z += n == V ? eload((const elem *)in[k] + i) : eload_some((const elem *)in[k] + i, n);
    return z;
}

ALWAYS void forward(enum activation kind, const void *const *in, int n_in, void *y,
                    size_t count)
{
    size_t i = 0;
    for (; i + V <= count; i += V)
        estore((elem *)y + i, vactivate(kind, sum_at(in, n_in, i, V)));
    if (i < count)
        estore_some((elem *)y + i, vactivate(kind, sum_at(in, n_in, i, count - i)), count - i);
}

ALWAYS vec slope(enum activation kind, bool from_y, vec v)
{
    return from_y ? vslope_y(kind, v) : vslope(kind, v);
}

ALWAYS void gradient(enum activation kind, bool from_y, const void *const *in, int n_in,
                     const void *const *part, int n_part, elem *dx, size_t count)
{
    size_t i = 0;
    for (; i + V <= count; i += V)
        estore(dx + i,
               sum_at(part, n_part, i, V) * slope(kind, from_y, sum_at(in, n_in, i, V)));
    if (i < count) {
        size_t n = count - i;
        vec s = slope(kind, from_y, sum_at(in, n_in, i, n));
        estore_some(dx + i, sum_at(part, n_part, i, n) * s, n);
    }
}

static void product(const void *a, const void *b, void *y, size_t count)
{
    size_t i = 0;
    for (; i + V <= count; i += V)
        estore((elem *)y + i, eload((const elem *)a + i) * eload((const elem *)b + i));
    if (i < count)
        estore_some((elem *)y + i,
                    eload_some((const elem *)a + i, count - i) *
                        eload_some((const elem *)b + i, count - i),
                    count - i);
}

static void scale(const void *x, const float *factor, void *y, size_t n_pixel)
{
    const vec f = vloadu(factor);
    for (size_t i = 0; i < n_pixel; i++)
        estore((elem *)y + i * V, eload((const elem *)x + i * V) * f);
}

/* Blocks bound how many small numbers are added to one big one. */
static void scale_back(const void *x, const void *dy, const float *factor, void *dx, float *sum,
                       size_t n_pixel)
{
    enum { BLOCK = 256 };
    const vec f = vloadu(factor);
    vec whole = vset(0);
    for (size_t i = 0; i < n_pixel;) {
        size_t end = n_pixel - i > BLOCK ? i + BLOCK : n_pixel;
        vec block = vset(0);
        for (; i < end; i++) {
            vec d = eload((const elem *)dy + i * V);
            block = vfma(d, eload((const elem *)x + i * V), block);
            if (dx)
                estore((elem *)dx + i * V, d * f);
        }
        whole += block;
    }
    vstoreu(sum, whole);
}

#define ACTIVATION(name, from_y, f, s)                                                         \
    static void forward_##name(const void *const *in, int n_in, void *y, size_t count)         \
    {                                                                                          \
        forward(ACTIVATION_##name, in, n_in, y, count);                                        \
    }                                                                                          \
    static void gradient_##name(const void *const *in, int n_in, const void *const *part,      \
                                int n_part, void *dx, size_t count)                            \
    {                                                                                          \
        gradient(ACTIVATION_##name, false, in, n_in, part, n_part, dx, count);                 \
    }                                                                                          \
    static void gradient_y_##name(const void *const *in, int n_in, const void *const *part,    \
                                  int n_part, void *dx, size_t count)                          \
    {                                                                                          \
        gradient(ACTIVATION_##name, true, in, n_in, part, n_part, dx, count);                  \
    }
#include "op/activation.def"
#undef ACTIVATION

const struct merge_kernels MERGE_TABLE = {
    .product = product,
    .scale = scale,
    .scale_back = scale_back,
#define ACTIVATION(name, from_y, f, s) forward_##name,
    .forward =
        {
#include "op/activation.def"
        },
#undef ACTIVATION
#define ACTIVATION(name, from_y, f, s) gradient_##name,
    .gradient =
        {
#include "op/activation.def"
        },
#undef ACTIVATION
#define ACTIVATION(name, from_y, f, s) from_y ? gradient_y_##name : NULL,
    .gradient_y =
        {
#include "op/activation.def"
        },
#undef ACTIVATION
};
