/* Closed formulas of cnn5 with m filters of k x k in each of its five blocks, one dense layer of n
 * neurons, an H x W input and K classes; H and W multiples of 32. */
#ifndef MODEL_CNN5_FORMULA_H
#define MODEL_CNN5_FORMULA_H

#include <stdbool.h>
#include <stdint.h>

struct cnn5_formula {
    int64_t m, k, n, H, W, K;
};

/* k^2 (3m + 4m^2) + (HW/1024 mn + n) + (Kn + K): weights of the convolutions, the dense layer and
 * the output; 64mn and 10n + 10 for 256 x 256 and ten classes. */
static inline int64_t formula_parameters(const struct cnn5_formula *f)
{
    int64_t cells = f->H / 32 * (f->W / 32);
    return f->k * f->k * (3 * f->m + 4 * f->m * f->m) + (cells * f->m * f->n + f->n) +
           (f->K * f->n + f->K);
}
/* The terms it leaves out. */
static inline int64_t formula_conv_biases(const struct cnn5_formula *f)
{
    return 5 * f->m;
}
static inline int64_t formula_batch_norm(const struct cnn5_formula *f)
{
    return 10 * f->m;
}
/* k^2 HW (3m + 85 m^2 / 256) + n (HW/1024 m + K): multiply-adds of one picture; 85/256 is
 * 1/4 + 1/16 + 1/64 + 1/256, what four pools leave. */
static inline int64_t formula_macs(const struct cnn5_formula *f)
{
    int64_t cells = f->H / 32 * (f->W / 32), HW = f->H * f->W;
    return f->k * f->k * (HW * 3 * f->m + HW / 256 * 85 * f->m * f->m) +
           f->n * (cells * f->m + f->K);
}

#endif
