/* A CSV (RFC 4180) of pictures: a header naming the columns path (or file, filename, image) and
 * label (or class), in any place; without one, the first two columns. Paths are relative to the
 * CSV. */
#include "base/file.h"
#include "data/source.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { MAX_FIELDS = 64, MAX_BYTES = 1 << 30 };

/* One row: its fields point into the text, which is cut up in place. */
struct row {
    char *field[MAX_FIELDS];
    int n, line;
};

struct reader {
    char *at, *end;
    int line;
};

/* Unquotes the field at r->at in place; the separator behind it goes to *stop ('\0' at the end). */
static char *read_field(struct reader *r, char *stop)
{
    char *field = r->at, *to = r->at;
    bool quoted = r->at < r->end && *r->at == '"';
    if (quoted)
        r->at++;
    for (; r->at < r->end; r->at++) {
        if (quoted && *r->at == '"') {
            if (r->at + 1 < r->end && r->at[1] == '"') {
                r->at++;
            } else {
                quoted = false;
                continue;
            }
        } else if (!quoted && (*r->at == ',' || *r->at == '\n')) {
            break;
        }
        r->line += *r->at == '\n';
        *to++ = *r->at;
    }
    *stop = r->at < r->end ? *r->at++ : '\0';
    if (*stop != ',' && to > field && to[-1] == '\r')
        to--;
    *to = '\0';
    return field;
}

/* False at the end of the text. Fields beyond the 64th are dropped. */
static bool read_row(struct reader *r, struct row *row)
{
    char stop = ',';
    if (r->at >= r->end)
        return false;
    row->n = 0;
    row->line = ++r->line;
    while (stop == ',') {
        char *field = read_field(r, &stop);
        if (row->n < MAX_FIELDS)
            row->field[row->n++] = field;
    }
    return true;
}

static int find_column(const struct row *row, const char *const *names)
{
    for (int i = 0; i < row->n; i++)
        for (int k = 0; names[k]; k++)
            if (!strcasecmp(row->field[i], names[k]))
                return i;
    return -1;
}

static bool take_row(struct scan *s, const char *folder, const char *path,
                     const char *class_name, struct err *e)
{
    char full[PATH_MAX];
    struct stat st;
    snprintf(full, sizeof(full), "%s%s%s", path[0] == '/' ? "" : folder,
             path[0] == '/' ? "" : "/", path);
    int label = scan_class(s, class_name, e);
    if (label < 0)
        return false;
    const char *why = stat(full, &st) != 0   ? strerror(errno)
                      : !S_ISREG(st.st_mode) ? "no regular file"
                      : st.st_size == 0      ? "an empty file"
                                             : NULL;
    if (why)
        return dataset_note(
            s->d,
            (struct dataset_issue){.path = full, .why = why, .left_out = true, .bad = true}, e);
    return scan_sample(
        s,
        (struct sample){.path = full,
                        .label = label,
                        .dev = st.st_dev,
                        .ino = st.st_ino,
                        .size = st.st_size,
                        .mtime_ns = st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec},
        e);
}

static bool read_rows(struct scan *s, const char *file, struct reader *r, struct err *e)
{
    static const char *const path_names[] = {"path", "file", "filename", "image", NULL};
    static const char *const label_names[] = {"label", "class", NULL};
    struct row row;
    int path = 0, label = 1;
    for (bool first = true; read_row(r, &row); first = false) {
        if (first && find_column(&row, path_names) >= 0 &&
            find_column(&row, label_names) >= 0) {
            path = find_column(&row, path_names);
            label = find_column(&row, label_names);
            continue;
        }
        if (row.n == 1 && !row.field[0][0]) /* a blank line */
            continue;
        if (path >= row.n || label >= row.n || !row.field[path][0] || !row.field[label][0])
            return err_set(e, ERR_DATA,
                           "%s:%d: expected a path and a label, separated by a comma", file,
                           row.line);
        if (!take_row(s, s->d->root, row.field[path], row.field[label], e))
            return false;
    }
    return true;
}

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* Folder of a path, "." when it has none. */
static void folder_of(const char *path, char *out, size_t size)
{
    const char *slash = strrchr(path, '/');
    snprintf(out, size, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
}

/* The CSV of a part: the one given for training, another for the others, beside the first one. */
static bool find_part(const struct dataset_config *cfg, enum part part, char *out, size_t size)
{
    const char *other = part == PART_VAL    ? cfg->val
                        : part == PART_TEST ? cfg->test
                                            : cfg->train;
    char folder[PATH_MAX];
    if (!other || !strcmp(other, ".")) {
        snprintf(out, size, "%s", cfg->path);
        return part == PART_TRAIN || other;
    }
    folder_of(cfg->path, folder, sizeof(folder));
    snprintf(out, size, "%s/%s", folder, other);
    if (other[0] == '/' || !is_file(out))
        snprintf(out, size, "%s", other);
    return is_file(out);
}

static bool has(const struct dataset_config *cfg, enum part part)
{
    char file[PATH_MAX];
    return find_part(cfg, part, file, sizeof(file));
}

static bool read_csv(struct scan *s, const struct dataset_config *cfg, enum part part,
                     struct err *e)
{
    char file[PATH_MAX], folder[PATH_MAX];
    if (!find_part(cfg, part, file, sizeof(file)))
        return err_set(e, ERR_DATA, "%s: no %s part; name its CSV with --%s FILE", cfg->path,
                       part == PART_VAL ? "val" : "test", part == PART_VAL ? "val" : "test");
    folder_of(file, folder, sizeof(folder));
    uint8_t *text;
    size_t n;
    s->d->root = arena_text(&s->d->arena, folder, e);
    if (!s->d->root || !file_read(file, MAX_BYTES, ERR_DATA, &text, &n, e))
        return false;
    struct reader r = {.at = (char *)text, .end = (char *)text + n};
    if (n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) /* a byte order mark */
        r.at += 3;
    bool ok = read_rows(s, file, &r, e);
    mem_free(text);
    return ok;
}

const struct source source_csv = {
    .name = "csv",
    .matches = is_file,
    .has = has,
    .read = read_csv,
};
