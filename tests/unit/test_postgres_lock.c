/* The lock across machines on a real server: two sources stand for two machines. */
#include "tests/unit/pg_fixture.h"
#include "tests/support/alloc_fail.h"

#include <stdio.h>
#include <unistd.h>

#include "ingest/base/clock.h"

#define KEY UINT64_C(0xF00DFACE12345678) /* its upper bit makes the server's number negative */

/* Sessions of ours that hold an advisory lock. */
#define HOLDERS                                                                                    \
        "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = "        \
        "'advisory' AND application_name LIKE 'machine %'"

#define HOLDER "SELECT pid FROM pg_locks WHERE locktype = 'advisory'"

static struct fixture *machine(const char *name)
{
        char more[64];

        snprintf(more, sizeof(more), "application_name: machine %s", name);
        return fixture_open("postgres", more);
}

static void end_sessions(const char *name)
{
        char sql[200];

        snprintf(sql, sizeof(sql),
                "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE "
                "application_name = 'machine %s'",
                name);
        assert_string_not_equal(pg_sql(NULL, sql), "0");
}

/* No transaction stays open: it would hold back cursors and vacuums. What was cancelled ends in the
 * server's own time. */
static void becomes_idle(const char *name)
{
        char sql[200];

        snprintf(sql, sizeof(sql),
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'machine %s' AND "
                "state <> 'idle'",
                name);
        int64_t end_ms = clock_monotonic_ms() + 10000;
        while (strcmp(pg_sql(NULL, sql), "0") != 0) {
                assert_true(clock_monotonic_ms() < end_ms);
                usleep(10000);
        }
}

static void must(int rc, const struct err *e)
{
        if (rc)
                fail_msg("%d: %s", rc, e->text);
}

static void the_second_loses_and_is_told_by_whom(void **state)
{
        struct err e = {0};

        (void)state;
        pg_cluster_or_skip();
        struct fixture *a = machine("a"), *b = machine("b");
        must(source_lock(a->source, KEY, 0, &e), &e);
        assert_string_equal(pg_sql(NULL, HOLDERS), "1");
        int64_t started = clock_monotonic_ms();
        assert_int_equal(source_lock(b->source, KEY, 700, &e), -ERR_LOCKED);
        assert_in_range(clock_monotonic_ms() - started, 650, 5000);
        const char *pid = pg_sql(NULL, HOLDER);
        if (!strstr(e.text, pid) || !strstr(e.text, "machine a") || !strstr(e.text, "127.0.0.1"))
                fail_msg("%s", e.text);
        must(source_lock(b->source, KEY + 1, 0, &e), &e); /* another mapper's */
        must(source_lock_check(a->source, &e), &e);
        must(source_lock_check(b->source, &e), &e);
        fixture_free(a);
        fixture_free(b);
}

static void a_lock_is_released_with_its_source(void **state)
{
        struct err e = {0};

        (void)state;
        pg_cluster_or_skip();
        struct fixture *a = machine("a"), *b = machine("b");
        must(source_lock(a->source, KEY, 0, &e), &e);
        a->source = source_close(a->source);
        must(source_lock(b->source, KEY, 10000, &e), &e); /* its process may still be ending */
        fixture_free(a);
        fixture_free(b);
}

static void a_lock_is_independent_of_reads(void **state)
{
        struct sink s = {.count_only = true, .cancel_at = 10};
        struct err e = {0};

        (void)state;
        pg_cluster_or_skip();
        struct fixture *a = machine("a");
        must(source_lock(a->source, KEY, 0, &e), &e);
        assert_int_equal(
                fixture_read(a,
                        "{query: 'SELECT g AS id FROM generate_series(1, 100000) g', key: id}", &s),
                -ERR_CANCEL);
        assert_string_equal(pg_sql(NULL, HOLDERS), "1");
        must(source_lock_check(a->source, &e), &e);
        becomes_idle("a");
        sink_deinit(&s);
        fixture_free(a);
}

