/* The writer's pure logic: batch size and concurrency, back-off, documents on their way. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "ingest/couch/adapt.h"
#include "ingest/couch/claims.h"
#include "ingest/loop/retry.h"

/* A server that writes @rate(docs) documents a second in batches of so many. */
typedef double (*rate_fn)(size_t docs);

static double quadratic(size_t docs) /* as CouchDB: slow when small, slower when large */
{
        double d = (double)docs;

        return 1e6 / (20 + 8000 / d + d * d / 20000);
}

static double the_larger_the_better(size_t docs)
{
        return 1e6 / (20 + 20000 / (double)docs);
}

static size_t settle(struct adapt *a, rate_fn rate, int batches)
{
        int64_t now_us = 0;

        for (int i = 0; i < batches; i++) {
                now_us += (int64_t)((double)a->docs * 1e6 / rate(a->docs));
                adapt_reply(a, now_us, a->docs, true);
        }
        return a->docs;
}

static void batch_size_climbs(void **state)
{
        const struct adapt_limits limits = {.max_docs = 5000, .max_in_flight = 8};
        struct adapt a;

        (void)state;
        adapt_init(&a, &limits, 0);
        assert_int_equal(a.docs, 500);
        assert_int_equal(a.in_flight, 8);
        assert_in_range(settle(&a, quadratic, 3000), 200, 1000);
        adapt_init(&a, &limits, 0);
        assert_in_range(settle(&a, the_larger_the_better, 3000), 700, 5000);
}

static void limits_hold(void **state)
{
        const struct adapt_limits small = {.max_docs = 30, .max_in_flight = 1};
        const struct adapt_limits none = {.max_docs = 0, .max_in_flight = 0};
        struct adapt a;

        (void)state;
        adapt_init(&a, &small, 0);
        assert_int_equal(settle(&a, quadratic, 1000), 30);
        assert_int_equal(a.in_flight, 1);
        adapt_trouble(&a, 10, 5);
        assert_int_equal(a.in_flight, 1);
        adapt_init(&a, &none, 0);
        assert_int_equal(a.docs, 1);
        assert_int_equal(a.in_flight, 1);
}

static void a_slow_source_teaches_nothing(void **state)
{
        const struct adapt_limits limits = {.max_docs = 1000, .max_in_flight = 4};
        struct adapt a;

        (void)state;
        adapt_init(&a, &limits, 0);
        for (int i = 1; i < 1000; i++)
                adapt_reply(&a, i * 100000, 500, false);
        assert_int_equal(a.docs, 500);
}

static void concurrency_shrinks_once_and_grows_again(void **state)
{
        const struct adapt_limits limits = {.max_docs = 1000, .max_in_flight = 8};
        struct adapt a;

        (void)state;
        adapt_init(&a, &limits, 0);
        adapt_trouble(&a, 1000, 500);
        assert_int_equal(a.in_flight, 4);
        adapt_trouble(&a, 1001, 600); /* sent before the first one failed */
        assert_int_equal(a.in_flight, 4);
        adapt_trouble(&a, 2000, 1500);
        assert_int_equal(a.in_flight, 2);
        adapt_reply(&a, 3000, 500, true);
        assert_int_equal(a.in_flight, 2);
        adapt_reply(&a, 4000, 500, true);
        assert_int_equal(a.in_flight, 3);
        for (int i = 0; i < 100; i++)
                adapt_reply(&a, 5000 + i, 500, true);
        assert_int_equal(a.in_flight, 8);
}

/* ---- back-off ---- */

static void delays_grow_and_stay_in_bounds(void **state)
{
        const struct retry_policy policy = {100, 10000, 1000000};
        int64_t delay = 0, upper = 100;
        struct retry r;

        (void)state;
        retry_init(&r, &policy, 42);
        for (int i = 0; i < 20; i++) {
                assert_true(retry_failure(&r, 5, -1, &delay));
                assert_in_range(delay, upper / 2, upper);
                upper = upper < 5000 ? upper * 2 : 10000;
        }
        retry_success(&r);
        assert_true(retry_failure(&r, 5, -1, &delay));
        assert_in_range(delay, 50, 100);
}

