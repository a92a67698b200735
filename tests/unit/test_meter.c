/* What is counted of a reply, by many threads at once, and of batches. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include "ingest/couch/meter.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static uint64_t requests_of(const struct couch_meter *m, const char *code)
{
        for (size_t i = 0; i < METER_CODES; i++)
                if (strcmp(meter_code_names[i], code) == 0)
                        return meter_read(&m->requests[i]);
        fail_msg("no code %s", code);
        return 0;
}

static void each_reply_has_its_code(void **state)
{
        static const struct {
                struct http_reply reply;
                const char *code;
        } cases[] = {{{.status = 200}, "200"}, {{.status = 201}, "201"}, {{.status = 404}, "404"},
                {{.status = 429}, "429"}, {{.status = 500}, "500"}, {{.status = 504}, "504"},
                {{.status = 299}, "other"}, {{.status = 999}, "other"},
                {{.status = 0, .rc = -ERR_RETRY}, "none"},
                {{.status = 200, .rc = -ERR_RETRY}, "none"}};

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct couch_meter m = {.retries = 0};
                meter_request(&m, &cases[i].reply, 0, 0);
                if (requests_of(&m, cases[i].code) != 1)
                        fail_msg("status %d is not counted as %s", cases[i].reply.status,
                                cases[i].code);
        }
        for (size_t i = 0; i < METER_CODES; i++)
                for (size_t n = 0; n < i; n++)
                        assert_string_not_equal(meter_code_names[i], meter_code_names[n]);
}

static void durations_are_in_buckets(void **state)
{
        static const struct {
                int64_t us;
                size_t bucket;
        } cases[] = {
                {-5, 0}, {0, 0}, {1000, 0}, {1001, 1}, {2500, 1}, {60000000, 14}, {60000001, 15}};
        uint64_t sum = 0;
        struct couch_meter m = {.retries = 0};

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                const struct http_reply reply = {.status = 200, .elapsed_us = cases[i].us};
                uint64_t before = meter_read(&m.durations.buckets[cases[i].bucket]);
                meter_request(&m, &reply, 0, 0);
                sum += cases[i].us > 0 ? (uint64_t)cases[i].us : 0;
                assert_int_equal(meter_read(&m.durations.buckets[cases[i].bucket]), before + 1);
                assert_int_equal(meter_read(&m.durations.sum), sum);
        }
}

static void what_we_cancelled_is_no_request(void **state)
{
        const struct http_reply reply = {.rc = -ERR_CANCEL, .sent = true};
        struct couch_meter m = {.retries = 0};

        (void)state;
        meter_request(&m, &reply, 10, 5);
        for (size_t i = 0; i < METER_CODES; i++)
                assert_int_equal(meter_read(&m.requests[i]), 0);
        assert_int_equal(meter_read(&m.durations.buckets[0]), 0);
        assert_int_equal(meter_read(&m.bytes_sent), 10);
        assert_int_equal(meter_read(&m.bytes_received), 5);
}

static void what_was_not_sent_has_no_bytes(void **state)
{
        const struct http_reply reply = {.rc = -ERR_RETRY, .sent = false};
        struct couch_meter m = {.retries = 0};

        (void)state;
        meter_request(&m, &reply, 10, 0);
        assert_int_equal(meter_read(&m.bytes_sent), 0);
}

static void batches_begin_and_end(void **state)
{
        struct couch_meter m = {.retries = 0};

        (void)state;
        meter_batch_begins(&m);
        meter_batch_begins(&m);
        meter_batch_ends(&m);
        meter_batch_size(&m, 250);
        meter_batch_size(&m, 251);
        assert_int_equal(meter_read(&m.batches_in_flight), 1);
        assert_int_equal(meter_read(&m.batches.buckets[6]), 1);
        assert_int_equal(meter_read(&m.batches.buckets[7]), 1);
        assert_int_equal(meter_read(&m.batches.sum), 501);
        meter_batch_ends(&m);
        assert_int_equal(meter_read(&m.batches_in_flight), 0);
}

static void nobody_counts(void **state)
{
        const struct http_reply reply = {.status = 200};

        (void)state;
        meter_request(NULL, &reply, 1, 1);
        meter_retry(NULL);
        meter_login(NULL);
        meter_conflicts(NULL, 1);
        meter_batch_begins(NULL);
        meter_batch_ends(NULL);
        meter_batch_size(NULL, 1);
}

#define THREADS 4
#define ROUNDS  20000

static void *add_many(void *m)
{
        const struct http_reply reply = {.status = 201, .sent = true};

        for (int i = 0; i < ROUNDS; i++) {
                meter_batch_begins(m);
                meter_request(m, &reply, 3, 2);
                meter_conflicts(m, 2);
                meter_batch_ends(m);
        }
        return NULL;
}

static void threads_lose_nothing(void **state)
{
        pthread_t threads[THREADS];
        struct couch_meter m = {.retries = 0};

        (void)state;
        for (int i = 0; i < THREADS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, add_many, &m), 0);
        for (int i = 0; i < THREADS; i++)
                pthread_join(threads[i], NULL);
        assert_int_equal(requests_of(&m, "201"), THREADS * ROUNDS);
        assert_int_equal(meter_read(&m.bytes_sent), 3 * THREADS * ROUNDS);
        assert_int_equal(meter_read(&m.conflicts), 2 * THREADS * ROUNDS);
        assert_int_equal(meter_read(&m.batches_in_flight), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_reply_has_its_code),
                cmocka_unit_test(durations_are_in_buckets),
                cmocka_unit_test(what_we_cancelled_is_no_request),
                cmocka_unit_test(what_was_not_sent_has_no_bytes),
                cmocka_unit_test(batches_begin_and_end),
                cmocka_unit_test(nobody_counts),
                cmocka_unit_test(threads_lose_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
