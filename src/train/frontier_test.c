/* Where frozen work ends, in networks with branches, random layers and layers frozen half-way through a
 * block. */
#include "train/frontier.h"

#include "backend/backend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *const classes[] = {"cat", "dog", "fox"};

struct world {
    struct arena arena;
    struct freeze_config freeze;
    struct model_config model;
    struct network net;
};

static void set_all(struct world *w, const struct option_table *table, int n, const char *given)
{
    struct err e = {0};
    char text[256], *rest;
    snprintf(text, sizeof(text), "%s", given);
    for (char *at = strtok_r(text, " ", &rest); at; at = strtok_r(NULL, " ", &rest)) {
        char *value = strchr(at, '=');
        *value++ = '\0';
        if (!option_set(table, n, at, value, &w->arena, &e))
            fail_msg("%s", e.msg);
    }
}

static void build(struct world *w, const char *given)
{
    struct err e = {0};
    struct option_table table[MODEL_MAX_TABLES + 1];
    *w = (struct world){0};
    int n = model_tables(&w->model, table);
    table[n++] = (struct option_table){freeze_options, &w->freeze};
    assert_true(option_defaults(table, n, &w->arena, &e));
    w->model.size = 64;
    set_all(w, table, n, given);
    struct preprocess pre = PREPROCESS(64, 64);
    struct network_spec spec = {
        .config = &w->model, .pre = &pre, .n_class = 3, .class_name = classes};
    if (!model_resolve(&w->model, &e) || !freeze_resolve(&w->freeze, &e) ||
        !network_init(&w->net, &spec, 1, &e))
        fail_msg("%s: %s", given, e.msg);
}

static void ends_before_what_is_live(void **state)
{
    (void)state;
    static const struct {
        const char *given, *node; /* NULL: nothing to keep */
    } cases[] = {
        {"model=cnn5 freeze=none", NULL},
        {"model=cnn5 freeze=backbone", "fcact1"},
        {"model=cnn5 freeze=backbone dropout=0.5", "fcact1"},
        {"model=cnn5 freeze=backbone dropout=0.5 dropout-where=both", "fcact1"},
        {"model=cnn5 freeze=backbone dropout=0.5 dropout-where=both frozen-dropout=true",
         "act1"},
        {"model=cnn5 freeze-until=conv1", "conv1"},
        {"model=mobilenet_v2 freeze=backbone", "flatten"},
        {"model=mobilenet_v2 unfreeze=1", "features.17.conv.3"},
        {"model=mobilenet_v2 freeze-until=features.0.1", "features.0.2"},
        /* the shortcut leaves layer3.1 too */
        {"model=resnet18 freeze-until=layer4.0.conv1", "layer3.1.relu"},
        {"model=resnet18 freeze-until=layer4.0", "layer4.0.relu"},
        {"model=squeezenet1_1 freeze=backbone", "features.12.concat"},
        {"model=googlenet freeze-until=inception5b.branch1.conv size=64", "inception5a.concat"},
    };
    struct err e = {0};
    struct backend *backend = backend_open("ref", 1, &e);
    assert_non_null(backend);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct world w;
        struct freeze freeze;
        struct frontier *f;
        build(&w, cases[i].given);
        assert_true(freeze_init(&freeze, &w.freeze, &w.net.model, w.net.graph, &e));
        struct frontier_request r = {.backend = backend,
                                     .net = &w.net,
                                     .freeze = &freeze,
                                     .upto = freeze_upto(&freeze, 0),
                                     .max_n = 2};
        if (!frontier_new(&f, &r, &e))
            fail_msg("%s: %s", cases[i].given, e.msg);
        const char *is = f ? frontier_node(f)->name : "nothing",
                   *want = cases[i].node ? cases[i].node : "nothing";
        if (strcmp(is, want) != 0)
            fail_msg("%s: %s, expected %s", cases[i].given, is, want);
        frontier_free(f);
        network_release(&w.net);
        arena_release(&w.arena);
    }
    backend_close(backend);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_before_what_is_live),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
