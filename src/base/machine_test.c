#include "base/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void tells_of_this_machine(void **state)
{
    (void)state;
    char text[256];
    assert_true(*machine_processor(text, sizeof(text)));
    assert_null(strchr(text, '\n'));
    assert_true(machine_memory() > 0 && machine_memory_free() > 0);
    assert_true(machine_memory_free() <= machine_memory());
    char cut[4];
    assert_int_equal(strlen(machine_processor(cut, sizeof(cut))), 3);
}

/* Of a place that does not exist yet, the nearest folder above counts. */
static void disk_of_what_is_to_come(void **state)
{
    (void)state;
    assert_true(machine_disk_free("/") > 0);
    assert_true(machine_disk_free("/no/such/folder") > 0);
    assert_true(machine_disk_free("no/such/folder") > 0);
    assert_true(machine_disk_free("none") > 0);
}

static const char *cache(const char *own, const char *xdg, const char *home, struct arena *a,
                         struct err *e)
{
    setenv("LINNET_CACHE", own, 1);
    setenv("XDG_CACHE_HOME", xdg, 1);
    setenv("HOME", home, 1);
    return machine_cache_folder(a, e);
}

static void cache_goes_where_it_is_told(void **state)
{
    (void)state;
    struct arena a = {0};
    struct err e = {0};
    assert_string_equal(cache("/own", "/xdg", "/home", &a, &e), "/own");
    assert_string_equal(cache("", "/xdg", "/home", &a, &e), "/xdg/linnet");
    assert_string_equal(cache("", "", "/home", &a, &e), "/home/.cache/linnet");
    assert_null(cache("", "", "", &a, &e));
    assert_int_equal(e.kind, ERR_STORAGE);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_of_this_machine),
        cmocka_unit_test(disk_of_what_is_to_come),
        cmocka_unit_test(cache_goes_where_it_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
