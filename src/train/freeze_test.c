/* Which parameters train under which options, counted as torchvision's modules have them, and how that
 * moves over epochs. */
#include "train/freeze.h"

#include "graph/op.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { N_CLASS = 10 };

struct world {
    struct arena arena;
    struct graph *graph;
    struct model model;
    struct freeze_config cfg;
    struct freeze freeze;
};

static void build(struct world *w, const char *name)
{
    struct err e = {0};
    struct model_config config;
    struct option_table table[MODEL_MAX_TABLES];
    *w = (struct world){.graph = graph_new(&e)};
    struct model_input in = {.n_class = N_CLASS, .u8 = true, .std = {1, 1, 1}};
    struct option_table own = {freeze_options, &w->cfg};
    bool ok = option_defaults(table, model_tables(&config, table), &w->arena, &e) &&
              option_defaults(&own, 1, &w->arena, &e);
    config.kind = model_find(name);
    if (!ok || !model_resolve(&config, &e) ||
        !model_build(&w->model, w->graph, &config, &in, &e))
        fail_msg("%s: %s", name, e.msg);
}

static void leave(struct world *w)
{
    graph_free(w->graph);
    arena_release(&w->arena);
}

/* "freeze=backbone unfreeze=2" onto the defaults. */
static void strategy(struct world *w, const char *set)
{
    struct err e = {0};
    struct option_table own = {freeze_options, &w->cfg};
    char text[256], *save = NULL;
    snprintf(text, sizeof(text), "%s", set);
    assert_true(option_defaults(&own, 1, &w->arena, &e));
    for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        char *equals = strchr(word, '=');
        *equals = '\0';
        if (!option_set(&own, 1, word, equals + 1, &w->arena, &e))
            fail_msg("%s", e.msg);
    }
    if (!freeze_resolve(&w->cfg, &e) ||
        !freeze_init(&w->freeze, &w->cfg, &w->model, w->graph, &e))
        fail_msg("%s: %s", set, e.msg);
}

static size_t trained(const struct world *w, int64_t epoch)
{
    return freeze_trained(&w->freeze, freeze_upto(&w->freeze, epoch));
}

static void counts_what_trains(void **state)
{
    (void)state;
    static const struct {
        const char *model, *set;
        size_t n;
    } cases[] = {
        {"mobilenet_v2", "freeze=none", 2236682},
        {"mobilenet_v2", "freeze=auto", 2236682},
        {"mobilenet_v2", "weights=x", 12810}, /* 1280 * 10 + 10 */
        {"mobilenet_v2", "freeze=backbone", 12810},
        {"mobilenet_v2", "unfreeze=1", 12810 + 412160 + 0}, /* 320 * 1280, and batch norm */
        {"mobilenet_v2", "freeze-until=features.17", 12810 + 412160},
        {"mobilenet_v2", "freeze-until=features.18.0", 12810 + 2560},
        {"mobilenet_v2", "weights=x head-epochs=2", 12810},
        {"resnet18", "freeze=backbone", 5130},
        {"resnet18", "freeze-until=layer4.0", 5130 + 4720640},
        {"vgg11", "freeze=backbone", 40970},
        {"vgg11", "unfreeze=1", 40970 + 102764544 + 16781312},
        {"googlenet", "freeze=backbone", 10250},
        {"squeezenet1_1", "freeze=backbone", 5130},
        {"vit_b_32", "freeze=backbone", 7690},
        {"densenet121", "freeze=backbone", 10250},
        {"convnext_tiny", "freeze=backbone", 7690},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct world w;
        build(&w, cases[i].model);
        strategy(&w, cases[i].set);
        size_t n = trained(&w, 0);
        if (n != cases[i].n)
            fail_msg("%s, %s: %zu train, expected %zu", cases[i].model, cases[i].set, n,
                     cases[i].n);
        leave(&w);
    }
}

static void moves_with_the_epochs(void **state)
{
    (void)state;
    struct world w;
    build(&w, "mobilenet_v2");
    size_t all = w.graph->n_value, block = 12810 + 412160;
    strategy(&w, "weights=x head-epochs=3");
    assert_int_equal(trained(&w, 2), 12810); /* head first, then all */
    assert_int_equal(trained(&w, 3), all);
    strategy(&w, "unfreeze-every=2");
    assert_int_equal(trained(&w, 1), 12810);
    assert_int_equal(trained(&w, 2), block);
    assert_int_equal(trained(&w, 38), all);
    assert_int_equal(trained(&w, 1000), all);
    strategy(&w, "unfreeze-every=1 freeze-until=features.17");
    assert_int_equal(trained(&w, 0), 12810);
    for (int epoch = 1; epoch < 50; epoch++)
        assert_int_equal(trained(&w, epoch), block);
    strategy(&w, "unfreeze-every=5 unfreeze=1 head-epochs=1");
    assert_int_equal(trained(&w, 0), 12810);
    assert_int_equal(trained(&w, 5), block);
    assert_true(trained(&w, 6) > block);
    leave(&w);
}

