/* Included by layer_norm_f32.c and layer_norm_bf16.c, which define NORM_TABLE, after `elem`. */

/* Vector j of a row as floats; past D zeros. */
ALWAYS vec row_load(const struct norm_task *t, const elem *row, int j)
{
    const elem *at = row + (size_t)j * t->step;
    int left = t->D - j * V;
    return left >= V ? eloadu(at) : eload_some(at, (size_t)left);
}

ALWAYS void row_store(const struct norm_task *t, elem *row, int j, vec v)
{
    elem *at = row + (size_t)j * t->step;
    int left = t->D - j * V;
    if (left >= V || t->padded)
        estoreu(at, v);
    else
        estore_some(at, v, (size_t)left);
}

/* (D) floats, past D zeros. */
ALWAYS vec weight_load(const struct norm_task *t, const float *w, int j)
{
    float some[V] = {0};
    if (t->D - j * V >= V)
        return vloadu(w + j * V);
    memcpy(some, w + j * V, (size_t)(t->D - j * V) * sizeof(float));
    return vloadu(some);
}

/* 1 in lanes that hold a feature, else 0. */
ALWAYS vec real_lanes(const struct norm_task *t, int j)
{
    float real[V];
    for (int l = 0; l < V; l++)
        real[l] = j * V + l < t->D ? 1 : 0;
    return vloadu(real);
}

struct moments {
    float mean, inverse; /* 1 / the standard deviation */
};

ALWAYS struct moments measure(const struct norm_task *t, const elem *row, int vectors, vec last)
{
    vec sum = vset(0), square = vset(0);
    for (int j = 0; j < vectors; j++)
        sum += row_load(t, row, j);
    float mean = vsum(sum) / (float)t->D;
    for (int j = 0; j < vectors; j++) {
        vec d = row_load(t, row, j) - vset(mean);
        if (j == vectors - 1)
            d *= last;
        square = vfma(d, d, square);
    }
    return (struct moments){mean, 1 / sqrtf(vsum(square) / (float)t->D + t->eps)};
}

static void forward(const struct norm_task *t)
{
    int vectors = (t->D + V - 1) / V;
    const vec last = real_lanes(t, vectors - 1);
    for (int i = 0; i < t->n_row; i++) {
        const elem *x = (const elem *)t->x + (size_t)i * t->row;
        elem *y = (elem *)t->y + (size_t)i * t->row;
        struct moments m = measure(t, x, vectors, last);
        for (int j = 0; j < vectors; j++) {
            vec xhat = (row_load(t, x, j) - vset(m.mean)) * vset(m.inverse);
            row_store(t, y, j,
                      vfma(xhat, weight_load(t, t->gamma, j), weight_load(t, t->beta, j)));
        }
    }
}

/* dx = (g - mean g - xhat mean (g xhat)) / sigma with g = dy gamma. */
static void backward(const struct norm_task *t)
{
    int vectors = (t->D + V - 1) / V;
    const vec last = real_lanes(t, vectors - 1);
    for (int i = 0; i < t->n_row; i++) {
        const elem *x = (const elem *)t->x + (size_t)i * t->row;
        const elem *dy = (const elem *)t->dy + (size_t)i * t->row;
        elem *dx = t->dx ? (elem *)t->dx + (size_t)i * t->row : NULL;
        struct moments m = measure(t, x, vectors, last);
        vec sum = vset(0), product = vset(0);
        for (int j = 0; j < vectors; j++) {
            vec xhat = (row_load(t, x, j) - vset(m.mean)) * vset(m.inverse);
            vec d = row_load(t, dy, j), g = d * weight_load(t, t->gamma, j);
            sum += g;
            product = vfma(g, xhat, product);
            if (t->sum) {
                float *at = t->sum + j * V, *beta = at + vectors * V;
                vstoreu(at, vfma(d, xhat, vloadu(at)));
                vstoreu(beta, vloadu(beta) + d);
            }
        }
        const vec mean = vset(vsum(sum) / (float)t->D);
        const vec slope = vset(vsum(product) / (float)t->D);
        for (int j = 0; dx && j < vectors; j++) {
            vec xhat = (row_load(t, x, j) - vset(m.mean)) * vset(m.inverse);
            vec g = row_load(t, dy, j) * weight_load(t, t->gamma, j);
            vec d = (g - vfma(xhat, slope, mean)) * vset(m.inverse);
            row_store(t, dx, j, j == vectors - 1 ? d * last : d);
        }
    }
}

const struct norm_kernels NORM_TABLE = {forward, backward};
