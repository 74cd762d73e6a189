/* A ring of batches. Threads claim samples in the order of the stream, wherever a place is free in
 * the ring, and fill each straight into its batch; the one that completes a batch hands it over.
 * One mutex guards the ring's numbers; pixels are written outside it, each place by one thread. */
#include "data/loader.h"

#include "augment/augment.h"
#include "augment/mix.h"
#include "base/parallel.h"
#include "data/cache.h"

#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { N_SLOT = 3, CHANNELS = 3, LOW_PRIORITY = 10 };

/* One batch in the ring; batch number b of the stream lies in slot b % N_SLOT. */
struct slot {
    uint8_t *pixel;
    uint64_t *sample;
    uint16_t *view;
    float *label;
    struct batch batch;
    int64_t number;    /* in the stream: epoch * n_batch + batch; -1 = empty */
    int claimed, done; /* of batch.n samples */
    bool ready;
    int failed; /* place of the first sample that failed, -1 = none */
    struct err why;
};

struct loader {
    const struct dataset *d;
    struct loader_config cfg;
    struct order_table order;
    struct picture_rule rule;
    int n_batch; /* an epoch */

    pthread_mutex_t lock;
    pthread_cond_t work, ready; /* a place came free; a batch is complete */
    pthread_t *thread;
    int n_thread;
    bool running, stop; /* running: claims may be made */
    int in_flight;      /* samples claimed and not done */
    struct slot slot[N_SLOT];
    int64_t filling; /* number of the batch being claimed */
    int64_t head;    /* of the next one to hand out */
    bool no_pixels;
    bool lent;       /* the caller still looks at head - 1 */
    bool epoch_over; /* the last batch of an epoch was handed out */
    double wait_s;
    int64_t drifted, decoded;
};

/* A claimed sample. */
struct job {
    struct slot *slot;
    int place; /* in the batch */
    uint64_t epoch;
    uint32_t position; /* in the epoch */
    int64_t drifted, decoded;
};

static int batch_size(const struct loader *l, int batch)
{
    if (batch < l->n_batch - 1)
        return l->cfg.batch;
    return (int)l->order.n - (l->n_batch - 1) * l->cfg.batch;
}

static void start_slot(const struct loader *l, struct slot *s, int64_t number)
{
    s->number = number;
    s->claimed = s->done = 0;
    s->ready = false;
    s->failed = -1;
    s->batch.n = batch_size(l, (int)(number % l->n_batch));
}

/* Takes the next sample of the stream, of batch `only` when that is not negative. Locked. */
static bool claim(struct loader *l, int64_t only, struct job *job)
{
    if (!l->running || l->filling - l->head + l->lent >= N_SLOT ||
        (only >= 0 && l->filling != only))
        return false;
    struct slot *s = l->slot + l->filling % N_SLOT;
    if (s->number != l->filling)
        start_slot(l, s, l->filling);
    *job = (struct job){
        .slot = s,
        .place = s->claimed++,
        .epoch = (uint64_t)(s->number / l->n_batch),
    };
    job->position =
        (uint32_t)(s->number % l->n_batch) * (uint32_t)l->cfg.batch + (uint32_t)job->place;
    l->filling += s->claimed == s->batch.n;
    l->in_flight++;
    return true;
}

/* The picture that augmentation starts from; *owned: the caller releases it. */
static bool start_picture(const struct loader *l, struct job *job, int sample, struct image *im,
                          bool *owned, struct err *e)
{
    const struct sample *s = l->d->sample + sample;
    struct cache *cache = l->d->raw ? NULL : l->cfg.cache;
    bool drifted = picture_drifted(l->d, sample);
    job->drifted += drifted;
    *owned = true;
    if (l->cfg.full_crop && l->cfg.augment) {
        job->decoded++;
        return picture_read_full(l->d, sample, l->cfg.size_px, im, e);
    }
    if (cache && cache_get(cache, s, im)) {
        *owned = false;
        return true;
    }
    job->decoded++;
    if (!picture_read(l->d, sample, l->rule, im, NULL, e))
        return false;
    if (cache && !drifted) /* what is there now is not what the key says */
        cache_put(cache, s, im);
    return true;
}

