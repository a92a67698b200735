#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "ingest/base/clock.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/http_test.h"

static void replies_are_capped(void **state)
{
        static const struct {
                int status;
                size_t max;
                int rc;
                const char *body;
                bool chunked;
        } cases[] = {
                {200, 10, 0, "0123456789", false},
                {200, 9, -ERR_REJECT, "", false},
                {200, 9, -ERR_REJECT, "", true},
                {503, 9, 0, "012345678", true},
                {500, 9, 0, "012345678", false},
        };
        struct fake_reply script[COUNT(cases)];
        struct http_test f;

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                script[i] = (struct fake_reply){.status = cases[i].status,
                        .body = "0123456789",
                        .chunked = cases[i].chunked};
        http_test_begin(&f, NULL, script, COUNT(script));
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct http_result r;
                struct http_request q = http_test_get(&f, "/db", &r);
                q.max_reply = cases[i].max;
                http_test_perform(&f, q, &r);
                assert_int_equal(r.reply.rc, cases[i].rc);
                assert_int_equal(r.reply.status, cases[i].status);
                assert_string_equal(r.body, cases[i].body);
                if (cases[i].rc)
                        assert_non_null(strstr(r.reply.err.text,
                                "/db: the reply is larger than its limit of 9 bytes"));
        }
        http_test_end(&f);
}

static void broken_connections_are_retryable(void **state)
{
        static const struct {
                struct fake_reply reply;
                int status;
                const char *words;
        } cases[] = {
                {{.fault = FAKE_CLOSE}, 0, "Empty reply from server"},
                {{.fault = FAKE_RESET}, 0, "reset"},
                {{.fault = FAKE_HALF, .body = "0123456789"}, 200, "5 bytes remaining"},
                {{.fault = FAKE_HALF, .body = "0123456789abc", .chunked = true}, 200,
                        "outstanding"},
                {{.fault = FAKE_HALF_HEAD}, 0, NULL},
                {{.fault = FAKE_RAW, .body = "SSH-2.0-OpenSSH_9.2\r\n"}, 0,
                        "is this the port of an HTTP server?"},
        };
        struct fake_reply script[COUNT(cases)];
        struct http_test f;

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                script[i] = cases[i].reply;
        http_test_begin(&f, NULL, script, COUNT(script));
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct http_result r;
                struct http_request q = http_test_get(&f, "/db/_bulk_docs?key=secret", &r);
                q.method = "POST";
                q.body = STR("{}");
                http_test_perform(&f, q, &r);
                assert_int_equal(r.reply.rc, -ERR_RETRY);
                assert_int_equal(r.reply.err.class, ERR_RETRY);
                assert_true(r.reply.sent);
                if (cases[i].reply.fault != FAKE_HALF_HEAD)
                        assert_int_equal(r.reply.status, cases[i].status);
                assert_string_equal(r.body, "");
                assert_int_equal(strncmp(r.reply.err.text, "POST http://127.0.0.1:", 22), 0);
                assert_non_null(strstr(r.reply.err.text, "/db/_bulk_docs: "));
                assert_null(strstr(r.reply.err.text, "secret"));
                if (cases[i].words && !strstr(r.reply.err.text, cases[i].words))
                        fail_msg("%s: %s", cases[i].words, r.reply.err.text);
        }
        assert_int_equal(fake_http_count(f.server), COUNT(cases));
        http_test_end(&f);
}

static void writes_are_never_sent_twice(void **state)
{
        static const struct fake_reply script[] = {
                {0}, {.fault = FAKE_CLOSE}, {0}, {.fault = FAKE_CLOSE}, {.status = 201}, {0}};
        static const char large[200000] = {0};
        struct http_test f;
        struct http_result r;

        (void)state;
        for (int size = 0; size < 3; size++) { /* no body, a small one, a large one */
                http_test_begin(&f, NULL, script, COUNT(script));
                http_test_perform(&f, http_test_get(&f, "/", &r),
                        &r); /* from now on the connection is a reused one */
                struct http_request q = http_test_get(&f, "/db/_bulk_docs", &r);
                q.method = "POST";
                q.body = size == 0 ? (struct str){0} : size == 1 ? STR("{}") : STR(large);
                http_test_perform(&f, q, &r);
                assert_int_equal(r.reply.rc, -ERR_RETRY);
                assert_true(r.reply.sent);
                assert_int_equal(r.reply.status, 0);
                assert_non_null(
                        strstr(r.reply.err.text, "/db/_bulk_docs: the connection was closed"));
                assert_int_equal(fake_http_count(f.server), 2);
                http_test_perform(&f, http_test_get(&f, "/", &r), &r);
                assert_int_equal(r.reply.rc, 0);
                http_test_perform(
                        &f, http_test_get(&f, "/", &r), &r); /* reading again does no harm */
                assert_int_equal(r.reply.rc, 0);
                assert_int_equal(r.reply.status, 201);
                assert_int_equal(fake_http_count(f.server), 5);
                http_test_end(&f);
        }
}

