#include "base/parallel.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { MAX = 97, MAX_THREAD = 5 };

struct work {
    int n_thread, n_task;
    atomic_int times[MAX];
    int thread[MAX];
};

static void task(void *ctx, int task, int thread)
{
    struct work *w = ctx;
    atomic_fetch_add(&w->times[task], 1);
    w->thread[task] = thread;
}

/* Each task once. */
static void tasks_are_shared_out(void **state)
{
    (void)state;
    for (int n_thread = 1; n_thread <= MAX_THREAD; n_thread++)
        for (int n_task = 0; n_task <= MAX; n_task += 8) {
            struct work w = {.n_thread = n_thread, .n_task = n_task};
            parallel_for(n_thread, n_task, task, &w);
            for (int i = 0; i < MAX; i++) {
                assert_int_equal(atomic_load(&w.times[i]), i < n_task);
                assert_in_range(w.thread[i], 0, n_thread - 1);
            }
        }
}

/* Task 0 lasts until all others are done. */
static void slow_task(void *ctx, int task, int thread)
{
    atomic_int *done = ctx;
    (void)thread;
    if (task == 0)
        while (atomic_load(done) < MAX - 1)
            sched_yield();
    atomic_fetch_add(done, 1);
}

static void the_others_do_a_slow_threads_work(void **state)
{
    (void)state;
    atomic_int done = 0;
    parallel_for(2, MAX, slow_task, &done);
    assert_int_equal(atomic_load(&done), MAX);
}

static void own_tasks_come_first_and_from_the_front(void **state)
{
    (void)state;
    static struct parallel_tasks t;
    parallel_share_out(&t, 5, 2); /* 0 1, 2 3 4 */
    const int by_one[] = {2, 3}, by_zero[] = {0, 1, 4, -1};
    for (int i = 0; i < 2; i++)
        assert_int_equal(parallel_take(&t, 1), by_one[i]);
    for (int i = 0; i < 4; i++)
        assert_int_equal(parallel_take(&t, 0), by_zero[i]);
    assert_int_equal(parallel_take(&t, 1), -1);
}

static void more_threads_than_shares(void **state)
{
    (void)state;
    static struct parallel_tasks t;
    int n_thread = PARALLEL_MAX + 2, n_task = n_thread, n = 0;
    parallel_share_out(&t, n_task, n_thread);
    while (parallel_take(&t, n_thread - 1) >= 0)
        n++;
    assert_int_equal(n, n_task);
}

static void ranges_cover(void **state)
{
    (void)state;
    for (int n = 0; n < 50; n++)
        for (int n_thread = 1; n_thread < 9; n_thread++) {
            int at = 0;
            for (int t = 0; t < n_thread; t++) {
                int lo, hi;
                parallel_range(n, t, n_thread, &lo, &hi);
                assert_int_equal(lo, at);
                assert_true(hi - lo >= n / n_thread && hi - lo <= n / n_thread + 1);
                at = hi;
            }
            assert_int_equal(at, n);
        }
}

struct phases {
    atomic_int arrived;
    atomic_bool early; /* somebody passed before all had arrived */
};

static void phase(void *ctx, int thread, int n_thread)
{
    struct phases *p = ctx;
    (void)thread;
    for (int round = 1; round <= 100; round++) {
        atomic_fetch_add(&p->arrived, 1);
        parallel_barrier();
        if (atomic_load(&p->arrived) != round * n_thread)
            atomic_store(&p->early, true);
        parallel_barrier();
    }
}

static void barriers_wait_for_all(void **state)
{
    (void)state;
    for (int n_thread = 1; n_thread <= 3; n_thread++) {
        struct phases p = {0};
        parallel_region(n_thread, phase, &p);
        assert_int_equal(atomic_load(&p.arrived), 100 * n_thread);
        assert_false(atomic_load(&p.early));
    }
    assert_true(parallel_threads() >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_are_shared_out),
        cmocka_unit_test(the_others_do_a_slow_threads_work),
        cmocka_unit_test(own_tasks_come_first_and_from_the_front),
        cmocka_unit_test(more_threads_than_shares),
        cmocka_unit_test(ranges_cover),
        cmocka_unit_test(barriers_wait_for_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