static uint16_t view_of(const struct loader *l, const struct job *job)
{
    uint64_t views = (uint64_t)l->cfg.views;
    return (uint16_t)(views ? job->epoch % views : 0);
}

static bool fill_pixels(const struct loader *l, struct job *job, uint32_t sample, struct err *e)
{
    static const struct augment_config centre_crop = {0};
    const struct loader_config *c = &l->cfg;
    size_t size = (size_t)c->size_px;
    uint8_t *out = job->slot->pixel + (size_t)job->place * size * size * CHANNELS;
    struct rng r = c->views ? rng_at(c->seed, RNG_AUGMENT, view_of(l, job), sample)
                            : rng_at(c->seed, RNG_AUGMENT, job->epoch, job->position);
    struct image im;
    bool owned;
    if (!start_picture(l, job, (int)sample, &im, &owned, e))
        return false;
    bool ok =
        augment_apply(c->augment ? c->augment : &centre_crop, c->size_px, &r, &im, out, e) ||
        err_in(e, "%s", l->d->sample[sample].path);
    if (owned)
        image_release(&im);
    return ok;
}

static bool fill_place(const struct loader *l, struct job *job, struct err *e)
{
    const struct slot *s = job->slot;
    uint32_t sample = order_at(&l->order, job->epoch, job->position);
    float *label = s->label + (size_t)job->place * (size_t)l->cfg.n_class;
    s->sample[job->place] = sample;
    s->view[job->place] = view_of(l, job);
    memset(label, 0, (size_t)l->cfg.n_class * sizeof(*label));
    int class = l->d->sample[sample].label;
    if (class >= 0 && class < l->cfg.n_class)
        label[class] = 1;
    return l->no_pixels || fill_pixels(l, job, sample, e);
}

static void keep_error(struct slot *s, int place, const struct err *e)
{
    if (s->failed >= 0 && s->failed <= place)
        return;
    s->failed = place;
    s->why = *e;
}

/* Mixes a complete batch, which only this thread still has. Called and returns locked. */
static void mix(struct loader *l, struct slot *s)
{
    const struct augment_config *augment = l->cfg.augment;
    struct err e;
    if (!augment || !mix_active(augment) || s->failed >= 0 || l->no_pixels)
        return;
    pthread_mutex_unlock(&l->lock);
    struct rng r = rng_at(l->cfg.seed, RNG_MIX, (uint64_t)(s->number / l->n_batch),
                          (uint64_t)(s->number % l->n_batch));
    struct mix_batch b = {s->batch.n,     s->batch.h, s->batch.w,
                          l->cfg.n_class, s->pixel,   s->label};
    bool ok = mix_apply(augment, &r, &b, &e);
    pthread_mutex_lock(&l->lock);
    if (!ok)
        keep_error(s, 0, &e);
}

/* Does the claimed sample and hands the batch over when it was the last. Called locked, works
 * unlocked, returns locked. */
static void work(struct loader *l, struct job *job)
{
    struct slot *s = job->slot;
    struct err e;
    pthread_mutex_unlock(&l->lock);
    bool ok = fill_place(l, job, &e);
    pthread_mutex_lock(&l->lock);
    if (!ok)
        keep_error(s, job->place, &e);
    l->drifted += job->drifted;
    l->decoded += job->decoded;
    if (++s->done == s->batch.n) {
        mix(l, s);
        s->ready = true;
    }
    if (--l->in_flight == 0 || s->ready)
        pthread_cond_broadcast(&l->ready);
}

