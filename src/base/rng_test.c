#include "base/attr.h"
#include "base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* Random123 1.14, tests/kat_vectors, philox4x32 with 10 rounds. */
static void philox_known_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], want[4];
    } kat[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < COUNT_OF(kat); i++) {
        uint32_t out[4];
        rng_philox(kat[i].key, kat[i].counter, out);
        assert_memory_equal(out, kat[i].want, sizeof(out));
    }
}

static uint64_t first_of(uint64_t seed, enum rng_purpose purpose, uint64_t a, uint64_t b)
{
    struct rng r = rng_at(seed, purpose, a, b);
    uint64_t high = rng_u32(&r);
    return high << 32 | rng_u32(&r);
}

/* Every part of the address counts, its upper bits too. */
static void streams_differ(void **state)
{
    (void)state;
    static const uint64_t part[] = {0, 1, 2, 1u << 31, 1ull << 32, (1ull << 40) - 1};
    enum { N = COUNT_OF(part) };
    uint64_t seen[N * N * N * 2];
    int n = 0;
    for (int s = 0; s < N; s++)
        for (int a = 0; a < N; a++)
            for (int b = 0; b < N; b++)
                for (int p = 0; p < 2; p++)
                    seen[n++] =
                        first_of(part[s], p ? RNG_SHUFFLE : RNG_AUGMENT, part[a], part[b]);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++)
            assert_true(seen[i] != seen[j]);
    assert_true(first_of(5, RNG_INIT, 6, 7) == first_of(5, RNG_INIT, 6, 7));
}

static void ranges_hold(void **state)
{
    (void)state;
    enum { N = 60000 };
    struct rng r = rng_at(1, RNG_TEST, 0, 0);
    int count[6] = {0};
    double sum = 0, square = 0, uniform = 0;
    for (int i = 0; i < N; i++) {
        uint32_t k = rng_below(&r, 6);
        float u = rng_uniform(&r);
        double z = rng_normal(&r), v = rng_range(&r, -3, 5);
        assert_true(k < 6 && u >= 0 && u < 1 && v >= -3 && v < 5 && isfinite(z));
        count[k]++;
        uniform += (double)u;
        sum += z;
        square += z * z;
    }
    for (int k = 0; k < 6; k++) /* 5 standard deviations of a binomial: 456 */
        assert_in_range(count[k], N / 6 - 456, N / 6 + 456);
    assert_true(fabs(uniform / N - 0.5) < 0.006);
    assert_true(fabs(sum / N) < 0.021 && fabs(square / N - 1) < 0.03);
    assert_int_equal(rng_below(&r, 1), 0);
    for (int i = 0; i < 1000; i++) /* where most draws are near the top */
        assert_true(rng_below(&r, 0x80000001u) <= 0x80000000u);
}

static void shuffles_are_permutations(void **state)
{
    (void)state;
    uint32_t order[1000], first[3] = {0};
    struct rng r = rng_at(2, RNG_TEST, 0, 0);
    for (uint32_t i = 0; i < 1000; i++)
        order[i] = i;
    rng_shuffle(&r, order, 1000);
    uint64_t seen[16] = {0};
    int fixed = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        seen[order[i] / 64] |= 1ull << order[i] % 64;
        fixed += order[i] == i;
    }
    for (int i = 0; i < 15; i++)
        assert_true(seen[i] == ~0ull);
    assert_true(fixed < 10);
    rng_shuffle(&r, order, 0);
    rng_shuffle(&r, order, 1);
    for (int i = 0; i < 3000; i++) { /* each of three comes first equally often */
        uint32_t three[3] = {0, 1, 2};
        rng_shuffle(&r, three, 3);
        first[three[0]]++;
    }
    for (int i = 0; i < 3; i++)
        assert_in_range(first[i], 870, 1130);
}

static void seeking_is_skipping(void **state)
{
    (void)state;
    for (uint64_t word = 0; word < 11; word++) {
        struct rng a = rng_at(3, RNG_TEST, 1, 2), b = a;
        rng_u32(&b); /* from anywhere */
        for (uint64_t i = 0; i < word; i++)
            rng_u32(&a);
        rng_seek(&b, word);
        for (int i = 0; i < 6; i++)
            assert_int_equal(rng_u32(&a), rng_u32(&b));
    }
    struct rng a = rng_at(3, RNG_TEST, 1, 2), b = a;
    rng_normal(&a);
    rng_range(&a, 0, 1);
    rng_seek(&b, 6);
    assert_int_equal(rng_u32(&a), rng_u32(&b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_known_answers), cmocka_unit_test(streams_differ),
        cmocka_unit_test(ranges_hold),          cmocka_unit_test(shuffles_are_permutations),
        cmocka_unit_test(seeking_is_skipping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
