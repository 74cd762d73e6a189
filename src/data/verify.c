#include "data/verify.h"

#include "data/each.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

struct verify {
    struct dataset *d;
    const struct verify_config *cfg;
    char **why; /* (n_sample) of the bad ones */
    atomic_int n_decoded, n_bad;
};

/* Reads sample i; a picture that cannot be read is not a failure of the reading. */
static bool verify_one(void *ctx, int i, struct err *e)
{
    struct verify *v = ctx;
    const struct sample *s = v->d->sample + i;
    struct image im;
    struct err why = {0};
    if (v->cfg->cache && cache_has(v->cfg->cache, s))
        return true;
    atomic_fetch_add(&v->n_decoded, 1);
    if (picture_read(v->d, i, v->cfg->rule, &im, NULL, &why)) {
        if (v->cfg->cache && !picture_drifted(v->d, i))
            cache_put(v->cfg->cache, s, &im);
        image_release(&im);
        return true;
    }
    if (why.kind == ERR_NOMEM) {
        *e = why;
        return false;
    }
    atomic_fetch_add(&v->n_bad, 1);
    size_t n = strlen(s->path); /* the list names the path beside it */
    const char *text =
        !strncmp(why.msg, s->path, n) && why.msg[n] == ':' ? why.msg + n + 2 : why.msg;
    v->why[i] = mem_text(text, e);
    return v->why[i] != NULL;
}

static bool leave_out(struct verify *v, struct err *e)
{
    struct dataset *d = v->d;
    int kept = 0;
    for (int i = 0; i < d->n_sample; i++) {
        if (!v->why[i])
            d->sample[kept++] = d->sample[i];
        else if (!dataset_note(d,
                               (struct dataset_issue){.path = d->sample[i].path,
                                                      .why = v->why[i],
                                                      .left_out = true,
                                                      .bad = true},
                               e))
            return false;
    }
    d->n_sample = kept;
    return true;
}

static bool judge(const struct dataset *d, const struct verify_config *cfg,
                  struct verify_report *report, struct err *e)
{
    const struct dataset_issue *first = NULL;
    report->n_bad = 0;
    for (int i = d->n_issue - 1; i >= 0; i--)
        if (d->issue[i].bad) {
            first = d->issue + i;
            report->n_bad++;
        }
    int n = d->n_sample + report->n_bad;
    if (!first || (!cfg->fail && report->n_bad <= cfg->max_bad * n))
        return d->n_sample > 0 || err_set(e, ERR_DATA, "%s: no pictures", d->root);
    char allowed[64] = "none is allowed (--bad fail)";
    if (!cfg->fail)
        snprintf(allowed, sizeof(allowed), "more than --max-bad %g", cfg->max_bad);
    return err_set(
        e, ERR_DATA,
        "%s: %d of %d pictures cannot be read (%s), the first: %s: %s; `linnet check` "
        "lists them",
        d->root, report->n_bad, n, allowed, first->path, first->why);
}

bool dataset_verify(struct dataset *d, const struct verify_config *cfg,
                    struct verify_report *report, struct err *e)
{
    struct verify v = {.d = d, .cfg = cfg};
    *report = (struct verify_report){0};
    if (d->raw)
        return true;
    v.why = mem_new((size_t)d->n_sample, sizeof(*v.why), e);
    if (!v.why)
        return false;
    struct each each = {.n = d->n_sample,
                        .n_thread = cfg->n_thread,
                        .fn = verify_one,
                        .ctx = &v,
                        .progress = cfg->progress,
                        .progress_ctx = cfg->ctx};
    int n = d->n_sample;
    bool ok =
        each_sample(&each, e) && (v.n_bad == 0 || leave_out(&v, e)) && judge(d, cfg, report, e);
    report->n_decoded = v.n_decoded;
    for (int i = 0; i < n; i++)
        mem_free(v.why[i]);
    mem_free(v.why);
    return ok;
}

struct statistics {
    const struct dataset *d;
    const struct verify_config *cfg;
    const uint32_t *index;
    _Atomic uint64_t n, sum[3], square[3];
};

static bool add_one(void *ctx, int i, struct err *e)
{
    struct statistics *s = ctx;
    int sample = (int)s->index[i];
    struct picture_sums sums;
    if (s->d->raw || !s->cfg->cache ||
        !cache_sums(s->cfg->cache, s->d->sample + sample, &sums)) {
        struct image im;
        if (!picture_read(s->d, sample, s->cfg->rule, &im, NULL, e))
            return false;
        picture_sums_of(&im, &sums);
        image_release(&im);
    }
    atomic_fetch_add(&s->n, sums.n);
    for (int k = 0; k < 3; k++) {
        atomic_fetch_add(&s->sum[k], sums.sum[k]);
        atomic_fetch_add(&s->square[k], sums.square[k]);
    }
    return true;
}

bool dataset_statistics(const struct dataset *d, const uint32_t *index, int n,
                        const struct verify_config *cfg, float mean[3], float std[3],
                        struct err *e)
{
    struct statistics s = {.d = d, .cfg = cfg, .index = index};
    struct each each = {.n = n,
                        .n_thread = cfg->n_thread,
                        .fn = add_one,
                        .ctx = &s,
                        .progress = cfg->progress,
                        .progress_ctx = cfg->ctx};
    if (!each_sample(&each, e))
        return false;
    for (int k = 0; k < 3 && s.n > 0; k++) {
        double m = (double)s.sum[k] / (double)s.n;
        double variance = (double)s.square[k] / (double)s.n - m * m;
        mean[k] = (float)(m / 255);
        std[k] = (float)(sqrt(variance > 0 ? variance : 0) / 255);
    }
    return true;
}
