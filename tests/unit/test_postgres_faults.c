/*
 * The PostgreSQL connector when things go wrong: servers that refuse, vanish or hang, reads that
 * are cancelled, paused, fail, or hold rows that are too large.
 */
#include "tests/unit/pg_fixture.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ingest/base/clock.h"

/* ---- connecting ---- */

struct open_case {
        const char *name, *dsn; /* %d: the port */
        const char *more;
        int rc;
        const char *words[3];
};

static const struct open_case open_cases[] = {
        {"keywords", "host=127.0.0.1 port=%d user=postgres password=secret dbname=postgres", "", 0},
        {"a URI", "postgresql://postgres:secret@127.0.0.1:%d/postgres", "", 0},
        {"TLS", "postgresql://postgres:secret@127.0.0.1:%d/postgres?sslmode=require", "", 0},
        {"wrong password", "postgresql://postgres:hunter2@127.0.0.1:%d/postgres", "", -ERR_CONFIG,
                {"password authentication failed", "127.0.0.1",
                        "check user and password in the dsn"}},
        {"no password", "postgresql://postgres@127.0.0.1:%d/postgres", "", -ERR_CONFIG,
                {"no password supplied", "put one into the dsn"}},
        {"unknown user", "postgresql://someone:hunter2@127.0.0.1:%d/postgres", "", -ERR_CONFIG,
                {"user someone"}},
        {"unknown database", "postgresql://postgres:secret@127.0.0.1:%d/nowhere", "", -ERR_CONFIG,
                {"database \"nowhere\" does not exist", "database nowhere"}},
        {"the wrong certificate",
                "postgresql://postgres:secret@127.0.0.1:%d/"
                "postgres?sslmode=verify-full&sslrootcert="
                "system",
                "", -ERR_CONFIG, {"certificate"}},
        {"no root certificate",
                "postgresql://postgres:secret@127.0.0.1:%d/postgres?sslmode=verify-ca&sslrootcert="
                "/nowhere/ca.crt",
                "", -ERR_CONFIG, {"root certificate file"}},
        {"a setting that libpq refuses",
                "postgresql://postgres:secret@127.0.0.1:%d/postgres?target_session_attrs=maybe", "",
                -ERR_CONFIG, {"target_session_attrs", "check sslmode and the other settings"}},
        {"too many connections", "postgresql://crowd:secret@127.0.0.1:%d/postgres", "", -ERR_RETRY,
                {"too many connections", "53300"}},
        {"nobody listens", "postgresql://postgres:secret@127.0.0.1:1/postgres", "", -ERR_RETRY,
                {"127.0.0.1:1", "Connection refused", "check host and port in the dsn"}},
        {"no socket", "host=/nowhere user=postgres password=secret", "", -ERR_RETRY, {"/nowhere"}},
        {"no such host", "postgresql://postgres:secret@erp.invalid/postgres", "", -ERR_RETRY,
                {"erp.invalid"}},
        {"the second of two hosts",
                "postgresql://postgres:secret@127.0.0.1:1,127.0.0.1:%d/postgres", "", 0},
        {"a session's settings",
                "postgresql://postgres:secret@127.0.0.1:%d/"
                "postgres?options=-c%%20search_path%%3Dshop",
                "application_name: a test, statement_timeout: 1m", 0},
};

static struct fixture *fixture_dsn_only(const char *dsn, const char *more)
{
        char yaml[1024];

        snprintf(yaml, sizeof(yaml), "{type: postgres, dsn: \"%s\"%s%s}", dsn, *more ? ", " : "",
                more);
        return fixture_new(yaml);
}

