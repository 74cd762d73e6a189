#include "demo/demo.h"

#include "base/file.h"
#include "base/parallel.h"
#include "demo/picture.h"
#include "image/encode.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { QUALITY = 92, AT_ONCE = 256 /* pictures between two reports of progress */ };
static const uint64_t test_from = 1ull << 32; /* index of the first test picture */

/* One thread's tools, and what went wrong in it first. */
struct hand {
    struct easel easel;
    struct image im;
    struct err e;
};

struct studio {
    const struct demo_config *cfg;
    struct hand *hand; /* (n_thread) */
    int first;         /* task 0 is this picture */
};

static void studio_release(struct studio *s)
{
    for (int i = 0; s->hand && i < s->cfg->n_thread; i++) {
        easel_release(&s->hand[i].easel);
        image_release(&s->hand[i].im);
    }
    mem_free(s->hand);
}

static bool studio_init(struct studio *s, const struct demo_config *cfg, struct err *e)
{
    *s = (struct studio){.cfg = cfg};
    s->hand = mem_new((size_t)cfg->n_thread, sizeof(*s->hand), e);
    bool ok = s->hand != NULL;
    for (int i = 0; ok && i < cfg->n_thread; i++)
        ok = easel_init(&s->hand[i].easel, cfg->size_px, e) &&
             image_init(&s->hand[i].im, cfg->size_px, cfg->size_px, e);
    if (!ok)
        studio_release(s);
    return ok;
}

static bool empty_folder(const char *path, struct err *e)
{
    DIR *d = opendir(path);
    if (!d)
        return errno == ENOENT || err_errno(e, path);
    const struct dirent *entry;
    bool empty = true;
    while (empty && (entry = readdir(d)))
        empty = !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..");
    closedir(d);
    return empty ||
           err_set(e, ERR_USAGE, "%s: not empty; name a new folder, or add --force", path);
}

static const char *part_name(bool test)
{
    return test ? "test" : "train";
}

static bool make_folders(const struct demo_config *cfg, struct err *e)
{
    for (int i = 0; i < 2 * N_CREATURE; i++) {
        char *path = mem_printf(e, "%s/%s/%s", cfg->dir, part_name(i >= N_CREATURE),
                                creatures[i % N_CREATURE]->name);
        bool ok = path && dir_make(path, e);
        mem_free(path);
        if (!ok)
            return false;
    }
    return true;
}

/* Picture number i of the set: the training part first, the classes in turn. */
static bool make_one(const struct demo_config *cfg, struct hand *h, int i)
{
    bool test = i >= N_CREATURE * cfg->n_train;
    int at = test ? i - N_CREATURE * cfg->n_train : i;
    int class = at % N_CREATURE, number = at / N_CREATURE;
    char *path = mem_printf(&h->e, "%s/%s/%s/%05d.jpg", cfg->dir, part_name(test),
                            creatures[class]->name, number);
    if (!path)
        return false;
    picture_draw(&h->easel, cfg->seed, class, (uint64_t)number + (test ? test_from : 0),
                 &h->im);
    bool ok = encode_jpeg_file(&h->im, QUALITY, path, &h->e);
    mem_free(path);
    return ok;
}

static void task(void *ctx, int i, int thread)
{
    struct studio *s = ctx;
    struct hand *h = &s->hand[thread];
    if (h->e.kind == ERR_NONE && !make_one(s->cfg, h, s->first + i))
        err_in(&h->e, "demo set");
}

static bool first_error(const struct studio *s, struct err *e)
{
    for (int i = 0; i < s->cfg->n_thread; i++)
        if (s->hand[i].e.kind != ERR_NONE) {
            *e = s->hand[i].e;
            return false;
        }
    return true;
}

bool demo_write(const struct demo_config *cfg, struct err *e)
{
    struct studio s;
    int n = N_CREATURE * (cfg->n_train + cfg->n_test);
    if ((!cfg->force && !empty_folder(cfg->dir, e)) || !make_folders(cfg, e) ||
        !studio_init(&s, cfg, e))
        return false;
    bool ok = true;
    for (s.first = 0; ok && s.first < n; s.first += AT_ONCE) {
        int left = n - s.first;
        parallel_for(cfg->n_thread, left < AT_ONCE ? left : AT_ONCE, task, &s);
        ok = first_error(&s, e);
        if (ok && cfg->progress)
            cfg->progress(cfg->ctx, left < AT_ONCE ? n : s.first + AT_ONCE, n);
    }
    studio_release(&s);
    return ok;
}

/* Copies a picture into the sheet's field (row, column). */
static void pin(const struct image *im, int row, int column, struct image *sheet)
{
    size_t n = 3 * (size_t)im->w, stride = 3 * (size_t)sheet->w;
    for (int y = 0; y < im->h; y++)
        memcpy(sheet->pixel + stride * (size_t)(row * im->h + y) + n * (size_t)column,
               im->pixel + n * (size_t)y, n);
}

bool demo_sheet(const struct demo_config *cfg, int n_row, const char *path, struct err *e)
{
    struct studio s;
    struct image sheet;
    if (!studio_init(&s, cfg, e))
        return false;
    bool ok = image_init(&sheet, N_CREATURE * cfg->size_px, n_row * cfg->size_px, e);
    if (ok) {
        struct hand *h = &s.hand[0];
        for (int i = 0; i < n_row * N_CREATURE; i++) {
            uint64_t index = (uint64_t)(i / N_CREATURE);
            picture_draw(&h->easel, cfg->seed, i % N_CREATURE, index, &h->im);
            pin(&h->im, i / N_CREATURE, i % N_CREATURE, &sheet);
        }
        ok = encode_jpeg_file(&sheet, QUALITY, path, e);
        image_release(&sheet);
    }
    studio_release(&s);
    return ok;
}
