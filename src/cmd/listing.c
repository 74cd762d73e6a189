#include "cmd/listing.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_DEPTH = 32, MAX_STDIN = 1 << 30 };

static bool add(struct listing *l, const char *name, const char *folder, struct err *e)
{
    if (l->n == l->room) {
        int room = 2 * l->room + 64;
        void *grown = mem_grow(l->at, (size_t)l->n, (size_t)room, sizeof(*l->at), e);
        if (!grown)
            return false;
        l->at = grown;
        l->room = room;
    }
    char *copy = arena_text(l->arena, name, e);
    l->at[l->n++] = (struct picture){.name = copy, .folder = folder};
    return copy != NULL;
}

/* A path below an operand, or (depth 0) the operand. */
struct entry {
    const char *path, *folder;
    int depth;
};

static bool add_entry(struct listing *l, const struct entry *at, struct err *e);

static int shown(const struct dirent *f)
{
    return f->d_name[0] != '.';
}

/* The parts of a data set are no classes: theirs lie below. */
static bool is_part(const char *name)
{
    return !strcmp(name, "train") || !strcmp(name, "val") || !strcmp(name, "test");
}

static bool add_inner(struct listing *l, const struct entry *at, const char *name,
                      struct err *e)
{
    struct entry inner = {.folder = at->folder, .depth = at->depth + 1};
    char *path = mem_printf(e, "%s/%s", at->path, name);
    inner.path = path;
    bool ok = path && add_entry(l, &inner, e);
    mem_free(path);
    return ok;
}

static bool add_folder(struct listing *l, const struct entry *at, struct err *e)
{
    struct dirent **name;
    int n = scandir(at->path, &name, shown, versionsort);
    if (n < 0)
        return err_set(e, ERR_DATA, "%s: %s", at->path, strerror(errno));
    bool ok = true;
    for (int i = 0; i < n; i++) {
        ok = ok && add_inner(l, at, name[i]->d_name, e);
        free(name[i]);
    }
    free(name);
    return ok;
}

static bool add_entry(struct listing *l, const struct entry *at, struct err *e)
{
    struct stat st, link;
    struct entry folder = *at;
    bool named = at->depth == 0;
    if (stat(at->path, &st) != 0 || lstat(at->path, &link) != 0)
        return named ? err_set(e, ERR_DATA, "%s: %s", at->path, strerror(errno)) : true;
    if (!S_ISDIR(st.st_mode))
        return named || S_ISREG(st.st_mode) ? add(l, at->path, at->folder, e) : true;
    if (at->depth >= MAX_DEPTH || (!named && S_ISLNK(link.st_mode)))
        return true;
    const char *name = strrchr(at->path, '/');
    if (!named && !at->folder && name && !(at->depth == 1 && is_part(name + 1)) &&
        !(folder.folder = arena_text(l->arena, name + 1, e)))
        return false;
    return add_folder(l, &folder, e);
}

static bool add_stdin(struct listing *l, struct err *e)
{
    size_t n = 0, room = 1 << 16;
    if (l->input)
        return err_set(e, ERR_USAGE, "-: stdin can be read once");
    l->input = mem_new(room, 1, e);
    for (ssize_t got = 1; l->input && got > 0; n += (size_t)got) {
        if (n == room) {
            uint8_t *grown = mem_grow(l->input, room, 2 * room, 1, e);
            if (!grown || room >= MAX_STDIN)
                return grown ? err_set(e, ERR_DATA, "-: over %d bytes", MAX_STDIN) : false;
            l->input = grown;
            room *= 2;
        }
        do
            got = read(STDIN_FILENO, l->input + n, room - n);
        while (got < 0 && errno == EINTR);
        if (got < 0)
            return err_set(e, ERR_DATA, "-: %s", strerror(errno));
    }
    if (!l->input || !add(l, "-", NULL, e))
        return false;
    l->at[l->n - 1].byte = l->input;
    l->at[l->n - 1].n = n;
    return true;
}

bool listing_add(struct listing *l, const char *operand, struct err *e)
{
    if (!strcmp(operand, "-"))
        return add_stdin(l, e);
    return add_entry(l, &(struct entry){.path = operand}, e);
}

void listing_release(struct listing *l)
{
    mem_free(l->at);
    mem_free(l->input);
    *l = (struct listing){0};
}
