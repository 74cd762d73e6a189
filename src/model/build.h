/* How an architecture's file adds its nodes. Each function takes the node that the new one reads and
 * returns the new one, NULL after the first error: calls nest without checks in between. A name is
 * appended to the scope that was entered; a NULL node is passed on. */
#ifndef MODEL_BUILD_H
#define MODEL_BUILD_H

#include "graph/op.h"
#include "model/model.h"
#include "op/activation.h"
#include "op/params.h"

#include <stdarg.h>

enum { BUILD_NAME_MAX = 128 };

/* The rows: each is defined at the foot of its family's file. */
#define MODEL(name) extern const struct architecture arch_##name;
#include "model/model.def"
#undef MODEL

struct builder {
    struct graph *graph;
    const struct model_config *cfg;
    const struct architecture *arch;
    int n_class;
    struct model *model;
    char scope[BUILD_NAME_MAX]; /* "layer1.0." */
    struct err *e;
};

/* Appends to the scope; returns what build_leave takes to go back. */
size_t build_enter(struct builder *b, const char *fmt, ...) PRINTF(2, 3);
void build_leave(struct builder *b, size_t mark);

struct node *build_node(struct builder *b, const struct op *op, const char *name,
                        const void *param, struct node *const *in, int n_in);
/* One input; param may be NULL. */
struct node *build_op(struct builder *b, struct node *x, const char *name, const struct op *op,
                      const void *param);

/* Zero is the usual: stride 1, one group, padding that keeps the size of an odd kernel. */
struct conv {
    int out, kernel;
    int kernel_w; /* 0 = kernel */
    int stride, groups, pad;
    bool valid; /* no padding */
    bool bias;
};
struct node *build_conv(struct builder *b, struct node *x, const char *name,
                        const struct conv *c);
#define conv(b, x, name, ...) build_conv(b, x, name, &(struct conv){__VA_ARGS__})

struct node *build_linear(struct builder *b, struct node *x, const char *name, int out);
struct node *build_batch_norm(struct builder *b, struct node *x, const char *name,
                              struct batch_norm_param p);
struct node *build_layer_norm(struct builder *b, struct node *x, const char *name, float eps);
struct node *build_act(struct builder *b, struct node *x, const char *name,
                       enum activation kind);
struct node *build_dropout(struct builder *b, struct node *x, const char *name, double p);
struct node *build_stochastic_depth(struct builder *b, struct node *x, const char *name,
                                    double p);

struct pool {
    int kernel, stride, pad;
    bool ceil_mode;
};
struct node *build_pool(struct builder *b, struct node *x, const char *name,
                        const struct op *op, const struct pool *p);
#define max_pool(b, x, name, ...)                                                              \
    build_pool(b, x, name, &op_max_pool, &(struct pool){__VA_ARGS__})
#define avg_pool(b, x, name, ...)                                                              \
    build_pool(b, x, name, &op_avg_pool, &(struct pool){__VA_ARGS__})
/* To side x side cells. */
struct node *build_adaptive_pool(struct builder *b, struct node *x, const char *name, int side);
struct node *build_flatten(struct builder *b, struct node *x);

struct node *build_add(struct builder *b, struct node *x, struct node *y, const char *name);
struct node *build_concat(struct builder *b, const char *name, struct node *const *x, int n);

/* Notes that the block called so (after the scope) ends with x; returns x. */
struct node *build_block(struct builder *b, struct node *x, const char *fmt, ...) PRINTF(3, 4);
/* The same for the logits of an auxiliary head. */
void build_aux(struct builder *b, struct node *logits);

/* What torch.nn.init makes of the weight (the first tensor) and the bias of a node. */
void init_kaiming_normal(struct node *n, bool fan_out);
void init_kaiming_uniform(struct node *n); /* fan in, slope 0 */
void init_xavier_uniform(struct node *n);
void init_normal(struct node *n, double deviation);
void init_uniform(struct node *n, double bound);
void init_bias(struct node *n, double deviation); /* 0: zeros */

#endif
