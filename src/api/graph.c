/* Graphs by JSON: one object a node, whose keys are the fields of its op's parameter struct. */
#include "api/api.h"

#include "base/json.h"
#include "op/activation.h"
#include "op/params.h"

#include <stddef.h>
#include <string.h>

enum field_type {
    FIELD_INT,
    FIELD_PAIR,
    FIELD_BOOL,
    FIELD_REAL,
    FIELD_REALS,
    FIELD_ACTIVATION
};

struct field {
    const struct op *op;
    const char *key;
    enum field_type type;
    size_t offset;
};

/* A pair is one number for both, or [height, width]; the two ints lie side by side. */
/* clang-format off */
static const struct field fields[] = {
    {&op_input,             "u8",              FIELD_BOOL,  offsetof(struct input_param, u8)},
    {&op_normalize,         "mean",            FIELD_REALS, offsetof(struct normalize_param, mean)},
    {&op_normalize,         "std",             FIELD_REALS, offsetof(struct normalize_param, std)},
    {&op_conv2d,            "out",             FIELD_INT,   offsetof(struct conv2d_param, out)},
    {&op_conv2d,            "kernel",          FIELD_PAIR,  offsetof(struct conv2d_param, kernel_h)},
    {&op_conv2d,            "stride",          FIELD_PAIR,  offsetof(struct conv2d_param, stride_h)},
    {&op_conv2d,            "pad",             FIELD_PAIR,  offsetof(struct conv2d_param, pad_h)},
    {&op_conv2d,            "dilation",        FIELD_PAIR,  offsetof(struct conv2d_param, dilation_h)},
    {&op_conv2d,            "groups",          FIELD_INT,   offsetof(struct conv2d_param, groups)},
    {&op_conv2d,            "no_bias",         FIELD_BOOL,  offsetof(struct conv2d_param, no_bias)},
    {&op_linear,            "out",             FIELD_INT,   offsetof(struct linear_param, out)},
    {&op_linear,            "no_bias",         FIELD_BOOL,  offsetof(struct linear_param, no_bias)},
    {&op_max_pool,          "kernel",          FIELD_PAIR,  offsetof(struct pool_param, kernel_h)},
    {&op_max_pool,          "stride",          FIELD_PAIR,  offsetof(struct pool_param, stride_h)},
    {&op_max_pool,          "pad",             FIELD_PAIR,  offsetof(struct pool_param, pad_h)},
    {&op_max_pool,          "ceil_mode",       FIELD_BOOL,  offsetof(struct pool_param, ceil_mode)},
    {&op_avg_pool,          "kernel",          FIELD_PAIR,  offsetof(struct pool_param, kernel_h)},
    {&op_avg_pool,          "stride",          FIELD_PAIR,  offsetof(struct pool_param, stride_h)},
    {&op_avg_pool,          "pad",             FIELD_PAIR,  offsetof(struct pool_param, pad_h)},
    {&op_avg_pool,          "ceil_mode",       FIELD_BOOL,  offsetof(struct pool_param, ceil_mode)},
    {&op_avg_pool,          "exclude_pad",     FIELD_BOOL,  offsetof(struct pool_param, exclude_pad)},
    {&op_adaptive_avg_pool, "out",             FIELD_PAIR,  offsetof(struct adaptive_pool_param, out_h)},
    {&op_batch_norm,        "eps",             FIELD_REAL,  offsetof(struct batch_norm_param, eps)},
    {&op_batch_norm,        "momentum",        FIELD_REAL,  offsetof(struct batch_norm_param, momentum)},
    {&op_activation,        "kind",            FIELD_ACTIVATION, offsetof(struct activation_param, kind)},
    {&op_dropout,           "p",               FIELD_REAL,  offsetof(struct dropout_param, p)},
    {&op_dropout2d,         "p",               FIELD_REAL,  offsetof(struct dropout_param, p)},
    {&op_stochastic_depth,  "p",               FIELD_REAL,  offsetof(struct dropout_param, p)},
    {&op_layer_norm,        "eps",             FIELD_REAL,  offsetof(struct layer_norm_param, eps)},
    {&op_attention,         "heads",           FIELD_INT,   offsetof(struct attention_param, heads)},
    {&op_layer_scale,       "value",           FIELD_REAL,  offsetof(struct layer_scale_param, value)},
    {&op_cross_entropy,     "label_smoothing", FIELD_REAL,  offsetof(struct cross_entropy_param, label_smoothing)},
};
/* clang-format on */

enum { PARAM_MAX = 128 };

union param {
    struct input_param input;
    char byte[PARAM_MAX];
};

static bool bad_value(const char *key, const char *expected, struct err *e)
{
    return err_set(e, ERR_USAGE, "%s: expected %s", key, expected);
}

static bool set_pair(int *at, const struct field *f, const struct json *v, struct err *e)
{
    if (v->type == JSON_NUMBER && v->is_int) {
        at[0] = at[1] = (int)v->i;
        return true;
    }
    if (v->type != JSON_ARRAY || v->n != 2 || !v->item[0].is_int || !v->item[1].is_int)
        return bad_value(f->key, "a whole number, or [height, width]", e);
    at[0] = (int)v->item[0].i;
    at[1] = (int)v->item[1].i;
    return true;
}

static bool set_reals(float *at, const struct field *f, const struct json *v, struct err *e)
{
    if (v->type != JSON_ARRAY || v->n < 1 || v->n > 4)
        return bad_value(f->key, "one to four numbers, one a channel", e);
    for (int i = 0; i < v->n; i++)
        at[i] = (float)v->item[i].number;
    return true;
}

