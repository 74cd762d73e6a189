/* Threads for computing: one pool for the whole process, the OpenMP runtime that oneDNN uses,
 * reached through its own entry points so that gcc and clang builds share it. */
#ifndef BASE_PARALLEL_H
#define BASE_PARALLEL_H

#include <stdatomic.h>
#include <stdint.h>

/* Threads this process may use at once: CPU affinity and cgroup quota, at least 1. */
int parallel_threads(void);

/* First in main: how long a waiting thread spins before it sleeps is read from the environment when
 * the OpenMP runtime is loaded, and its own default (milliseconds) takes a core from the threads
 * that decode, and from other programs. Where neither GOMP_SPINCOUNT nor OMP_WAIT_POLICY is set,
 * sets the first and starts the program again; returns where that cannot be. */
void parallel_settle(char **argv);

/* fn(ctx, task, thread) for each task in 0 .. n_task-1 on n_thread threads, thread in
 * 0 .. n_thread-1. Which thread runs a task depends on timing, as parallel_take says: a result may
 * depend on its task, never on its thread. Returns when all are done. Not nested. */
void parallel_for(int n_thread, int n_task, void (*fn)(void *ctx, int task, int thread),
                  void *ctx);

/* fn(ctx, thread, n_thread) once on each thread; parallel_barrier waits inside it for all. */
void parallel_region(int n_thread, void (*fn)(void *ctx, int thread, int n_thread), void *ctx);
void parallel_barrier(void);

/* Tasks that threads share: each has its parallel_range, which it takes from the front, so that what
 * lies in a core's cache is used there again. A thread that has none left takes the last one of
 * another: where other programs slow one core down, the rest do its work. Threads past the first PARALLEL_MAX only take from those. */
enum { PARALLEL_MAX = 512 };
struct parallel_tasks {
    int n_thread;
    struct parallel_share {
        _Alignas(64) _Atomic uint64_t left; /* first task << 32 | end */
    } share[PARALLEL_MAX];
};
void parallel_share_out(struct parallel_tasks *t, int n_task, int n_thread);
int parallel_take(struct parallel_tasks *t, int thread); /* a task, or -1: none is left */

/* Task range [*lo, *hi) of a thread for n tasks: contiguous, sizes differ by one at most. */
static inline void parallel_range(int n, int thread, int n_thread, int *lo, int *hi)
{
    *lo = (int)((long long)n * thread / n_thread);
    *hi = (int)((long long)n * (thread + 1) / n_thread);
}

#endif
