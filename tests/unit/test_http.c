#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ingest/base/clock.h"
#include "ingest/loop/http_url.h"
#include "tests/support/http_test.h"

static void replies_come_whole(void **state)
{
        static const struct fake_reply script[] = {
                {.headers = "Content-Type: application/json\r\n", .body = "{\"ok\":true}"},
                {.status = 404, .body = "gone"},
                {.status = 201, .body = "0123456789abcdef", .chunked = true},
                {.status = 204},
                {.status = 302, .headers = "Location: /elsewhere\r\n"},
        };
        struct http_test f;
        struct http_result r;

        (void)state;
        http_test_begin(&f, NULL, script, COUNT(script));
        for (size_t i = 0; i < COUNT(script); i++) {
                http_test_perform(&f, http_test_get(&f, "/db", &r), &r);
                assert_int_equal(r.reply.rc, 0);
                assert_int_equal(r.reply.status, script[i].status ? script[i].status : 200);
                assert_string_equal(r.body, script[i].body ? script[i].body : "");
                assert_int_equal(r.body_len, script[i].body ? strlen(script[i].body) : 0);
                assert_true(r.nul_behind && r.reply.sent && r.reply.elapsed_us > 0);
                assert_string_equal(r.content_type, i == 0 ? "application/json" : "");
                assert_int_equal(r.reply.retry_after_ms, -1);
        }
        assert_int_equal(fake_http_count(f.server), COUNT(script)); /* no redirect was followed */
        assert_int_equal(fake_http_connections(f.server), 1);
        http_test_end(&f);
}

static void requests_go_out_as_asked(void **state)
{
        static const struct {
                const char *method, *path;
                const char *body, *type; /* may be NULL */
                const char *length;      /* the Content-Length that is sent */
        } cases[] = {
                {"GET", "/db/_all_docs?limit=1", NULL, NULL, ""},
                {"HEAD", "/db", NULL, NULL, ""},
                {"PUT", "/db?q=2", NULL, NULL, "0"},
                {"POST", "/db/_bulk_docs", "{\"docs\":[]}", "application/json", "11"},
                {"POST", "/db/_ensure", NULL, NULL, "0"},
                {"POST", "/db/empty", "", NULL, "0"},
                {"GET", "/with-body", "{}", "application/json", "2"},
                {"DELETE", "/db/../x", NULL, NULL, ""},
                {"COPY", "/db/a%2Fb", NULL, NULL, "0"},
        };
        static const struct fake_reply script[COUNT(cases)] = {0};
        struct http_test f;
        char value[256], type[64];

        (void)state;
        http_test_begin(&f, NULL, script, COUNT(script));
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct http_result r;
                struct http_request q = http_test_get(&f, cases[i].path, &r);
                q.method = cases[i].method;
                q.body = (struct str){cases[i].body, cases[i].body ? strlen(cases[i].body) : 0};
                snprintf(type, sizeof(type), "Content-Type: %s", cases[i].type);
                q.headers[0] = "X-One: 1";
                q.headers[1] = cases[i].type ? type : NULL;
                http_test_perform(&f, q, &r);
                assert_int_equal(r.reply.rc, 0);
                const struct fake_request *seen = fake_http_request(f.server, (int)i);
                assert_string_equal(seen->method, cases[i].method);
                assert_string_equal(seen->path, cases[i].path);
                assert_string_equal(seen->body, cases[i].body ? cases[i].body : "");
                fake_http_header(seen, "X-One", value, sizeof(value));
                assert_string_equal(value, "1");
                fake_http_header(seen, "Content-Type", value, sizeof(value));
                assert_string_equal(value, cases[i].type ? cases[i].type : "");
                fake_http_header(seen, "Content-Length", value, sizeof(value));
                assert_string_equal(value, cases[i].length);
                fake_http_header(seen, "User-Agent", value, sizeof(value));
                assert_true(strncmp(value, "erp2couch/", 10) == 0 && value[10] >= '0');
        }
        http_test_end(&f);
}

