/* Finds the kind of source, lets it read, then puts classes and samples into their order. Growing
 * arrays live in the data set's arena: a doubled array leaves the old one there until the end. */
#include "data/source.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Tried in this order; a folder is what is left. */
static const struct source *const sources[] = {&source_csv, &source_idx, &source_folder, NULL};

static const char *skip_zeros(const char *s)
{
    while (*s == '0')
        s++;
    return s;
}

static size_t digits(const char *s)
{
    size_t n = 0;
    while (isdigit((unsigned char)s[n]))
        n++;
    return n;
}

int natural_compare(const char *a, const char *b)
{
    const char *p = a, *q = b;
    while (*p && *q) {
        if (isdigit((unsigned char)*p) && isdigit((unsigned char)*q)) {
            p = skip_zeros(p);
            q = skip_zeros(q);
            size_t n = digits(p), m = digits(q);
            int order = n != m ? (n < m ? -1 : 1) : memcmp(p, q, n);
            if (order)
                return order;
            p += n;
            q += m;
        } else if (*p != *q) {
            return (unsigned char)*p < (unsigned char)*q ? -1 : 1;
        } else {
            p++;
            q++;
        }
    }
    if (*p || *q)
        return *p ? 1 : -1;
    return strcmp(a, b);
}

/* Room for one more of n items in an array of the arena. */
static bool grow(struct arena *a, const void *old, void **out, int n, int *room, size_t size,
                 struct err *e)
{
    *out = NULL;
    if (n < *room)
        return true;
    int more = *room ? *room * 2 : 64;
    *out = arena_new(a, (size_t)more, size, e);
    if (!*out)
        return false;
    if (n)
        memcpy(*out, old, (size_t)n * size);
    *room = more;
    return true;
}

int scan_class(struct scan *s, const char *name, struct err *e)
{
    struct dataset *d = s->d;
    for (int i = d->n_class - 1; i >= 0; i--) /* the last one is the likeliest */
        if (!strcmp(d->class_name[i], name))
            return i;
    void *more;
    char *copy = arena_text(&d->arena, name, e);
    if (!copy || !grow(&d->arena, d->class_name, &more, d->n_class, &s->room_class,
                       sizeof(*d->class_name), e))
        return -1;
    if (more)
        d->class_name = more;
    d->class_name[d->n_class] = copy;
    return d->n_class++;
}

bool scan_sample(struct scan *s, struct sample sample, struct err *e)
{
    struct dataset *d = s->d;
    void *more;
    sample.path = arena_text(&d->arena, sample.path, e);
    if (!sample.path ||
        !grow(&d->arena, d->sample, &more, d->n_sample, &s->room_sample, sizeof(*d->sample), e))
        return false;
    if (more)
        d->sample = more;
    d->sample[d->n_sample++] = sample;
    return true;
}

bool dataset_note(struct dataset *d, struct dataset_issue issue, struct err *e)
{
    void *more;
    issue.path = arena_text(&d->arena, issue.path, e);
    issue.why = issue.path ? arena_text(&d->arena, issue.why, e) : NULL;
    if (!issue.why ||
        !grow(&d->arena, d->issue, &more, d->n_issue, &d->room_issue, sizeof(issue), e))
        return false;
    struct dataset_issue *at = more ? more : (struct dataset_issue *)d->issue;
    at[d->n_issue++] = issue;
    d->issue = at;
    return true;
}

int dataset_class(const struct dataset *d, const char *name)
{
    for (int i = 0; i < d->n_class; i++)
        if (!strcmp(d->class_name[i], name))
            return i;
    return -1;
}

const char *dataset_name(const struct dataset *d, int i)
{
    const char *path = d->sample[i].path;
    size_t n = strlen(d->root);
    return !strncmp(path, d->root, n) && path[n] == '/' ? path + n + 1 : path;
}

static int by_name(const void *a, const void *b)
{
    return natural_compare(*(const char *const *)a, *(const char *const *)b);
}

/* The classes of the training part, asked for by name, in their order. */
static bool take_classes(struct dataset *d, const char *const *classes, struct err *e)
{
    int n = 0;
    while (classes[n])
        n++;
    const char **name = arena_new(&d->arena, (size_t)n + 1, sizeof(*name), e);
    if (!name)
        return false;
    for (int i = 0; i < n; i++)
        if (!(name[i] = arena_text(&d->arena, classes[i], e)))
            return false;
    d->class_name = name;
    d->n_class = n;
    return true;
}

