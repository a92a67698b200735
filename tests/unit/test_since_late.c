/*
 * Rows that are stamped early and committed late: PROTOCOL.md section 5 with real transactions on
 * connections of their own, of each kind it names, seen by the superuser and by a role that may
 * only read. The arithmetic alone is in test_position.c and test_position_model.c.
 *
 * Time cursors keep 10 s behind the clock. Nobody waits for them here: that a cursor stopped at a
 * transaction is seen from its value, 10 s before that transaction began.
 */
#include "tests/unit/pg_fixture.h"

#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "ingest/base/clock.h"

#define A_WHILE_MS 1100 /* a start so long ago shows in the seconds of a cursor */

/* ---- others ---- */

static PGconn *other(const char *database)
{
        char dsn[512];

        snprintf(dsn, sizeof(dsn), "%s dbname='%s' application_name='the ERP'", pg_cluster(),
                database);
        PGconn *pg = PQconnectdb(dsn);
        if (PQstatus(pg) != CONNECTION_OK)
                fail_msg("%s", PQerrorMessage(pg));
        return pg;
}

static void does(PGconn *pg, const char *sql)
{
        PGresult *result = PQexec(pg, sql);

        if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
                fail_msg("%s: %s", sql, PQerrorMessage(pg));
        PQclear(result);
}

/* Starts statements that take a while. */
static void sends(PGconn *pg, const char *sql)
{
        assert_true(PQsendQuery(pg, sql));
}

static void ends(PGconn *pg)
{
        PGresult *result;

        while ((result = PQgetResult(pg))) {
                if (PQresultStatus(result) == PGRES_FATAL_ERROR)
                        fail_msg("%s", PQerrorMessage(pg));
                PQclear(result);
        }
}

static void wait_ms(int ms)
{
        poll(NULL, 0, ms);
}

/* Waits until @sql gives something. */
static void until(const char *sql)
{
        for (int i = 0; i < 1000; i++) {
                if (pg_sql(NULL, sql)[0])
                        return;
                wait_ms(10);
        }
        fail_msg("never: %s", sql);
}

/* ---- a bench: a table, and mappers over it of both roles ---- */

struct bench {
        struct fixture *super, *reader;
        struct mapper *times, *numbers;               /* of the superuser */
        struct mapper *hidden_times, *hidden_numbers; /* of the reader */
        PGconn *erp;
};

#define YAML(cursor)                                                                               \
        "{query: SELECT id FROM t ORDER BY id, key: id, cursor: '" cursor "', lookback: 0s}"
#define W "(SELECT w FROM t WHERE t.id = q.id)"

static void bench_open(struct bench *b)
{
        /* What a test that failed left open must not stop the next one for ever. */
        pg_sql(NULL, "SET lock_timeout = '10s'; SET client_min_messages = warning; DROP SCHEMA "
                     "public CASCADE;"
                     "CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC;"
                     "CREATE TABLE t (id serial PRIMARY KEY, w timestamptz DEFAULT now());"
                     "GRANT SELECT ON t TO PUBLIC;"
                     "DO $$ BEGIN CREATE ROLE reader LOGIN PASSWORD 'pw'; "
                     "EXCEPTION WHEN duplicate_object THEN NULL; END $$");
        b->super = fixture_open("postgres", NULL);
        b->reader = fixture_open("postgres user=reader password=pw", NULL);
        b->times = mapper_new(b->super, YAML(W), NULL);
        b->numbers = mapper_new(b->super, YAML("id"), NULL);
        b->hidden_times = mapper_new(b->reader, YAML(W), NULL);
        b->hidden_numbers = mapper_new(b->reader, YAML("id"), NULL);
        b->erp = other("postgres");
}

static void bench_close(struct bench *b)
{
        PQfinish(b->erp);
        mapper_free(b->times);
        mapper_free(b->numbers);
        mapper_free(b->hidden_times);
        mapper_free(b->hidden_numbers);
        fixture_free(b->super);
        fixture_free(b->reader);
}

static void reads(struct mapper *m, const char *text)
{
        const char *is = mapper_run(m, false);

        if (strcmp(is, text) != 0)
                fail_msg("%s instead of %s, from %s; %s; %s", is, text, m->seen.cursor, m->seen.why,
                        m->position.data);
}

/* Observes only: where the cursor of the last run stands. */
static const char *stands_at(struct mapper *m)
{
        struct err e;

        if (mapper_observe(m, &e) != 0)
                fail_msg("%s", e.text);
        return m->seen.cursor;
}

