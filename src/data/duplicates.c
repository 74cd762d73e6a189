/* What is there twice. Equal fingerprints are found by sorting; near duplicates by comparing each
 * picture with those of nearly its mean grey level, in the order of that level. Each picture is in
 * one finding at most, with the first of its kind, or the nearest one, as the other. */
#include "data/each.h"
#include "data/inspect.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { FLAT = 4 /* less contrast than this has no print to compare */ };

/* A picture in the order of a fingerprint, or of mean grey. */
struct entry {
    const uint64_t *key;
    float mean;
    int i;
};

struct finder {
    struct inspection *in;
    struct entry *order;
    int n;
    int *twin;               /* (in->n) the earlier picture that each one repeats, -1 = none */
    enum finding_kind *kind; /* (in->n) */
};

static int by_key(const void *a, const void *b)
{
    const struct entry *p = a, *q = b;
    for (int k = 0; k < 2; k++)
        if (p->key[k] != q->key[k])
            return p->key[k] < q->key[k] ? -1 : 1;
    return p->i < q->i ? -1 : p->i > q->i;
}

static int by_mean(const void *a, const void *b)
{
    const struct entry *p = a, *q = b;
    if (p->mean < q->mean || p->mean > q->mean)
        return p->mean < q->mean ? -1 : 1;
    return p->i < q->i ? -1 : p->i > q->i;
}

/* Runs of one fingerprint: each but the first repeats the first. */
static void find_equal(struct finder *f, enum finding_kind kind)
{
    f->n = 0;
    for (int i = 0; i < f->in->n; i++) {
        const struct inspected *p = f->in->at + i;
        if (!p->bad)
            f->order[f->n++] =
                (struct entry){.key = kind == SAME_BYTES ? p->bytes : p->pixels, .i = i};
    }
    if (f->n)
        qsort(f->order, (size_t)f->n, sizeof(*f->order), by_key);
    for (int k = 1, first = 0; k < f->n; k++) {
        if (memcmp(f->order[k].key, f->order[first].key, 2 * sizeof(uint64_t)) != 0) {
            first = k;
        } else if (f->twin[f->order[k].i] < 0) {
            f->twin[f->order[k].i] = f->order[first].i;
            f->kind[f->order[k].i] = kind;
        }
    }
}

/* Differing signs; INT_MAX when the small copies differ too much. */
static int distance(const struct inspected *a, const struct inspected *b)
{
    int bits = 0, difference = 0;
    for (int k = 0; k < PRINT_WORDS && bits <= NEAR_BITS; k++)
        bits += __builtin_popcountll(a->print[k] ^ b->print[k]);
    if (bits > NEAR_BITS)
        return INT_MAX;
    for (size_t k = 0; k < sizeof(a->small); k++)
        difference += abs(a->small[k] - b->small[k]);
    return difference > NEAR_DIFFERENCE * (int)sizeof(a->small) ? INT_MAX : bits;
}

/* The nearest earlier picture of order[k]; one in another part goes first. */
static bool find_near(void *ctx, int k, struct err *e)
{
    struct finder *f = ctx;
    const struct inspected *at = f->in->at;
    int i = f->order[k].i, best = INT_MAX, best_i = -1;
    (void)e;
    for (int step = -1; step <= 1; step += 2)
        for (int m = k + step; m >= 0 && m < f->n; m += step) {
            if (abs((int)(f->order[m].mean - f->order[k].mean)) > NEAR_DIFFERENCE)
                break;
            int other = f->order[m].i, d = other < i ? distance(at + i, at + other) : INT_MAX;
            if (d != INT_MAX && at[other].part == at[i].part)
                d += NEAR_BITS + 1;
            if (d < best || (d == best && d != INT_MAX && other < best_i)) {
                best = d;
                best_i = other;
            }
        }
    if (best_i >= 0) {
        f->twin[i] = best_i;
        f->kind[i] = NEAR_DUPLICATE;
    }
    return true;
}

static bool find_all_near(struct finder *f, int n_thread, struct err *e)
{
    f->n = 0;
    for (int i = 0; i < f->in->n; i++) {
        const struct inspected *p = f->in->at + i;
        if (!p->bad && f->twin[i] < 0 && p->contrast >= FLAT)
            f->order[f->n++] = (struct entry){.mean = p->mean, .i = i};
    }
    if (f->n)
        qsort(f->order, (size_t)f->n, sizeof(*f->order), by_mean);
    return each_sample(
        &(struct each){.n = f->n, .n_thread = n_thread, .fn = find_near, .ctx = f}, e);
}

static bool keep(struct finder *f, struct err *e)
{
    struct inspection *in = f->in;
    in->finding = mem_new((size_t)in->n, sizeof(*in->finding), e);
    if (!in->finding)
        return false;
    for (int b = 0; b < in->n; b++) {
        int a = f->twin[b];
        if (a < 0)
            continue;
        const struct inspected *p = in->at + a, *q = in->at + b;
        int p_label = p->d->sample[p->sample].label, q_label = q->d->sample[q->sample].label;
        in->finding[in->n_finding++] = (struct finding){
            .kind = f->kind[b],
            .a = a,
            .b = b,
            .leak = p->part != q->part,
            .conflict = p_label >= 0 && q_label >= 0 &&
                        strcmp(p->d->class_name[p_label], q->d->class_name[q_label]) != 0,
        };
    }
    return true;
}

bool inspect_find(struct inspection *in, int n_thread, struct err *e)
{
    struct finder f = {.in = in};
    f.order = mem_new((size_t)in->n, sizeof(*f.order), e);
    f.twin = f.order ? mem_new((size_t)in->n, sizeof(*f.twin), e) : NULL;
    f.kind = f.twin ? mem_new((size_t)in->n, sizeof(*f.kind), e) : NULL;
    bool ok = f.kind != NULL;
    for (int i = 0; ok && i < in->n; i++)
        f.twin[i] = -1;
    if (ok) {
        find_equal(&f, SAME_BYTES);
        find_equal(&f, SAME_PIXELS);
        ok = find_all_near(&f, n_thread, e) && keep(&f, e);
    }
    mem_free(f.kind);
    mem_free(f.twin);
    mem_free(f.order);
    return ok;
}