static void connections_fail_with_their_class(void **state)
{
        (void)state;
        pg_cluster_or_skip();
        pg_sql(NULL, "CREATE ROLE crowd LOGIN PASSWORD 'secret' CONNECTION LIMIT 0");
        for (size_t i = 0; i < sizeof(open_cases) / sizeof(open_cases[0]); i++) {
                const struct open_case *c = &open_cases[i];
                char dsn[512];
                struct err e = {0};

                if (strstr(c->dsn, "sslmode") && strcmp(pg_sql(NULL, "SHOW ssl"), "on") != 0) {
                        print_message("skipped: %s: openssl made no certificate\n", c->name);
                        continue;
                }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                snprintf(dsn, sizeof(dsn), c->dsn, pg_port());
#pragma GCC diagnostic pop
                struct fixture *f = fixture_dsn_only(dsn, c->more);
                int rc = source_open(&f->config, f->loop, NULL, &f->source, &e);
                if (rc != c->rc)
                        fail_msg("%s: %d: %s", c->name, rc, e.text);
                for (size_t k = 0; k < 3 && c->words[k]; k++) {
                        if (!strstr(e.text, c->words[k]))
                                fail_msg("%s: no \"%s\" in: %s", c->name, c->words[k], e.text);
                }
                if (strstr(e.text, "secret") || strstr(e.text, "hunter2") ||
                        strstr(e.text, "LOCATION"))
                        fail_msg("%s: %s", c->name, e.text);
                fixture_free(f);
        }
}

/* A port that takes connections and never says a word; -1: as many as its queue holds. */
static int silent_port(int *fd)
{
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof(a);

        *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(*fd, (struct sockaddr *)&a, size), 0);
        assert_int_equal(listen(*fd, 8), 0);
        assert_int_equal(getsockname(*fd, (struct sockaddr *)&a, &size), 0);
        return ntohs(a.sin_port);
}

static void a_silent_host_times_out(void **state)
{
        char dsn[256];
        int fd, port;
        struct err e;

        (void)state;
        port = silent_port(&fd);
        snprintf(dsn, sizeof(dsn), "postgresql://u:secret@127.0.0.1:%d/d", port);
        struct fixture *f = fixture_dsn_only(dsn, "connect_timeout: 300ms");
        int64_t started = clock_monotonic_ms();
        assert_int_equal(source_open(&f->config, f->loop, NULL, &f->source, &e), -ERR_RETRY);
        assert_in_range(clock_monotonic_ms() - started, 250, 3000);
        assert_non_null(strstr(e.text, "connect_timeout"));
        assert_non_null(strstr(e.text, "127.0.0.1"));
        fixture_free(f);
        close(fd);
}

static void the_host_behind_a_silent_one_is_tried(void **state)
{
        char dsn[256];
        int fd, port;
        struct err e;

        (void)state;
        pg_cluster_or_skip();
        port = silent_port(&fd);
        snprintf(dsn, sizeof(dsn),
                "postgresql://postgres:secret@127.0.0.1:%d,127.0.0.1:%d,127.0.0.1:%d/postgres",
                port, port, pg_port());
        struct fixture *f = fixture_dsn_only(dsn, "connect_timeout: 300ms");
        if (source_open(&f->config, f->loop, NULL, &f->source, &e) != 0)
                fail_msg("%s", e.text);
        fixture_free(f);
        close(fd);
}

static void connecting_can_be_interrupted(void **state)
{
        char dsn[256];
        int fd, port;
        struct err e;

        (void)state;
        port = silent_port(&fd);
        snprintf(dsn, sizeof(dsn), "postgresql://u:secret@127.0.0.1:%d/d", port);
        struct fixture *f = fixture_dsn_only(dsn, "");
        loop_cancel(f->loop);
        assert_int_equal(source_open(&f->config, f->loop, NULL, &f->source, &e), -ERR_CANCEL);
        assert_null(f->source);
        fixture_free(f);
        close(fd);
}

static const struct {
        const char *dsn;
        const char *secret; /* that must not be shown */
} bad_dsns[] = {
        {"postgresql://u:pass@word1@host/db", "word1"},
        {"postgresql://u:pass/word1@host/db", "word1"},
        {"postgresql://u:1234/word1@host/db", "word1"},
        {"postgresql://u:hunter/word1", "hunter"},
        {"postgres://u:p%zzword1@host/db", "word1"},
        {"host=localhost password=a word1", "word1"},
        {"host=localhost word1=x", "word1"},
        {"word1", "word1"},
        {"host=localhost port=word1", "word1"},
};

