/* The loops around update.def, for whoever has defined REAL (the type computed in), SQRT and
 * UPDATE_NAME(f); gives the table UPDATE_NAME(update_kernels). */
#define UPDATE_LOAD_1  REAL s0 = slot0[i];
#define UPDATE_LOAD_2  UPDATE_LOAD_1 REAL s1 = slot1[i];
#define UPDATE_LOAD_3  UPDATE_LOAD_2 REAL s2 = slot2[i];
#define UPDATE_STORE_1 slot0[i] = (float)s0;
#define UPDATE_STORE_2 UPDATE_STORE_1 slot1[i] = (float)s1;
#define UPDATE_STORE_3 UPDATE_STORE_2 slot2[i] = (float)s2;

#define RULE(name, n_slot, ...)                                                                \
    static void name(const struct update_args *a)                                              \
    {                                                                                          \
        const struct update_coef coef = a->coef, *c = &coef;                                   \
        float *restrict weight = a->w, *restrict slot0 = a->slot[0],                           \
                        *restrict slot1 = a->slot[1], *restrict slot2 = a->slot[2];            \
        const float *restrict grad = a->g;                                                     \
        (void)slot1, (void)slot2;                                                              \
        for (size_t i = 0; i < a->n; i++) {                                                    \
            REAL w = weight[i], g = (REAL)grad[i] * c->scale + c->l2 * w;                      \
            UPDATE_LOAD_##n_slot w *= c->shrink;                                               \
            __VA_ARGS__                                                                        \
            weight[i] = (float)w;                                                              \
            UPDATE_STORE_##n_slot                                                              \
        }                                                                                      \
    }
#include "backend/update.def"
#undef RULE

enum { UPDATE_LANES = 16 }; /* partial sums: a fixed order of addition that vectors can keep */

static double sum_squares(const float *x, size_t n)
{
    double part[UPDATE_LANES] = {0}, sum = 0;
    size_t i = 0;
    for (; i + UPDATE_LANES <= n; i += UPDATE_LANES)
        for (size_t j = 0; j < UPDATE_LANES; j++)
            part[j] += (double)x[i + j] * x[i + j];
    for (; i < n; i++)
        sum += (double)x[i] * x[i];
    for (size_t j = 0; j < UPDATE_LANES; j++)
        sum += part[j];
    return sum;
}

static void add_scaled(float *restrict y, const float *restrict x, float a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (float)((REAL)y[i] + (REAL)a * x[i]);
}

static void lerp(float *restrict y, const float *restrict x, float a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (float)((REAL)y[i] + (REAL)a * ((REAL)x[i] - y[i]));
}

const struct update_kernels UPDATE_NAME(update_kernels) = {
    .rule = {sgd, adam, nadam, radam, rmsprop, adagrad, lion},
    .sum_squares = sum_squares,
    .add_scaled = add_scaled,
    .lerp = lerp,
};
