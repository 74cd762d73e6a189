/* libgomp's ABI: a parallel region with one statement compiles to GOMP_parallel(fn, data, n, 0);
 * calling it directly needs no -fopenmp, with which clang would bring a second runtime. */
#include "base/parallel.h"

#include <sched.h>
#include <stdio.h>
#include <unistd.h>

void GOMP_parallel(void (*fn)(void *), void *data, unsigned n_thread, unsigned flags);
void GOMP_barrier(void);
int omp_get_thread_num(void);
int omp_get_num_threads(void);

/* CPUs' worth of quota, rounded up; 0 = none stated. */
static int quota_of(long long quota, long long period)
{
    return quota > 0 && period > 0 ? (int)((quota + period - 1) / period) : 0;
}

static int cgroup_quota(void)
{
    long long quota = 0, period = 0;
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (f) { /* version 2: "max 100000" or "200000 100000" */
        int n = fscanf(f, "%lld %lld", &quota, &period);
        fclose(f);
        return n == 2 ? quota_of(quota, period) : 0;
    }
    const char *path[2] = {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us",
                           "/sys/fs/cgroup/cpu/cpu.cfs_period_us"};
    long long *value[2] = {&quota, &period};
    for (int i = 0; i < 2; i++) {
        f = fopen(path[i], "re");
        int n = f ? fscanf(f, "%lld", value[i]) : 0;
        if (f)
            fclose(f);
        if (n != 1)
            return 0;
    }
    return quota_of(quota, period);
}

int parallel_threads(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set)
                                                         : (int)sysconf(_SC_NPROCESSORS_ONLN);
    int quota = cgroup_quota();
    if (quota > 0 && quota < n)
        n = quota;
    return n < 1 ? 1 : n;
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

struct loop {
    void (*fn)(void *ctx, int task, int thread);
    void *ctx;
    int n_task;
};

static void loop_part(void *ctx, int thread, int n_thread)
{
    const struct loop *l = ctx;
    int lo, hi;
    parallel_range(l->n_task, thread, n_thread, &lo, &hi);
    for (int task = lo; task < hi; task++)
        l->fn(l->ctx, task, thread);
}

void parallel_for(int n_thread, int n_task, void (*fn)(void *ctx, int task, int thread),
                  void *ctx)
{
    struct loop l = {fn, ctx, n_task};
    parallel_region(n_thread < n_task ? n_thread : n_task, loop_part, &l);
}