static void a_refused_connection_sent_nothing(void **state)
{
        struct http_test f;
        struct http_result r;
        char url[128];

        (void)state;
        http_test_begin(&f, NULL, NULL, 0);
        int port = fake_http_port(f.server);
        fake_http_stop(f.server);
        f.server = fake_http_start(NULL, 0); /* so that http_test_end() has one */
        struct http_request q = http_test_get(&f, "/", &r);
        snprintf(url, sizeof(url), "http://adm:pa%%40ss@127.0.0.1:%d/db?k=v", port);
        q.url = url;
        http_test_perform(&f, q, &r);
        assert_int_equal(r.reply.rc, -ERR_RETRY);
        assert_int_equal(r.reply.status, 0);
        assert_false(r.reply.sent);
        assert_non_null(strstr(r.reply.err.text, "Connection refused"));
        assert_null(strstr(r.reply.err.text, "adm"));
        assert_null(strstr(r.reply.err.text, "ss"));
        assert_null(strstr(r.reply.err.text, "k=v"));
        http_test_end(&f);
}

static void slow_servers_time_out(void **state)
{
        static const struct fake_reply script[] = {
                {.fault = FAKE_HANG},
                {.fault = FAKE_STALL, .body = "0123456789"},
                {.fault = FAKE_HANG},
        };
        const struct http_options options = {.timeout_ms = 300, .idle_timeout_ms = 900};
        struct http_test f;
        struct http_result r;

        (void)state;
        http_test_begin(&f, &options, script, COUNT(script));
        for (int i = 0; i < 2; i++) { /* the client's time-out of a whole request */
                int64_t begun = clock_monotonic_ms();
                http_test_perform(&f, http_test_get(&f, "/db", &r), &r);
                assert_in_range(clock_monotonic_ms() - begun, 290, 5000);
                assert_int_equal(r.reply.rc, -ERR_RETRY);
                assert_int_equal(r.reply.status, i == 0 ? 0 : 200);
                assert_true(r.reply.sent);
                assert_non_null(strstr(r.reply.err.text, "timed out"));
        }
        struct http_request q = http_test_get(&f, "/db", &r);
        q.timeout_ms = 60000; /* the request's own; now nothing moves for idle_timeout_ms */
        http_test_perform(&f, q, &r);
        assert_int_equal(r.reply.rc, -ERR_RETRY);
        assert_non_null(strstr(r.reply.err.text, "too slow"));
        http_test_end(&f);
}

static void an_unknown_host_is_named(void **state)
{
        struct http_test f;
        struct http_result r;

        (void)state;
        http_test_begin(&f, NULL, NULL, 0);
        struct http_request q = http_test_get(&f, "/", &r);
        q.url = "http://no-such-host.invalid/db";
        http_test_perform(&f, q, &r);
        assert_int_equal(r.reply.rc, -ERR_RETRY);
        assert_false(r.reply.sent);
        assert_non_null(strstr(r.reply.err.text, "no-such-host.invalid"));
        http_test_end(&f);
}

static void endless_headers_end(void **state)
{
        const size_t n = 1 << 20;
        char *raw = malloc(n + 64);
        struct http_test f;
        struct http_result r;

        (void)state;
        snprintf(raw, 64, "HTTP/1.1 200 OK\r\n");
        for (size_t len = strlen(raw); len < n; len += 22)
                memcpy(raw + len, "X-Filler: 0123456789\r\n", 23);
        const struct fake_reply script[] = {{.fault = FAKE_RAW, .body = raw}};
        http_test_begin(&f, NULL, script, COUNT(script));
        http_test_perform(&f, http_test_get(&f, "/db", &r), &r);
        assert_int_equal(r.reply.rc, -ERR_RETRY);
        assert_non_null(strstr(r.reply.err.text, "headers of the reply are larger than"));
        http_test_end(&f);
        free(raw);
}