static void must_stand_at(struct mapper *m, const char *where)
{
        if (strcmp(stands_at(m), where) != 0)
                fail_msg("the cursor is at \"%s\", not \"%s\"; %s", m->seen.cursor, where,
                        m->seen.why);
}

/* 10 s before the time that @sql gives, in the text of a cursor. */
static const char *before(const char *sql, char out[64])
{
        char query[512];

        snprintf(query, sizeof(query),
                "SELECT to_char((%s) AT TIME ZONE 'UTC' - interval '10 s', "
                "'YYYY-MM-DD HH24:MI:SS+00')",
                sql);
        snprintf(out, 64, "%s", pg_sql(NULL, query));
        return out;
}

#define START_OF_ERP "SELECT xact_start FROM pg_stat_activity WHERE application_name = 'the ERP'"

/* ---- each kind ---- */

static void a_plain_late_commit(void **state)
{
        struct bench b;
        char start[64];

        (void)state;
        pg_cluster_or_skip();
        bench_open(&b);
        pg_sql(NULL, "INSERT INTO t VALUES (DEFAULT, now() - interval '1 h')");
        mapper_run(b.numbers, false);
        mapper_run(b.times, false);
        does(b.erp, "BEGIN; INSERT INTO t DEFAULT VALUES");
        before(START_OF_ERP, start);
        wait_ms(A_WHILE_MS);
        pg_sql(NULL, "INSERT INTO t DEFAULT VALUES");
        reads(b.numbers, "1;3;");
        reads(b.numbers, "1;3;");
        reads(b.times, "1;3;");
        must_stand_at(b.times, start);
        must_stand_at(b.numbers, "1");
        does(b.erp, "COMMIT");
        pg_sql(NULL, "INSERT INTO t DEFAULT VALUES");
        reads(b.numbers, "1;2;3;4;");
        reads(b.times, "2;3;4;");
        reads(b.numbers, "3;4;");
        reads(b.numbers, "4;");
        bench_close(&b);
}

/* A transaction that has done nothing yet is in no snapshot, has no xid and no row. */
static void idle_in_transaction(void **state)
{
        struct bench b;
        char start[64];

        (void)state;
        pg_cluster_or_skip();
        bench_open(&b);
        pg_sql(NULL, "INSERT INTO t VALUES (DEFAULT, now() - interval '1 h')");
        mapper_run(b.numbers, false);
        mapper_run(b.times, false);
        does(b.erp, "BEGIN");
        before(START_OF_ERP, start);
        wait_ms(A_WHILE_MS);
        pg_sql(NULL, "INSERT INTO t DEFAULT VALUES");
        reads(b.times, "1;2;");
        must_stand_at(b.times, start);
        reads(b.numbers, "1;2;");
        does(b.erp, "INSERT INTO t DEFAULT VALUES");
        pg_sql(NULL, "INSERT INTO t DEFAULT VALUES");
        reads(b.times, "2;4;");
        must_stand_at(b.times, start);
        reads(b.numbers, "1;2;4;");
        does(b.erp, "COMMIT");
        reads(b.times, "2;3;4;");
        reads(b.numbers, "1;2;3;4;");
        bench_close(&b);
}

