/* libgomp's ABI: a parallel region with one statement compiles to GOMP_parallel(fn, data, n, 0);
 * calling it directly needs no -fopenmp, with which clang would bring a second runtime. */
#include "base/parallel.h"
#include "base/cgroup.h"

#include <limits.h>
#include <math.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

/* A tenth to a fifth of a millisecond: longer than the gaps inside a training step. */
#define SPIN_COUNT "10000"

void GOMP_parallel(void (*fn)(void *), void *data, unsigned n_thread, unsigned flags);
void GOMP_barrier(void);
int omp_get_thread_num(void);
int omp_get_num_threads(void);

int parallel_threads(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set)
                                                         : (int)sysconf(_SC_NPROCESSORS_ONLN);
    int quota = (int)ceil(cgroup_limits("").cpus); /* 0 = none */
    if (quota > 0 && quota < n)
        n = quota;
    return n < 1 ? 1 : n;
}

void parallel_settle(char **argv)
{
    char program
        [PATH_MAX]; /* by its own path: a process is listed by the name it was started by */
    if (getenv("GOMP_SPINCOUNT") || getenv("OMP_WAIT_POLICY"))
        return;
    ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
    if (n <= 0 || setenv("GOMP_SPINCOUNT", SPIN_COUNT, 1) != 0)
        return;
    program[n] = '\0';
    execv(program, argv);
}

struct region {
    void (*fn)(void *ctx, int thread, int n_thread);
    void *ctx;
};

static void enter(void *data)
{
    const struct region *r = data;
    r->fn(r->ctx, omp_get_thread_num(), omp_get_num_threads());
}

void parallel_region(int n_thread, void (*fn)(void *ctx, int thread, int n_thread), void *ctx)
{
    struct region r = {fn, ctx};
    if (n_thread <= 1)
        fn(ctx, 0, 1);
    else
        GOMP_parallel(enter, &r, (unsigned)n_thread, 0);
}

void parallel_barrier(void)
{
    if (omp_get_num_threads() > 1)
        GOMP_barrier();
}

void parallel_share_out(struct parallel_tasks *t, int n_task, int n_thread)
{
    t->n_thread = n_thread < PARALLEL_MAX ? n_thread : PARALLEL_MAX;
    for (int i = 0; i < t->n_thread; i++) {
        int lo, hi;
        parallel_range(n_task, i, t->n_thread, &lo, &hi);
        atomic_init(&t->share[i].left, (uint64_t)lo << 32 | (uint64_t)hi);
    }
}

/* The first or the last of a share, or -1. */
static int take(struct parallel_share *s, bool last)
{
    uint64_t left = atomic_load(&s->left), rest;
    do {
        if (left >> 32 >= (left & UINT32_MAX))
            return -1;
        rest = last ? left - 1 : left + (1ULL << 32);
    } while (!atomic_compare_exchange_weak(&s->left, &left, rest));
    return (int)(last ? rest & UINT32_MAX : left >> 32);
}

int parallel_take(struct parallel_tasks *t, int thread)
{
    int task = thread < t->n_thread ? take(&t->share[thread], false) : -1;
    for (int i = 1; task < 0 && i <= t->n_thread; i++)
        task = take(&t->share[(thread + i) % t->n_thread], true);
    return task;
}

struct loop {
    void (*fn)(void *ctx, int task, int thread);
    void *ctx;
    struct parallel_tasks tasks;
};

static void loop_part(void *ctx, int thread, int n_thread)
{
    struct loop *l = ctx;
    (void)n_thread;
    for (int task; (task = parallel_take(&l->tasks, thread)) >= 0;)
        l->fn(l->ctx, task, thread);
}

void parallel_for(int n_thread, int n_task, void (*fn)(void *ctx, int task, int thread),
                  void *ctx)
{
    struct loop l;
    l.fn = fn;
    l.ctx = ctx;
    n_thread = n_thread < n_task ? n_thread : n_task;
    parallel_share_out(&l.tasks, n_task, n_thread);
    parallel_region(n_thread, loop_part, &l);
}