static void delays_differ(void **state)
{
        const struct retry_policy policy = {1000, 10000, 1000000};
        int64_t x, y;
        struct retry r;
        int same = 0;

        (void)state;
        retry_init(&r, &policy, 0);
        for (int i = 0; i < 20; i++) {
                retry_success(&r);
                assert_true(retry_failure(&r, 0, -1, &x));
                retry_success(&r);
                assert_true(retry_failure(&r, 0, -1, &y));
                same += x == y;
        }
        assert_true(same < 10);
}

static void retry_after_is_obeyed(void **state)
{
        const struct retry_policy policy = {100, 10000, 60000};
        int64_t delay;
        struct retry r;

        (void)state;
        retry_init(&r, &policy, 1);
        assert_true(retry_failure(&r, 0, 7000, &delay));
        assert_int_equal(delay, 7000);
        assert_true(retry_failure(&r, 0, 0, &delay));
        assert_true(delay >= 50);
        assert_false(retry_failure(&r, 0, 61000, &delay)); /* beyond the budget's end */
}

static void the_budget_ends(void **state)
{
        const struct retry_policy policy = {100, 10000, 1000};
        int64_t delay;
        struct retry r;

        (void)state;
        retry_init(&r, &policy, 1);
        assert_true(retry_failure(&r, 5000, -1, &delay));
        for (int i = 0; i < 10; i++)
                assert_true(retry_failure(&r, 5990, -1, &delay));
        assert_int_equal(delay, 10); /* the last try is at the end, not beyond */
        assert_false(retry_failure(&r, 6000, -1, &delay));
        retry_success(&r);
        assert_true(retry_failure(&r, 9000, -1, &delay));
}

/* ---- claims ---- */

static void claims_pass_to_waiters(void **state)
{
        struct claims c = {.table = NULL};
        struct err e;

        (void)state;
        uint32_t h = claims_hash(&c, STR("a"));
        assert_int_equal(claims_take(&c, h, &e), 0);
        assert_int_equal(claims_take(&c, h, &e), CLAIMS_HELD);
        assert_int_equal(claims_take(&c, h, &e), CLAIMS_HELD);
        assert_true(claims_release(&c, h));
        assert_int_equal(claims_take(&c, h, &e), CLAIMS_HELD);
        assert_true(claims_release(&c, h));
        assert_true(claims_release(&c, h));
        assert_false(claims_release(&c, h));
        assert_int_equal(claims_take(&c, h, &e), 0);
        assert_int_not_equal(claims_hash(&h, STR("a")), h);
        claims_deinit(&c);
}

static void claims_survive_any_order(void **state)
{
        enum { KEYS = 512, ROUNDS = 200000 };
        bool held[KEYS] = {false};
        uint64_t random = 12345;
        struct claims c = {.table = NULL};
        struct err e;

        (void)state;
        for (int i = 0; i < ROUNDS; i++) {
                random = random * 6364136223846793005u + 1442695040888963407u;
                unsigned k = (unsigned)(random >> 40) % KEYS;
                /* few distinct homes: long runs of neighbours */
                uint32_t hash = (k + 1) << 16 | (k % 7 + 1);
                if (held[k])
                        assert_false(claims_release(&c, hash));
                else
                        assert_int_equal(claims_take(&c, hash, &e), 0);
                held[k] = !held[k];
        }
        for (unsigned k = 0; k < KEYS; k++) {
                uint32_t hash = (k + 1) << 16 | (k % 7 + 1);
                assert_int_equal(claims_take(&c, hash, &e), held[k] ? CLAIMS_HELD : 0);
        }
        claims_deinit(&c);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(batch_size_climbs),
                cmocka_unit_test(limits_hold),
                cmocka_unit_test(a_slow_source_teaches_nothing),
                cmocka_unit_test(concurrency_shrinks_once_and_grows_again),
                cmocka_unit_test(delays_grow_and_stay_in_bounds),
                cmocka_unit_test(delays_differ),
                cmocka_unit_test(retry_after_is_obeyed),
                cmocka_unit_test(the_budget_ends),
                cmocka_unit_test(claims_pass_to_waiters),
                cmocka_unit_test(claims_survive_any_order),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
