/* Every row: built, counted against what is published, its blocks in order; shapes on the way; what
 * is refused. Values are in tests/parity/test_models.py. */
#include "model/model.h"

#include "graph/op.h"
#include "op/params.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct built {
    struct err e;
    struct arena arena;
    struct model_config cfg;
    struct graph *graph;
    struct model model;
};

static void defaults(struct built *t, const char *name)
{
    struct option_table table[MODEL_MAX_TABLES];
    *t = (struct built){.graph = NULL};
    assert_true(option_defaults(table, model_tables(&t->cfg, table), &t->arena, &t->e));
    t->cfg.kind = model_find(name);
    if (t->cfg.kind < 0)
        fail_msg("no row %s", name);
}

static void build(struct built *t, bool u8)
{
    struct model_input in = {.n_class = 1000, .u8 = u8, .std = {1, 1, 1}};
    t->graph = graph_new(&t->e);
    assert_non_null(t->graph);
    if (!model_resolve(&t->cfg, &t->e) ||
        !model_build(&t->model, t->graph, &t->cfg, &in, &t->e))
        fail_msg("%s: %s", architectures[t->cfg.kind]->name, t->e.msg);
}

static void release(struct built *t)
{
    graph_free(t->graph);
    arena_release(&t->arena);
}

/* torchvision's documentation of its weights: parameters and multiply-adds in 1e9 at the size they
 * were trained for; timm's for EfficientNet-Lite. */
static const struct {
    const char *name;
    bool aux;
    size_t parameters;
    double giga;
    int n_block;
    const char *last; /* block, before the head */
} published[] = {
    {"alexnet", false, 61100840, 0.714, 4, "classifier.5"},
    {"vgg11", false, 132863336, 7.609, 6, "classifier.5"},
    {"vgg11_bn", false, 132868840, 7.609, 6, "classifier.5"},
    {"vgg13", false, 133047848, 11.308, 6, "classifier.5"},
    {"vgg13_bn", false, 133053736, 11.308, 6, "classifier.5"},
    {"vgg16", false, 138357544, 15.470, 6, "classifier.5"},
    {"vgg16_bn", false, 138365992, 15.470, 6, "classifier.5"},
    {"vgg19", false, 143667240, 19.632, 6, "classifier.5"},
    {"vgg19_bn", false, 143678248, 19.632, 6, "classifier.5"},
    {"squeezenet1_0", false, 1248424, 0.819, 9, "features.12"},
    {"squeezenet1_1", false, 1235496, 0.349, 9, "features.12"},
    {"googlenet", false, 6624904, 1.498, 11, "inception5b"},
    {"inception_v3", false, 23834568, 5.713, 13, "Mixed_7c"},
    {"inception_v3", true, 27161264, 0, 13, "Mixed_7c"}, /* multiply-adds without aux */
    {"resnet18", false, 11689512, 1.814, 9, "layer4.1"},
    {"resnet34", false, 21797672, 3.664, 17, "layer4.2"},
    {"resnet50", false, 25557032, 4.089, 17, "layer4.2"},
    {"resnet101", false, 44549160, 7.801, 34, "layer4.2"},
    {"densenet121", false, 7978856, 2.834, 8, "features.norm5"},
    {"mobilenet_v2", false, 3504872, 0.301, 19, "features.18"},
    {"mobilenet_v3_large", false, 5483032, 0.217, 18, "classifier.2"},
    {"mobilenet_v3_small", false, 2542856, 0.057, 14, "classifier.2"},
    {"efficientnet_b0", false, 5288548, 0.386, 9, "features.8"},
    {"efficientnet_b1", false, 7794184, 0.687, 9, "features.8"},
    {"efficientnet_b2", false, 9109994, 1.088, 9, "features.8"},
    {"efficientnet_b3", false, 12233232, 1.827, 9, "features.8"},
    {"efficientnet_lite0", false, 4652008, 0.385, 9, "bn2"},
    {"efficientnet_lite1", false, 5416680, 0.600, 9, "bn2"},
    {"efficientnet_lite2", false, 6092072, 0.860, 9, "bn2"},
    {"efficientnet_v2_s", false, 21458488, 8.366, 8, "features.7"},
    {"efficientnet_v2_m", false, 54139356, 24.582, 9, "features.8"},
    {"convnext_tiny", false, 28589128, 4.456, 22, "classifier.0"},
    {"vit_b_16", false, 86567656, 17.564, 13, "encoder.ln"},
    {"vit_b_32", false, 88224232, 4.409, 13, "encoder.ln"},
};