/* Frozen means no gradient and no batch statistics; rates fall block by block. */
static void lists_nodes_and_rates(void **state)
{
    (void)state;
    struct world w;
    build(&w, "mobilenet_v2");
    size_t n = (size_t)w.graph->n_node;
    struct err e;
    double *rate = mem_new(n, sizeof(*rate), &e);
    struct node **list = mem_new(n + 1, sizeof(*list), &e);
    assert_true(rate && list);
    strategy(&w, "layer-decay=0.5");
    assert_int_equal(freeze_upto(&w.freeze, 0), -1);
    freeze_rates(&w.freeze, -1, rate);
    assert_float_equal(rate[graph_find(w.graph, "classifier.1")->id], 1, 0);
    assert_float_equal(rate[graph_find(w.graph, "features.18.1")->id], 0.5, 0);
    assert_float_equal(rate[graph_find(w.graph, "features.17.conv.3")->id], 0.25, 0);
    assert_float_equal(rate[graph_find(w.graph, "features.0.0")->id], 1.0 / (1 << 19), 0);
    freeze_list(&w.freeze, -1, list);
    assert_null(list[0]);
    strategy(&w, "unfreeze=2 layer-decay=0.5");
    int upto = freeze_upto(&w.freeze, 0);
    freeze_rates(&w.freeze, upto, rate);
    assert_float_equal(rate[graph_find(w.graph, "features.17.conv.3")->id], 0.25, 0);
    assert_float_equal(rate[graph_find(w.graph, "features.16.conv.3")->id], 0, 0);
    w.cfg.head_scale = 3; /* of the last layer's rate, while it is alone */
    freeze_rates(&w.freeze, upto, rate);
    assert_float_equal(rate[graph_find(w.graph, "classifier.1")->id], 1, 0);
    freeze_rates(&w.freeze, w.freeze.head, rate);
    assert_float_equal(rate[graph_find(w.graph, "classifier.1")->id], 3, 0);
    leave(&w);
    build(&w, "efficientnet_b0"); /* stochastic depth, up to the last of its blocks */
    for (int keep = 0; keep < 2; keep++) {
        struct node *listed[4096];
        assert_true(w.graph->n_node < 4096);
        strategy(&w, keep ? "freeze=backbone frozen-dropout=true" : "freeze=backbone");
        freeze_list(&w.freeze, freeze_upto(&w.freeze, 0), listed);
        int random = 0;
        for (struct node **at = listed; *at; at++)
            random += (*at)->op->random;
        assert_true(keep ? random == 0 : random > 5);
    }
    mem_free(rate);
    mem_free(list);
    leave(&w);
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *set, *says;
    } cases[] = {
        {"unfreeze=20", "--unfreeze 20: mobilenet_v2 has 19 blocks"},
        {"freeze-until=features.71",
         "--freeze-until features.71: mobilenet_v2 has no such block or layer; did you mean "
         "features.1"},
        {"freeze-until=classifier.1", "--freeze-until classifier.1: nothing would train; "
                                      "expected a layer before classifier.1"},
        {"unfreeze=2 freeze-until=features.3",
         "--unfreeze 2 and --freeze-until features.3: both say where training begins; give "
         "one"},
        {"freeze=none unfreeze=2", "--unfreeze with --freeze none: nothing is frozen then"},
        {"freeze=none unfreeze-every=2",
         "--unfreeze-every with --freeze none: nothing is frozen then"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct world w;
        struct err e = {0};
        build(&w, "mobilenet_v2");
        struct option_table own = {freeze_options, &w.cfg};
        char text[256], *save = NULL;
        snprintf(text, sizeof(text), "%s", cases[i].set);
        for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
            char *equals = strchr(word, '=');
            *equals = '\0';
            assert_true(option_set(&own, 1, word, equals + 1, &w.arena, &e));
        }
        assert_false(freeze_resolve(&w.cfg, &e) &&
                     freeze_init(&w.freeze, &w.cfg, &w.model, w.graph, &e));
        assert_string_equal(e.msg, cases[i].says);
        assert_int_equal(e.kind, ERR_USAGE);
        leave(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_what_trains),
        cmocka_unit_test(moves_with_the_epochs),
        cmocka_unit_test(lists_nodes_and_rates),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