static void large_bodies_keep_the_connection(void **state)
{
        static const struct fake_reply script[3] = {0};
        const size_t n = 3 << 20;
        char *body = malloc(n + 1), value[64];
        struct http_test f;

        (void)state;
        for (size_t i = 0; i < n; i++)
                body[i] = (char)('a' + i % 26);
        http_test_begin(&f, NULL, script, COUNT(script));
        for (int i = 0; i < 3; i++) {
                struct http_result r;
                struct http_request q = http_test_get(&f, "/db/_bulk_docs", &r);
                q.method = "POST";
                q.body = (struct str){body, n};
                http_test_perform(&f, q, &r);
                assert_int_equal(r.reply.rc, 0);
                const struct fake_request *seen = fake_http_request(f.server, i);
                assert_int_equal(seen->body_len, n);
                assert_memory_equal(seen->body, body, n);
                assert_string_equal(fake_http_header(seen, "Expect", value, sizeof(value)), "");
        }
        assert_int_equal(fake_http_connections(f.server), 1);
        http_test_end(&f);
        free(body);
}

static void successful_bodies_can_be_streamed(void **state)
{
        static const struct fake_reply script[] = {
                {.body = "0123456789abcdefghij", .chunked = true},
                {.status = 500, .body = "broken"},
                {.body = "0123456789", .chunked = true},
                {.body = "0123456789"},
        };
        struct http_test f;
        struct http_result r;

        (void)state;
        http_test_begin(&f, NULL, script, COUNT(script));
        struct http_request q = http_test_get(&f, "/db", &r);
        q.on_body = http_test_body;
        q.max_reply = 5; /* of what is buffered only */
        http_test_perform(&f, q, &r);
        assert_int_equal(r.reply.rc, 0);
        assert_int_equal(r.streamed_len, 20);
        assert_memory_equal(r.streamed, "0123456789abcdefghij", 20);
        assert_int_equal(r.body_len, 0);

        q = http_test_get(&f, "/db", &r);
        q.on_body = http_test_body;
        http_test_perform(&f, q, &r);
        assert_int_equal(r.reply.status, 500);
        assert_int_equal(r.pieces, 0);
        assert_string_equal(r.body, "broken");

        q = http_test_get(&f, "/db?secret=1", &r);
        q.on_body = http_test_body;
        r.refuse = -ERR_REJECT;
        http_test_perform(&f, q, &r);
        assert_int_equal(r.reply.rc, -ERR_REJECT);
        assert_int_equal(r.reply.err.class, ERR_REJECT);
        assert_int_equal(r.pieces, 1);
        assert_non_null(strstr(r.reply.err.text, "/db: refused here"));

        q = http_test_get(&f, "/db", &r);
        q.on_body = http_test_body;
        r.cancel_self = http_test_start(&f, &q);
        http_test_wait(&f, &r);
        assert_int_equal(r.reply.rc, -ERR_CANCEL);
        assert_int_equal(r.pieces, 1);
        http_test_end(&f);
}