static void *run_thread(void *ctx)
{
    struct loader *l = ctx;
    struct job job;
    /* Of this thread alone (Linux); refused where a sandbox forbids it, and harmless then. */
    setpriority(PRIO_PROCESS, (id_t)gettid(), LOW_PRIORITY);
    pthread_mutex_lock(&l->lock);
    while (!l->stop) {
        if (claim(l, -1, &job))
            work(l, &job);
        else
            pthread_cond_wait(&l->work, &l->lock);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static bool make_slots(struct loader *l, struct err *e)
{
    const struct loader_config *c = &l->cfg;
    size_t n = (size_t)c->batch + 1, size = (size_t)c->size_px;
    for (int i = 0; i < N_SLOT; i++) {
        struct slot *s = l->slot + i;
        s->number = -1;
        s->pixel = mem_new(n * size, size * CHANNELS, e);
        s->sample = s->pixel ? mem_new(n, sizeof(*s->sample), e) : NULL;
        s->view = s->sample ? mem_new(n, sizeof(*s->view), e) : NULL;
        s->label = s->view ? mem_new(n * (size_t)c->n_class, sizeof(*s->label), e) : NULL;
        if (!s->label)
            return false;
        s->batch = (struct batch){.h = c->size_px,
                                  .w = c->size_px,
                                  .channels = CHANNELS,
                                  .pixel = s->pixel,
                                  .sample = s->sample,
                                  .view = s->view,
                                  .label = s->label};
    }
    return true;
}

static bool start_threads(struct loader *l, struct err *e)
{
    int n = l->cfg.n_thread > 0 ? l->cfg.n_thread : parallel_threads();
    l->thread = mem_new((size_t)n, sizeof(*l->thread), e);
    if (!l->thread)
        return false;
    for (; l->n_thread < n; l->n_thread++) {
        int status = pthread_create(l->thread + l->n_thread, NULL, run_thread, l);
        if (status)
            return err_set(e, ERR_NOMEM, "decode thread %d of %d: %s", l->n_thread + 1, n,
                           strerror(status));
    }
    return true;
}

static bool same_rule(struct picture_rule a, struct picture_rule b)
{
    return a.side_px == b.side_px && a.filter == b.filter;
}

struct loader *loader_new(const struct dataset *d, const struct loader_config *cfg,
                          struct err *e)
{
    if (cfg->batch < 1 || cfg->size_px < 1 || cfg->n_class < 1) {
        err_set(e, ERR_USAGE,
                "loader: batch %d, size %d px, %d classes: expected 1 or more each", cfg->batch,
                cfg->size_px, cfg->n_class);
        return NULL;
    }
    struct picture_rule rule = {picture_side(d, cfg->size_px, cfg->resize_px),
                                (enum resize_filter)cfg->filter};
    if (cfg->cache && !same_rule(rule, cache_rule(cfg->cache))) {
        err_set(e, ERR_INTERNAL, "loader: starts from %d px, its cache holds %d px",
                rule.side_px, cache_rule(cfg->cache).side_px);
        return NULL;
    }
    struct loader *l = mem_new(1, sizeof(*l), e);
    if (!l)
        return NULL;
    l->d = d;
    l->cfg = *cfg;
    l->rule = rule;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->work, NULL);
    pthread_cond_init(&l->ready, NULL);
    bool ok = order_init(&l->order, cfg->order, cfg->seed, d, cfg->index, cfg->n_index, e);
    int n = (int)l->order.n, rest = n % cfg->batch;
    l->n_batch = n / cfg->batch + (rest > 0 && !(rest == 1 && cfg->merge_last && n > 1));
    l->n_batch = l->n_batch < 1 ? 1 : l->n_batch;
    l->cfg.index = NULL; /* the caller's; order has its own */
    if (ok && make_slots(l, e) && start_threads(l, e))
        return l;
    loader_free(l);
    return NULL;
}

/* Forgets what was filled ahead; nothing is claimed until `running` is set again. Locked. */
static void flush(struct loader *l, int64_t to)
{
    l->running = false;
    while (l->in_flight > 0)
        pthread_cond_wait(&l->ready, &l->lock);
    for (int i = 0; i < N_SLOT; i++)
        l->slot[i].number = -1;
    l->head = l->filling = to;
}

void loader_set(struct loader *l, int views, bool pixels)
{
    if (views == l->cfg.views && pixels == !l->no_pixels)
        return;
    pthread_mutex_lock(&l->lock);
    flush(l, l->head);
    l->lent = false;
    l->cfg.views = views;
    l->no_pixels = !pixels;
    for (int i = 0; i < N_SLOT; i++)
        l->slot[i].batch.pixel = pixels ? l->slot[i].pixel : NULL;
    pthread_mutex_unlock(&l->lock);
}

bool loader_seek(struct loader *l, int epoch, int skip_batches, struct err *e)
{
    if (epoch < 0 || skip_batches < 0 || skip_batches > l->n_batch)
        return err_set(e, ERR_USAGE, "loader: epoch %d, batch %d: expected batch 0 to %d",
                       epoch, skip_batches, l->n_batch);
    int64_t to = (int64_t)epoch * l->n_batch + skip_batches;
    pthread_mutex_lock(&l->lock);
    if (to != l->head) /* else what was filled ahead stays */
        flush(l, to);
    l->lent = false;
    l->epoch_over = skip_batches == l->n_batch;
    l->running = true;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->lock);
    return true;
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Waits for batch head, doing what is unclaimed of it. Locked. */
static struct slot *wait_for_head(struct loader *l)
{
    struct slot *s = l->slot + l->head % N_SLOT;
    struct job job;
    if (s->number == l->head && s->ready)
        return s;
    double from = now_s();
    while (s->number != l->head || !s->ready) {
        if (claim(l, l->head, &job))
            work(l, &job);
        else
            pthread_cond_wait(&l->ready, &l->lock);
    }
    l->wait_s += now_s() - from;
    return s;
}

bool loader_next(struct loader *l, const struct batch **out, struct err *e)
{
    *out = NULL;
    pthread_mutex_lock(&l->lock);
    l->lent = false;
    l->running = true;
    pthread_cond_broadcast(&l->work);
    bool ok = true;
    if (l->epoch_over) {
        l->epoch_over = false;
    } else {
        struct slot *s = wait_for_head(l);
        ok = s->failed < 0;
        if (ok) {
            *out = &s->batch;
            l->lent = true;
            l->head++;
            l->epoch_over = l->head % l->n_batch == 0;
        } else {
            *e = s->why;
        }
    }
    pthread_mutex_unlock(&l->lock);
    return ok;
}

int loader_batches(const struct loader *l)
{
    return l->n_batch;
}

double loader_wait_s(const struct loader *l)
{
    return l->wait_s; /* written by the caller's own thread only */
}

static int64_t locked(const struct loader *l, const int64_t *count)
{
    struct loader *open = (struct loader *)l;
    pthread_mutex_lock(&open->lock);
    int64_t n = *count;
    pthread_mutex_unlock(&open->lock);
    return n;
}

int64_t loader_drifted(const struct loader *l)
{
    return locked(l, &l->drifted);
}

int64_t loader_decoded(const struct loader *l)
{
    return locked(l, &l->decoded);
}

void loader_free(struct loader *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < l->n_thread; i++)
        pthread_join(l->thread[i], NULL);
    for (int i = 0; i < N_SLOT; i++) {
        mem_free(l->slot[i].pixel);
        mem_free(l->slot[i].sample);
        mem_free(l->slot[i].view);
        mem_free(l->slot[i].label);
    }
    pthread_cond_destroy(&l->work);
    pthread_cond_destroy(&l->ready);
    pthread_mutex_destroy(&l->lock);
    order_release(&l->order);
    mem_free(l->thread);
    mem_free(l);
}
