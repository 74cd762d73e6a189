#include "train/neighbours.h"

#include <math.h>
#include <string.h>

static double dot(const float *a, const float *b, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

static double cosine(const float *a, const float *b, int n)
{
    double both = sqrt(dot(a, a, n)) * sqrt(dot(b, b, n));
    return both > 0 ? dot(a, b, n) / both : 0;
}

void neighbours_add(struct neighbours *s, int row, const float *features)
{
    double similarity = cosine(s->of, features, s->dim);
    int at = s->n;
    while (at > 0 && s->out[at - 1].similarity < similarity)
        at--;
    if (at == s->k)
        return;
    s->n += s->n < s->k;
    memmove(s->out + at + 1, s->out + at, (size_t)(s->n - at - 1) * sizeof(*s->out));
    s->out[at] = (struct neighbour){row, similarity};
}

static double weight(const struct neighbour *n)
{
    return n->similarity > 0 ? n->similarity : 0;
}

struct vote neighbours_vote(const struct neighbour *nearest, int n, const char *const *label)
{
    struct vote best = {0};
    double most = 0, all = 0;
    int voters = 0;
    for (int i = 0; i < n; i++) {
        const char *own = label[nearest[i].row];
        double sum = 0;
        int same = 0;
        if (!own)
            continue;
        voters++;
        all += weight(&nearest[i]);
        for (int k = 0; k < n; k++) {
            const char *other = label[nearest[k].row];
            if (!other || strcmp(own, other) != 0)
                continue;
            sum += weight(&nearest[k]);
            same++;
        }
        if (sum > most) {
            most = sum;
            best.label = own;
            best.n = same;
        }
    }
    best.share = all > 0 ? most / all : 0;
    best.of = voters;
    return best;
}
