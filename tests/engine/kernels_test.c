/* Every kernel of `cpu`, own or oneDNN's, against `ref` over a table of odd shapes: in each
 * instruction set that the machine has, on one, two and three threads, in fp32 and, where there are
 * the instructions, in bf16. A kernel that no row of the table reaches is a failure. */
#include "api/api.h"
#include "backend/cpu/isa.h"
#include "base/rng.h"
#include "op/params.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 5, MAX_SEEN = 128 };

/* The nodes between the input and the last, which is called y. x is the input's shape; where it says
 * u8, true or false, the input's gradient is not wanted. */
struct row {
    const char *x, *nodes;
};

/* clang-format off */
#define CONV(in, out)   "{'op':'conv2d','name':'c','in':['" in "'],'out':" #out ",'kernel':3,'pad':1}"
#define BN              ",{'op':'batch_norm','name':'b','in':['c']}"
#define ACT(in, kind)   ",{'op':'activation','name':'a','in':['" in "'],'kind':'" kind "'}"
#define POOL            ",{'op':'max_pool','name':'y','in':['a'],'kernel':2}"
#define BLOCK(in, kind) ",{'op':'batch_norm','name':'b','in':['" in "']}" ACT("b", kind) POOL
#define DROP(op, name)  ",{'op':'" op "','name':'" name "','in':['a'],'p':0.3}"
#define DROP_POOL       ",{'op':'max_pool','name':'y','in':['d'],'kernel':2}"
#define POINT           "{'op':'conv2d','name':'c','in':['x'],'out':17,'kernel':1}"
#define ADD(name, to)   ",{'op':'add','name':'" name "','in':['" to "','x']}"
#define PICTURE         "{'op':'normalize','name':'n','in':['x'],'mean':[0.4,0.5,0.6],'std':[0.2,0.3,0.25]},"
#define ONE(op, rest)   "{'op':'" op "','name':'y','in':['x']" rest "}"
static const struct row rows[] = {
    /* the first layer, from pictures and from floats */
    {"[3,32,32],'u8':true", PICTURE CONV("n", 32) BLOCK("c", "relu")},
    {"[3,35,29],'u8':true", PICTURE CONV("n", 16) BLOCK("c", "silu")},
    {"[3,33,31],'u8':true", PICTURE CONV("n", 7) ACT("c", "relu") POOL},
    {"[3,31,18],'u8':true", PICTURE "{'op':'conv2d','name':'y','in':['n'],'out':64,'kernel':5,'pad':2}"},
    {"[3,31,18],'u8':true", PICTURE "{'op':'conv2d','name':'y','in':['n'],'out':64,'kernel':7,'pad':3,'stride':2}"},
    {"[3,24,40]", CONV("x", 33) BLOCK("c", "relu")},
    {"[3,21,40],'u8':false", CONV("x", 24) BLOCK("c", "relu")},
    {"[3,26,19],'u8':false", "{'op':'conv2d','name':'y','in':['x'],'out':40,'kernel':5,'pad':2}"},
    {"[1,20,20]", CONV("x", 8) BN ACT("b", "tanh") POOL},
    /* blocks, wide and narrow, odd planes */
    {"[32,16,16]", CONV("x", 64) BLOCK("c", "relu")},
    {"[64,17,13]", CONV("x", 32) BLOCK("c", "relu")},
    {"[48,9,22]", CONV("x", 80) BLOCK("c", "silu")},
    {"[33,8,8]", CONV("x", 17) BLOCK("c", "gelu")},
    {"[16,4,4]", CONV("x", 16) BLOCK("c", "mish")},
    {"[128,6,6]", CONV("x", 64) BLOCK("c", "hardswish")},
    {"[32,28,28]", CONV("x", 32) ACT("c", "relu") POOL},
    {"[32,11,14]", CONV("x", 48) ACT("c", "leaky_relu") POOL},
    {"[32,12,12]", CONV("x", 32) BN ACT("b", "elu") ",{'op':'activation','name':'y','in':['a'],'kind':'sigmoid'}"},
    {"[64,14,14]", "{'op':'conv2d','name':'c','in':['x'],'out':64,'kernel':3,'pad':1,'no_bias':true}" BN ACT("b", "gelu_tanh") POOL},
    /* batch norm and its neighbours alone */
    {"[40,10,6]", ONE("batch_norm", "")},
    {"[8,7,9]", ",{'op':'batch_norm','name':'b','in':['x']}" ACT("b", "relu") ",{'op':'flatten','name':'y','in':['a']}"},
    {"[24,12,10]", ",{'op':'batch_norm','name':'b','in':['x']}" ACT("b", "sigmoid") POOL},
    {"[24,12,10]", ",{'op':'batch_norm','name':'b','in':['x']},{'op':'max_pool','name':'y','in':['b'],'kernel':2}"},
    {"[21,12,10]", ACT("x", "relu") POOL},
    /* with dropout between */
    {"[24,12,10]", ",{'op':'batch_norm','name':'b','in':['x']}" ACT("b", "relu") DROP("dropout", "d") DROP_POOL},
    {"[33,9,11]", ",{'op':'batch_norm','name':'b','in':['x']}" ACT("b", "silu") DROP("dropout2d", "d") DROP_POOL},
    {"[24,12,10]", ",{'op':'batch_norm','name':'b','in':['x']}" ACT("b", "elu") DROP("dropout", "y")},
    {"[17,5,10]", ",{'op':'batch_norm','name':'b','in':['x']}" ACT("b", "relu") DROP("dropout2d", "y")},
    {"[24,12,10]", ACT("x", "gelu") DROP("dropout", "d") DROP_POOL},
    {"[19,8,6]", ACT("x", "relu") DROP("dropout2d", "d") DROP_POOL},
    {"[24,7,10]", ACT("x", "mish") DROP("dropout", "y")},
    {"[24,7,10]", ACT("x", "relu") DROP("dropout2d", "y")},
    /* convolutions of all kinds */
    {"[16,12,12]", ONE("conv2d", ",'out':32,'kernel':1")},
    {"[5,9,7]", ONE("conv2d", ",'out':6,'kernel':1")},
    {"[8,13,11]", ONE("conv2d", ",'out':24,'kernel':5,'pad':2")},
    {"[32,13,11]", ONE("conv2d", ",'out':32,'kernel':3,'pad':1,'stride':2")},
    {"[6,9,12]", ONE("conv2d", ",'out':9,'kernel':[3,5],'pad':[1,2],'stride':[2,1]")},
    {"[6,15,15]", ONE("conv2d", ",'out':9,'kernel':3,'pad':2,'dilation':2")},
    {"[12,9,9]", ONE("conv2d", ",'out':18,'kernel':3,'pad':1,'groups':3")},
    {"[16,8,8]", ONE("conv2d", ",'out':16,'kernel':3,'pad':1,'groups':16")},
    {"[32,10,10]", ONE("conv2d", ",'out':32,'kernel':3")},
    {"[24,9,8]", ONE("conv2d", ",'out':24,'kernel':5,'pad':2,'groups':24")},
    {"[19,9,8]", ONE("conv2d", ",'out':19,'kernel':7,'pad':3,'stride':2,'groups':19,'no_bias':true")},
    {"[3,34,32],'u8':true", PICTURE "{'op':'conv2d','name':'y','in':['n'],'out':24,'kernel':8,'stride':8}"},
    {"[3,35,33]", ONE("conv2d", ",'out':20,'kernel':11,'stride':4,'pad':2")},
    {"[32,9,7]", ONE("conv2d", ",'out':48,'kernel':[1,7],'pad':[0,3]")},
    {"[48,9,7]", ONE("conv2d", ",'out':32,'kernel':[7,1],'pad':[3,0]")},
    /* with what follows in evaluation */
    {"[32,12,12]", CONV("x", 32) BN ADD("y", "b")},
    {"[32,12,12]", CONV("x", 32) BN ADD("d", "b") ",{'op':'activation','name':'y','in':['d'],'kind':'relu'}"},
    {"[17,6,7]", POINT BN ADD("y", "b")},
    {"[17,6,7]", POINT BN ADD("d", "b") ",{'op':'activation','name':'y','in':['d'],'kind':'relu6'}"},
    {"[17,6,7]", POINT BN ACT("b", "gelu")},
    {"[17,6,7]", POINT BN},
    {"[17,6,7]", POINT ACT("c", "hardswish")},
    {"[16,8,8]", CONV("x", 24) BN ACT("b", "silu")},
    {"[16,8,8]", CONV("x", 24) BN},
    {"[16,8,8]", CONV("x", 24) ACT("c", "relu")},
    {"[3,8,9]", CONV("x", 24) ACT("c", "relu6")},
    /* dense layers, behind a blocked tensor too */
    {"[64]", ONE("linear", ",'out':10")},
    {"[301]", ONE("linear", ",'out':65")},
    {"[7]", "{'op':'linear','name':'l','in':['x'],'out':33},{'op':'activation','name':'y','in':['l'],'kind':'relu'}"},
    {"[24,6,5]", ONE("linear", ",'out':33")},
    {"[32,6,5]", CONV("x", 33) BLOCK("c", "relu") ",{'op':'flatten','name':'f','in':['y']},{'op':'linear','name':'z','in':['f'],'out':20}"},
    /* pools */
    {"[16,9,7]", ONE("max_pool", ",'kernel':2")},
    {"[17,10,12]", ONE("max_pool", ",'kernel':3,'stride':2,'pad':1")},
    {"[40,7,7]", ONE("max_pool", ",'kernel':3,'stride':2,'ceil_mode':true")},
    {"[32,10,12]", ONE("avg_pool", ",'kernel':2")},
    {"[5,10,12]", ONE("avg_pool", ",'kernel':3,'stride':2,'pad':1,'exclude_pad':true")},
    {"[32,7,7]", ONE("adaptive_avg_pool", ",'out':1")},
    {"[5,13,9]", ONE("adaptive_avg_pool", ",'out':[3,2]")},
    /* where branches meet */
    {"[24,7,5]", ACT("x", "silu") ",{'op':'add','name':'d','in':['a','x']},{'op':'activation','name':'y','in':['d'],'kind':'relu'}"},
    {"[17,6,4]", ACT("x", "silu") ",{'op':'add','name':'y','in':['a','x']}"},
    {"[40,5,6]", "{'op':'adaptive_avg_pool','name':'s','in':['x'],'out':1},"
                 "{'op':'activation','name':'g','in':['s'],'kind':'sigmoid'},{'op':'mul','name':'y','in':['x','g']}"},
    {"[40,5,6]", CONV("x", 33) ",{'op':'concat','name':'y','in':['c','x']}"},
    {"[33,5,6]", ONE("stochastic_depth", ",'p':0.4")},
    {"[33,5,6]", ",{'op':'batch_norm','name':'b','in':['x']},{'op':'stochastic_depth','name':'d','in':['b'],'p':0.4}" ADD("y", "d")},
    {"[19,5,6]", ONE("layer_scale", ",'value':0.4")},
    {"[5,33]", ONE("activation", ",'kind':'gelu'")},
    /* sequences */
    {"[16,24,24]", "{'op':'conv2d','name':'c','in':['x'],'out':24,'kernel':8,'stride':8},{'op':'tokens','name':'t','in':['c']},"
                   "{'op':'class_token','name':'d','in':['t']},{'op':'position_embedding','name':'y','in':['d']}"},
    {"[19,5,6]", ONE("tokens", "")},
    {"[17,40]", ONE("attention", ",'heads':4")},
    {"[50,32]", ONE("attention", ",'heads':1")},
    {"[20,37]", ONE("linear", ",'out':70")},
    {"[300,64]", ONE("linear", ",'out':33,'no_bias':true")},
    {"[20,37]", ONE("layer_norm", "")},
    {"[150,64]", ONE("layer_norm", ",'eps':1e-6")},
    {"[70]", ONE("layer_norm", "")},
    {"[33,12,13]", ONE("layer_norm", ",'eps':1e-6")},
    {"[7,12]", ONE("select_token", "")},
    /* the rest */
    {"[21,5,7]", ONE("activation", ",'kind':'silu'")},
    {"[48,5,7]", ONE("activation", ",'kind':'gelu'")},
    {"[19,6,6]", ONE("dropout", ",'p':0.3")},
    {"[19,6,6]", ONE("dropout2d", ",'p':0.3")},
    {"[9,4,3]", ONE("flatten", "")},
    {"[11]", ONE("softmax", "")},
    {"[13]", "{'op':'input','name':'target','shape':[13]},"
             "{'op':'cross_entropy','name':'y','in':['x','target'],'label_smoothing':0.1}"},
};
/* clang-format on */

