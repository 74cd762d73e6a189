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

static double cosine(const float *a, double a_length, const float *b, int n)
{
    double both = a_length * sqrt(dot(b, b, n));
    return both > 0 ? dot(a, b, n) / both : 0;
}

int neighbours_find(const struct neighbours_query *q, struct neighbour *out, int k)
{
    double length = sqrt(dot(q->of, q->of, q->dim));
    int found = 0;
    for (int i = 0; i < q->n; i++) {
        if (q->skip && q->skip[i])
            continue;
        const float *row = q->row + (size_t)i * (size_t)q->dim;
        double similarity = cosine(q->of, length, row, q->dim);
        int at = found;
        while (at > 0 && out[at - 1].similarity < similarity)
            at--;
        if (at == k)
            continue;
        found += found < k;
        memmove(out + at + 1, out + at, (size_t)(found - at - 1) * sizeof(*out));
        out[at] = (struct neighbour){i, similarity};
    }
    return found;
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
