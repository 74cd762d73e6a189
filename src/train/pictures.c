#include "train/pictures.h"

#include <stdio.h>
#include <string.h>

enum { TOLD = 5 }; /* bad files named one by one; the run's issues.json has all */

static const char *const policies[] = {"skip", "fail", NULL};

#define AT(field) offsetof(struct pictures_config, field)
/* clang-format off */
const struct option pictures_options[] = {
    {.name = "bad", .type = OPTION_CHOICE, .offset = AT(bad), .choice = policies,
     .fallback.s = "skip", .help = "pictures that cannot be read: leave them out, or stop"},
    {.name = "max-bad", .type = OPTION_REAL, .offset = AT(max_bad), .max.r = 1,
     .fallback.r = 0.01, .help = "stop when a larger share of the pictures cannot be read"},
    {.name = "cache", .type = OPTION_BOOL, .offset = AT(cache), .fallback.b = true,
     .help = "keep decoded pictures on the disk for later epochs and runs"},
    {.name = "cache-dir", .type = OPTION_STRING, .offset = AT(cache_dir),
     .help = "where; LINNET_CACHE or ~/.cache/linnet when not given"},
    {.name = "cache-limit", .type = OPTION_REAL, .offset = AT(cache_gb), .max.r = 1e6,
     .help = "largest cache, in GB; 0 = a fifth of the free disk"},
    {.name = NULL},
};
/* clang-format on */

static void warn(const struct pictures_request *r, const char *text)
{
    if (r->warn)
        r->warn(r->ctx, text);
}

struct cache *pictures_cache(const struct pictures_request *r, const struct dataset *d)
{
    struct err e = {0};
    if (!r->cfg->cache || d->raw)
        return NULL;
    struct cache_config cfg = {.dir = r->cfg->cache_dir,
                               .root = r->root,
                               .rule = r->rule,
                               .limit = (int64_t)(r->cfg->cache_gb * 1e9),
                               .n_expected = d->n_sample};
    struct cache *c = cache_open(&cfg, &e);
    if (!c) {
        err_in(&e, "going on without a cache");
        warn(r, e.msg);
    }
    return c;
}

static void tell_bad(const struct pictures_request *r, const struct dataset *d, bool all)
{
    char text[600];
    int bad = 0;
    for (int i = 0; i < d->n_issue; i++) {
        bad += d->issue[i].bad;
        if (!d->issue[i].bad || (bad > TOLD && !all))
            continue;
        snprintf(text, sizeof(text), "%s: %s%s", d->issue[i].path, d->issue[i].why,
                 all ? "" : "; left out");
        warn(r, text);
    }
    if (bad > TOLD && !all) {
        snprintf(text, sizeof(text), "%d pictures in all were left out", bad);
        warn(r, text);
    }
}

bool pictures_verify(const struct pictures_request *r, struct dataset *d, struct cache *cache,
                     struct err *e)
{
    struct verify_report report;
    struct verify_config cfg = {
        .cache = cache,
        .rule = r->rule,
        .n_thread = r->n_thread,
        .fail = r->cfg->bad == BAD_FAIL,
        .max_bad = r->cfg->max_bad,
        .progress = r->progress,
        .ctx = r->ctx,
    };
    bool ok = dataset_verify(d, &cfg, &report, e);
    tell_bad(r, d, !ok && e->kind == ERR_DATA);
    return ok;
}

char *pictures_issues(const struct dataset *d, size_t *n, struct err *e)
{
    struct json_writer w = {.lines = true};
    json_open(&w, NULL, '[');
    for (int i = 0; i < d->n_issue; i++) {
        json_open(&w, NULL, '{');
        json_put_text(&w, "path", d->issue[i].path);
        json_put_text(&w, "why", d->issue[i].why);
        json_put_bool(&w, "left_out", d->issue[i].left_out);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    if (!json_done(&w, e)) {
        json_writer_release(&w);
        return NULL;
    }
    *n = w.n;
    return w.text;
}
