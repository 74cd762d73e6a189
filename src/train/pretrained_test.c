/* Weights of a file in a network for other classes; what does not fit is named. */
#include "train/pretrained.h"

#include "weights/imagenet_classes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char path[] = "pretrained_test.tmp.safetensors";
static const char *const classes[] = {"cat", "dog", "fox"};
static struct arena arena;

static void config_of(struct model_config *config, const char *model)
{
    struct err e = {0};
    struct option_table table[MODEL_MAX_TABLES];
    assert_true(option_defaults(table, model_tables(config, table), &arena, &e));
    config->kind = model_find(model);
}

/* A file of a small network with 1000 classes; own: with linnet's notes on preprocessing. */
static void write_file(struct network *n, const char *model, int n_class, bool own)
{
    struct err e = {0};
    struct model_config config;
    config_of(&config, model);
    config.size = 64;
    struct preprocess pre = {64, 80, {0.4, 0.5, 0.6}, {0.1, 0.2, 0.3}, RESIZE_BICUBIC};
    struct network_spec spec = {
        .config = &config, .pre = &pre, .n_class = n_class, .class_name = imagenet_classes};
    if (!model_resolve(&config, &e) || !network_init(n, &spec, 3, &e))
        fail_msg("%s", e.msg);
    for (size_t i = 0; i < n->graph->n_buffer; i++)
        n->weights->buffer[i] = (float)(1 + i % 5);
    if (own) {
        if (!network_save(n, n->weights, NULL, 0, path, &e))
            fail_msg("%s", e.msg);
        return;
    }
    struct st_tensor tensor[64]; /* as others write it: nothing but tensors */
    char name[64][64];
    int at = 0;
    for (int i = 0; i < n->graph->n_node; i++)
        for (int k = 0; k < n->graph->node[i]->n_weight; k++, at++) {
            const struct weight *w = &n->graph->node[i]->weight[k];
            assert_true(at < 64);
            weight_name(n->graph->node[i], k, name[at], sizeof(name[at]));
            tensor[at] =
                (struct st_tensor){.name = name[at],
                                   .dtype = ST_F32,
                                   .rank = w->shape.rank,
                                   .data = weights_at(n->weights, n->graph->node[i], k),
                                   .bytes = shape_count(&w->shape) * sizeof(float)};
            for (int d = 0; d < w->shape.rank; d++)
                tensor[at].dim[d] = w->shape.dim[d];
        }
    if (!seal_write(path, tensor, at, &(struct st_note){"format", "pt"}, 1, &e))
        fail_msg("%s", e.msg);
}

static void open_for(struct pretrained *p, struct model_config *config, const char *model,
                     int64_t size)
{
    struct err e = {0};
    config_of(config, model);
    config->size = size;
    if (!pretrained_open(p, path, config, &e))
        fail_msg("%s", e.msg);
}

static const float *weight(const struct network *n, const char *node, int i, size_t *count)
{
    const struct node *of = graph_find(n->graph, node);
    assert_non_null(of);
    *count = shape_count(&of->weight[i].shape);
    return weights_at(n->weights, of, i);
}

static void assert_same(const struct network *a, const struct network *b, const char *node,
                        int i)
{
    size_t n, m;
    const float *x = weight(a, node, i, &n), *y = weight(b, node, i, &m);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n * sizeof(*x));
}