/* What one pass gives: output, decisions apart, dx, gradients, statistics; by segments. */
struct result {
    float *at;
    size_t n, room;
    size_t end[16];
    int n_segment;
};

static void die(const struct row *r, const char *why)
{
    fail_msg("%s %s: %s", r->x, r->nodes, why);
}

/* Single quotes to double ones: JSON that can stand in a C string. */
static struct linnet_graph *graph_of(const struct row *r)
{
    char text[2048];
    const char *nodes = r->nodes[0] == ',' ? r->nodes + 1 : r->nodes;
    snprintf(text, sizeof(text), "{'nodes':[{'op':'input','name':'x','shape':%s},%s]}", r->x,
             nodes);
    for (char *c = text; *c; c++)
        if (*c == '\'')
            *c = '"';
    struct linnet_error e;
    struct linnet_graph *g = linnet_graph_new(text, &e);
    if (!g)
        die(r, e.text);
    return g;
}

static bool wants_dx(const struct row *r)
{
    return !strstr(r->x, "'u8'");
}

static float *segment(struct result *out, size_t count)
{
    if (out->n + count > out->room) {
        out->room = 2 * (out->n + count);
        out->at = realloc(out->at, out->room * sizeof(float));
        assert_non_null(out->at);
    }
    out->n += count;
    out->end[out->n_segment++] = out->n;
    return out->at + out->n - count;
}

