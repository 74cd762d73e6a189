#include "model/adapt.h"

#include "op/params.h"

#include <math.h>
#include <string.h>

/* The root of a square number, or 0. */
static int root(int n)
{
    int side = n > 0 ? (int)lround(sqrt((double)n)) : 0;
    return side * side == n ? side : 0;
}

/* Keys' cubic convolution (1981) with PyTorch's a = -0.75: weights of the cells at -1, 0, 1, 2 for a
 * point at t in [0, 1) behind cell 0. */
static void cubic(double t, double weight[4])
{
    static const double a = -0.75;
    double x[4] = {1 + t, t, 1 - t, 2 - t};
    for (int k = 0; k < 4; k++) {
        double d = x[k];
        weight[k] = d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1
                           : ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
    }
}

/* One line of `to` cells out of `from`, each cell D floats, `step` floats apart; the ends meet. */
struct line {
    int from, to, D;
    size_t step;
};

static void resample(const struct line *l, const float *from, float *to)
{
    double scale = l->to > 1 ? (double)(l->from - 1) / (l->to - 1) : 0;
    for (int i = 0; i < l->to; i++) {
        int cell = (int)(scale * i);
        double weight[4];
        cubic(scale * i - cell, weight);
        float *out = to + (size_t)i * l->step;
        memset(out, 0, (size_t)l->D * sizeof(*out));
        for (int k = 0; k < 4; k++) {
            int at = cell + k - 1;
            at = at < 0 ? 0 : at >= l->from ? l->from - 1 : at;
            const float *in = from + (size_t)at * l->step;
            for (int d = 0; d < l->D; d++)
                out[d] += (float)weight[k] * in[d];
        }
    }
}

/* (side, side, D) to (wanted, wanted, D): along the rows, then along the columns. */
static bool resample_grid(const float *from, int side, float *to, int wanted, int D,
                          struct err *e)
{
    size_t row = (size_t)D;
    float *wide = mem_new((size_t)side * (size_t)wanted, row * sizeof(*wide), e);
    if (!wide)
        return false;
    for (int y = 0; y < side; y++)
        resample(&(struct line){side, wanted, D, row}, from + (size_t)(y * side) * row,
                 wide + (size_t)(y * wanted) * row);
    for (int x = 0; x < wanted; x++)
        resample(&(struct line){side, wanted, D, (size_t)wanted * row}, wide + (size_t)x * row,
                 to + (size_t)x * row);
    mem_free(wide);
    return true;
}

bool model_adapt(const struct node *n, int i, const float *from, const struct shape *shape,
                 float *to, struct err *e)
{
    const struct shape *own = &n->weight[i].shape;
    bool grid = n->op == &op_position_embedding && shape->rank == 3 && shape->dim[0] == 1 &&
                shape->dim[2] == own->dim[2];
    int side = grid ? root(shape->dim[1] - 1) : 0, wanted = grid ? root(own->dim[1] - 1) : 0;
    if (side == 0 || wanted == 0) {
        char is[64], want[64], name[128];
        weight_name(n, i, name, sizeof(name));
        /* shape_text leaves the first extent out */
        return err_set(e, ERR_MODEL, "%s is %dx%s, expected %dx%s", name,
                       shape->rank ? shape->dim[0] : 1, shape_text(shape, is, sizeof(is)),
                       own->rank ? own->dim[0] : 1, shape_text(own, want, sizeof(want)));
    }
    size_t D = (size_t)own->dim[2];
    memcpy(to, from, D * sizeof(*to));
    return resample_grid(from + D, side, to + D, wanted, (int)D, e);
}