static void retry_after_is_read(void **state)
{
        char date[64];
        time_t soon = time(NULL) + 120;
        strftime(date, sizeof(date), "Retry-After: %a, %d %b %Y %H:%M:%S GMT\r\n", gmtime(&soon));
        const struct {
                const char *header;
                int64_t min, max;
        } cases[] = {
                {"Retry-After: 7\r\n", 7000, 7000},
                {"retry-after:   0  \r\n", 0, 0},
                {date, 110000, 120000},
                {"Retry-After: Thu, 01 Jan 2015 00:00:00 GMT\r\n", 0, 0},
                {"Retry-After: soon\r\n", -1, -1},
                {"Retry-After: \r\n", -1, -1},
                {"Retry-After: -5\r\n", 0, 0},
                {"Retry-After: 99999999999999999\r\n", 7 * 86400000, 7 * 86400000},
                {"X-Retry-After: 7\r\n", -1, -1},
        };
        struct fake_reply script[COUNT(cases) + 1];
        struct http_test f;
        struct http_result r;

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                script[i] = (struct fake_reply){.status = 429, .headers = cases[i].header};
        script[COUNT(cases)] = (struct fake_reply){.fault = FAKE_RAW,
                .body = "HTTP/1.1 102 Wait\r\nRetry-After: 9\r\n\r\n"
                        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
        http_test_begin(&f, NULL, script, COUNT(script));
        for (size_t i = 0; i < COUNT(cases); i++) {
                http_test_perform(&f, http_test_get(&f, "/db", &r), &r);
                assert_int_equal(r.reply.rc, 0);
                assert_in_range(r.reply.retry_after_ms + 1, cases[i].min + 1, cases[i].max + 1);
        }
        http_test_perform(&f, http_test_get(&f, "/db", &r), &r);
        assert_int_equal(r.reply.status, 200);
        assert_int_equal(r.reply.retry_after_ms, -1);
        http_test_end(&f);
}

static void cancelled_calls_report_once(void **state)
{
        static const struct fake_reply script[] = {{.fault = FAKE_HANG}, {.delay_ms = 50}};
        const struct http_options options = {.max_connections = 1};
        struct http_test f;
        struct http_result running, waiting, last;
        struct err e;

        (void)state;
        http_test_begin(&f, &options, script, COUNT(script));
        struct http_request q = http_test_get(&f, "/running", &running);
        struct http_call *a = http_test_start(&f, &q);
        q = http_test_get(&f, "/waiting", &waiting);
        struct http_call *b = http_test_start(&f, &q);
        q = http_test_get(&f, "/last", &last);
        http_test_start(&f, &q);
        while (fake_http_count(f.server) < 1)
                assert_int_equal(loop_sleep(f.loop, 5, &e), 0);
        http_cancel(b);
        http_cancel(a);
        http_cancel(a); /* twice is once */
        assert_int_equal(running.calls + waiting.calls, 0);
        http_test_wait(&f, &last);
        assert_int_equal(running.calls, 1);
        assert_int_equal(running.reply.rc, -ERR_CANCEL);
        assert_true(running.reply.sent);
        assert_non_null(strstr(running.reply.err.text, "/running: cancelled"));
        assert_int_equal(waiting.calls, 1);
        assert_int_equal(waiting.reply.rc, -ERR_CANCEL);
        assert_false(waiting.reply.sent);
        assert_int_equal(last.reply.rc, 0);
        assert_string_equal(fake_http_request(f.server, 1)->path, "/last");
        http_test_end(&f);
        assert_int_equal(running.calls + waiting.calls + last.calls, 3);
}

static void answer_first_only(
        void *ctx, const struct fake_request *request, struct fake_reply *reply)
{
        (void)ctx;
        reply->delay_ms = 20;
        reply->fault = strcmp(request->path, "/first") == 0 ? FAKE_OK : FAKE_HANG;
}

static void a_callback_may_cancel_another_call(void **state)
{
        struct http_test f;
        struct http_result first, other;

        (void)state;
        http_test_begin(&f, NULL, NULL, 0);
        fake_http_stop(f.server);
        f.server = fake_http_start_handler(answer_first_only, NULL);
        struct http_request q = http_test_get(&f, "/first", &first);
        http_test_start(&f, &q);
        q = http_test_get(&f, "/other", &other);
        first.cancel_other = http_test_start(&f, &q);
        http_test_wait(&f, &first);
        http_test_wait(&f, &other);
        assert_int_equal(other.reply.rc, -ERR_CANCEL);
        http_test_end(&f);
}

static struct http *closing_client; /* for the callback below */
static int starts_refused;

static void start_again(void *ctx, const struct http_reply *reply)
{
        struct http_result *r = ctx;
        struct http_request q = {
                .method = "GET", .url = "http://127.0.0.1/", .on_done = http_test_done, .ctx = r};
        struct err e;

        http_test_done(ctx, reply);
        starts_refused += http_start(closing_client, &q, NULL, &e) == -ERR_CANCEL;
}

static void free_ends_everything(void **state)
{
        static const struct fake_reply script[] = {{.fault = FAKE_HANG}, {.fault = FAKE_HANG}};
        const struct http_options options = {.max_connections = 2};
        struct http_test f;
        struct http_result r[5];
        struct err e;

        (void)state;
        http_test_begin(&f, &options, script, COUNT(script));
        for (int i = 0; i < 5; i++) {
                struct http_request q = http_test_get(&f, "/", &r[i]);
                q.on_done = start_again;
                http_test_start(&f, &q);
        }
        assert_int_equal(loop_sleep(f.loop, 50, &e), 0);
        closing_client = f.http;
        starts_refused = 0;
        f.http = http_free(f.http);
        for (int i = 0; i < 5; i++) {
                assert_int_equal(r[i].calls, 1);
                assert_int_equal(r[i].reply.rc, -ERR_CANCEL);
        }
        assert_int_equal(starts_refused, 5);
        assert_int_equal(loop_sleep(f.loop, 20, &e), 0); /* nothing is left in the loop */
        http_test_end(&f);
}

static void unusable_requests_are_refused(void **state)
{
        static const struct {
                const char *url, *header, *text;
        } cases[] = {
                {"localhost:5984", NULL, "write it as http://HOST:PORT/PATH"},
                {"/db", NULL, "write it as"},
                {"", NULL, "GET : not a usable URL"},
                {"ftp://host/db", NULL, "GET ftp://host/db: not a usable URL (its scheme"},
                {"http://", NULL, "write it as"},
                {"http://host:99999/", NULL, "write it as"},
                {"http://host/a b", NULL, "write it as"},
                {"http://adm:secret@host:bad/db?token=secret", NULL, "GET http://host:bad/db: not"},
                {"http://adm:se/secret@host:5984/db", NULL, "GET http://host:5984/db: not"},
                {"http://adm:secret@secret@host/db", NULL, "GET http://host/db: not"},
                {"adm:secret@host/db?token=secret", NULL, "GET host/db: not"},
                {"http://host/", "Authorization: Bearer secret\n", "header Authorization holds"},
        };
        struct http_test f;
        struct http_result r;

        (void)state;
        http_test_begin(&f, NULL, NULL, 0);
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct http_request q = http_test_get(&f, "/", &r);
                struct err e;
                q.url = cases[i].url;
                q.headers[0] = cases[i].header;
                assert_int_equal(http_start(f.http, &q, NULL, &e), -ERR_CONFIG);
                if (!strstr(e.text, cases[i].text) || strstr(e.text, "secret"))
                        fail_msg("%s: %s", cases[i].url, e.text);
        }
        http_test_end(&f);
        assert_int_equal(r.calls, 0);
}

