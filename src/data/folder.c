/* A folder of class folders. Directories are walked by (device, inode), each once, so a loop of
 * symlinks ends; files are told apart by statx and never opened. */
#include "data/source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { MAX_DEPTH = 32 };

struct directory {
    dev_t dev;
    ino_t ino;
    char *path;
};

struct walk {
    struct scan *scan;
    struct directory *seen; /* every directory entered so far */
    int n_seen, room_seen;
    int label; /* of the class being read */
};

/* What lies beside pictures and is none: no error, but said. */
static const char *const not_pictures[] = {
    "txt", "csv", "tsv", "json", "jsonl", "xml",  "yaml", "yml",  "md",  "html",
    "htm", "pdf", "db",  "ini",  "log",   "py",   "sh",   "zip",  "tar", "gz",
    "npy", "npz", "mat", "pkl",  "h5",    "toml", "cfg",  "lock", NULL};

static bool note(struct walk *w, const char *path, const char *why, bool bad, struct err *e)
{
    return dataset_note(
        w->scan->d,
        (struct dataset_issue){.path = path, .why = why, .left_out = true, .bad = bad}, e);
}

static bool is_not_picture(const char *name)
{
    const char *dot = strrchr(name, '.');
    for (int i = 0; dot && not_pictures[i]; i++)
        if (!strcasecmp(dot + 1, not_pictures[i]))
            return true;
    return false;
}

/* Enters the directory; *first is false when it was seen before, and that is noted. */
static bool enter(struct walk *w, const char *path, const struct stat *st, bool *first,
                  struct err *e)
{
    *first = true;
    for (int i = 0; i < w->n_seen; i++) {
        if (w->seen[i].dev != st->st_dev || w->seen[i].ino != st->st_ino)
            continue;
        struct err why;
        *first = false;
        err_set(&why, ERR_DATA, "a loop or second way to the folder %s: read once",
                w->seen[i].path);
        return note(w, path, why.msg, false, e);
    }
    if (w->n_seen == w->room_seen) {
        int room = w->room_seen ? 2 * w->room_seen : 64;
        struct directory *more =
            mem_grow(w->seen, (size_t)w->n_seen, (size_t)room, sizeof(*w->seen), e);
        if (!more)
            return false;
        w->seen = more;
        w->room_seen = room;
    }
    char *copy = arena_text(&w->scan->d->arena, path, e);
    if (copy)
        w->seen[w->n_seen++] = (struct directory){st->st_dev, st->st_ino, copy};
    return copy != NULL;
}

static bool take_file(struct walk *w, const char *path, const char *name,
                      const struct statx *sx, struct err *e)
{
    if (is_not_picture(name))
        return note(w, path, "no picture by its name: skipped", false, e);
    if (sx->stx_size == 0)
        return note(w, path, "an empty file", true, e);
    return scan_sample(
        w->scan,
        (struct sample){
            .path = path,
            .label = w->label,
            .dev = makedev(sx->stx_dev_major, sx->stx_dev_minor),
            .ino = sx->stx_ino,
            .size = (int64_t)sx->stx_size,
            .mtime_ns = sx->stx_mtime.tv_sec * 1000000000 + sx->stx_mtime.tv_nsec,
        },
        e);
}

static bool walk_directory(struct walk *w, const char *path, int depth, struct err *e);

static bool take_entry(struct walk *w, int fd, const char *path, const char *name, int depth,
                       struct err *e)
{
    struct statx sx;
    if (name[0] == '.')
        return note(w, path, "hidden (a name with a leading dot): skipped", false, e);
    if (statx(fd, name, AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &sx) != 0)
        return note(w, path, errno == ELOOP ? "a symbolic link to itself" : strerror(errno),
                    errno != ELOOP, e);
    if (S_ISDIR(sx.stx_mode))
        return walk_directory(w, path, depth + 1, e);
    if (!S_ISREG(sx.stx_mode))
        return note(w, path, "no regular file (a pipe, socket or device): skipped", false, e);
    return take_file(w, path, name, &sx, e);
}

/* Each entry but "." and "..", with its path below a directory. Returns false to stop. */
typedef bool entry_fn(struct walk *w, int fd, const char *path, const char *name, int depth,
                      struct err *e);

