/* The validation split: drawn class by class, kept as a text file in the run. */
#include "base/file.h"
#include "base/rng.h"
#include "data/dataset.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char header[] = "# linnet split 1: part, picture";

bool split_stratified(const struct dataset *d, double val_fraction, uint64_t seed,
                      uint8_t *in_val, struct err *e)
{
    if (!(val_fraction >= 0 && val_fraction < 1))
        return err_set(e, ERR_USAGE,
                       "validation fraction %g: expected 0 up to, not including, 1",
                       val_fraction);
    uint32_t *of_class = mem_new((size_t)d->n_sample, sizeof(*of_class), e);
    if (!of_class)
        return false;
    memset(in_val, 0, (size_t)d->n_sample);
    for (int label = 0; label < d->n_class; label++) {
        uint32_t n = 0;
        for (int i = 0; i < d->n_sample; i++)
            if (d->sample[i].label == label)
                of_class[n++] = (uint32_t)i;
        struct rng r = rng_at(seed, RNG_SPLIT, (uint64_t)label, 0);
        rng_shuffle(&r, of_class, n);
        uint32_t n_val = (uint32_t)lround(n * val_fraction);
        n_val = n_val >= n && n ? n - 1 : n_val;
        for (uint32_t k = 0; k < n_val; k++)
            in_val[of_class[k]] = 1;
    }
    mem_free(of_class);
    return true;
}

/* name with control characters, DEL and backslashes as \xNN, into out (4 bytes a byte and NUL). */
static char *escape(const char *name, char *out)
{
    char *to = out;
    for (; *name; name++) {
        unsigned char c = (unsigned char)*name;
        if (c < 0x20 || c == 0x7f || c == '\\')
            to += sprintf(to, "\\x%02x", c);
        else
            *to++ = *name;
    }
    *to = '\0';
    return out;
}

/* In place; false when a backslash is not followed by xNN. */
static bool unescape(char *text)
{
    char *to = text;
    for (char *at = text; *at; at++) {
        if (*at != '\\') {
            *to++ = *at;
            continue;
        }
        if (at[1] != 'x' || !isxdigit((unsigned char)at[2]) || !isxdigit((unsigned char)at[3]))
            return false;
        *to++ = (char)strtol((char[]){at[2], at[3], '\0'}, NULL, 16);
        at += 3;
    }
    *to = '\0';
    return true;
}

bool split_write(const struct dataset *d, const uint8_t *in_val, const char *path,
                 struct err *e)
{
    size_t room = sizeof(header) + 1;
    for (int i = 0; i < d->n_sample; i++)
        room += 4 * strlen(dataset_name(d, i)) + 8;
    char *text = mem_new(room, 1, e);
    if (!text)
        return false;
    char *at = text + sprintf(text, "%s\n", header);
    for (int i = 0; i < d->n_sample; i++) {
        at += sprintf(at, "%s\t", in_val[i] ? "val" : "train");
        escape(dataset_name(d, i), at);
        at += strlen(at);
        *at++ = '\n';
    }
    struct file_part all = {text, (size_t)(at - text)};
    bool ok = file_write_atomic(path, &all, 1, e);
    mem_free(text);
    return ok;
}

/* The pictures by name, for the look-up. */
struct named {
    const char *name;
    int index;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

/* Marks one line's picture in seen and in_val. */
static bool take_line(const struct dataset *d, const char *path, char *line, int number,
                      const struct named *order, uint8_t *seen, uint8_t *in_val, struct err *e)
{
    char *tab = strchr(line, '\t');
    bool val = tab && tab - line == 3 && !strncmp(line, "val", 3);
    if (!tab || !(val || (tab - line == 5 && !strncmp(line, "train", 5))) || !unescape(tab + 1))
        return err_set(e, ERR_DATA, "%s:%d: expected \"train\" or \"val\", a tab and a picture",
                       path, number);
    struct named key = {.name = tab + 1};
    const struct named *at = bsearch(&key, order, (size_t)d->n_sample, sizeof(*order), by_name);
    if (!at)
        return err_set(e, ERR_DATA,
                       "%s: %s is in the run's split, but not in the data set any more",
                       d->root, tab + 1);
    if (seen[at->index]++)
        return err_set(e, ERR_DATA, "%s:%d: %s stands twice", path, number, tab + 1);
    in_val[at->index] = val;
    return true;
}

static bool take_lines(const struct dataset *d, const char *path, char *text,
                       const struct named *order, uint8_t *seen, uint8_t *in_val, struct err *e)
{
    char *rest = text, *line = strsep(&rest, "\n");
    if (!line || strcmp(line, header) != 0)
        return err_set(e, ERR_DATA, "%s: not a split file (its first line is not \"%s\")", path,
                       header);
    for (int number = 2; (line = strsep(&rest, "\n")); number++)
        if (*line && !take_line(d, path, line, number, order, seen, in_val, e))
            return false;
    for (int i = 0; i < d->n_sample; i++)
        if (!seen[i])
            return err_set(e, ERR_DATA,
                           "%s: %s is in the data set, but not in the run's split: it is new",
                           d->root, dataset_name(d, i));
    return true;
}

bool split_read(const struct dataset *d, const char *path, uint8_t *in_val, struct err *e)
{
    uint8_t *text = NULL;
    size_t n;
    struct named *order = mem_new((size_t)d->n_sample, sizeof(*order), e);
    uint8_t *seen = order ? mem_new((size_t)d->n_sample, 1, e) : NULL;
    bool ok = seen && file_read(path, 0, ERR_DATA, &text, &n, e);
    if (ok) {
        for (int i = 0; i < d->n_sample; i++)
            order[i] = (struct named){dataset_name(d, i), i};
        qsort(order, (size_t)d->n_sample, sizeof(*order), by_name);
        ok = take_lines(d, path, (char *)text, order, seen, in_val, e);
    }
    mem_free(text);
    mem_free(seen);
    mem_free(order);
    return ok;
}
