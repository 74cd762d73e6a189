/* Threads for computing: one pool for the whole process, the OpenMP runtime that oneDNN uses,
 * reached through its own entry points so that gcc and clang builds share it. */
#ifndef BASE_PARALLEL_H
#define BASE_PARALLEL_H

/* Threads this process may use at once: CPU affinity and cgroup quota, at least 1. */
int parallel_threads(void);

/* First in main: how long a waiting thread spins before it sleeps is read from the environment when
 * the OpenMP runtime is loaded, and its own default (milliseconds) takes a core from the threads
 * that decode, and from other programs. Where neither GOMP_SPINCOUNT nor OMP_WAIT_POLICY is set,
 * sets the first and starts the program again; returns where that cannot be. */
void parallel_settle(char **argv);

/* fn(ctx, task, thread) for each task in 0 .. n_task-1 on n_thread threads, thread in
 * 0 .. n_thread-1. Task t runs on thread t * n_thread / n_task (contiguous, fixed), so what a
 * thread accumulates does not depend on timing. Returns when all are done. Not nested. */
void parallel_for(int n_thread, int n_task, void (*fn)(void *ctx, int task, int thread),
                  void *ctx);

/* fn(ctx, thread, n_thread) once on each thread; parallel_barrier waits inside it for all. */
void parallel_region(int n_thread, void (*fn)(void *ctx, int thread, int n_thread), void *ctx);
void parallel_barrier(void);

/* Task range [*lo, *hi) of a thread for n tasks: contiguous, sizes differ by one at most. */
static inline void parallel_range(int n, int thread, int n_thread, int *lo, int *hi)
{
    *lo = (int)((long long)n * thread / n_thread);
    *hi = (int)((long long)n * (thread + 1) / n_thread);
}

#endif