static void replaces_the_head(void **state)
{
    (void)state;
    struct err e = {0};
    struct network from = {0}, to, drawn;
    struct pretrained p;
    struct model_config config;
    write_file(&from, "squeezenet1_1", IMAGENET_CLASSES, false);
    open_for(&p, &config, "squeezenet1_1", 0);
    assert_int_equal(config.size, 224); /* the architecture's, scaled as its weights want it */
    assert_int_equal(p.pre.resize_px, 256);
    pretrained_close(&p);
    open_for(&p, &config, "squeezenet1_1", 112);
    assert_int_equal(p.pre.size_px, 112);
    assert_int_equal(p.pre.resize_px, 128);
    struct pretrained_spec spec = {
        .network = {.config = &config, .pre = &p.pre, .n_class = 3, .class_name = classes},
        .seed = 9};
    if (!pretrained_network(&to, &p, &spec, &e) || !network_init(&drawn, &spec.network, 9, &e))
        fail_msg("%s", e.msg);
    assert_same(&from, &to, "features.0", 0);
    assert_same(&from, &to, "features.12.expand3x3", 1);
    assert_same(&drawn, &to, "classifier.1", 0); /* as without a file */
    assert_same(&drawn, &to, "classifier.1", 1);
    assert_int_equal(p.match.list[MATCH_FRESH].n, 2);
    assert_string_equal(p.match.list[MATCH_FRESH].text[0], "classifier.1.weight");
    assert_string_equal(to.class_name[2], "fox");
    network_release(&to);
    network_release(&drawn);
    spec.keep_head = true;
    assert_false(pretrained_network(&to, &p, &spec, &e));
    assert_int_equal(e.kind, ERR_MODEL);
    assert_non_null(strstr(e.msg, "classifier.1.weight"));
    pretrained_close(&p);
    network_release(&from);
}

static void keeps_the_head(void **state)
{
    (void)state;
    struct err e = {0};
    struct network from = {0}, to;
    struct pretrained p;
    struct model_config config;
    for (int k = 0; k < 2; k++) {
        write_file(&from, "squeezenet1_1", k ? 7 : IMAGENET_CLASSES, true);
        open_for(&p, &config, "squeezenet1_1", 0);
        assert_int_equal(config.size, 64); /* what linnet wrote into its file */
        assert_int_equal(p.pre.resize_px, 80);
        assert_int_equal(p.pre.filter, RESIZE_BICUBIC);
        assert_float_equal(p.pre.mean[2], 0.6, 0);
        struct pretrained_spec spec = {.network = {.config = &config, .pre = &p.pre}};
        if (!pretrained_network(&to, &p, &spec, &e))
            fail_msg("%s", e.msg);
        assert_int_equal(to.n_class, k ? 7 : IMAGENET_CLASSES);
        assert_string_equal(to.class_name[1], k ? "1" : "goldfish");
        assert_memory_equal(from.weights->value, to.weights->value,
                            from.graph->n_value * sizeof(float));
        network_release(&to);
        pretrained_close(&p);
        network_release(&from);
    }
}

static void names_the_likely_model(void **state)
{
    (void)state;
    struct err e = {0};
    struct network from = {0}, to;
    struct pretrained p;
    struct model_config config;
    write_file(&from, "squeezenet1_1", IMAGENET_CLASSES, false);
    open_for(&p, &config, "squeezenet1_0", 0);
    struct pretrained_spec spec = {
        .network = {.config = &config, .pre = &p.pre, .n_class = 3, .class_name = classes}};
    assert_false(pretrained_network(&to, &p, &spec, &e));
    assert_int_equal(e.kind, ERR_MODEL);
    assert_non_null(strstr(e.msg, "weights of squeezenet1_1, not of squeezenet1_0"));
    pretrained_close(&p);
    network_release(&from);
}

static void refuses_what_is_not_there(void **state)
{
    (void)state;
    static const struct {
        const char *weights, *says;
    } cases[] = {
        {"nowhere/file.pth", "nowhere/file.pth: No such file or directory"},
        {"resnet1", "unknown model \"resnet1\"; did you mean resnet18?; linnet zoo lists them"},
        {"default", "cnn5"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err e = {0};
        struct pretrained p;
        struct model_config config;
        config_of(&config, "cnn5");
        assert_false(pretrained_open(&p, cases[i].weights, &config, &e));
        if (!strstr(e.msg, cases[i].says))
            fail_msg("%s: %s", cases[i].weights, e.msg);
    }
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    arena_release(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replaces_the_head),
        cmocka_unit_test(keeps_the_head),
        cmocka_unit_test(names_the_likely_model),
        cmocka_unit_test(refuses_what_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, tear_down);
}
