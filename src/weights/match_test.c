/* A file against a small network: what fits is copied, everything else is told by name. */
#include "weights/match.h"

#include "op/params.h"
#include "weights/seal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char path[] = "match_test.tmp";
static const struct st_note note = {"format", "pt"};

/* conv1, bn1, classifier.0 (a linear layer on 4 x 2 x 2), fc of n_class, and an auxiliary head. */
static struct graph *make_graph(int n_class, int width)
{
    struct err e = {0};
    struct graph *g = graph_new(&e);
    struct input_param in = {.shape = {4, {1, 3, 2, 2}}};
    struct conv2d_param conv = {.out = width, .kernel_h = 1, .kernel_w = 1, .no_bias = true};
    struct batch_norm_param bn = {0};
    struct linear_param hidden = {.out = 5}, fc = {.out = n_class};
    struct node *x = graph_add(g, &op_input, "input", &in, NULL, 0, &e);
    x = graph_add(g, &op_conv2d, "conv1", &conv, &x, 1, &e);
    x = graph_add(g, &op_batch_norm, "bn1", &bn, &x, 1, &e);
    struct node *flat = graph_add(g, &op_flatten, "flatten", NULL, &x, 1, &e);
    struct node *aux = graph_add(g, &op_linear, "aux1.fc", &fc, &flat, 1, &e);
    x = graph_add(g, &op_linear, "classifier.0", &hidden, &flat, 1, &e);
    x = graph_add(g, &op_linear, "fc", &fc, &x, 1, &e);
    if (!aux || !x)
        fail_msg("%s", e.msg);
    return g;
}

static float number[1 << 16];
#define F32(name, rank, ...)                                                                   \
    {                                                                                          \
        name, ST_F32, rank, {__VA_ARGS__}, number, 0                                           \
    }
static const int64_t batches = 7;
static const struct st_tensor whole[] = {
    F32("conv1.weight", 4, 4, 3, 1, 1),
    F32("bn1.weight", 1, 4),
    F32("bn1.bias", 1, 4),
    F32("bn1.running_mean", 1, 4),
    F32("bn1.running_var", 1, 4),
    {"bn1.num_batches_tracked", ST_I64, 0, {0}, &batches, 8},
    F32("aux1.fc.weight", 2, 3, 16),
    F32("aux1.fc.bias", 1, 3),
    F32("classifier.0.weight", 2, 5, 16),
    F32("classifier.0.bias", 1, 5),
    F32("fc.weight", 2, 3, 5),
    F32("fc.bias", 1, 3),
};
enum { N_WHOLE = COUNT_OF(whole) };

/* A file of these tensors; those of F32 count up from ten times their place. */
static void write_file(struct st_tensor *t, int n)
{
    struct err e = {0};
    size_t at = 0;
    for (int i = 0; i < n; i++) {
        size_t count = 1;
        for (int k = 0; k < t[i].rank; k++)
            count *= (size_t)t[i].dim[k];
        if (t[i].dtype != ST_F32)
            continue;
        for (size_t k = 0; k < count; k++)
            number[at + k] = (float)(10 * i) + (float)k;
        t[i].data = number + at;
        t[i].bytes = count * sizeof(float);
        at += count;
    }
    if (!seal_write(path, t, n, &note, 1, &e))
        fail_msg("%s", e.msg);
}

struct run {
    struct graph *graph;
    struct weights *weights;
    struct state_dict file;
    struct match match;
    bool fits;
    struct err e;
};

static void run(struct run *r, int n_class, struct st_tensor *t, int n,
                const struct match_options *o)
{
    *r = (struct run){.graph = make_graph(n_class, 4)};
    r->weights = weights_new(r->graph, &r->e);
    write_file(t, n);
    if (!r->weights || !state_dict_open(&r->file, path, &r->e))
        fail_msg("%s", r->e.msg);
    unlink(path);
    r->fits = match_weights(&r->match, r->weights, &r->file, o, &r->e);
}

static void end(struct run *r)
{
    match_release(&r->match);
    state_dict_close(&r->file);
    weights_free(r->weights);
    graph_free(r->graph);
}

static const float *weight(const struct run *r, const char *node, int i)
{
    return weights_at(r->weights, graph_find(r->graph, node), i);
}

static void check_list(const struct run *r, enum match_kind kind, int n, const char *first)
{
    assert_int_equal(r->match.list[kind].n, n);
    if (n)
        assert_string_equal(r->match.list[kind].text[0], first);
}

static const char *const aux[] = {"aux1.", NULL};
static const struct match_options strict = {.model = "tiny"},
                                  lenient = {.model = "tiny", .head = "fc", .aux = aux};

static void copies_what_fits(void **state)
{
    (void)state;
    struct st_tensor t[N_WHOLE];
    struct run r;
    memcpy(t, whole, sizeof(t));
    run(&r, 3, t, N_WHOLE, &strict);
    if (!r.fits)
        fail_msg("%s", r.e.msg);
    assert_int_equal(r.match.n_copied, N_WHOLE);
    assert_true(weight(&r, "conv1", 0)[11] == 11);
    assert_true(weight(&r, "bn1", 2)[1] == 31);
    assert_true(weight(&r, "bn1", 4)[0] == 7);
    assert_true(weight(&r, "fc", 0)[14] == 114);
    assert_int_equal(r.weights->version, 1);
    end(&r);
}