static void counts_are_the_published(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(published); i++) {
        struct built t;
        defaults(&t, published[i].name);
        t.cfg.aux = published[i].aux;
        build(&t, true);
        if (t.graph->n_value != published[i].parameters)
            fail_msg("%s: %zu parameters, published %zu", published[i].name, t.graph->n_value,
                     published[i].parameters);
        double giga = (double)graph_macs(t.graph) / 1e9;
        if (published[i].giga > 0 && fabs(giga - published[i].giga) > 0.0006)
            fail_msg("%s: %.4f 1e9 multiply-adds, published %.3f", published[i].name, giga,
                     published[i].giga);
        release(&t);
    }
}

/* Each row: has a head of the classes, and blocks that part the nodes before it. */
static void blocks_lead_to_the_head(void **state)
{
    (void)state;
    for (int i = 0; architectures[i]; i++) {
        struct built t;
        defaults(&t, architectures[i]->name);
        build(&t, true);
        const struct model *m = &t.model;
        assert_non_null(m->head);
        assert_int_equal(m->head->out.dim[1], 1000);
        assert_int_equal(m->logits->out.dim[1], 1000);
        assert_int_equal(m->logits->out.rank, 2);
        assert_true(m->n_block > 0);
        for (int k = 0, end = 0; k < m->n_block; k++) {
            assert_true(m->block[k].out->id > end);
            end = m->block[k].out->id;
        }
        /* between the last block and the head there is nothing to train */
        for (int id = m->block[m->n_block - 1].out->id + 1; id < t.graph->n_node; id++)
            if (t.graph->node[id] != m->head)
                assert_int_equal(t.graph->node[id]->n_weight, 0);
        release(&t);
    }
    for (size_t i = 0; i < COUNT_OF(published); i++) {
        struct built t;
        defaults(&t, published[i].name);
        build(&t, true);
        assert_int_equal(t.model.n_block, published[i].n_block);
        assert_string_equal(t.model.block[t.model.n_block - 1].name, published[i].last);
        release(&t);
    }
}

/* As the papers' tables and torchvision's comments have them; ceil_mode shows at odd sizes. */
static const struct {
    const char *name;
    int size; /* 0 = its own */
    const char *node, *shape;
} trace[] = {
    {"alexnet", 0, "features.12", "256x6x6"},
    {"vgg19", 0, "features.36", "512x7x7"},
    {"vgg16_bn", 0, "features.43", "512x7x7"},
    {"squeezenet1_0", 0, "features.12.concat", "512x13x13"},
    {"squeezenet1_1", 0, "features.5", "128x27x27"},
    {"googlenet", 0, "maxpool1", "64x56x56"},
    {"googlenet", 0, "inception4e.concat", "832x14x14"},
    {"googlenet", 0, "inception5b.concat", "1024x7x7"},
    {"googlenet", 15, "inception5b.concat", "1024x1x1"},
    {"inception_v3", 0, "maxpool1", "64x73x73"},
    {"inception_v3", 0, "Mixed_6e.concat", "768x17x17"},
    {"inception_v3", 0, "Mixed_7c.concat", "2048x8x8"},
    {"resnet18", 0, "layer4.1.relu", "512x7x7"},
    {"resnet50", 0, "maxpool", "64x56x56"},
    {"resnet50", 0, "layer2.3.relu", "512x28x28"},
    {"resnet101", 65, "layer4.2.relu", "2048x3x3"},
    {"densenet121", 0, "features.denseblock3.concat24", "1024x14x14"},
    {"mobilenet_v2", 0, "features.13.add", "96x14x14"},
    {"mobilenet_v2", 0, "features.18.2", "1280x7x7"},
    {"mobilenet_v3_large", 0, "features.16.2", "960x7x7"},
    {"efficientnet_b3", 0, "features.8.2", "1536x10x10"},
    {"efficientnet_lite2", 0, "act2", "1280x9x9"},
    {"efficientnet_v2_s", 0, "features.7.2", "1280x12x12"},
    {"efficientnet_v2_m", 0, "features.7.4.add", "512x15x15"},
    {"convnext_tiny", 0, "features.5.8.add", "384x14x14"},
    {"vit_b_16", 0, "encoder.ln", "197x768"},
    {"vit_b_16", 384, "encoder.ln", "577x768"},
    {"vit_b_32", 0, "encoder.ln", "50x768"},
};

