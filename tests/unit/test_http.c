#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <curl/curl.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "ingest/base/clock.h"
#include "ingest/loop/http.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/fake_http.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What one call came to. The reply's texts are copied: they die with on_done. */
struct result {
        bool done;
        int calls; /* of on_done */
        struct http_reply reply;
        char body[4096], content_type[128];
        size_t body_len;
        bool nul_behind;
        /* What on_done does besides: */
        bool *also_done;
        struct http_call *cancel_other;
        /* on_body: */
        char streamed[4096];
        size_t streamed_len;
        int refuse; /* -class to return */
        struct http_call *cancel_self;
        int pieces;
};

static void on_done(void *ctx, const struct http_reply *reply)
{
        struct result *r = ctx;

        r->calls++;
        r->done = true;
        r->reply = *reply;
        r->body_len = reply->body.len;
        r->nul_behind = reply->body.ptr[reply->body.len] == '\0';
        snprintf(r->body, sizeof(r->body), "%s", reply->body.ptr);
        snprintf(r->content_type, sizeof(r->content_type), "%s", reply->content_type);
        if (r->also_done)
                *r->also_done = true;
        if (r->cancel_other)
                http_cancel(r->cancel_other);
}

static int on_body(void *ctx, struct str bytes, struct err *e)
{
        struct result *r = ctx;

        assert_true(r->streamed_len + bytes.len <= sizeof(r->streamed));
        memcpy(r->streamed + r->streamed_len, bytes.ptr, bytes.len);
        r->streamed_len += bytes.len;
        r->pieces++;
        if (r->cancel_self)
                http_cancel(r->cancel_self);
        if (r->refuse)
                return err_set(e, (enum err_class) - r->refuse, "refused here");
        return 0;
}

struct fixture {
        struct loop *loop;
        struct http *http;
        struct fake_http *server;
};

static void set_up(struct fixture *f, const struct http_options *options,
        const struct fake_reply *script, size_t count)
{
        const struct http_options none = {0};
        struct err e;

        assert_int_equal(loop_new(&f->loop, &e), 0);
        assert_int_equal(http_new(f->loop, options ? options : &none, &f->http, &e), 0);
        f->server = fake_http_start(script, count);
}

static void tear_down(struct fixture *f)
{
        http_free(f->http);
        fake_http_stop(f->server);
        loop_free(f->loop);
}

static struct http_request get(struct fixture *f, const char *path, struct result *r)
{
        *r = (struct result){0};
        return (struct http_request){.method = "GET",
                .url = fake_http_url(f->server, path),
                .on_done = on_done,
                .ctx = r};
}

static struct http_call *start(struct fixture *f, const struct http_request *q)
{
        struct http_call *c;
        struct err e;

        assert_int_equal(http_start(f->http, q, &c, &e), 0);
        return c;
}

static void wait_for(struct fixture *f, struct result *r)
{
        struct err e;

        assert_int_equal(loop_run_until(f->loop, &r->done, &e), 0);
        assert_int_equal(r->calls, 1);
}

static void perform(struct fixture *f, struct http_request q, struct result *r)
{
        start(f, &q);
        assert_false(r->done);
        wait_for(f, r);
}