static void needs_no_batch_count(void **state)
{
    (void)state;
    struct st_tensor t[N_WHOLE];
    struct run r;
    memcpy(t, whole, sizeof(t));
    memmove(t + 5, t + 6, (N_WHOLE - 6) * sizeof(*t));
    run(&r, 3, t, N_WHOLE - 1, &strict);
    assert_true(r.fits);
    assert_int_equal(r.match.n_copied, N_WHOLE - 1);
    end(&r);
}

/* The head and the auxiliary one stay as they were, whole, when the classes are others. */
static void replaces_the_head(void **state)
{
    (void)state;
    struct st_tensor t[N_WHOLE];
    struct run r;
    memcpy(t, whole, sizeof(t));
    run(&r, 10, t, N_WHOLE, &lenient);
    if (!r.fits)
        fail_msg("%s", r.e.msg);
    check_list(&r, MATCH_FRESH, 4, "aux1.fc.weight");
    assert_string_equal(r.match.list[MATCH_FRESH].text[3], "fc.bias");
    assert_true(weight(&r, "fc", 0)[14] == 0);
    end(&r);
    run(&r, 10, t, N_WHOLE, &strict);
    assert_false(r.fits);
    assert_string_equal(r.e.msg,
                        "match_test.tmp: weights that do not fit tiny: 4 of another shape "
                        "(aux1.fc.weight is 3x16, expected 10x16, aux1.fc.bias is 3, "
                        "expected 10, fc.weight is 3x5, expected 10x5 ...)");
    assert_true(weight(&r, "conv1", 0)[11] == 0); /* as it was */
    end(&r);
    t[11].name = "other"; /* a head without its bias is none */
    run(&r, 3, t, N_WHOLE, &lenient);
    assert_false(r.fits);
    check_list(&r, MATCH_FRESH, 2, "fc.bias");
    check_list(&r, MATCH_UNEXPECTED, 1, "other");
    assert_int_equal(r.match.list[MATCH_MISSING].n, 0);
    end(&r);
    memcpy(t, whole, sizeof(t));
    t[10].dim[1] = 6; /* another width is no other number of classes */
    run(&r, 10, t, N_WHOLE, &lenient);
    assert_false(r.fits);
    check_list(&r, MATCH_SHAPE, 1, "fc.weight is 3x6, expected 10x5");
    end(&r);
}

static void lists_what_does_not_fit(void **state)
{
    (void)state;
    struct st_tensor t[N_WHOLE + 4];
    struct run r;
    memcpy(t, whole, sizeof(whole));
    t[0].dim[1] = 6;
    t[1].name = "bn1.gamma";
    t[N_WHOLE] = (struct st_tensor)F32("n_averaged", 0, 0);
    t[N_WHOLE + 1] = (struct st_tensor)F32("aux1.conv.weight", 1, 2);
    t[N_WHOLE + 2] = (struct st_tensor)F32("bn9.num_batches_tracked", 0, 0);
    t[N_WHOLE + 3] = (struct st_tensor)F32("train.optim.m", 1, 9);
    run(&r, 3, t, N_WHOLE + 4, &lenient);
    assert_false(r.fits);
    assert_int_equal(r.e.kind, ERR_MODEL);
    assert_string_equal(r.e.msg, "match_test.tmp: weights that do not fit tiny: 1 missing "
                                 "(bn1.weight), 1 unexpected (bn1.gamma), 1 of another shape "
                                 "(conv1.weight is 4x6x1x1, expected 4x3x1x1)");
    check_list(&r, MATCH_MISSING, 1, "bn1.weight");
    check_list(&r, MATCH_SKIPPED, 4, "n_averaged");
    end(&r);
}

/* timm's VGG keeps the first linear layer as a convolution of the whole map. */
static void knows_other_names(void **state)
{
    (void)state;
    struct st_tensor t[N_WHOLE];
    struct run r;
    memcpy(t, whole, sizeof(t));
    t[8] = (struct st_tensor)F32("pre_logits.fc1.weight", 4, 5, 4, 2, 2);
    t[9] = (struct st_tensor)F32("pre_logits.fc1.bias", 1, 5);
    run(&r, 3, t, N_WHOLE, &strict);
    if (!r.fits)
        fail_msg("%s", r.e.msg);
    check_list(&r, MATCH_RENAMED, 2, "pre_logits.fc1.weight as classifier.0.weight");
    assert_true(weight(&r, "classifier.0", 0)[79] == 159);
    end(&r);
    t[8] = (struct st_tensor)F32("classifier.0.weight", 4, 5, 4, 2, 2);
    run(&r, 3, t, N_WHOLE, &strict);
    assert_false(r.fits); /* only under that name */
    check_list(&r, MATCH_SHAPE, 1, "classifier.0.weight is 5x4x2x2, expected 5x16");
    end(&r);
}