static void draw(float *x, size_t n, uint64_t stream)
{
    struct rng r = rng_at(11, RNG_TEST, stream, 0);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)rng_normal(&r);
}

/* Feeds every input; the data live in *held until the pass is over. */
static void feed(struct plan *p, const struct graph *g, int n, void **held, const struct row *r)
{
    struct err e = {0};
    for (int i = 0, k = 0; i < g->n_node; i++) {
        const struct node *node = g->node[i];
        if (node->op != &op_input)
            continue;
        size_t count = shape_count(&node->out) * (size_t)n;
        float *x = held[k++] = malloc(count * sizeof(float));
        draw(x, count, 1);
        const struct input_param *param = node->param;
        for (size_t j = 0; j < count; j++) {
            if (param->u8)
                ((uint8_t *)x)[j] = (uint8_t)(j * 7 + j / 11);
            if (!strcmp(node->name, "target"))
                x[j] = j % 13 == j / 13;
        }
        if (!plan_feed(p, node, x, n, &e))
            die(r, e.msg);
    }
}

/* How a row is run. */
struct way {
    const char *device;
    int n_thread;
    enum dtype compute;
    enum mode mode; /* evaluation: forward alone */
    int n;          /* pictures, under a plan for N */
};

static void read_all(const struct plan *p, const struct graph *g, const struct weights *w,
                     const struct way *way, struct result *out, const struct row *r)
{
    struct err e = {0};
    int n = way->n;
    const struct node *x = g->node[0], *y = g->node[g->n_node - 1];
    if (!plan_read(p, y, segment(out, shape_count(&y->out) * (size_t)n), &e))
        die(r, e.msg);
    if (way->mode == MODE_EVAL)
        return;
    if (wants_dx(r) &&
        !plan_read_grad(p, x, segment(out, shape_count(&x->out) * (size_t)n), &e))
        die(r, e.msg);
    for (int i = 0; i < g->n_node; i++)
        for (int k = 0; k < g->node[i]->n_weight; k++) {
            const struct weight *spec = &g->node[i]->weight[k];
            size_t count = shape_count(&spec->shape);
            memcpy(segment(out, count),
                   spec->trained ? w->grad + spec->offset : weights_at(w, g->node[i], k),
                   count * sizeof(float));
        }
}