/* What is like the last URL is not parsed again: it must be refused all the same. */
static void a_second_look_at_urls(void **state)
{
        static const struct {
                const char *url;
                int rc;
        } cases[] = {
                {"http://host:5984/db", 0},
                {"http://host:5984/other?a=b#c", 0},
                {"http://host:5984/a b", -ERR_CONFIG},
                {"http://host:5984/\x7f", -ERR_CONFIG},
                {"http://host:5984", 0},
                {"http://host:59840/", 0},
                {"http://host:598400/", -ERR_CONFIG},
                {"http://host:59840/", 0},
                {"http://host:5984x/", -ERR_CONFIG},
                {"http://host:5984@evil/", 0},
                {"http://host:5984/\xC3\xA4", 0},
                {"ftp://host:5984/", -ERR_CONFIG},
                {"", -ERR_CONFIG},
        };
        struct http_url_origin last = {0};
        struct err e;

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                assert_int_equal(http_url_check_again(&last, cases[i].url, &e), cases[i].rc);
                assert_int_equal(http_url_check(cases[i].url, &e), cases[i].rc);
        }
}

static void connections_are_bounded(void **state)
{
        enum { CALLS = 16 };
        struct fake_reply script[CALLS];
        const struct http_options options = {.max_connections = 2, .timeout_ms = 1000};
        struct http_test f;
        struct http_result r[CALLS];

        (void)state;
        for (int i = 0; i < CALLS; i++)
                script[i] = (struct fake_reply){.delay_ms = 200};
        http_test_begin(&f, &options, script, CALLS);
        for (int i = 0; i < CALLS; i++) {
                struct http_request q = http_test_get(&f, "/", &r[i]);
                http_test_start(&f, &q);
        }
        /* Eight rounds of 200 ms: waiting in the queue does not count as time-out. */
        for (int i = 0; i < CALLS; i++) {
                http_test_wait(&f, &r[i]);
                assert_int_equal(r[i].reply.rc, 0);
        }
        assert_int_equal(fake_http_connections(f.server), 2);
        http_test_end(&f);
}

struct chain {
        struct http_test f;
        struct http_result r;
        int left;
};

static void next_of_chain(void *ctx, const struct http_reply *reply)
{
        struct chain *c = ctx;
        struct err e;

        assert_int_equal(reply->rc, 0);
        if (--c->left == 0) {
                c->r.done = true;
                return;
        }
        struct http_request q = {.method = "GET",
                .url = fake_http_url(c->f.server, "/"),
                .on_done = next_of_chain,
                .ctx = c};
        assert_int_equal(http_start(c->f.http, &q, NULL, &e), 0);
}