static void shapes_on_the_way(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(trace); i++) {
        struct built t;
        char text[64];
        defaults(&t, trace[i].name);
        t.cfg.size = trace[i].size;
        build(&t, false);
        const struct node *n = graph_find(t.graph, trace[i].node);
        if (!n)
            fail_msg("%s has no node %s", trace[i].name, trace[i].node);
        else if (strcmp(shape_text(&n->out, text, sizeof(text)), trace[i].shape) != 0)
            fail_msg("%s: %s is %s, not %s", trace[i].name, n->name, text, trace[i].shape);
        release(&t);
    }
}

static void auxiliary_heads_share_the_loss(void **state)
{
    (void)state;
    static const char *const nodes[] = {"aux1.fc2", "aux2.conv.bn", "loss.main", "loss.aux1",
                                        "loss.aux2"};
    struct built t;
    defaults(&t, "googlenet");
    t.cfg.aux = true;
    build(&t, true);
    assert_int_equal(t.model.n_aux, 2);
    for (size_t i = 0; i < COUNT_OF(nodes); i++)
        assert_non_null(graph_find(t.graph, nodes[i]));
    assert_string_equal(t.model.loss->name, "loss");
    assert_int_equal(t.graph->n_value, 13004888); /* torchvision's, aux_logits=True */
    release(&t);
}

static void dropout_and_depth_are_set(void **state)
{
    (void)state;
    struct built t;
    defaults(&t, "efficientnet_v2_s");
    build(&t, true);
    const struct node *last = graph_find(t.graph, "features.6.14.stochastic_depth");
    assert_non_null(last);
    assert_float_equal(((const struct dropout_param *)last->param)->p, 0.2 * 39 / 40, 1e-6);
    release(&t);
    defaults(&t, "vgg11");
    t.cfg.dropout = 0.25;
    build(&t, true);
    const struct node *drop = graph_find(t.graph, "classifier.5");
    assert_float_equal(((const struct dropout_param *)drop->param)->p, 0.25, 0);
    release(&t);
}

struct refusal {
    const char *name, *option, *value, *said;
};

static void refusals_name_what_is_wrong(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"vgg11", "size", "31", "an input of 31 px is too small for vgg11; at least 32"},
        {"vit_b_16", "size", "225", "an input of 225 px: vit_b_16 takes multiples of 16"},
        {"resnet18", "aux", "yes", "--aux: resnet18 has no auxiliary heads"},
        {"vgg11", "stochastic-depth", "0.1", "--stochastic-depth 0.1: vgg11 has none"},
        {"resnet18", "filters", "8", "--filters 8: resnet18 has no such option, cnn5 has"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct built t;
        struct option_table table[MODEL_MAX_TABLES];
        defaults(&t, cases[i].name);
        assert_true(option_set(table, model_tables(&t.cfg, table), cases[i].option,
                               cases[i].value, &t.arena, &t.e));
        assert_false(model_resolve(&t.cfg, &t.e));
        assert_string_equal(t.e.msg, cases[i].said);
        release(&t);
    }
    assert_int_equal(model_find("resnet"), -1);
}

/* Every allocation fails once: no crash, no leak, ERR_NOMEM. */
static void survives_without_memory(void **state)
{
    (void)state;
    static const char *const names[] = {"googlenet", "efficientnet_b0", "vit_b_32"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        for (int at = 1, built = 0; !built; at += 97) {
            struct built t;
            struct model_input in = {.n_class = 10, .u8 = true, .std = {1, 1, 1}};
            defaults(&t, names[i]);
            t.cfg.aux = architectures[t.cfg.kind]->aux[0] != NULL;
            assert_true(model_resolve(&t.cfg, &t.e));
            mem_fail_at(at);
            t.graph = graph_new(&t.e);
            built = t.graph && model_build(&t.model, t.graph, &t.cfg, &in, &t.e);
            mem_fail_at(0);
            assert_true(built || t.e.kind == ERR_NOMEM);
            release(&t);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(counts_are_the_published),
                                       cmocka_unit_test(blocks_lead_to_the_head),
                                       cmocka_unit_test(shapes_on_the_way),
                                       cmocka_unit_test(auxiliary_heads_share_the_loss),
                                       cmocka_unit_test(dropout_and_depth_are_set),
                                       cmocka_unit_test(refusals_name_what_is_wrong),
                                       cmocka_unit_test(survives_without_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
