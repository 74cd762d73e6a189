/* A fused group as fused.c (plans, tasks, passes), fused_add.c (the passes with an add inside) and
 * fused_stats.c (batch norm's statistics and sums) see it. */
#ifndef BACKEND_CPU_FUSED_GROUP_H
#define BACKEND_CPU_FUSED_GROUP_H

#include "backend/backend.h"
#include "backend/cpu/fused.h"
#include "op/params.h"

struct fused {
    const struct batch_norm_param *norm;
    const struct node *drop;  /* dropout or dropout2d, active, or NULL */
    const struct node *depth; /* stochastic depth before the add, the same */
    bool adds, pool;
    enum activation kind;
    bool statistics; /* of the batch, not the running ones */
    bool from_y;     /* backward takes z or the slope from y */
    const struct fused_kernels *kernels;
    void (*draw)(const struct fused_draw *d);
    int V, C, CB, H, W, n_band, band_rows; /* of y when pooled, else of x */
    size_t elem, in_plane, out_plane;      /* bytes */
    size_t win_at, index_at, keep_at;      /* in saved, after the coefficients */
    float factor;
};

/* One pass over a tensor: fn on the rows of every band. */
struct sweep {
    const struct group *g;
    const struct fused *f;
    fused_fn *fn;
    fused_fn *instead;  /* of fn where gamma is nearly 0 */
    const void *dy;     /* when it is not out's gradient; laid out like y */
    bool all_rows;      /* of x, also when pooled */
    bool back_to_front; /* what the last sweep left in the cache comes first */
};

/* fused.c */
MUST_CHECK bool fused_plan(struct group *g, struct err *e); /* as kernel->plan */
void fused_sweep(const struct sweep *s);

/* fused_stats.c */
float *fused_coef_of(const struct group *g, const struct fused *f,
                     int cb); /* (COEF_COUNT, V) */
/* Is z not to be had from y in these channels? */
bool fused_gamma_is_small(const struct fused *f, const struct group *g, int cb);
/* Those of forward, from the batch's statistics, which a pass over x takes, or the running ones. */
void fused_set_coefs(struct group *g, const struct fused *f);
/* After a pass that took the sums of dz: gradients of gamma and beta, and the coefficients of dx. */
void fused_close_sums(const struct sweep *s);

#endif