static void connection_strings_that_are_none_are_not_shown(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(bad_dsns) / sizeof(bad_dsns[0]); i++) {
                struct arena *arena = arena_new(1 << 20);
                struct source_config config;
                struct ydoc *doc;
                char yaml[256];
                struct err e;

                snprintf(yaml, sizeof(yaml), "type: postgres\ndsn: \"%s\"\n", bad_dsns[i].dsn);
                assert_int_equal(ydoc_parse(str_of(yaml), "e.yaml", YDOC_EXPAND_NONE, &doc, &e), 0);
                assert_int_equal(source_config_decode(doc, "erp", doc->root, arena, &config, &e),
                        -ERR_CONFIG);
                if (!strstr(e.text, "e.yaml:2:") || strstr(e.text, bad_dsns[i].secret))
                        fail_msg("%s: %s", bad_dsns[i].dsn, e.text);
                ydoc_free(doc);
                arena_free(arena);
        }
}

/* ---- reads that do not finish ---- */

#define BIG                                                                                        \
        "{query: 'SELECT g AS id, repeat(md5(g::text), 10) AS t FROM generate_series(1, 3000000) " \
        "g', key: id}"
#define OUR_BACKENDS                                                                               \
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'erp2couch' AND state <> " \
        "'idle'"

static void wait_for_quiet_server(void)
{
        for (int i = 0; i < 3000; i++) { /* a minute: the machine may be busy */
                if (strcmp(pg_sql(NULL, OUR_BACKENDS), "0") == 0)
                        return;
                usleep(20000);
        }
        fail_msg("the server still works for us: %s",
                pg_sql(NULL, "SELECT string_agg(state || ' ' || query, '; ') FROM pg_stat_activity "
                             "WHERE application_name = 'erp2couch' AND state <> 'idle'"));
}

static void run_to_end(struct fixture *f, struct sink *s)
{
        struct err e;

        if (loop_run_until(f->loop, &s->ended, &e) != 0)
                fail_msg("%s", e.text);
        /* And nothing comes behind the end. */
        size_t records = s->records;
        assert_int_equal(loop_sleep(f->loop, 20, &e), 0);
        assert_int_equal(s->records, records);
        assert_int_equal(s->ends, 1);
}

static void check_usable(struct fixture *f)
{
        struct sink s = {0};

        if (fixture_read(f, "{query: SELECT 1 AS id, key: id}", &s) != 0)
                fail_msg("%s", s.err.text);
        assert_string_equal(buf_cstr(&s.text), "1;");
        sink_deinit(&s);
}

static const char *const cancelled_reads[] = {
        BIG,
        "{query: 'SELECT 1 AS id, pg_sleep(60)::text AS t', key: id}",
        "{query: 'SELECT g AS id FROM generate_series(1, 3000000) g', key: id, children: {c: "
        "{query: "
        "'SELECT 1 AS id, pg_sleep(60)::text AS t', parent: id}, d: {query: 'SELECT g AS id FROM "
        "generate_series(1, 3000000) g', parent: id}}}",
        "{query: 'SELECT 1 AS id, g FROM generate_series(1, 3000000) g', group: id}",
};

static void a_read_can_be_cancelled_at_any_time(void **state)
{
        (void)state;
        pg_cluster_or_skip();
        for (size_t i = 0; i < sizeof(cancelled_reads) / sizeof(cancelled_reads[0]); i++) {
                for (int delay_ms = -1; delay_ms < 200; delay_ms = delay_ms * 3 + 4) {
                        struct fixture *f = fixture_open("postgres", NULL);
                        struct sink s = {.count_only = true};
                        struct err e;

                        if (fixture_start(f, cancelled_reads[i], NULL, 0, &s, &e) != 0)
                                fail_msg("%s", e.text);
                        if (delay_ms >= 0)
                                assert_int_equal(loop_sleep(f->loop, delay_ms, &e), 0);
                        assert_false(s.ended);
                        int64_t started = clock_monotonic_ms();
                        source_cancel(s.read);
                        source_cancel(s.read);
                        assert_int_equal(s.ends, 0);
                        run_to_end(f, &s);
                        assert_int_equal(s.rc, -ERR_CANCEL);
                        assert_in_range(clock_monotonic_ms() - started, 0, 2000);
                        wait_for_quiet_server();
                        check_usable(f);
                        sink_deinit(&s);
                        fixture_free(f);
                }
        }
}