static void a_lost_lock_is_taken_again(void **state)
{
        struct err e = {0};

        (void)state;
        pg_cluster_or_skip();
        struct fixture *a = machine("a");
        must(source_lock(a->source, KEY, 0, &e), &e);
        end_sessions("a");
        assert_string_equal(pg_sql(NULL, HOLDERS), "0");
        must(source_lock_check(a->source, &e), &e);
        assert_string_equal(pg_sql(NULL, HOLDERS), "1");
        long holder = strtol(pg_sql(NULL, HOLDER), NULL, 10);
        must(source_lock_check(a->source, &e), &e); /* and is left alone while it is held */
        assert_int_equal(strtol(pg_sql(NULL, HOLDER), NULL, 10), holder);
        fixture_free(a);
}

static void a_lost_lock_that_another_has_is_lost(void **state)
{
        struct err e = {0};

        (void)state;
        pg_cluster_or_skip();
        struct fixture *a = machine("a"), *b = machine("b");
        must(source_lock(a->source, KEY, 600, &e), &e);
        end_sessions("a");
        must(source_lock(b->source, KEY, 0, &e), &e);
        assert_int_equal(source_lock_check(a->source, &e), -ERR_LOCKED);
        if (!strstr(e.text, "machine b") || !strstr(e.text, "lost during the run"))
                fail_msg("%s", e.text);
        b->source = source_close(b->source);
        must(source_lock_check(a->source, &e), &e);
        fixture_free(a);
        fixture_free(b);
}

static void time_limits_of_the_server_do_not_end_it(void **state)
{
        struct err e = {0};

        (void)state;
        pg_cluster_or_skip();
        if (strtol(pg_sql(NULL, "SHOW server_version_num"), NULL, 10) < 140000)
                skip(); /* no idle_session_timeout yet */
        pg_sql(NULL, "CREATE DATABASE impatient");
        pg_sql(NULL, "ALTER DATABASE impatient SET idle_session_timeout = 300");
        struct fixture *a = fixture_open("impatient", "application_name: machine a");
        must(source_lock(a->source, KEY, 0, &e), &e);
        usleep(900000);
        assert_string_equal(pg_sql(NULL, HOLDERS), "1");
        must(source_lock_check(a->source, &e), &e);
        fixture_free(a);
}

static void waiting_can_be_interrupted(void **state)
{
        struct err e = {0};

        (void)state;
        pg_cluster_or_skip();
        struct fixture *a = machine("a"), *b = machine("b");
        must(source_lock(a->source, KEY, 0, &e), &e);
        loop_cancel(b->loop);
        assert_int_equal(source_lock(b->source, KEY, 30000, &e), -ERR_CANCEL);
        fixture_free(a);
        fixture_free(b);
}

static void every_allocation_may_fail(void **state)
{
        struct err e = {0};
        long failures = 0;

        (void)state;
        pg_cluster_or_skip();
        ALLOC_FAIL_EACH(i)
        {
                struct fixture *a = machine("a");

                alloc_fail_at(i);
                int rc = source_lock(a->source, KEY, 10000, &e);
                if (!rc)
                        rc = source_lock_check(a->source, &e);
                failures += rc != 0;
                if (rc && rc != -ERR_NOMEM && rc != -ERR_RETRY)
                        fail_msg("allocation %ld: %d: %s", i, rc, e.text);
                fixture_free(a);
        }
        assert_true(failures > 0);
}

static int stop_cluster(void **state)
{
        (void)state;
        pg_cluster_stop();
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_second_loses_and_is_told_by_whom),
                cmocka_unit_test(a_lock_is_released_with_its_source),
                cmocka_unit_test(a_lock_is_independent_of_reads),
                cmocka_unit_test(a_lost_lock_is_taken_again),
                cmocka_unit_test(a_lost_lock_that_another_has_is_lost),
                cmocka_unit_test(time_limits_of_the_server_do_not_end_it),
                cmocka_unit_test(waiting_can_be_interrupted),
                cmocka_unit_test(every_allocation_may_fail),
        };
        return cmocka_run_group_tests(tests, NULL, stop_cluster);
}