static void replies_come_whole(void **state)
{
        static const struct fake_reply script[] = {
                {.headers = "Content-Type: application/json\r\n", .body = "{\"ok\":true}"},
                {.status = 404, .body = "gone"},
                {.status = 201, .body = "0123456789abcdef", .chunked = true},
                {.status = 204},
                {.status = 302, .headers = "Location: /elsewhere\r\n"},
        };
        struct fixture f;
        struct result r;

        (void)state;
        set_up(&f, NULL, script, COUNT(script));
        for (size_t i = 0; i < COUNT(script); i++) {
                perform(&f, get(&f, "/db", &r), &r);
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
        tear_down(&f);
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
        struct fixture f;
        char value[256], type[64];

        (void)state;
        set_up(&f, NULL, script, COUNT(script));
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct result r;
                struct http_request q = get(&f, cases[i].path, &r);
                q.method = cases[i].method;
                q.body = (struct str){cases[i].body, cases[i].body ? strlen(cases[i].body) : 0};
                snprintf(type, sizeof(type), "Content-Type: %s", cases[i].type);
                q.headers[0] = "X-One: 1";
                q.headers[1] = cases[i].type ? type : NULL;
                perform(&f, q, &r);
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
        tear_down(&f);
}

static void large_bodies_keep_the_connection(void **state)
{
        static const struct fake_reply script[3] = {0};
        const size_t n = 3 << 20;
        char *body = malloc(n + 1), value[64];
        struct fixture f;

        (void)state;
        for (size_t i = 0; i < n; i++)
                body[i] = (char)('a' + i % 26);
        set_up(&f, NULL, script, COUNT(script));
        for (int i = 0; i < 3; i++) {
                struct result r;
                struct http_request q = get(&f, "/db/_bulk_docs", &r);
                q.method = "POST";
                q.body = (struct str){body, n};
                perform(&f, q, &r);
                assert_int_equal(r.reply.rc, 0);
                const struct fake_request *seen = fake_http_request(f.server, i);
                assert_int_equal(seen->body_len, n);
                assert_memory_equal(seen->body, body, n);
                assert_string_equal(fake_http_header(seen, "Expect", value, sizeof(value)), "");
        }
        assert_int_equal(fake_http_connections(f.server), 1);
        tear_down(&f);
        free(body);
}

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
        struct fixture f;

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                script[i] = (struct fake_reply){.status = cases[i].status,
                        .body = "0123456789",
                        .chunked = cases[i].chunked};
        set_up(&f, NULL, script, COUNT(script));
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct result r;
                struct http_request q = get(&f, "/db", &r);
                q.max_reply = cases[i].max;
                perform(&f, q, &r);
                assert_int_equal(r.reply.rc, cases[i].rc);
                assert_int_equal(r.reply.status, cases[i].status);
                assert_string_equal(r.body, cases[i].body);
                if (cases[i].rc)
                        assert_non_null(strstr(r.reply.err.text,
                                "/db: the reply is larger than its limit of 9 bytes"));
        }
        tear_down(&f);
}