static void calls_can_start_calls(void **state)
{
        static const struct fake_reply script[500] = {0};
        struct chain c = {.left = 500};
        struct err e;

        (void)state;
        http_test_begin(&c.f, NULL, script, COUNT(script));
        struct http_request q = {.method = "GET",
                .url = fake_http_url(c.f.server, "/"),
                .on_done = next_of_chain,
                .ctx = &c};
        http_test_start(&c.f, &q);
        assert_int_equal(loop_run_until(c.f.loop, &c.r.done, &e), 0);
        assert_int_equal(fake_http_count(c.f.server), 500);
        assert_int_equal(fake_http_connections(c.f.server), 1);
        http_test_end(&c.f);
}

/* Handles are used again, but not those that libcurl left half made. */
static void a_host_that_is_not_found_harms_no_other_call(void **state)
{
        static const struct fake_reply script[2] = {0};
        struct http_test f;

        (void)state;
        http_test_begin(&f, NULL, script, COUNT(script));
        for (int i = 0; i < 2; i++) {
                struct http_result r, none;
                struct http_request lost = http_test_get(&f, "/", &none);
                lost.url = "http://no-such-host.invalid/";
                http_test_perform(&f, lost, &none);
                assert_int_equal(none.reply.rc, -ERR_RETRY);
                http_test_perform(&f, http_test_get(&f, "/", &r), &r);
                assert_int_equal(r.reply.rc, 0);
        }
        http_test_end(&f);
}

static void cookies_only_when_asked(void **state)
{
        static const struct fake_reply script[] = {
                {.headers = "Set-Cookie: AuthSession=abc; Path=/; HttpOnly\r\n"}, {0}, {0}, {0}};
        char value[128];

        (void)state;
        for (int on = 0; on < 2; on++) {
                const struct http_options options = {.cookies = on};
                struct http_test f;
                struct http_result r[3];
                http_test_begin(&f, &options, script, COUNT(script));
                http_test_perform(&f, http_test_get(&f, "/_session", &r[0]), &r[0]);
                for (int i = 1; i < 3; i++) { /* two at a time: the cookie is the client's */
                        struct http_request q = http_test_get(&f, "/db", &r[i]);
                        http_test_start(&f, &q);
                }
                http_test_wait(&f, &r[1]);
                http_test_wait(&f, &r[2]);
                for (int i = 1; i < 3; i++) {
                        fake_http_header(
                                fake_http_request(f.server, i), "Cookie", value, sizeof(value));
                        assert_string_equal(value, on ? "AuthSession=abc" : "");
                }
                http_test_end(&f);
        }
}

static void url_parts_are_encoded(void **state)
{
        cleanup_buf_ struct buf b;

        (void)state;
        buf_init(&b, 1000);
        http_url_encode(&b, STR("a/b:c d?\xC3\xA9%~-._Z9\0"));
        assert_string_equal(buf_cstr(&b), "a%2Fb%3Ac%20d%3F%C3%A9%25~-._Z9%00");
        buf_clear(&b);
        http_url_encode(&b, STR(""));
        assert_int_equal(b.len, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(replies_come_whole),
                cmocka_unit_test(requests_go_out_as_asked),
                cmocka_unit_test(large_bodies_keep_the_connection),
                cmocka_unit_test(successful_bodies_can_be_streamed),
                cmocka_unit_test(retry_after_is_read),
                cmocka_unit_test(cancelled_calls_report_once),
                cmocka_unit_test(a_callback_may_cancel_another_call),
                cmocka_unit_test(free_ends_everything),
                cmocka_unit_test(unusable_requests_are_refused),
                cmocka_unit_test(a_second_look_at_urls),
                cmocka_unit_test(connections_are_bounded),
                cmocka_unit_test(calls_can_start_calls),
                cmocka_unit_test(a_host_that_is_not_found_harms_no_other_call),
                cmocka_unit_test(cookies_only_when_asked),
                cmocka_unit_test(url_parts_are_encoded),
        };

        http_test_main_begin();
        int failed = cmocka_run_group_tests(tests, NULL, NULL);
        http_test_main_end();
        return failed;
}