/* What the superuser sees, this role does not: the start. */
static void a_role_without_rights(void **state)
{
        struct bench b;
        char first[64], second[64], now[64];

        (void)state;
        pg_cluster_or_skip();
        bench_open(&b);
        pg_sql(NULL, "INSERT INTO t VALUES (DEFAULT, now() - interval '1 h')");
        does(b.erp, "BEGIN");
        reads(b.hidden_times, "1;");
        must_stand_at(b.hidden_times, "");
        assert_non_null(strstr(b.hidden_times->seen.held, "whose start this role may not see"));
        assert_non_null(strstr(b.hidden_times->seen.held, "the ERP"));
        does(b.erp, "COMMIT");
        pg_sql(NULL, "INSERT INTO t DEFAULT VALUES");
        before("SELECT now()", first);
        reads(b.hidden_times, "1;2;");
        before("SELECT now()", second);
        /* Nobody was there: between these two. */
        assert_true(strcmp(stands_at(b.hidden_times), first) >= 0 &&
                    strcmp(stands_at(b.hidden_times), second) <= 0);
        snprintf(first, sizeof(first), "%.63s", stands_at(b.hidden_times));
        wait_ms(A_WHILE_MS);
        /* Somebody is: it counts from the last run, and is still there in the next one. */
        does(b.erp, "BEGIN; INSERT INTO t DEFAULT VALUES");
        pg_sql(NULL, "INSERT INTO t DEFAULT VALUES");
        reads(b.hidden_times, "2;4;");
        must_stand_at(b.hidden_times, first);
        wait_ms(A_WHILE_MS);
        reads(b.hidden_times, "2;4;");
        must_stand_at(b.hidden_times, first);
        does(b.erp, "COMMIT");
        before("SELECT now()", now);
        reads(b.hidden_times, "2;3;4;");
        assert_true(strcmp(stands_at(b.hidden_times), now) >= 0);
        /* Numbers need no starts. */
        mapper_run(b.hidden_numbers, false);
        mapper_run(b.hidden_numbers, false);
        does(b.erp, "BEGIN; INSERT INTO t DEFAULT VALUES");
        pg_sql(NULL, "INSERT INTO t DEFAULT VALUES");
        reads(b.hidden_numbers, "4;6;");
        reads(b.hidden_numbers, "4;6;");
        does(b.erp, "COMMIT");
        reads(b.hidden_numbers, "4;5;6;");
        bench_close(&b);
}

/* One after the other on the same connection: hidden, that may be one message. */
static void a_backend_that_is_always_busy(void **state)
{
        struct bench b;

        (void)state;
        pg_cluster_or_skip();
        bench_open(&b);
        pg_sql(NULL, "INSERT INTO t VALUES (DEFAULT, now() - interval '1 h')");
        does(b.erp, "BEGIN");
        for (int i = 0; i < 3; i++) {
                mapper_run(b.hidden_times, false);
                must_stand_at(b.hidden_times, "");
                mapper_run(b.times, false);
                must_stand_at(
                        b.times, pg_sql(NULL, "SELECT to_char(w AT TIME ZONE 'UTC', "
                                              "'YYYY-MM-DD HH24:MI:SS') || rtrim(rtrim("
                                              "to_char(w, '.US'), '0'), '.') || '+00' FROM t"));
                does(b.erp, "COMMIT; BEGIN");
        }
        does(b.erp, "COMMIT");
        mapper_run(b.hidden_times, false);
        assert_true(stands_at(b.hidden_times)[0] != '\0');
        bench_close(&b);
}

/* The second transaction began when the message came, before the first one did anything. */
static void several_transactions_in_one_message(void **state)
{
        struct bench b;
        char start[64];

        (void)state;
        pg_cluster_or_skip();
        bench_open(&b);
        pg_sql(NULL, "INSERT INTO t VALUES (DEFAULT, now() - interval '1 h')");
        mapper_run(b.hidden_times, false);
        before("SELECT now()", start);
        sends(b.erp, "BEGIN; INSERT INTO t DEFAULT VALUES; SELECT pg_advisory_lock_shared(1);"
                     "SELECT pg_sleep(1.2); COMMIT;"
                     "BEGIN; INSERT INTO t DEFAULT VALUES; SELECT pg_advisory_lock_shared(2);"
                     "SELECT pg_sleep(1.5); COMMIT");
        until("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 1");
        mapper_run(b.hidden_times, false);
        mapper_run(b.times, false);
        until("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 2");
        pg_sql(NULL, "INSERT INTO t DEFAULT VALUES");
        reads(b.times, "1;2;4;");
        reads(b.hidden_times, "1;2;4;");
        char at[64];
        snprintf(at, sizeof(at), "%.63s", stands_at(b.times));
        /* As long ago as the message. */
        if (strcmp(at, before(START_OF_ERP, start)) != 0)
                fail_msg("at %s, not %s", at, start);
        if (strcmp(stands_at(b.hidden_times), start) > 0)
                fail_msg("hidden: at %s, later than %s", stands_at(b.hidden_times), start);
        ends(b.erp);
        reads(b.times, "2;3;4;");
        reads(b.hidden_times, "2;3;4;");
        bench_close(&b);
}