static void a_read_can_be_cancelled_from_its_own_record(void **state)
{
        struct fixture *f;
        struct sink s = {.count_only = true, .cancel_at = 1500};

        (void)state;
        pg_cluster_or_skip();
        f = fixture_open("postgres", NULL);
        assert_int_equal(fixture_read(f, BIG, &s), -ERR_CANCEL);
        assert_int_equal(s.records, 1500);
        wait_for_quiet_server();
        check_usable(f);
        sink_deinit(&s);
        fixture_free(f);
}

static void a_sink_that_fails_ends_the_read(void **state)
{
        struct fixture *f;
        struct sink s = {.count_only = true, .fail_at = 700};

        (void)state;
        pg_cluster_or_skip();
        f = fixture_open("postgres", NULL);
        assert_int_equal(fixture_read(f, BIG, &s), -ERR_SYSTEM);
        assert_int_equal(s.records, 700);
        assert_non_null(strstr(s.err.text, "the sink is full"));
        wait_for_quiet_server();
        check_usable(f);
        sink_deinit(&s);
        fixture_free(f);
}

static void a_source_can_be_closed_during_a_read(void **state)
{
        (void)state;
        pg_cluster_or_skip();
        for (size_t i = 0; i < sizeof(cancelled_reads) / sizeof(cancelled_reads[0]); i++) {
                for (int delay_ms = -1; delay_ms < 100; delay_ms = delay_ms * 3 + 4) {
                        struct fixture *f = fixture_open("postgres", NULL);
                        struct sink s = {.count_only = true};
                        struct err e;

                        assert_int_equal(fixture_start(f, cancelled_reads[i], NULL, 0, &s, &e), 0);
                        if (delay_ms >= 0)
                                assert_int_equal(loop_sleep(f->loop, delay_ms, &e), 0);
                        if (delay_ms == 1) { /* a loop that does not run any more */
                                loop_cancel(f->loop);
                                loop_cancel(f->loop);
                        }
                        sink_deinit(&s);
                        fixture_free(f);
                        assert_int_equal(s.ends, 0);
                        wait_for_quiet_server();
                }
        }
}

static void kill_backends(void *ctx)
{
        const char *which = ctx;
        char sql[256];

        snprintf(sql, sizeof(sql),
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE "
                "application_name = 'erp2couch' AND query LIKE '%%%s%%'",
                which);
        assert_string_not_equal(pg_sql(NULL, sql), "0");
}

static const struct {
        const char *yaml, *killed;
} killed_reads[] = {
        {BIG, "repeat"},
        {"{query: 'SELECT g AS id FROM generate_series(1, 3000000) g', key: id, children: {c: "
         "{query: 'SELECT g AS the_child FROM generate_series(1, 3000000) g', parent: the_child}}}",
                "the_child"},
        {"{query: 'SELECT g AS the_parent FROM generate_series(1, 3000000) g', key: the_parent, "
         "children: {c: {query: 'SELECT g AS id FROM generate_series(1, 3000000) g', parent: id}}}",
                "the_parent"},
};

static void a_connection_that_is_killed_ends_the_read(void **state)
{
        (void)state;
        pg_cluster_or_skip();
        for (size_t i = 0; i < sizeof(killed_reads) / sizeof(killed_reads[0]); i++) {
                struct fixture *f = fixture_open("postgres", NULL);
                struct sink s = {.count_only = true,
                        .at_first = kill_backends,
                        .at_first_ctx = (void *)killed_reads[i].killed};

                assert_int_equal(fixture_read(f, killed_reads[i].yaml, &s), -ERR_RETRY);
                assert_in_range(s.records, 1, 2999999);
                assert_non_null(strstr(s.err.text, "source erp: "));
                if (!strstr(s.err.text, "57P01") && !strstr(s.err.text, "connection lost"))
                        fail_msg("%s", s.err.text);
                wait_for_quiet_server();
                check_usable(f);
                sink_deinit(&s);
                fixture_free(f);
        }
}

