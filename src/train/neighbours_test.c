#include "train/neighbours.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const float rows[][2] = {{0, 2}, {3, 0}, {0, 0}, {1, 1}, {-1, 0}, {7, 7}, {2, 0}};
enum { N = 7 };

static int find(const float *of, const bool *skip, struct neighbour *out, int k)
{
    struct neighbours_query q = {.of = of, .row = rows[0], .n = N, .dim = 2, .skip = skip};
    return neighbours_find(&q, out, k);
}

static void assert_rows(const struct neighbour *got, const int *want, int n)
{
    for (int i = 0; i < n; i++)
        assert_int_equal(got[i].row, want[i]);
}

static void are_ordered_by_angle_alone(void **state)
{
    (void)state;
    struct neighbour got[N + 1];
    assert_int_equal(find((float[]){5, 0}, NULL, got, N + 1), N);
    assert_rows(got, (int[]){1, 6, 3, 5, 0, 2, 4}, N);
    assert_true(got[0].similarity == 1 && got[N - 1].similarity == -1);
    assert_true(got[4].similarity == 0 && got[5].similarity == 0);
    assert_true(fabs(got[2].similarity - sqrt(0.5)) < 1e-12);
}

static void are_at_most_k_without_the_skipped(void **state)
{
    (void)state;
    struct neighbour got[N];
    bool skip[N] = {[1] = true, [3] = true};
    assert_int_equal(find((float[]){5, 0}, skip, got, 2), 2);
    assert_rows(got, (int[]){6, 5}, 2);
    assert_int_equal(find((float[]){5, 0}, skip, got, N), N - 2);
}

static void vote_by_similarity(void **state)
{
    (void)state;
    static const char *const label[] = {"a", "b", "b", NULL, "c"};
    struct neighbour two[] = {{0, 0.9}, {1, 0.5}, {2, 0.3}, {3, 1}, {4, -1}};
    struct vote v = neighbours_vote(two, 5, label);
    assert_string_equal(v.label, "a"); /* one near vote beats two far ones */
    assert_true(fabs(v.share - 0.9 / 1.7) < 1e-12);
    assert_int_equal(v.n, 1);
    assert_int_equal(v.of, 4);
    two[2].similarity = 0.45;
    v = neighbours_vote(two, 5, label);
    assert_string_equal(v.label, "b");
    assert_int_equal(v.n, 2);
}

static void vote_for_nothing(void **state)
{
    (void)state;
    static const char *const none[] = {NULL, NULL}, *const some[] = {"a", NULL};
    struct neighbour far[] = {{0, -0.5}, {1, 0.5}};
    assert_null(neighbours_vote(far, 2, none).label);
    assert_null(neighbours_vote(far, 2, some).label);
    assert_true(neighbours_vote(far, 2, some).share == 0);
    assert_null(neighbours_vote(NULL, 0, NULL).label);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(are_ordered_by_angle_alone),
        cmocka_unit_test(are_at_most_k_without_the_skipped),
        cmocka_unit_test(vote_by_similarity),
        cmocka_unit_test(vote_for_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