static void prepared_transactions(void **state)
{
        struct bench b;
        char times[64], hidden[64];

        (void)state;
        pg_cluster_or_skip();
        bench_open(&b);
        pg_sql(NULL, "INSERT INTO t VALUES (DEFAULT, now() - interval '1 h')");
        mapper_run(b.times, false);
        mapper_run(b.hidden_times, false);
        mapper_run(b.numbers, false);
        mapper_run(b.hidden_numbers, false);
        snprintf(times, sizeof(times), "%.63s", stands_at(b.times));
        snprintf(hidden, sizeof(hidden), "%.63s", stands_at(b.hidden_times));
        does(b.erp, "BEGIN; INSERT INTO t DEFAULT VALUES; PREPARE TRANSACTION 'the payment'");
        wait_ms(A_WHILE_MS);
        pg_sql(NULL, "INSERT INTO t DEFAULT VALUES");
        for (int i = 0; i < 2; i++) {
                reads(b.times, "1;3;");
                must_stand_at(b.times, times);
                assert_string_equal(b.times->seen.held, "the prepared transaction the payment");
                reads(b.hidden_times, "1;3;");
                must_stand_at(b.hidden_times, hidden);
                reads(b.numbers, "1;3;");
                must_stand_at(b.numbers, "1");
                reads(b.hidden_numbers, "1;3;");
        }
        does(b.erp, "COMMIT PREPARED 'the payment'");
        reads(b.times, "1;2;3;");
        assert_true(strcmp(stands_at(b.times), times) > 0);
        assert_string_equal(b.times->seen.held, "");
        reads(b.hidden_times, "1;2;3;");
        reads(b.numbers, "1;2;3;");
        reads(b.hidden_numbers, "1;2;3;");
        reads(b.numbers, "3;");
        bench_close(&b);
}

/* What other databases do is no business of ours; their prepared transactions neither. */
static void other_databases_hold_nothing(void **state)
{
        struct bench b;
        char now[64];

        (void)state;
        pg_cluster_or_skip();
        bench_open(&b);
        pg_sql(NULL, "INSERT INTO t DEFAULT VALUES");
        PGconn *elsewhere = other("template1");
        does(elsewhere, "BEGIN; SELECT pg_advisory_xact_lock(1); PREPARE TRANSACTION 'elsewhere'");
        does(elsewhere, "BEGIN");
        wait_ms(A_WHILE_MS);
        before("SELECT now()", now);
        mapper_run(b.times, false);
        assert_true(strcmp(stands_at(b.times), now) >= 0);
        mapper_run(b.hidden_times, false);
        assert_true(strcmp(stands_at(b.hidden_times), now) >= 0);
        does(elsewhere, "ROLLBACK");
        does(elsewhere, "ROLLBACK PREPARED 'elsewhere'");
        PQfinish(elsewhere);
        bench_close(&b);
}

/* It writes no rows, and may take hours. */
static void autovacuum_holds_nothing(void **state)
{
        struct bench b;
        char now[64];

        (void)state;
        pg_cluster_or_skip();
        bench_open(&b);
        pg_sql(NULL,
                "ALTER TABLE t SET (autovacuum_vacuum_cost_delay = 100, "
                "autovacuum_vacuum_cost_limit = 1, autovacuum_vacuum_threshold = 1, "
                "autovacuum_vacuum_scale_factor = 0);"
                "INSERT INTO t SELECT FROM generate_series(1, 20000); DELETE FROM t WHERE id > 1");
        pg_sql(NULL, "ALTER SYSTEM SET autovacuum_naptime = 1");
        pg_sql(NULL, "SELECT pg_reload_conf()");
        until("SELECT 1 FROM pg_stat_progress_vacuum v JOIN pg_class c ON c.oid = v.relid "
              "WHERE c.relname = 't' AND heap_blks_scanned > 3");
        before("SELECT now()", now);
        mapper_run(b.hidden_times, false);
        mapper_run(b.times, false);
        assert_true(strcmp(stands_at(b.hidden_times), now) >= 0);
        assert_true(strcmp(stands_at(b.times), now) >= 0);
        assert_string_equal(pg_sql(NULL, "SELECT count(*) FROM pg_stat_progress_vacuum"), "1");
        pg_sql(NULL, "ALTER SYSTEM RESET autovacuum_naptime");
        bench_close(&b);
}

/* A hoster may keep the control file to itself. */
static void a_server_that_does_not_say_which_it_is(void **state)
{
        struct bench b;

        (void)state;
        pg_cluster_or_skip();
        bench_open(&b);
        pg_sql(NULL, "INSERT INTO t VALUES (DEFAULT, now() - interval '1 h'); "
                     "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC");
        reads(b.hidden_times, "1;");
        reads(b.hidden_times, "1;");
        assert_true(b.hidden_times->seen.usable);
        pg_sql(NULL, "GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC");
        reads(b.hidden_times, "1;");
        assert_false(b.hidden_times->seen.usable);
        bench_close(&b);
}