static void an_idle_connection_that_is_killed_is_replaced(void **state)
{
        struct fixture *f;
        struct sink s = {0};
        struct err e;

        (void)state;
        pg_cluster_or_skip();
        f = fixture_open("postgres", NULL);
        check_usable(f);
        kill_backends((void *)"COMMIT");
        usleep(100000);
        check_usable(f); /* describing finds out */
        assert_int_equal(fixture_start(f, "{query: SELECT 1 AS id, key: id}", NULL, 0, &s, &e), 0);
        kill_backends((void *)"ROLLBACK");
        usleep(100000);
        run_to_end(f, &s); /* the read finds out */
        if (s.rc)
                fail_msg("%s", s.err.text);
        assert_string_equal(buf_cstr(&s.text), "1;");
        sink_deinit(&s);
        fixture_free(f);
}

static void statement_timeout_counts_while_rows_are_read(void **state)
{
        struct fixture *f;
        struct sink s = {.count_only = true};

        (void)state;
        pg_cluster_or_skip();
        f = fixture_open("postgres", "statement_timeout: 200ms");
        assert_int_equal(fixture_read(f,
                                 "{query: 'SELECT g AS id, pg_sleep(0.01)::text AS t FROM "
                                 "generate_series(1, "
                                 "10000) g', key: id}",
                                 &s),
                -ERR_RETRY);
        assert_string_equal(s.err.sqlstate, "57014");
        assert_non_null(strstr(s.err.text, "statement_timeout"));
        sink_deinit(&s);
        fixture_free(f);
}

/* ---- back-pressure ---- */