/* A TLS server with a certificate for localhost that only @dir/cert.pem vouches for.
 * @verify: "-Verify": it takes clients with that certificate alone; "-verify": others too */
struct tls_server {
        char dir[64];
        int port;
        pid_t pid;
};

static bool tls_server_start(struct tls_server *s, const char *verify)
{
        char command[1024];

        snprintf(s->dir, sizeof(s->dir), "/tmp/test_http.XXXXXX");
        if (!mkdtemp(s->dir))
                return false;
        snprintf(command, sizeof(command),
                "cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 "
                "-nodes "
                "-keyout key.pem -out cert.pem -days 2 -subj /CN=localhost "
                "-addext subjectAltName=DNS:localhost >/dev/null 2>&1",
                s->dir);
        if (system(command) != 0)
                return false;
        int out[2];
        if (pipe(out) < 0)
                return false;
        s->pid = fork();
        if (s->pid == 0) {
                dup2(out[1], 1);
                close(out[0]);
                snprintf(command, sizeof(command), "%s/cert.pem", s->dir);
                char key[128];
                snprintf(key, sizeof(key), "%s/key.pem", s->dir);
                execlp("openssl", "openssl", "s_server", "-accept", "127.0.0.1:0", "-www", "-cert",
                        command, "-key", key, "-CAfile", command, verify, "1", (char *)NULL);
                _exit(127);
        }
        close(out[1]);
        /* It prints "ACCEPT 127.0.0.1:PORT". */
        FILE *in = fdopen(out[0], "r");
        char line[256];
        s->port = 0;
        while (!s->port && fgets(line, sizeof(line), in))
                sscanf(line, "ACCEPT 127.0.0.1:%d", &s->port);
        fclose(in);
        return s->port != 0;
}

static void tls_server_stop(struct tls_server *s)
{
        char command[128];

        kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
        snprintf(command, sizeof(command), "rm -r %s", s->dir);
        assert_int_equal(system(command), 0);
}

static void certificates_are_checked(void **state)
{
        struct tls_server tls = {0};
        char ca[128], key[128], url[128];

        (void)state;
        if (!tls_server_start(&tls, "-verify")) {
                print_message("openssl s_server did not start: skipped\n");
                skip();
        }
        snprintf(ca, sizeof(ca), "%s/cert.pem", tls.dir);
        snprintf(key, sizeof(key), "%s/key.pem", tls.dir);
        const struct {
                struct http_options options;
                const char *host;
                int rc;
                const char *text;
        } cases[] = {
                {{.ca_file = ca}, "localhost", 0, ""},
                {{.ca_file = ca, .cert_file = ca, .key_file = key}, "localhost", 0, ""},
                {{0}, "localhost", -ERR_CONFIG, "set ca_file to the authority"},
                {{.ca_file = ca}, "127.0.0.1", -ERR_CONFIG, "use the host name that stands"},
                {{.ca_file = "/nonexistent/ca.pem"}, "localhost", -ERR_CONFIG,
                        "/nonexistent/ca.pem"},
                {{.ca_file = ca, .cert_file = "/nonexistent/c.pem", .key_file = key}, "localhost",
                        -ERR_CONFIG, "must be readable PEM files that belong together"},
        };
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct http_test f;
                struct http_result r;
                http_test_begin(&f, &cases[i].options, NULL, 0);
                struct http_request q = http_test_get(&f, "/", &r);
                snprintf(url, sizeof(url), "https://%s:%d/", cases[i].host, tls.port);
                q.url = url;
                http_test_perform(&f, q, &r);
                if (r.reply.rc != cases[i].rc || !strstr(r.reply.err.text, cases[i].text))
                        fail_msg("case %zu: %d %s", i, r.reply.rc, r.reply.err.text);
                assert_int_equal(r.reply.status, cases[i].rc ? 0 : 200);
                assert_int_equal(r.reply.sent, cases[i].rc == 0);
                http_test_end(&f);
        }
        tls_server_stop(&tls);
}