/* Whoever was there is gone, with or without a start that could be seen. */
static void a_restart_ends_everybody(void **state)
{
        struct bench b;
        char started[64];

        (void)state;
        pg_cluster_or_skip();
        bench_open(&b);
        pg_sql(NULL, "INSERT INTO t VALUES (DEFAULT, now() - interval '1 h'), (DEFAULT, now())");
        does(b.erp, "BEGIN; INSERT INTO t DEFAULT VALUES");
        mapper_run(b.hidden_times, false);
        must_stand_at(b.hidden_times, "");
        mapper_run(b.numbers, false);
        pg_cluster_restart();
        PQfinish(b.erp);
        b.erp = other("postgres");
        before("SELECT pg_postmaster_start_time()", started);
        does(b.erp, "BEGIN");
        mapper_run(b.hidden_times, false);
        must_stand_at(b.hidden_times, started);
        does(b.erp, "ROLLBACK");
        reads(b.numbers, "1;2;");
        must_stand_at(b.numbers, "2");
        bench_close(&b);
}

/* A lost connection is replaced; the server behind it must be the one that was observed. */
static void an_observation_is_of_one_server(void **state)
{
        struct bench b;
        struct err e;

        (void)state;
        pg_cluster_or_skip();
        bench_open(&b);
        pg_sql(NULL, "INSERT INTO t VALUES (DEFAULT, now() - interval '1 h')");
        mapper_run(b.times, false);
        assert_int_equal(mapper_observe(b.times, &e), 0);
        pg_sql(NULL, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                     "WHERE application_name = 'erp2couch' AND usename = 'postgres'");
        assert_int_equal(mapper_read(b.times, MAPPER_CHANGES, &e), 0);
        assert_int_equal(mapper_observe(b.times, &e), 0);
        pg_cluster_restart();
        assert_int_equal(mapper_read(b.times, MAPPER_CHANGES, &e), -ERR_RETRY);
        assert_non_null(strstr(e.text, "another server answers"));
        /* Without an observation it does not matter. */
        assert_int_equal(mapper_read(b.numbers, MAPPER_ALL, &e), 0);
        reads(b.times, "1;");
        bench_close(&b);
}

/* A standby that has replayed less than what this read saw is behind. */
static void the_log_is_read_in_the_snapshot(void **state)
{
        struct bench b;
        struct err e;

        (void)state;
        pg_cluster_or_skip();
        bench_open(&b);
        assert_int_equal(mapper_observe(b.hidden_times, &e), 0);
        int64_t inserted = strtoll(pg_sql(NULL, "INSERT INTO t DEFAULT VALUES;"
                                                "SELECT pg_current_wal_insert_lsn() - '0/0'"),
                NULL, 10);
        assert_int_equal(mapper_read(b.hidden_times, MAPPER_ALL, &e), 0);
        assert_string_equal(buf_cstr(&b.hidden_times->text), "1;");
        assert_int_equal(source_position(b.reader->source, &b.hidden_times->position, &e), 0);
        const char *wal = strstr(buf_cstr(&b.hidden_times->position), "\"wal\":\"");
        assert_non_null(wal);
        assert_true(strtoll(wal + strlen("\"wal\":\""), NULL, 10) >= inserted);
        bench_close(&b);
}

/* ---- many at once ---- */

#define WRITERS 4
#define BUSY_MS 2000

static atomic_bool busy;

