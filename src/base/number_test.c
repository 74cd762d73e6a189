#include "base/attr.h"
#include "base/number.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void reads_decimals_only(void **state)
{
    (void)state;
    static const char *const bad[] = {"",       " 1",  "1 ",  "nan",   "inf", "1e309",
                                      "-1e400", "0x1", "1,5", "1e",    "--1", "1-1",
                                      "e5",     ".",   "+",   "1.2.3", "1p3", "infinity"};
    double r = 7;
    int64_t i = 7;
    for (size_t k = 0; k < COUNT_OF(bad); k++) {
        assert_false(number_real(bad[k], &r));
        assert_false(number_int(bad[k], &i));
    }
    assert_true(r == 7 && i == 7);
    assert_true(number_real("-1.5e-3", &r) && r == -1.5e-3);
    assert_true(number_real("1e-400", &r) && r == 0);
    assert_true(number_int("-9223372036854775808", &i) && i == INT64_MIN);
    assert_false(number_int("9223372036854775808", &i));
    assert_false(number_int("1.0", &i));
}

static void writes_the_shortest(void **state)
{
    (void)state;
    static const double value[] = {0,       0.1,    1e-4,    1.0 / 3, 123456789,
                                   DBL_MAX, 5e-324, -2.5e10, 0x1p53,  M_PI};
    char text[NUMBER_TEXT];
    assert_string_equal(number_text(0.1, text), "0.1");
    assert_string_equal(number_text(1e-4, text), "0.0001");
    assert_string_equal(number_text(10, text), "10");
    for (size_t k = 0; k < COUNT_OF(value); k++) {
        double back;
        assert_true(number_real(number_text(value[k], text), &back));
        assert_memory_equal(&back, &value[k], sizeof(back));
    }
}

/* Where a comma is the decimal point, a point still is one here. */
static void any_locale_is_the_same(void **state)
{
    (void)state;
    char where[] = "/tmp/linnet-locale-XXXXXX", command[256];
    assert_non_null(mkdtemp(where));
    setenv("LOCPATH", where, 1);
    snprintf(command, sizeof(command), "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8", where);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): a fixed command */
    assert_non_null(setlocale(LC_ALL, "de_DE.UTF-8"));
    assert_string_equal(localeconv()->decimal_point, ",");
    char text[NUMBER_TEXT];
    double r;
    assert_string_equal(number_text(0.5, text), "0.5");
    assert_true(number_real("0.25", &r) && r == 0.25);
    setlocale(LC_ALL, "C");
    unsetenv("LOCPATH");
    snprintf(command, sizeof(command), "rm -r %s", where);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c) */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_decimals_only),
        cmocka_unit_test(writes_the_shortest),
        cmocka_unit_test(any_locale_is_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
