#include "weights/zoo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void rows_are_in_order(void **state)
{
    int n = 0;
    (void)state;
    for (const struct zoo_weights *w = zoo; w->model; w++, n++) {
        size_t n_digit;
        assert_non_null(zoo_digits(w->file, &n_digit));
        assert_int_equal(n_digit, 8);
        assert_true(w->n_param > 1000000 && w->mmacs > 50 && w->mib > 4);
        assert_true(w->top1 > 50 && w->top1 < w->top5 && w->top5 < 100);
        assert_true(w->crop_px >= 224 && w->resize_px >= w->crop_px);
        if (w->sha256) {
            assert_int_equal(strlen(w->sha256), 64);
            assert_memory_equal(w->sha256, zoo_digits(w->file, &n_digit), 8);
        }
        for (const struct zoo_weights *other = w + 1; other->model; other++) {
            assert_string_not_equal(w->file, other->file);
            if (strcmp(w->model, other->model) == 0) /* a model's rows stand together */
                assert_string_equal(w->model, w[1].model);
        }
    }
    assert_int_equal(n, 37);
}

static void names(void **state)
{
    static const struct {
        const char *name, *file;
    } known[] = {
        {"vgg19", "vgg19-dcbb9e9d.pth"},
        {"resnet50", "resnet50-11ad3fa6.pth"},
        {"resnet50:default", "resnet50-11ad3fa6.pth"},
        {"resnet50:V2", "resnet50-11ad3fa6.pth"},
        {"resnet50:v1", "resnet50-0676ba61.pth"},
        {"resnet50:IMAGENET1K_V1", "resnet50-0676ba61.pth"},
        {"vit_b_16:SWAG_E2E_V1", "vit_b_16_swag-9ac1b537.pth"},
    };
    struct err e;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        const struct zoo_weights *w = zoo_find(known[i].name, &e);
        assert_non_null(w);
        assert_string_equal(w->file, known[i].file);
        assert_ptr_equal(zoo_find_file(w->file), w);
    }
    assert_null(zoo_find_file("vgg19"));
}

static void names_that_are_none(void **state)
{
    static const struct {
        const char *name, *says;
    } unknown[] = {
        {"mobilenetv2", "did you mean mobilenet_v2"},
        {"resnet50:V3", "known are V2, V1"},
        {"resnet50:", "known are V2, V1"},
        {"", "linnet zoo lists them"},
        {":V1", "linnet zoo lists them"},
        {"efficientnet_lite0", "come as a file"},
        {"an_endless_name_an_endless_name_an_endless_name_an_endless_name_an_endless_name",
         "zoo"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(unknown); i++) {
        struct err e = {0};
        assert_null(zoo_find(unknown[i].name, &e));
        assert_int_equal(e.kind, ERR_USAGE);
        assert_non_null(strstr(e.msg, unknown[i].says));
    }
}

static void digits(void **state)
{
    static const char *const none[] = {
        "vgg19.pth",         "vgg19-dcbb9e9.pth",   "vgg19-dcbb9e9d",
        "vgg19-dcbb9e9d.sh", "a/b-dcbb9e9d.pth",    "../b-dcbb9e9d.pth",
        ".b-dcbb9e9d.pth",   "b-DCBB9E9D.pth",      "b-dcbb9e9dx.pth",
        "b c-dcbb9e9d.pth",  "b-dcbb9e9d.pth.part", "-",
        "b?x=-dcbb9e9d.pth", "b%2e-dcbb9e9d.pth",   "",
    };
    size_t n;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(none); i++)
        assert_null(zoo_digits(none[i], &n));
    assert_string_equal(zoo_digits("mnasnet0.5_top1_67.823-3ffadce67e.pth", &n),
                        "3ffadce67e.pth");
    assert_int_equal(n, 10);
    assert_non_null(zoo_digits("alexnet-owt-7be5be79.safetensors", &n));
}

static void addresses_and_places(void **state)
{
    struct arena a = {0};
    struct err e;
    (void)state;
    unsetenv("LINNET_ZOO_URL");
    assert_string_equal(zoo_url("x", &a, &e), "https://download.pytorch.org/models/x");
    setenv("LINNET_ZOO_URL", "", 1);
    assert_string_equal(zoo_url("x", &a, &e), "https://download.pytorch.org/models/x");
    setenv("LINNET_ZOO_URL", "http://[::1]:80/m", 1);
    assert_string_equal(zoo_url("x", &a, &e), "http://[::1]:80/m/x");
    setenv("LINNET_ZOO_URL", "file:///m/", 1);
    assert_string_equal(zoo_url("x", &a, &e), "file:///m/x");
    setenv("LINNET_ZOO_URL", "ftp://m/", 1);
    assert_null(zoo_url("x", &a, &e));
    assert_int_equal(e.kind, ERR_USAGE);

    unsetenv("LINNET_CACHE");
    setenv("XDG_CACHE_HOME", "/c", 1);
    assert_string_equal(zoo_path("x", &a, &e), "/c/linnet/weights/x");
    unsetenv("XDG_CACHE_HOME");
    setenv("HOME", "/h", 1);
    assert_string_equal(zoo_path("x", &a, &e), "/h/.cache/linnet/weights/x");
    setenv("LINNET_CACHE", "/l", 1);
    assert_string_equal(zoo_path("x", &a, &e), "/l/weights/x");
    arena_release(&a);
}

static void what_was_pulled(void **state)
{
    char folder[] = "/tmp/linnet_zoo_XXXXXX", command[128];
    struct arena a = {0};
    struct err e;
    (void)state;
    assert_non_null(mkdtemp(folder));
    setenv("LINNET_CACHE", folder, 1);
    assert_null(zoo_pulled("resnet50:V1", &a, &e));
    assert_int_equal(e.kind, ERR_MODEL);
    assert_non_null(strstr(e.msg, "linnet pull resnet50:V1"));
    assert_null(zoo_pulled("resnet51", &a, &e));
    assert_int_equal(e.kind, ERR_USAGE);

    snprintf(command, sizeof(command),
             "mkdir %s/weights; touch %s/weights/resnet50-0676ba61.pth", folder, folder);
    assert_int_equal(system(command), 0);
    const char *path = zoo_pulled("resnet50:V1", &a, &e);
    assert_non_null(path);
    assert_true(zoo_here(path));
    assert_null(zoo_pulled("resnet50", &a, &e));
    snprintf(command, sizeof(command), "rm -r %s", folder);
    assert_int_equal(system(command), 0);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_in_order),    cmocka_unit_test(names),
        cmocka_unit_test(names_that_are_none),  cmocka_unit_test(digits),
        cmocka_unit_test(addresses_and_places), cmocka_unit_test(what_was_pulled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