/* Transactions of one to three rows that sleep, roll back, prepare, and send several at once. */
static void *write_rows(void *ctx)
{
        static const char *const work[] = {
                "BEGIN; INSERT INTO t DEFAULT VALUES; COMMIT",
                "BEGIN; INSERT INTO t DEFAULT VALUES; SELECT pg_sleep(random() * 0.05);"
                "INSERT INTO t DEFAULT VALUES; COMMIT",
                "BEGIN; SELECT pg_sleep(random() * 0.02); INSERT INTO t DEFAULT VALUES;"
                "SELECT pg_sleep(random() * 0.1); COMMIT",
                "BEGIN; INSERT INTO t DEFAULT VALUES; ROLLBACK",
                "BEGIN; INSERT INTO t DEFAULT VALUES; COMMIT; BEGIN; INSERT INTO t DEFAULT VALUES;"
                "SELECT pg_sleep(random() * 0.05); COMMIT",
                "INSERT INTO t DEFAULT VALUES",
        };
        uintptr_t number = (uintptr_t)ctx;
        PGconn *pg = other("postgres");
        char sql[256];

        for (unsigned i = 0; atomic_load(&busy); i++) {
                wait_ms((int)(i % 3));
                unsigned n = (unsigned)(i * 7 + number) % (sizeof(work) / sizeof(work[0]) + 1);
                if (n < sizeof(work) / sizeof(work[0])) {
                        PQclear(PQexec(pg, work[n]));
                        continue;
                }
                snprintf(sql, sizeof(sql),
                        "BEGIN; INSERT INTO t DEFAULT VALUES; PREPARE TRANSACTION 'p%u'",
                        (unsigned)number);
                PQclear(PQexec(pg, sql));
                snprintf(sql, sizeof(sql), "COMMIT PREPARED 'p%u'", (unsigned)number);
                PQclear(PQexec(pg, sql));
        }
        PQfinish(pg);
        return NULL;
}

/* Notes in the table r what a run read. */
static void note_read(struct mapper *m, const char *who)
{
        cleanup_buf_ struct buf sql = BUF_INIT(16 << 20);
        const char *text = mapper_run(m, false);

        if (!text[0])
                return;
        buf_puts(&sql, "INSERT INTO r SELECT '");
        buf_puts(&sql, who);
        buf_puts(&sql, "', x::int FROM unnest(string_to_array(rtrim('");
        buf_puts(&sql, text);
        buf_puts(&sql, "', ';'), ';')) x ON CONFLICT DO NOTHING");
        pg_sql(NULL, buf_cstr(&sql));
}

static void nothing_is_lost_while_many_write(void **state)
{
        pthread_t threads[WRITERS];
        struct bench b;
        int runs = 0, changes = 0;

        (void)state;
        pg_cluster_or_skip();
        bench_open(&b);
        pg_sql(NULL, "CREATE TABLE r (who text, id int, PRIMARY KEY (who, id))");
        atomic_store(&busy, true);
        for (uintptr_t i = 0; i < WRITERS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, write_rows, (void *)i), 0);
        /* Each run in another order of phases than the writers'. */
        for (int64_t end = clock_monotonic_ms() + BUSY_MS; clock_monotonic_ms() < end;) {
                wait_ms(runs * 13 % 40);
                note_read(b.numbers, "super");
                changes += !b.numbers->was_full;
                note_read(b.hidden_numbers, "reader");
                runs++;
        }
        atomic_store(&busy, false);
        for (int i = 0; i < WRITERS; i++)
                pthread_join(threads[i], NULL);
        note_read(b.numbers, "super");
        note_read(b.hidden_numbers, "reader");
        const char *lost =
                pg_sql(NULL, "SELECT string_agg(who || ' ' || t.id, ', ') FROM t CROSS JOIN "
                             "(VALUES ('super'), ('reader')) w(who) WHERE NOT EXISTS "
                             "(SELECT FROM r WHERE r.id = t.id AND r.who = w.who)");
        if (lost[0])
                fail_msg("lost: %s", lost);
        assert_true(changes > runs / 2);
        mapper_run(b.numbers, false);
        mapper_run(b.hidden_numbers, false);
        must_stand_at(b.numbers, pg_sql(NULL, "SELECT max(id) FROM t"));
        must_stand_at(b.hidden_numbers, pg_sql(NULL, "SELECT max(id) FROM t"));
        bench_close(&b);
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
                cmocka_unit_test(a_plain_late_commit),
                cmocka_unit_test(idle_in_transaction),
                cmocka_unit_test(a_role_without_rights),
                cmocka_unit_test(a_backend_that_is_always_busy),
                cmocka_unit_test(several_transactions_in_one_message),
                cmocka_unit_test(prepared_transactions),
                cmocka_unit_test(other_databases_hold_nothing),
                cmocka_unit_test(autovacuum_holds_nothing),
                cmocka_unit_test(a_server_that_does_not_say_which_it_is),
                cmocka_unit_test(a_restart_ends_everybody),
                cmocka_unit_test(an_observation_is_of_one_server),
                cmocka_unit_test(the_log_is_read_in_the_snapshot),
                cmocka_unit_test(nothing_is_lost_while_many_write),
        };
        return cmocka_run_group_tests(tests, NULL, stop_cluster);
}