/* Marks the kernels that the plan runs: its lines are "node: pattern, kernel, shape". */
static void see(const struct plan *p, const char **seen)
{
    const struct kernel *const *all = backends[0]->kernel;
    const char *line;
    for (int i = 0; (line = plan_describe(p, i)); i++)
        for (int k = 0; all[k] && k < MAX_SEEN; k++) {
            char text[128];
            snprintf(text, sizeof(text), ": %s, %s,", all[k]->pattern, all[k]->name);
            if (strstr(line, text))
                seen[k] = all[k]->name;
        }
}

/* Two passes of each kind, the second of which finds packed weights and old tensors. */
static void pass(const struct row *r, const struct way *way, const char **seen,
                 struct result *out)
{
    bool train = way->mode == MODE_TRAIN;
    int n = way->n;
    struct err e = {0};
    struct linnet_graph *lg = graph_of(r);
    struct graph *g = lg->graph;
    struct backend *b = backend_open(way->device, way->n_thread, &e);
    struct weights *w = weights_new(g, &e);
    if (!b || !w)
        die(r, e.msg);
    weights_init(w, 3, NULL);
    struct node *x = g->node[0], *y = g->node[g->n_node - 1];
    struct node *keep[] = {y, NULL}, *want[] = {train && wants_dx(r) ? x : NULL, NULL};
    struct plan_request request = {.graph = g,
                                   .max_n = N,
                                   .mode = way->mode,
                                   .compute = way->compute,
                                   .keep = keep,
                                   .want = want,
                                   .want_weights = train,
                                   .n_shard = 1};
    struct plan *p = plan_new(b, &request, w, &e);
    if (!p)
        die(r, e.msg);
    void *held[NODE_MAX_IN] = {NULL};
    size_t count = shape_count(&y->out) * (size_t)n;
    float *dy = malloc(count * sizeof(float));
    draw(dy, count, 2);
    for (int turn = 0; turn < 2; turn++) {
        feed(p, g, n, held, r);
        if (!plan_forward(p, 1, &e) ||
            (train && (!plan_seed(p, y, dy, 1, &e) || !plan_backward(p, NULL, NULL, &e))))
            die(r, e.msg);
        for (int i = 0; i < NODE_MAX_IN && turn == 0; i++) {
            free(held[i]);
            held[i] = NULL;
        }
    }
    read_all(p, g, w, way, out, r);
    see(p, seen);
    plan_free(p);
    weights_free(w);
    backend_close(b);
    linnet_graph_free(lg);
    free(dy);
    for (int i = 0; i < NODE_MAX_IN; i++)
        free(held[i]);
}