static long resident_kib(void)
{
        FILE *f = fopen("/proc/self/statm", "r");
        long pages = 0;

        assert_non_null(f);
        assert_int_equal(fscanf(f, "%*d %ld", &pages), 1);
        fclose(f);
        return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static int pause_at_once(void *ctx, const struct record *record, struct err *e)
{
        size_t *records = ctx;

        (void)record;
        (void)e;
        ++*records;
        return SOURCE_PAUSE;
}

static void ignore_end(void *ctx, int rc, const struct err *e)
{
        (void)ctx;
        (void)rc;
        (void)e;
}

static void paused_reads_take_nothing_from_the_socket(void **state)
{
        (void)state;
        pg_cluster_or_skip();
        for (size_t i = 0; i < 3; i += 2) { /* without and with children */
                struct fixture *f = fixture_open("postgres", NULL);
                size_t records = 0;
                struct source_sink sink = {.on_record = pause_at_once,
                        .on_reject = NULL,
                        .on_end = ignore_end,
                        .ctx = &records};
                struct source_read *read;
                struct extract *x;
                struct shape shape;
                struct err e;

                const char *yaml =
                        i ? "{query: 'SELECT g AS id FROM generate_series(1, 200000) g', "
                            "key: id, children: {d: {query: 'SELECT g AS id, "
                            "repeat(md5(g::text), 10) AS t FROM generate_series(1, "
                            "200000) g', parent: id}}}"
                          : BIG;
                assert_int_equal(fixture_extract(f, yaml, &x, &e), 0);
                assert_int_equal(source_describe(f->source, x, f->arena, &shape, &e), 0);
                assert_int_equal(source_read_all(f->source, x, &shape, &sink, &read, &e), 0);
                for (int k = 0; k < 200 && records == 0; k++)
                        assert_int_equal(loop_sleep(f->loop, 50, &e), 0);
                assert_int_equal(records, 1);
                long before = resident_kib();
                assert_int_equal(loop_sleep(f->loop, 700, &e), 0);
                assert_int_equal(records, 1);
                assert_in_range(resident_kib(), 0, before + 2048);
                /* The server waits for us to read. */
                assert_string_equal(pg_sql(NULL, "SELECT count(*) > 0 FROM pg_stat_activity WHERE "
                                                 "application_name = 'erp2couch' AND wait_event = "
                                                 "'ClientWrite'"),
                        "t");
                source_resume(read);
                assert_int_equal(records, 1);
                assert_int_equal(loop_sleep(f->loop, 50, &e), 0);
                assert_int_equal(records, 2);
                fixture_free(f);
        }
}

static void nothing_is_lost_or_repeated_by_pauses(void **state)
{
        struct fixture *f;
        struct sink s = {.pause_every = 97, .hold_every = 61};
        const char *p;
        char *end;

        (void)state;
        pg_cluster_or_skip();
        f = fixture_open("postgres", NULL);
        assert_int_equal(
                fixture_read(f,
                        "{query: 'SELECT g AS id FROM generate_series(1, 5000) g', key: id}", &s),
                0);
        p = buf_cstr(&s.text);
        for (long i = 1; i <= 5000; i++, p = end + 1) {
                assert_int_equal(strtol(p, &end, 10), i);
                assert_int_equal(*end, ';');
        }
        assert_int_equal(*p, '\0');
        sink_deinit(&s);
        fixture_free(f);
}

/* ---- too large ---- */

static void rows_that_are_too_large_are_rejects(void **state)
{
        struct fixture *f;
        struct sink s = {0};

        (void)state;
        pg_cluster_or_skip();
        f = fixture_open("postgres", NULL);
        assert_int_equal(
                fixture_read(f,
                        "query: |\n  SELECT g AS id, CASE WHEN g = 2 THEN repeat('x', 70000000) "
                        "ELSE 'y' END AS t FROM generate_series(1, 3) g ORDER BY g\nkey: id\n",
                        &s),
                0);
        assert_int_equal(s.records, 2);
        assert_int_equal(s.rejects, 1);
        assert_non_null(strstr(buf_cstr(&s.text), "1|y;!2: the row has 70000003 bytes"));
        assert_non_null(strstr(buf_cstr(&s.text), ";3|y;"));
        sink_deinit(&s);
        fixture_free(f);
}

static void records_with_too_many_lines_are_rejects(void **state)
{
        struct fixture *f;
        struct sink s = {.count_only = true};

        (void)state;
        pg_cluster_or_skip();
        f = fixture_open("postgres", NULL);
        assert_int_equal(
                fixture_read(f,
                        "query: SELECT g AS id FROM generate_series(1, 3) g\nkey: id\n"
                        "children:\n  c: {query: \"SELECT CASE WHEN g < 3 THEN g WHEN g < 1200000 "
                        "THEN 2 ELSE 3 END AS id FROM generate_series(1, 1200001) g\", parent: "
                        "id}\n",
                        &s),
                0);
        assert_int_equal(s.records, 2);
        if (!strstr(buf_cstr(&s.text), "!2: the record has 1199998 child rows"))
                fail_msg("%s", buf_cstr(&s.text));
        sink_deinit(&s);
        fixture_free(f);
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
                cmocka_unit_test(connections_fail_with_their_class),
                cmocka_unit_test(a_silent_host_times_out),
                cmocka_unit_test(the_host_behind_a_silent_one_is_tried),
                cmocka_unit_test(connecting_can_be_interrupted),
                cmocka_unit_test(connection_strings_that_are_none_are_not_shown),
                cmocka_unit_test(a_read_can_be_cancelled_at_any_time),
                cmocka_unit_test(a_read_can_be_cancelled_from_its_own_record),
                cmocka_unit_test(a_sink_that_fails_ends_the_read),
                cmocka_unit_test(a_source_can_be_closed_during_a_read),
                cmocka_unit_test(a_connection_that_is_killed_ends_the_read),
                cmocka_unit_test(an_idle_connection_that_is_killed_is_replaced),
                cmocka_unit_test(statement_timeout_counts_while_rows_are_read),
                cmocka_unit_test(paused_reads_take_nothing_from_the_socket),
                cmocka_unit_test(nothing_is_lost_or_repeated_by_pauses),
                cmocka_unit_test(rows_that_are_too_large_are_rejects),
                cmocka_unit_test(records_with_too_many_lines_are_rejects),
        };
        return cmocka_run_group_tests(tests, NULL, stop_cluster);
}
