/* What the options of a training say together. */
#include "train/config.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The learning rate of "name=value name=value" onto the defaults. */
/* Of the run, and while the last layer trains alone. */
static double rate_of(const char *set, double *head)
{
    static struct train_config cfg;
    struct err e = {0};
    struct arena a = {0};
    struct option_table table[TRAIN_MAX_TABLES];
    int n = train_tables(&cfg, table);
    char text[128], *save = NULL;
    snprintf(text, sizeof(text), "%s", set);
    bool ok = option_defaults(table, n, &a, &e);
    for (char *word = strtok_r(text, " ", &save); ok && word;
         word = strtok_r(NULL, " ", &save)) {
        char *equals = strchr(word, '=');
        *equals = '\0';
        ok = option_set(table, n, word, equals + 1, &a, &e);
    }
    if (!ok || !train_resolve(&cfg, &e))
        fail_msg("%s", e.msg);
    double lr = cfg.optim.lr;
    assert_true(train_resolve(&cfg, &e)); /* what is resolved stays so */
    assert_true(cfg.optim.lr == lr);
    *head = cfg.freeze.head_scale * lr;
    arena_release(&a);
    return lr;
}

static void learnt_weights_move_slowly(void **state)
{
    (void)state;
    static const struct {
        const char *set;
        double lr, head;
    } cases[] = {
        {"", 1e-3, 1e-3},
        {"weights=x", 1e-3, 1e-3}, /* a new last layer alone */
        {"weights=x freeze=backbone", 1e-3, 1e-3},
        {"freeze=none", 1e-3, 1e-3},
        {"weights=x freeze=none", 3e-4, 1e-3},
        {"weights=x unfreeze=3", 3e-4, 1e-3},
        {"weights=x freeze-until=features.10", 3e-4, 1e-3},
        {"weights=x unfreeze-every=1", 3e-4, 1e-3},
        {"weights=x head-epochs=2", 3e-4, 1e-3},
        {"weights=x freeze=none lr=0.01", 0.01, 0.01},
        {"weights=x head-epochs=2 head-lr=0.03", 3e-4, 0.03},
        {"weights=x freeze=none optimiser=sgd", 1e-3, 1e-3},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        double head, lr = rate_of(cases[i].set, &head);
        if (lr != cases[i].lr || fabs(head - cases[i].head) > 1e-9)
            fail_msg("%s: %g, head %g", cases[i].set, lr, head);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(learnt_weights_move_slowly)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