static void successful_bodies_can_be_streamed(void **state)
{
        static const struct fake_reply script[] = {
                {.body = "0123456789abcdefghij", .chunked = true},
                {.status = 500, .body = "broken"},
                {.body = "0123456789", .chunked = true},
                {.body = "0123456789"},
        };
        struct fixture f;
        struct result r;

        (void)state;
        set_up(&f, NULL, script, COUNT(script));
        struct http_request q = get(&f, "/db", &r);
        q.on_body = on_body;
        q.max_reply = 5; /* of what is buffered only */
        perform(&f, q, &r);
        assert_int_equal(r.reply.rc, 0);
        assert_int_equal(r.streamed_len, 20);
        assert_memory_equal(r.streamed, "0123456789abcdefghij", 20);
        assert_int_equal(r.body_len, 0);

        q = get(&f, "/db", &r);
        q.on_body = on_body;
        perform(&f, q, &r);
        assert_int_equal(r.reply.status, 500);
        assert_int_equal(r.pieces, 0);
        assert_string_equal(r.body, "broken");

        q = get(&f, "/db?secret=1", &r);
        q.on_body = on_body;
        r.refuse = -ERR_REJECT;
        perform(&f, q, &r);
        assert_int_equal(r.reply.rc, -ERR_REJECT);
        assert_int_equal(r.reply.err.class, ERR_REJECT);
        assert_int_equal(r.pieces, 1);
        assert_non_null(strstr(r.reply.err.text, "/db: refused here"));

        q = get(&f, "/db", &r);
        q.on_body = on_body;
        r.cancel_self = start(&f, &q);
        wait_for(&f, &r);
        assert_int_equal(r.reply.rc, -ERR_CANCEL);
        assert_int_equal(r.pieces, 1);
        tear_down(&f);
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
        struct fixture f;
        struct result r;

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                script[i] = (struct fake_reply){.status = 429, .headers = cases[i].header};
        script[COUNT(cases)] = (struct fake_reply){.fault = FAKE_RAW,
                .body = "HTTP/1.1 102 Wait\r\nRetry-After: 9\r\n\r\n"
                        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
        set_up(&f, NULL, script, COUNT(script));
        for (size_t i = 0; i < COUNT(cases); i++) {
                perform(&f, get(&f, "/db", &r), &r);
                assert_int_equal(r.reply.rc, 0);
                assert_in_range(r.reply.retry_after_ms + 1, cases[i].min + 1, cases[i].max + 1);
        }
        perform(&f, get(&f, "/db", &r), &r);
        assert_int_equal(r.reply.status, 200);
        assert_int_equal(r.reply.retry_after_ms, -1);
        tear_down(&f);
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
        struct fixture f;

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                script[i] = cases[i].reply;
        set_up(&f, NULL, script, COUNT(script));
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct result r;
                struct http_request q = get(&f, "/db/_bulk_docs?key=secret", &r);
                q.method = "POST";
                q.body = STR("{}");
                perform(&f, q, &r);
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
        tear_down(&f);
}

static void a_refused_connection_sent_nothing(void **state)
{
        struct fixture f;
        struct result r;
        char url[128];

        (void)state;
        set_up(&f, NULL, NULL, 0);
        int port = fake_http_port(f.server);
        fake_http_stop(f.server);
        f.server = fake_http_start(NULL, 0); /* so that tear_down() has one */
        struct http_request q = get(&f, "/", &r);
        snprintf(url, sizeof(url), "http://adm:pa%%40ss@127.0.0.1:%d/db?k=v", port);
        q.url = url;
        perform(&f, q, &r);
        assert_int_equal(r.reply.rc, -ERR_RETRY);
        assert_int_equal(r.reply.status, 0);
        assert_false(r.reply.sent);
        assert_non_null(strstr(r.reply.err.text, "Connection refused"));
        assert_null(strstr(r.reply.err.text, "adm"));
        assert_null(strstr(r.reply.err.text, "ss"));
        assert_null(strstr(r.reply.err.text, "k=v"));
        tear_down(&f);
}

static void slow_servers_time_out(void **state)
{
        static const struct fake_reply script[] = {
                {.fault = FAKE_HANG},
                {.fault = FAKE_STALL, .body = "0123456789"},
                {.fault = FAKE_HANG},
        };
        const struct http_options options = {.timeout_ms = 300, .idle_timeout_ms = 900};
        struct fixture f;
        struct result r;

        (void)state;
        set_up(&f, &options, script, COUNT(script));
        for (int i = 0; i < 2; i++) { /* the client's time-out of a whole request */
                int64_t begun = clock_monotonic_ms();
                perform(&f, get(&f, "/db", &r), &r);
                assert_in_range(clock_monotonic_ms() - begun, 290, 5000);
                assert_int_equal(r.reply.rc, -ERR_RETRY);
                assert_int_equal(r.reply.status, i == 0 ? 0 : 200);
                assert_true(r.reply.sent);
                assert_non_null(strstr(r.reply.err.text, "timed out"));
        }
        struct http_request q = get(&f, "/db", &r);
        q.timeout_ms = 60000; /* the request's own; now nothing moves for idle_timeout_ms */
        perform(&f, q, &r);
        assert_int_equal(r.reply.rc, -ERR_RETRY);
        assert_non_null(strstr(r.reply.err.text, "too slow"));
        tear_down(&f);
}

static void cancelled_calls_report_once(void **state)
{
        static const struct fake_reply script[] = {{.fault = FAKE_HANG}, {.delay_ms = 50}};
        const struct http_options options = {.max_connections = 1};
        struct fixture f;
        struct result running, waiting, last;
        struct err e;

        (void)state;
        set_up(&f, &options, script, COUNT(script));
        struct http_request q = get(&f, "/running", &running);
        struct http_call *a = start(&f, &q);
        q = get(&f, "/waiting", &waiting);
        struct http_call *b = start(&f, &q);
        q = get(&f, "/last", &last);
        start(&f, &q);
        while (fake_http_count(f.server) < 1)
                assert_int_equal(loop_sleep(f.loop, 5, &e), 0);
        http_cancel(b);
        http_cancel(a);
        http_cancel(a); /* twice is once */
        assert_int_equal(running.calls + waiting.calls, 0);
        wait_for(&f, &last);
        assert_int_equal(running.calls, 1);
        assert_int_equal(running.reply.rc, -ERR_CANCEL);
        assert_true(running.reply.sent);
        assert_non_null(strstr(running.reply.err.text, "/running: cancelled"));
        assert_int_equal(waiting.calls, 1);
        assert_int_equal(waiting.reply.rc, -ERR_CANCEL);
        assert_false(waiting.reply.sent);
        assert_int_equal(last.reply.rc, 0);
        assert_string_equal(fake_http_request(f.server, 1)->path, "/last");
        tear_down(&f);
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
        struct fixture f;
        struct result first, other;

        (void)state;
        set_up(&f, NULL, NULL, 0);
        fake_http_stop(f.server);
        f.server = fake_http_start_handler(answer_first_only, NULL);
        struct http_request q = get(&f, "/first", &first);
        start(&f, &q);
        q = get(&f, "/other", &other);
        first.cancel_other = start(&f, &q);
        wait_for(&f, &first);
        wait_for(&f, &other);
        assert_int_equal(other.reply.rc, -ERR_CANCEL);
        tear_down(&f);
}

static struct http *closing_client; /* for the callback below */
static int starts_refused;

static void start_again(void *ctx, const struct http_reply *reply)
{
        struct result *r = ctx;
        struct http_request q = {
                .method = "GET", .url = "http://127.0.0.1/", .on_done = on_done, .ctx = r};
        struct err e;

        on_done(ctx, reply);
        starts_refused += http_start(closing_client, &q, NULL, &e) == -ERR_CANCEL;
}

static void free_ends_everything(void **state)
{
        static const struct fake_reply script[] = {{.fault = FAKE_HANG}, {.fault = FAKE_HANG}};
        const struct http_options options = {.max_connections = 2};
        struct fixture f;
        struct result r[5];
        struct err e;

        (void)state;
        set_up(&f, &options, script, COUNT(script));
        for (int i = 0; i < 5; i++) {
                struct http_request q = get(&f, "/", &r[i]);
                q.on_done = start_again;
                start(&f, &q);
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
        tear_down(&f);
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
        struct fixture f;
        struct result r;

        (void)state;
        set_up(&f, NULL, NULL, 0);
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct http_request q = get(&f, "/", &r);
                struct err e;
                q.url = cases[i].url;
                q.headers[0] = cases[i].header;
                assert_int_equal(http_start(f.http, &q, NULL, &e), -ERR_CONFIG);
                if (!strstr(e.text, cases[i].text) || strstr(e.text, "secret"))
                        fail_msg("%s: %s", cases[i].url, e.text);
        }
        tear_down(&f);
        assert_int_equal(r.calls, 0);
}

static void an_unknown_host_is_named(void **state)
{
        struct fixture f;
        struct result r;

        (void)state;
        set_up(&f, NULL, NULL, 0);
        struct http_request q = get(&f, "/", &r);
        q.url = "http://no-such-host.invalid/db";
        perform(&f, q, &r);
        assert_int_equal(r.reply.rc, -ERR_RETRY);
        assert_false(r.reply.sent);
        assert_non_null(strstr(r.reply.err.text, "no-such-host.invalid"));
        tear_down(&f);
}

static void connections_are_bounded(void **state)
{
        enum { CALLS = 16 };
        struct fake_reply script[CALLS];
        const struct http_options options = {.max_connections = 2, .timeout_ms = 1000};
        struct fixture f;
        struct result r[CALLS];

        (void)state;
        for (int i = 0; i < CALLS; i++)
                script[i] = (struct fake_reply){.delay_ms = 200};
        set_up(&f, &options, script, CALLS);
        for (int i = 0; i < CALLS; i++) {
                struct http_request q = get(&f, "/", &r[i]);
                start(&f, &q);
        }
        /* Eight rounds of 200 ms: waiting in the queue does not count as time-out. */
        for (int i = 0; i < CALLS; i++) {
                wait_for(&f, &r[i]);
                assert_int_equal(r[i].reply.rc, 0);
        }
        assert_int_equal(fake_http_connections(f.server), 2);
        tear_down(&f);
}

struct chain {
        struct fixture f;
        struct result r;
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
        set_up(&c.f, NULL, script, COUNT(script));
        struct http_request q = {.method = "GET",
                .url = fake_http_url(c.f.server, "/"),
                .on_done = next_of_chain,
                .ctx = &c};
        start(&c.f, &q);
        assert_int_equal(loop_run_until(c.f.loop, &c.r.done, &e), 0);
        assert_int_equal(fake_http_count(c.f.server), 500);
        assert_int_equal(fake_http_connections(c.f.server), 1);
        tear_down(&c.f);
}

static void cookies_only_when_asked(void **state)
{
        static const struct fake_reply script[] = {
                {.headers = "Set-Cookie: AuthSession=abc; Path=/; HttpOnly\r\n"}, {0}, {0}, {0}};
        char value[128];

        (void)state;
        for (int on = 0; on < 2; on++) {
                const struct http_options options = {.cookies = on};
                struct fixture f;
                struct result r[3];
                set_up(&f, &options, script, COUNT(script));
                perform(&f, get(&f, "/_session", &r[0]), &r[0]);
                for (int i = 1; i < 3; i++) { /* two at a time: the cookie is the client's */
                        struct http_request q = get(&f, "/db", &r[i]);
                        start(&f, &q);
                }
                wait_for(&f, &r[1]);
                wait_for(&f, &r[2]);
                for (int i = 1; i < 3; i++) {
                        fake_http_header(
                                fake_http_request(f.server, i), "Cookie", value, sizeof(value));
                        assert_string_equal(value, on ? "AuthSession=abc" : "");
                }
                tear_down(&f);
        }
}

static void endless_headers_end(void **state)
{
        const size_t n = 1 << 20;
        char *raw = malloc(n + 64);
        struct fixture f;
        struct result r;

        (void)state;
        snprintf(raw, 64, "HTTP/1.1 200 OK\r\n");
        for (size_t len = strlen(raw); len < n; len += 22)
                memcpy(raw + len, "X-Filler: 0123456789\r\n", 23);
        const struct fake_reply script[] = {{.fault = FAKE_RAW, .body = raw}};
        set_up(&f, NULL, script, COUNT(script));
        perform(&f, get(&f, "/db", &r), &r);
        assert_int_equal(r.reply.rc, -ERR_RETRY);
        assert_non_null(strstr(r.reply.err.text, "headers of the reply are larger than"));
        tear_down(&f);
        free(raw);
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

/* A TLS server with a certificate for localhost that only @dir/cert.pem vouches for. */
struct tls_server {
        char dir[64];
        int port;
        pid_t pid;
};

static bool tls_server_start(struct tls_server *s)
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
                        command, "-key", key, (char *)NULL);
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
        if (!tls_server_start(&tls)) {
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
                struct fixture f;
                struct result r;
                set_up(&f, &cases[i].options, NULL, 0);
                struct http_request q = get(&f, "/", &r);
                snprintf(url, sizeof(url), "https://%s:%d/", cases[i].host, tls.port);
                q.url = url;
                perform(&f, q, &r);
                if (r.reply.rc != cases[i].rc || !strstr(r.reply.err.text, cases[i].text))
                        fail_msg("case %zu: %d %s", i, r.reply.rc, r.reply.err.text);
                assert_int_equal(r.reply.status, cases[i].rc ? 0 : 200);
                assert_int_equal(r.reply.sent, cases[i].rc == 0);
                tear_down(&f);
        }
        tls_server_stop(&tls);
}

