/* Damerau's edit distance (insert, drop, replace, swap neighbours), blind to case and to '-' and
 * '_'. */
#include "base/option.h"

#include <ctype.h>
#include <string.h>

enum { NAME_MAX_LENGTH = 63, DISTANCE_MAX = 3 };

static int fold(char c)
{
    return c == '-' ? '_' : tolower((unsigned char)c);
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* Names of at most NAME_MAX_LENGTH. Three rows of the table are alive. */
static int distance(const char *a, const char *b)
{
    int row[3][NAME_MAX_LENGTH + 1];
    int n = (int)strlen(a), m = (int)strlen(b);
    for (int j = 0; j <= m; j++)
        row[0][j] = j;
    for (int i = 1; i <= n; i++) {
        int *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];
        now[0] = i;
        for (int j = 1; j <= m; j++) {
            int cost = fold(a[i - 1]) != fold(b[j - 1]);
            now[j] = least(least(last[j], now[j - 1]) + 1, last[j - 1] + cost);
            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
                fold(a[i - 2]) == fold(b[j - 1]))
                now[j] = least(now[j], before[j - 2] + 1);
        }
    }
    return row[n % 3][m];
}

static bool begins(const char *name, const char *with)
{
    while (*with && fold(*name) == fold(*with)) {
        name++;
        with++;
    }
    return !*with;
}

const char *nearest_name(const char *name, const char *const *known, int n_known)
{
    const char *nearest = NULL;
    int n = (int)strlen(name), best = least(DISTANCE_MAX, n / 2) + 1;
    if (n > NAME_MAX_LENGTH)
        return NULL;
    for (int i = 0; i < n_known; i++) {
        if (strlen(known[i]) > NAME_MAX_LENGTH)
            continue;
        int d = distance(name, known[i]);
        if (d < best) {
            best = d;
            nearest = known[i];
        }
    }
    for (int i = 0; i < n_known && !nearest; i++)
        if ((n > 1 && begins(known[i], name)) || (known[i][0] && begins(name, known[i])))
            nearest = known[i];
    return nearest;
}
