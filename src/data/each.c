/* Samples are handed out one by one; the caller works along and reports. */
#include "data/each.h"

#include "base/mem.h"
#include "base/parallel.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

struct pool {
    const struct each *each;
    atomic_int next, done;
    atomic_bool stop;
    pthread_mutex_t lock;
    bool failed; /* under lock, with why */
    struct err why;
};

static bool one(struct pool *p)
{
    struct err e = {0};
    int i = atomic_fetch_add(&p->next, 1);
    if (i >= p->each->n || atomic_load(&p->stop))
        return false;
    if (!p->each->fn(p->each->ctx, i, &e)) {
        pthread_mutex_lock(&p->lock);
        p->why = p->failed ? p->why : e;
        p->failed = true;
        pthread_mutex_unlock(&p->lock);
        atomic_store(&p->stop, true);
    }
    atomic_fetch_add(&p->done, 1);
    return true;
}

static void *run_thread(void *ctx)
{
    while (one(ctx))
        ;
    return NULL;
}

static bool report(struct pool *p, struct err *e)
{
    const struct each *each = p->each;
    if (!each->progress || each->progress(each->progress_ctx, atomic_load(&p->done), each->n))
        return true;
    atomic_store(&p->stop, true);
    err_set(e, ERR_INTERRUPTED, "stopped");
    e->signal = SIGINT;
    return false;
}

bool each_sample(const struct each *each, struct err *e)
{
    struct pool p = {.each = each, .lock = PTHREAD_MUTEX_INITIALIZER};
    int n_thread = each->n_thread > 0 ? each->n_thread : parallel_threads();
    n_thread = n_thread > each->n ? each->n : n_thread;
    pthread_t *thread = mem_new((size_t)n_thread, sizeof(*thread), e);
    if (!thread)
        return false;
    int n_started = 0;
    while (n_started < n_thread - 1 &&
           pthread_create(thread + n_started, NULL, run_thread, &p) == 0)
        n_started++; /* fewer threads do it too */
    bool told = report(&p, e);
    while (told && one(&p))
        told = report(&p, e);
    for (int i = 0; i < n_started; i++)
        pthread_join(thread[i], NULL);
    told = told && report(&p, e);
    mem_free(thread);
    if (told && p.failed)
        *e = p.why;
    return told && !p.failed;
}