static void tls_to_a_plain_port_is_explained(void **state)
{
        static const struct fake_reply script[] = {{.fault = FAKE_RAW, .body = "HTTP/1.1 400\r\n"}};
        struct fixture f;
        struct result r;
        char url[128];

        (void)state;
        set_up(&f, NULL, script, COUNT(script));
        struct http_request q = get(&f, "/", &r);
        snprintf(url, sizeof(url), "https://127.0.0.1:%d/", fake_http_port(f.server));
        q.url = url;
        q.timeout_ms = 2000; /* the server waits for the end of a request's head */
        perform(&f, q, &r);
        assert_int_equal(r.reply.rc, -ERR_RETRY);
        assert_false(r.reply.sent);
        tear_down(&f);
}

static void every_allocation_may_fail(void **state)
{
        static const struct fake_reply script[FAKE_HTTP_MAX_REQUESTS] = {0};
        const struct http_options options = {
                .ca_file = "/etc/ssl/certs/ca-certificates.crt", .proxy = "", .cookies = true};
        struct fixture f;
        struct err e;
        int whole = 0;

        (void)state;
        assert_int_equal(loop_new(&f.loop, &e), 0);
        f.server = fake_http_start(script, COUNT(script));
        ALLOC_FAIL_EACH(i)
        {
                struct result r;
                struct http_request q = get(&f, "/db", &r);
                q.headers[0] = "X-One: 1";
                f.http = NULL;
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
        fake_http_stop(f.server);
        loop_free(f.loop);
}

/* Allocations of the libraries pass the wrapped functions too. */
static void *counted_malloc(size_t n)
{
        return malloc(n);
}

static void *counted_realloc(void *p, size_t n)
{
        return realloc(p, n);
}

static void *counted_calloc(size_t count, size_t n)
{
        return calloc(count, n);
}

static char *counted_strdup(const char *s)
{
        return strdup(s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(replies_come_whole),
                cmocka_unit_test(requests_go_out_as_asked),
                cmocka_unit_test(large_bodies_keep_the_connection),
                cmocka_unit_test(replies_are_capped),
                cmocka_unit_test(successful_bodies_can_be_streamed),
                cmocka_unit_test(retry_after_is_read),
                cmocka_unit_test(broken_connections_are_retryable),
                cmocka_unit_test(a_refused_connection_sent_nothing),
                cmocka_unit_test(slow_servers_time_out),
                cmocka_unit_test(cancelled_calls_report_once),
                cmocka_unit_test(a_callback_may_cancel_another_call),
                cmocka_unit_test(free_ends_everything),
                cmocka_unit_test(unusable_requests_are_refused),
                cmocka_unit_test(an_unknown_host_is_named),
                cmocka_unit_test(connections_are_bounded),
                cmocka_unit_test(calls_can_start_calls),
                cmocka_unit_test(cookies_only_when_asked),
                cmocka_unit_test(endless_headers_end),
                cmocka_unit_test(url_parts_are_encoded),
                cmocka_unit_test(certificates_are_checked),
                cmocka_unit_test(tls_to_a_plain_port_is_explained),
                cmocka_unit_test(every_allocation_may_fail),
        };
        struct err e;

        event_set_mem_functions(counted_malloc, counted_realloc, free);
        curl_global_init_mem(CURL_GLOBAL_DEFAULT, counted_malloc, free, counted_realloc,
                counted_strdup, counted_calloc);
        if (http_global_init(&e) < 0)
                return 1;
        int failed = cmocka_run_group_tests(tests, NULL, NULL);
        http_global_cleanup();
        curl_global_cleanup();
        libevent_global_shutdown();
        return failed;
}
