/* The C library's conversions under the C locale, which glibc hands out without allocating. */
#include "base/number.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static locale_t c_locale(void)
{
    return newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

bool number_real(const char *text, double *out)
{
    if (!*text || text[strspn(text, "+-.0123456789eE")])
        return false;
    char *end;
    double r = strtod_l(text, &end, c_locale());
    if (*end || end == text || !isfinite(r))
        return false;
    *out = r;
    return true;
}

bool number_int(const char *text, int64_t *out)
{
    if (!*text || text[strspn(text, "+-0123456789")])
        return false;
    char *end;
    errno = 0;
    long long i = strtoll(text, &end, 10);
    if (*end || end == text || errno == ERANGE)
        return false;
    *out = i;
    return true;
}

char *number_text(double r, char text[NUMBER_TEXT])
{
    static const int precision[] = {6, 9, 15, 16,
                                    17}; /* 17 digits tell any two doubles apart */
    locale_t caller = uselocale(c_locale());
    for (size_t i = 0; i < sizeof(precision) / sizeof(precision[0]); i++) {
        snprintf(text, NUMBER_TEXT, "%.*g", precision[i], r);
        if (strtod(text, NULL) == r)
            break;
    }
    uselocale(caller);
    return text;
}