static bool each_entry(struct walk *w, const char *path, int depth, entry_fn *fn, struct err *e)
{
    DIR *dir = opendir(path);
    if (!dir)
        return note(w, path, strerror(errno), true, e);
    struct stat st;
    bool first = false;
    bool ok = fstat(dirfd(dir), &st) == 0 ? enter(w, path, &st, &first, e) : err_errno(e, path);
    for (struct dirent *at; ok && first && (at = readdir(dir));) {
        char below[PATH_MAX];
        if (!strcmp(at->d_name, ".") || !strcmp(at->d_name, ".."))
            continue;
        if ((size_t)snprintf(below, sizeof(below), "%s/%s", path, at->d_name) >= sizeof(below))
            ok = note(w, path, "holds a path longer than the system allows", true, e);
        else
            ok = fn(w, dirfd(dir), below, at->d_name, depth, e);
    }
    closedir(dir);
    return ok;
}

static bool walk_directory(struct walk *w, const char *path, int depth, struct err *e)
{
    if (depth > MAX_DEPTH)
        return note(w, path, "nested more than 32 folders deep: skipped", false, e);
    return each_entry(w, path, depth, take_entry, e);
}

/* An entry of the part's folder: a class. */
static bool take_class(struct walk *w, int fd, const char *path, const char *name, int depth,
                       struct err *e)
{
    struct stat st;
    if (name[0] == '.')
        return note(w, path, "hidden (a name with a leading dot): skipped", false, e);
    if (fstatat(fd, name, &st, 0) != 0)
        return note(w, path, strerror(errno), false, e);
    if (!S_ISDIR(st.st_mode))
        return note(w, path, "lies beside the class folders: skipped", false, e);
    w->label = scan_class(w->scan, name, e);
    return w->label >= 0 && walk_directory(w, path, depth + 1, e);
}

static bool is_directory(const char *root, const char *sub)
{
    char path[PATH_MAX];
    struct stat st;
    snprintf(path, sizeof(path), "%s/%s", root, sub);
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The part's folder below the root: "." for the root itself, NULL when there is none. */
static const char *find_part(const struct dataset_config *cfg, enum part part)
{
    bool train = is_directory(cfg->path, "train"), test = is_directory(cfg->path, "test");
    bool val = is_directory(cfg->path, "val");
    switch (part) {
    case PART_TRAIN:
        return cfg->train ? cfg->train : train ? "train" : test || val ? NULL : ".";
    case PART_VAL:
        if (cfg->val)
            return cfg->val;
        return val && test && !(cfg->test && !strcmp(cfg->test, "val")) ? "val" : NULL;
    case PART_TEST:
        return cfg->test ? cfg->test : test ? "test" : val ? "val" : NULL;
    }
    return NULL;
}

static bool has(const struct dataset_config *cfg, enum part part)
{
    const char *sub = find_part(cfg, part);
    return sub && is_directory(cfg->path, sub);
}

static bool no_part(const struct dataset_config *cfg, enum part part, const char *sub,
                    struct err *e)
{
    const char *name = part == PART_TRAIN ? "train" : part == PART_VAL ? "val" : "test";
    if (sub)
        return err_set(e, ERR_DATA, "%s/%s: no such folder (given as --%s)", cfg->path, sub,
                       name);
    return err_set(e, ERR_DATA,
                   "%s: no %s part here; name its folder with --%s NAME (\".\" = %s itself)",
                   cfg->path, name, name, cfg->path);
}

static bool read_folder(struct scan *s, const struct dataset_config *cfg, enum part part,
                        struct err *e)
{
    const char *sub = find_part(cfg, part);
    if (!sub || !is_directory(cfg->path, sub))
        return no_part(cfg, part, sub, e);
    size_t n = strlen(cfg->path);
    while (n > 1 && cfg->path[n - 1] == '/')
        n--;
    char root[PATH_MAX];
    snprintf(root, sizeof(root), "%.*s%s%s", (int)n, cfg->path, strcmp(sub, ".") ? "/" : "",
             strcmp(sub, ".") ? sub : "");
    s->d->root = arena_text(&s->d->arena, root, e);
    struct walk w = {.scan = s};
    bool ok = s->d->root && each_entry(&w, root, 0, take_class, e);
    mem_free(w.seen);
    if (ok && s->d->n_class == 0 && !cfg->lenient)
        return err_set(e, ERR_DATA,
                       "%s: no class folders; expected one folder for each class%s", root,
                       s->d->n_issue ? ", not the pictures themselves" : "");
    return ok;
}

static bool matches(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

const struct source source_folder = {
    .name = "folder",
    .matches = matches,
    .has = has,
    .read = read_folder,
};