static void a_missing_client_certificate_is_told(void **state)
{
        struct tls_server tls = {0};
        char ca[128], key[128], url[128];

        (void)state;
        if (!tls_server_start(&tls, "-Verify")) {
                print_message("openssl s_server did not start: skipped\n");
                skip();
        }
        snprintf(ca, sizeof(ca), "%s/cert.pem", tls.dir);
        snprintf(key, sizeof(key), "%s/key.pem", tls.dir);
        snprintf(url, sizeof(url), "https://localhost:%d/", tls.port);
        for (int given = 0; given < 2; given++) {
                const struct http_options options = {.ca_file = ca,
                        .cert_file = given ? ca : NULL,
                        .key_file = given ? key : NULL};
                struct http_test f;
                struct http_result r;
                http_test_begin(&f, &options, NULL, 0);
                struct http_request q = http_test_get(&f, "/", &r);
                q.url = url;
                http_test_perform(&f, q, &r);
                assert_int_equal(r.reply.rc, given ? 0 : -ERR_CONFIG);
                if (!given)
                        assert_non_null(strstr(r.reply.err.text, "set cert_file and key_file"));
                http_test_end(&f);
        }
        tls_server_stop(&tls);
}

static void tls_to_a_plain_port_is_explained(void **state)
{
        static const struct fake_reply script[] = {{.fault = FAKE_RAW, .body = "HTTP/1.1 400\r\n"}};
        struct http_test f;
        struct http_result r;
        char url[128];

        (void)state;
        http_test_begin(&f, NULL, script, COUNT(script));
        struct http_request q = http_test_get(&f, "/", &r);
        snprintf(url, sizeof(url), "https://127.0.0.1:%d/", fake_http_port(f.server));
        q.url = url;
        q.timeout_ms = 2000; /* the server waits for the end of a request's head */
        http_test_perform(&f, q, &r);
        assert_int_equal(r.reply.rc, -ERR_RETRY);
        assert_false(r.reply.sent);
        http_test_end(&f);
}

static void every_allocation_may_fail(void **state)
{
        static const struct fake_reply script[FAKE_HTTP_MAX_REQUESTS] = {0};
        const struct http_options options = {
                .ca_file = "/etc/ssl/certs/ca-certificates.crt", .proxy = "", .cookies = true};
        struct http_test f;
        struct err e;
        int whole = 0, rounds = 0;

        (void)state;
        assert_int_equal(loop_new(&f.loop, &e), 0);
        f.server = fake_http_start(script, COUNT(script));
        assert_int_equal(loop_sleep(f.loop, 1, &e), 0); /* a timer that cannot be set ends a loop */
        ALLOC_FAIL_EACH(i)
        {
                struct http_result r;
                struct http_request q = http_test_get(&f, "/db", &r);
                q.headers[0] = "X-One: 1";
                f.http = NULL;
                rounds++;
                alloc_fail_at(i);
                int rc = http_new(f.loop, &options, &f.http, &e);
                if (rc == 0) {
                        rc = http_start(f.http, &q, NULL, &e);
                        while (rc == 0 && !r.done)
                                rc = loop_run_until(f.loop, &r.done, &e);
                        if (rc == 0)
                                rc = r.reply.rc;
                        f.http = http_free(f.http);
                        assert_true(r.calls <= 1);
                }
                assert_null(f.http);
                /* curl gets over some failures by itself, or calls them another name. */
                if (rc == 0)
                        whole++;
                else
                        assert_true(rc == -ERR_NOMEM || rc == -ERR_RETRY);
                if (rc == -ERR_NOMEM)
                        assert_non_null(
                                strstr(rc == r.reply.rc ? r.reply.err.text : e.text, "emory"));
        }
        assert_true(whole >= 1);
        assert_true(rounds > 60); /* our own are about 20: those of the libraries count */
        fake_http_stop(f.server);
        loop_free(f.loop);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(replies_are_capped),
                cmocka_unit_test(broken_connections_are_retryable),
                cmocka_unit_test(writes_are_never_sent_twice),
                cmocka_unit_test(a_refused_connection_sent_nothing),
                cmocka_unit_test(slow_servers_time_out),
                cmocka_unit_test(an_unknown_host_is_named),
                cmocka_unit_test(endless_headers_end),
                cmocka_unit_test(certificates_are_checked),
                cmocka_unit_test(a_missing_client_certificate_is_told),
                cmocka_unit_test(tls_to_a_plain_port_is_explained),
                cmocka_unit_test(every_allocation_may_fail),
        };

        http_test_main_begin();
        int failed = cmocka_run_group_tests(tests, NULL, NULL);
        http_test_main_end();
        return failed;
}