/* How far a segment is from what was expected. fp32: max |a-b| over max |b|, which counts as at least
 * a thousandth of the largest. bf16: the same of root mean squares, for a few pools turn. */
static double distance(const struct result *a, const struct result *b, int s, double largest,
                       bool rms)
{
    size_t from = s ? b->end[s - 1] : 0, n = b->end[s] - from;
    double most = 0, apart = 0, square = 0, square_apart = 0;
    for (size_t i = from; i < b->end[s]; i++) {
        double x = b->at[i], d = a->at[i] - x;
        if (!isfinite(d))
            return INFINITY;
        most = fmax(most, fabs(x));
        apart = fmax(apart, fabs(d));
        square += x * x;
        square_apart += d * d;
    }
    if (most < 1e-4 * largest) /* a bias before batch norm: its true gradient is zero */
        return apart < (rms ? 1e-2 : 1e-4) * largest ? 0 : apart / largest;
    double floor = (rms ? 1e-2 : 1e-3) * largest;
    return rms ? sqrt(square_apart / (double)n) / fmax(sqrt(square / (double)n), floor)
               : apart / fmax(most, floor);
}

static void compare(const struct row *r, const struct result *a, const struct result *b,
                    double limit, bool rms, const char *what)
{
    assert_int_equal(a->n, b->n);
    double largest = 0;
    for (size_t i = 0; i < b->n; i++)
        largest = fmax(largest, fabs((double)b->at[i]));
    for (int s = 0; s < b->n_segment; s++) {
        double d = distance(a, b, s, largest, rms);
        if (d > limit)
            fail_msg("%s: %s %s: segment %d of %d: %g of the maximum apart, at most %g", what,
                     r->x, r->nodes, s, b->n_segment, d, limit);
    }
}

