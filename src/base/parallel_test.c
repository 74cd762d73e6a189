#include "base/parallel.h"

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

/* Each task once, and always on the thread that its number says. */
static void tasks_are_shared_out(void **state)
{
    (void)state;
    for (int n_thread = 1; n_thread <= MAX_THREAD; n_thread++)
        for (int n_task = 0; n_task <= MAX; n_task += 8) {
            struct work w = {.n_thread = n_thread, .n_task = n_task};
            parallel_for(n_thread, n_task, task, &w);
            int used = n_thread < n_task ? n_thread : n_task;
            for (int i = 0; i < MAX; i++)
                assert_int_equal(atomic_load(&w.times[i]), i < n_task);
            for (int t = 0; t < used; t++) {
                int lo, hi;
                parallel_range(n_task, t, used, &lo, &hi);
                for (int i = lo; i < hi; i++)
                    assert_int_equal(w.thread[i], t);
            }
        }
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
        cmocka_unit_test(ranges_cover),
        cmocka_unit_test(barriers_wait_for_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