static bool repeat_last(const struct node *n, int i, const float *from,
                        const struct shape *shape, float *to, struct err *e)
{
    const struct shape *want = &n->weight[i].shape;
    if (shape->dim[0] != want->dim[0])
        return err_set(e, ERR_MODEL, "rows");
    for (int k = 0; k < want->dim[0] * want->dim[1]; k++)
        to[k] = from[k / want->dim[1] * shape->dim[1]];
    return true;
}

static void adapts_what_it_may(void **state)
{
    (void)state;
    struct match_options o = {.model = "tiny", .adapt = repeat_last};
    struct st_tensor t[N_WHOLE];
    struct run r;
    memcpy(t, whole, sizeof(t));
    t[8].dim[1] = 4;
    run(&r, 3, t, N_WHOLE, &o);
    if (!r.fits)
        fail_msg("%s", r.e.msg);
    check_list(&r, MATCH_ADAPTED, 1, "classifier.0.weight from 5x4");
    assert_int_equal(r.match.n_copied, N_WHOLE);
    assert_true(weight(&r, "classifier.0", 0)[79] == 96);
    end(&r);
    t[8].dim[0] = 6;
    run(&r, 3, t, N_WHOLE, &o);
    assert_false(r.fits);
    check_list(&r, MATCH_SHAPE, 1, "classifier.0.weight is 6x4, expected 5x16");
    end(&r);
}

static struct graph *candidate(const void *ctx, int i, const char **name, struct err *e)
{
    static const struct {
        const char *name;
        int width;
    } row[] = {{"small", 2}, {"unbuilt", 0}, {"tiny", 4}, {"large", 8}, {NULL, 0}};
    (void)ctx;
    *name = row[i].name;
    if (row[i].width == 0) {
        err_set(e, ERR_SHAPE, "cannot be");
        return NULL;
    }
    return make_graph(1000, row[i].width);
}

static void guesses_the_architecture(void **state)
{
    (void)state;
    struct match_options o = lenient;
    struct st_tensor t[N_WHOLE];
    struct run r;
    o.candidate = candidate;
    memcpy(t, whole, sizeof(t));
    for (int i = 0; i < 5; i++)
        t[i].dim[0] = 8;
    t[6].dim[1] = t[8].dim[1] = 32;
    t[6].dim[0] = t[7].dim[0] = t[10].dim[0] = t[11].dim[0] = 1000;
    run(&r, 3, t, N_WHOLE, &o);
    assert_false(r.fits);
    assert_non_null(strstr(r.e.msg, "match_test.tmp: weights of large, not of tiny: "));
    assert_true(match_score(r.graph, &r.file) < 0.3);
    end(&r);
    for (int i = 0; i < N_WHOLE; i++)
        t[i].rank = 0;
    run(&r, 3, t, N_WHOLE, &o); /* of none */
    assert_non_null(strstr(r.e.msg, "weights that do not fit tiny: "));
    end(&r);
}

static void names_what_is_not_finite(void **state)
{
    (void)state;
    struct st_tensor t[N_WHOLE];
    struct run r;
    memcpy(t, whole, sizeof(t));
    run(&r, 3, t, N_WHOLE, &strict);
    end(&r);
    number[20] = 0.f / 0.f; /* bn1.bias */
    struct err e = {0};
    assert_true(seal_write(path, t, N_WHOLE, &note, 1, &e));
    struct graph *g = make_graph(3, 4);
    struct weights *w = weights_new(g, &e);
    struct state_dict s;
    struct match m;
    assert_true(w && state_dict_open(&s, path, &e));
    unlink(path);
    assert_false(match_weights(&m, w, &s, &strict, &e));
    assert_int_equal(e.kind, ERR_MODEL);
    assert_non_null(strstr(e.msg, " holds NaN at element "));
    match_release(&m);
    state_dict_close(&s);
    weights_free(w);
    graph_free(g);
}

static void survives_no_memory(void **state)
{
    (void)state;
    struct st_tensor t[N_WHOLE];
    struct run r;
    memcpy(t, whole, sizeof(t));
    run(&r, 10, t, N_WHOLE, &lenient);
    int n = 1;
    for (bool ok = false; !ok; n++) {
        struct err e = {0};
        match_release(&r.match);
        mem_fail_at(n);
        ok = match_weights(&r.match, r.weights, &r.file, &lenient, &e);
        mem_fail_at(0);
        assert_true(ok || e.kind == ERR_NOMEM);
    }
    assert_true(n > 2);
    end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_what_fits),         cmocka_unit_test(needs_no_batch_count),
        cmocka_unit_test(replaces_the_head),        cmocka_unit_test(lists_what_does_not_fit),
        cmocka_unit_test(knows_other_names),        cmocka_unit_test(adapts_what_it_may),
        cmocka_unit_test(guesses_the_architecture), cmocka_unit_test(names_what_is_not_finite),
        cmocka_unit_test(survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