/* Puts the classes into their order and renumbers the labels. */
static bool order_classes(struct dataset *d, const char *const *classes, struct err *e)
{
    int n_found = d->n_class;
    const char **found = d->class_name;
    int *label = arena_new(&d->arena, (size_t)n_found + 1, sizeof(*label), e);
    const char **sorted = arena_new(&d->arena, (size_t)n_found + 1, sizeof(*sorted), e);
    if (!label || !sorted)
        return false;
    memcpy(sorted, found, (size_t)n_found * sizeof(*sorted));
    qsort(sorted, (size_t)n_found, sizeof(*sorted), by_name);
    d->class_name = sorted;
    if (classes && !take_classes(d, classes, e))
        return false;
    for (int i = 0; i < n_found; i++) {
        label[i] = dataset_class(d, found[i]);
        if (label[i] < 0)
            return err_set(e, ERR_DATA,
                           "%s: class \"%s\" is not one of the %d classes trained on (%s, ...)",
                           d->root, found[i], d->n_class, d->n_class ? d->class_name[0] : "");
    }
    for (int i = 0; i < d->n_sample; i++)
        d->sample[i].label = label[d->sample[i].label];
    return true;
}

static int by_label_and_path(const void *a, const void *b)
{
    const struct sample *p = a, *q = b;
    if (p->label != q->label)
        return p->label < q->label ? -1 : 1;
    return natural_compare(p->path, q->path);
}

static int by_inode(const void *a, const void *b)
{
    const struct sample *p = *(const struct sample *const *)a;
    const struct sample *q = *(const struct sample *const *)b;
    if (p->dev != q->dev)
        return p->dev < q->dev ? -1 : 1;
    if (p->ino != q->ino)
        return p->ino < q->ino ? -1 : 1;
    return p < q ? -1 : p > q;
}

/* One file linked into two classes: both stay, and it is said. */
static bool note_conflicts(struct dataset *d, struct err *e)
{
    const struct sample **order = mem_new((size_t)d->n_sample, sizeof(*order), e);
    bool ok = order != NULL;
    for (int i = 0; ok && i < d->n_sample; i++)
        order[i] = d->sample + i;
    if (ok)
        qsort(order, (size_t)d->n_sample, sizeof(*order), by_inode);
    for (int i = 1; ok && i < d->n_sample; i++) {
        const struct sample *a = order[i - 1], *b = order[i];
        if (!a->ino || a->dev != b->dev || a->ino != b->ino || a->label == b->label)
            continue;
        struct err why;
        err_set(&why, ERR_DATA, "label conflict: the same file as %s", a->path);
        ok = dataset_note(d, (struct dataset_issue){.path = b->path, .why = why.msg}, e);
    }
    mem_free(order);
    return ok;
}

/* Counts the pictures of each class; none in a class is a warning, in all but one an error. */
static bool check_classes(struct dataset *d, const struct dataset_config *cfg, struct err *e)
{
    int n_full = 0, last = 0;
    int *count = mem_new((size_t)d->n_class, sizeof(*count), e);
    bool ok = count != NULL;
    for (int i = 0; ok && i < d->n_sample; i++)
        count[d->sample[i].label]++;
    for (int label = 0; ok && label < d->n_class; label++) {
        n_full += count[label] > 0;
        last = count[label] > 0 ? label : last;
        if (count[label] == 0)
            ok = dataset_note(d,
                              (struct dataset_issue){.path = d->class_name[label],
                                                     .why = "a class without pictures"},
                              e);
    }
    mem_free(count);
    if (!ok)
        return false;
    if (cfg->lenient)
        return true;
    if (d->n_sample == 0)
        return err_set(e, ERR_DATA,
                       "%s: no pictures; expected a folder for each class with pictures in it",
                       d->root);
    if (n_full == 1 && !cfg->classes)
        return err_set(
            e, ERR_DATA,
            "%s: pictures of one class only (%s); a classifier needs two or more, each "
            "in a folder of its own",
            d->root, d->class_name[last]);
    return true;
}

static const struct source *find_source(const char *path)
{
    for (int i = 0;; i++)
        if (!sources[i + 1] || sources[i]->matches(path))
            return sources[i];
}

bool dataset_has(const struct dataset_config *cfg, enum part part)
{
    return find_source(cfg->path)->has(cfg, part);
}

struct dataset *dataset_open(const struct dataset_config *cfg, enum part part, struct err *e)
{
    struct stat st;
    if (stat(cfg->path, &st) != 0) {
        err_errno(e, cfg->path);
        e->kind = ERR_DATA;
        err_in(e, "data set");
        return NULL;
    }
    struct dataset *d = mem_new(1, sizeof(*d), e);
    if (!d)
        return NULL;
    struct scan s = {.d = d};
    bool ok =
        find_source(cfg->path)->read(&s, cfg, part, e) && order_classes(d, cfg->classes, e);
    if (ok && !d->raw && d->n_sample) /* what lies in memory is in order already */
        qsort(d->sample, (size_t)d->n_sample, sizeof(*d->sample), by_label_and_path);
    ok = ok && note_conflicts(d, e) && check_classes(d, cfg, e);
    if (ok)
        return d;
    dataset_free(d);
    return NULL;
}

void dataset_free(struct dataset *d)
{
    if (!d)
        return;
    mem_free((void *)d->raw);
    arena_release(&d->arena);
    mem_free(d);
}