static bool set_activation(int *at, const struct json *v, struct err *e)
{
    for (int i = 0; v->type == JSON_STRING && i < ACTIVATION_COUNT; i++)
        if (!strcmp(activation_name[i], v->text)) {
            *at = i;
            return true;
        }
    return err_set(e, ERR_USAGE, "unknown activation %s",
                   v->type == JSON_STRING ? v->text : "(not a text)");
}

static bool set_field(union param *p, const struct field *f, const struct json *v,
                      struct err *e)
{
    void *at = p->byte + f->offset;
    switch (f->type) {
    case FIELD_INT:
        if (v->type != JSON_NUMBER || !v->is_int)
            return bad_value(f->key, "a whole number", e);
        *(int *)at = (int)v->i;
        return true;
    case FIELD_PAIR:
        return set_pair(at, f, v, e);
    case FIELD_BOOL:
        if (v->type != JSON_BOOL)
            return bad_value(f->key, "true or false", e);
        *(bool *)at = v->b;
        return true;
    case FIELD_REAL:
        if (v->type != JSON_NUMBER)
            return bad_value(f->key, "a number", e);
        *(float *)at = (float)v->number;
        return true;
    case FIELD_REALS:
        return set_reals(at, f, v, e);
    case FIELD_ACTIVATION:
        return set_activation(at, v, e);
    }
    return false;
}

/* "shape": [C, H, W] of an input, without the batch. */
static bool set_shape(struct shape *s, const struct json *v, struct err *e)
{
    if (!v || v->type != JSON_ARRAY || v->n < 1 || v->n >= SHAPE_MAX_RANK)
        return bad_value("shape", "one to four extents, without the batch", e);
    s->rank = v->n + 1;
    s->dim[0] = 1;
    for (int i = 0; i < v->n; i++)
        s->dim[i + 1] = (int)v->item[i].i;
    return true;
}

static bool read_param(const struct op *op, const struct json *node, union param *p,
                       struct err *e)
{
    static const char *const common[] = {"op", "name", "in", "shape"};
    if (op == &op_input && !set_shape(&p->input.shape, json_get(node, "shape"), e))
        return false;
    for (int i = 0; i < node->n; i++) {
        bool known = false;
        for (size_t k = 0; k < sizeof(common) / sizeof(*common); k++)
            known |= !strcmp(node->key[i], common[k]);
        for (size_t k = 0; k < sizeof(fields) / sizeof(*fields); k++)
            if (fields[k].op == op && !strcmp(fields[k].key, node->key[i])) {
                known = true;
                if (!set_field(p, &fields[k], &node->item[i], e))
                    return false;
            }
        if (!known)
            return err_set(e, ERR_USAGE, "%s has no parameter %s", op->name, node->key[i]);
    }
    return true;
}

static bool find_inputs(const struct graph *g, const struct json *in, struct node **node,
                        int *n, struct err *e)
{
    *n = in && in->type == JSON_ARRAY ? in->n : 0;
    if (*n > NODE_MAX_IN)
        return err_set(e, ERR_USAGE, "%d inputs; at most %d", *n, NODE_MAX_IN);
    for (int i = 0; i < *n; i++)
        if (!(node[i] = api_node(g, in->item[i].text ? in->item[i].text : "", e)))
            return false;
    return true;
}

static bool add_node(struct graph *g, const struct json *node, struct err *e)
{
    const char *name = json_text(node, "name", "");
    const char *op_name = json_text(node, "op", "");
    const struct op *op = op_find(op_name);
    if (!op)
        return err_set(e, ERR_USAGE, "node %s: unknown op %s", name, op_name);
    union param p = {.byte = {0}};
    struct node *in[NODE_MAX_IN];
    int n_in;
    if (!read_param(op, node, &p, e) || !find_inputs(g, json_get(node, "in"), in, &n_in, e))
        return err_in(e, "node %s", name);
    return graph_add(g, op, name, &p, in, n_in, e) != NULL;
}

static bool add_nodes(struct graph *g, const char *text, struct arena *a, struct err *e)
{
    const struct json *root = json_parse(text, strlen(text), a, e);
    if (!root)
        return false;
    const struct json *list = json_get(root, "nodes");
    if (!list || list->type != JSON_ARRAY)
        return err_set(e, ERR_USAGE, "a graph: expected {\"nodes\": [...]}");
    for (int i = 0; i < list->n; i++)
        if (!add_node(g, &list->item[i], e))
            return false;
    return true;
}

struct linnet_graph *linnet_graph_new(const char *json, struct linnet_error *out)
{
    struct err e = {0};
    struct arena a = {0};
    struct linnet_graph *g = mem_new(1, sizeof(*g), &e);
    if (g)
        g->graph = graph_new(&e);
    bool ok = g && g->graph && add_nodes(g->graph, json, &a, &e);
    arena_release(&a);
    if (ok)
        return g;
    linnet_graph_free(g);
    api_fail(out, &e);
    return NULL;
}

void linnet_graph_free(struct linnet_graph *g)
{
    if (!g)
        return;
    graph_free(g->graph);
    mem_free(g);
}

bool linnet_graph_node(const struct linnet_graph *g, int i, struct linnet_tensor *out)
{
    if (i < 0 || i >= g->graph->n_node)
        return false;
    const struct node *n = g->graph->node[i];
    *out = (struct linnet_tensor){.name = n->name, .op = n->op->name, .rank = n->out.rank};
    memcpy(out->dim, n->out.dim, sizeof(out->dim));
    return true;
}