/* ref's answer, once for each row: by mode; [0] N pictures, [1] one. */
static const struct result *expected(size_t row, enum mode mode, int n)
{
    static struct result answer[COUNT_OF(rows)][2][2];
    struct result *at = &answer[row][mode == MODE_TRAIN][n == 1];
    const char *ignored[MAX_SEEN] = {NULL};
    if (!at->at)
        pass(&rows[row], &(struct way){"ref", 2, DTYPE_F32, mode, n}, ignored, at);
    return at;
}

static void one(size_t i, const struct way *way, const char **seen)
{
    struct result got = {0};
    char what[96];
    bool bf16 = way->compute == DTYPE_BF16;
    snprintf(what, sizeof(what), "%s%s, %s, %d threads, %d pictures", getenv("LINNET_ISA"),
             bf16 ? " in bf16" : "", way->mode == MODE_TRAIN ? "training" : "evaluation",
             way->n_thread, way->n);
    pass(&rows[i], way, seen, &got);
    compare(&rows[i], &got, expected(i, way->mode, way->n), bf16 ? 0.25 : 3e-4, bf16, what);
    free(got.at);
}

static void sweep(enum dtype compute, const char **seen)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (int n_thread = 1; n_thread <= 3; n_thread++)
            one(i, &(struct way){"cpu", n_thread, compute, MODE_TRAIN, N}, seen);
        one(i, &(struct way){"cpu", 2, compute, MODE_TRAIN, 1}, seen);
        one(i, &(struct way){"cpu", 2, compute, MODE_EVAL, N}, seen);
        one(i, &(struct way){"cpu", 3, compute, MODE_EVAL, 1}, seen);
    }
}

static const char *seen[MAX_SEEN];

static void against_ref(void **state)
{
    const struct isa *isa = *state;
    setenv("LINNET_ISA", isa->name, 1);
    sweep(DTYPE_F32, seen);
    if (isa->bf16)
        sweep(DTYPE_BF16, seen);
    unsetenv("LINNET_ISA");
}

/* Runs last: what the tables above reached. */
static void every_kernel_ran(void **state)
{
    (void)state;
    const struct kernel *const *k = backends[0]->kernel;
    int missed = 0;
    for (int i = 0; k[i]; i++) {
        assert_true(i < MAX_SEEN);
        if (!seen[i] && strcmp(k[i]->name, "reference") != 0) {
            print_error("no row of the table reaches the kernel %s (%s)\n", k[i]->name,
                        k[i]->pattern);
            missed++;
        }
    }
    assert_int_equal(missed, 0);
}

int main(void)
{
    struct CMUnitTest test[ISA_COUNT + 1];
    int n = 0;
    for (int i = 0; i < ISA_COUNT; i++)
        if (isa_present(&isas[i]))
            test[n++] = (struct CMUnitTest){isas[i].name, against_ref, NULL, NULL,
                                            (void *)(uintptr_t)&isas[i]};
    test[n++] = (struct CMUnitTest){"every kernel ran", every_kernel_ran, NULL, NULL, NULL};
    return _cmocka_run_group_tests("kernels", test, (size_t)n, NULL, NULL);
}
