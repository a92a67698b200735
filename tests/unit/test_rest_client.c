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
#include "ingest/source/rest/pending.h"
#include "tests/unit/rest_client_fixture.h"

/* ---- replies ---- */

static void replies_are_handed_on(void **state)
{
        static const struct fake_reply script[] = {
                {.headers = "Content-Type: application/json\r\nETag: W/\"7\"\r\n"
                            "Link: </api/a>; rel=\"prev\"\r\nLink: </api/b>; rel=\"next\"\r\n"
                            "Date: Tue, 14 Nov 2023 22:13:20 GMT\r\n",
                        .body = "{\"id\":1}"},
                {.body = "0123456789abcdef", .chunked = true},
                {.status = 304, .headers = "ETag: W/\"7\"\r\n"},
                {.status = 404, .body = "{\"error\":\"none\"}"},
                {.status = 204},
                {.status = 206, .body = "part"},
        };
        static const int accept[] = {410, 404};
        const char *const headers[] = {"If-None-Match: W/\"7\"", NULL};
        struct rest_test t;
        struct rest_result r;

        (void)state;
        rest_test_begin(&t, script, COUNT(script));
        rest_test_open(&t);
        rest_test_get(&t, "/items?page=1", &r);
        assert_int_equal(r.reply.rc, 0);
        assert_int_equal(r.reply.status, 200);
        assert_string_equal(r.body, "{\"id\":1}");
        assert_string_equal(r.type, "application/json");
        assert_string_equal(r.etag, "W/\"7\"");
        assert_string_equal(r.link, "</api/a>; rel=\"prev\", </api/b>; rel=\"next\"");
        assert_non_null(strstr(r.url, "/api/items?page=1"));
        assert_true(r.reply.server_us == INT64_C(1700000000000000));
        assert_false(r.reply.delivered);

        rest_test_perform(&t, "/items", (struct rest_request){.on_body = rest_test_body}, &r);
        assert_int_equal(r.streamed_len, 16);
        assert_memory_equal(r.streamed, "0123456789abcdef", 16);
        assert_true(r.reply.delivered && r.body_len == 0 && r.reply.server_us == -1);

        rest_test_perform(&t, "/items",
                (struct rest_request){.headers = headers, .on_body = rest_test_body}, &r);
        assert_int_equal(r.reply.rc, 0);
        assert_int_equal(r.reply.status, 304);
        assert_string_equal(rest_test_seen(&t, 2, "If-None-Match"), "W/\"7\"");
        assert_false(r.reply.delivered);

        rest_test_perform(&t, "/items",
                (struct rest_request){
                        .accept = accept, .accept_count = 2, .on_body = rest_test_body},
                &r);
        assert_int_equal(r.reply.rc, 0);
        assert_int_equal(r.reply.status, 404);
        assert_string_equal(r.body, "{\"error\":\"none\"}");
        assert_int_equal(r.streamed_len, 0);

        rest_test_get(&t, "/items", &r);
        assert_int_equal(r.reply.status, 204);
        assert_int_equal(r.reply.rc, 0);
        rest_test_get(&t, "/items", &r);
        assert_string_equal(r.body, "part");
        assert_int_equal(fake_http_connections(t.server), 1);
        rest_test_end(&t);
}

static void requests_carry_what_the_source_says(void **state)
{
        static const struct fake_reply script[4] = {0};
        struct rest_pair headers[] = {{"X-Company", "cronus"}, {"Accept", "text/plain"}};
        struct rest_pair params[] = {{"tenant", "a b"}, {"lang", "en"}};
        const char *const own[] = {"accept: application/json", "X-One: 1", NULL};
        struct rest_test t;
        struct rest_result r = {0};

        (void)state;
        rest_test_begin(&t, script, COUNT(script));
        t.options.headers = (struct rest_pairs){headers, 2};
        t.options.params = (struct rest_pairs){params, 2};
        t.options.auth = (struct rest_auth_options){.kind = REST_AUTH_BEARER, .bearer = "s3cret"};
        rest_test_open(&t);
        rest_test_perform(&t, "/items",
                (struct rest_request){.method = "POST", .body = STR("{}"), .headers = own}, &r);
        const struct fake_request *q = fake_http_request(t.server, 0);
        assert_string_equal(q->method, "POST");
        assert_string_equal(q->path, "/api/items?tenant=a%20b&lang=en");
        assert_string_equal(q->body, "{}");
        assert_string_equal(rest_test_seen(&t, 0, "X-One"), "1");
        assert_string_equal(rest_test_seen(&t, 0, "X-Company"), "cronus");
        assert_string_equal(rest_test_seen(&t, 0, "Accept"), "application/json");
        assert_string_equal(rest_test_seen(&t, 0, "Authorization"), "Bearer s3cret");
        assert_string_equal(rest_test_seen(&t, 0, "Accept-Encoding"), "gzip, deflate");
        rest_test_get(&t, "/items?lang=de", &r); /* a next link has them already */
        assert_string_equal(
                fake_http_request(t.server, 1)->path, "/api/items?lang=de&tenant=a%20b");
        assert_string_equal(rest_test_seen(&t, 1, "Accept"), "text/plain");
        assert_non_null(strstr(r.url, "/api/items?lang=de")); /* as it was asked for */
        rest_test_end(&t);

        rest_test_begin(&t, script, COUNT(script));
        struct rest_pair key[] = {{"api key", "s&cret"}};
        t.options.auth = (struct rest_auth_options){
                .kind = REST_AUTH_QUERY, .pairs = (struct rest_pairs){key, 1}};
        t.options.compressed = false;
        rest_test_open(&t);
        rest_test_get(&t, "/items", &r);
        assert_string_equal(fake_http_request(t.server, 0)->path, "/api/items?api%20key=s%26cret");
        assert_null(strstr(r.url, "cret"));
        assert_string_equal(rest_test_seen(&t, 0, "Accept-Encoding"), "");
        rest_test_end(&t);
}

static int64_t date_of(const char *text)
{
        const struct rest_request q = {.method = "GET", .url = "http://h/"};
        cleanup_(rest_pending_freep) struct rest_pending *p = NULL;
        struct err e;

        assert_int_equal(rest_pending_new("http://h", &q, &p, &e), 0);
        rest_pending_header(p, STR("date"), str_of(text));
        return p->server_us;
}

static void dates_are_read(void **state)
{
        static const struct {
                const char *text;
                int64_t seconds; /* -1: none */
        } cases[] = {
                {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
                {"Thu, 29 Feb 2024 23:59:59 GMT", 1709251199},
                {"Tuesday, 14-Nov-23 22:13:20 GMT", 1700000000}, /* forms of long ago */
                {"Tue Nov 14 22:13:20 2023", 1700000000},
                {"Tue, 14 Nov 2023 22:13:20 +0100", 1699996400},
                {"Tue, 14 Nov 2023 25:13:20 GMT", -1},
                {"today", -1},
                {"", -1},
        };
        char text[64];

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                int64_t us = date_of(cases[i].text);
                if (us != (cases[i].seconds < 0 ? -1 : cases[i].seconds * 1000000))
                        fail_msg("%s: %lld", cases[i].text, (long long)us);
        }
        for (time_t at = 1; at < 4102444800; at += 86400 * 17 + 3601) { /* until 2100 */
                strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", gmtime(&at));
                assert_true(date_of(text) == (int64_t)at * 1000000);
        }
}

/* ---- errors and retries ---- */

#define FIFTY "12345678 12345678 12345678 12345678 12345678 1234 "
#define LONG_WORDS                                                                                 \
        FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY "12345678 12345678 12345678 12345678 1234567 "

static void errors_are_told(void **state)
{
        static const struct {
                struct fake_reply reply;
                int rc;
                const char *text, *hint;
        } cases[] = {
                {{.status = 400,
                         .body = "{\"error\":{\"code\":\"B1\",\"message\":\"no such "
                                 "field\"}}"},
                        -ERR_CONFIG, ": 400 Bad Request: B1: no such field", "params"},
                {{.status = 401, .body = "token t0psecret is no good"}, -ERR_CONFIG,
                        ": 401 Unauthorized: token *** is no good", "`auth`"},
                {{.status = 402, .body = LONG_WORDS "t0psecret"}, /* it would be cut in two */
                        -ERR_CONFIG, ": 402 Payment Required: " LONG_WORDS "*", "GET"},
                {{.status = 403,
                         .headers = "Content-Type: text/html\r\n",
                         .body = "<html><title>Blocked</title></html>"},
                        -ERR_CONFIG, ": 403 Forbidden: an HTML page, titled \"Blocked\"", "right"},
                {{.status = 404}, -ERR_CONFIG, ": 404 Not Found; ", "empty_on"},
                {{.status = 405}, -ERR_CONFIG, ": 405 Method Not Allowed", "`method`"},
                {{.status = 422}, -ERR_CONFIG, ": 422 Unprocessable Content", "body"},
                {{.status = 410}, -ERR_CONFIG, ": 410 Gone", "no more"},
                {{.status = 409, .body = "busy"}, -ERR_RETRY, ": 409 Conflict: busy", "GET"},
                {{.status = 501}, -ERR_CONFIG, ": 501 Not Implemented", "`method`"},
                {{.status = 418, .body = "teapot"}, -ERR_CONFIG, ": 418: teapot", "GET"},
                {{.status = 302}, -ERR_CONFIG, ": 302: it redirects without saying where", "GET"},
                {{.headers = "Content-Encoding: gzip\r\n", .body = "", .fault = FAKE_HALF_HEAD},
                        -ERR_RETRY, "GET http://", "tried"},
        };
        struct fake_reply script[COUNT(cases)];
        struct rest_test t;
        struct rest_result r;

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                script[i] = cases[i].reply;
        rest_test_begin(&t, script, COUNT(script));
        t.options.auth =
                (struct rest_auth_options){.kind = REST_AUTH_BEARER, .bearer = "t0psecret"};
        t.options.retry_for_ms = 300;
        rest_test_open(&t);
        for (size_t i = 0; i < COUNT(cases); i++) {
                rest_test_get(&t, "/items?secret=1", &r);
                if (i + 1 == COUNT(cases)) /* tried again: the script is over */
                        break;
                assert_int_equal(r.reply.rc, cases[i].rc);
                assert_int_equal(r.reply.err.class, -cases[i].rc);
                assert_int_equal(r.reply.status, cases[i].reply.status);
                assert_int_equal(strncmp(r.reply.err.text, "GET http://127.0.0.1:", 20), 0);
                rest_test_says(&r, "/api/items: ");
                rest_test_says(&r, cases[i].text);
                rest_test_says(&r, cases[i].hint);
                assert_null(strstr(r.reply.err.text, "secret"));
                assert_null(strstr(r.reply.err.text, "t0p"));
                assert_int_equal(fake_http_count(t.server), (int)i + 1); /* one try each */
        }
        rest_test_end(&t);
}

static void what_passes_is_asked_again(void **state)
{
        static const struct {
                struct fake_reply reply;
                bool streamed;
        } cases[] = {
                {{.status = 500}, true},
                {{.status = 502}, true},
                {{.status = 503}, true},
                {{.status = 504}, true},
                {{.status = 408}, true},
                {{.status = 429}, true},
                {{.status = 529}, true},
                {{.fault = FAKE_RESET}, true},
                {{.fault = FAKE_CLOSE}, true},
                {{.fault = FAKE_HALF_HEAD}, true},
                {{.status = 503, .headers = "Retry-After: 0\r\n"}, true},
                {{.fault = FAKE_HALF, .body = "half of the body"}, false},
                {{.fault = FAKE_HALF, .body = "half of the body", .chunked = true}, false},
        };

        (void)state;
        struct rest_test t[COUNT(cases)];
        struct rest_result r[COUNT(cases)] = {0};
        struct fake_reply script[COUNT(cases)][2];
        for (size_t i = 0; i < COUNT(cases); i++) { /* all at once: they wait together */
                script[i][0] = cases[i].reply;
                script[i][1] = (struct fake_reply){.body = "whole"};
                rest_test_begin(&t[i], script[i], 2);
                rest_test_share_loop(&t[i], &t[0]);
                rest_test_open(&t[i]);
                rest_test_send(&t[i], "/items",
                        (struct rest_request){.on_body = cases[i].streamed ? rest_test_body : NULL,
                                .method = i % 2 ? "POST" : "GET",
                                .body = i % 2 ? STR("{}") : (struct str){0}},
                        &r[i]);
        }
        for (size_t i = 0; i < COUNT(cases); i++) {
                rest_test_wait(&t[i], &r[i]);
                if (r[i].reply.rc)
                        fail_msg("case %zu: %s", i, r[i].reply.err.text);
                assert_string_equal(cases[i].streamed ? r[i].streamed : r[i].body, "whole");
                assert_int_equal(fake_http_count(t[i].server), 2);
        }
        for (size_t i = COUNT(cases); i > 0; i--)
                rest_test_end(&t[i - 1]);
}

/* What was handed on cannot be taken back: asking again is left to who knows what it was. */
static void a_body_that_breaks_is_not_asked_again(void **state)
{
        static const struct fake_reply script[] = {
                {.fault = FAKE_HALF, .body = "half of the body"},
                {.body = "0123456789"},
        };
        struct rest_test t;
        struct rest_result r = {0};

        (void)state;
        rest_test_begin(&t, script, COUNT(script));
        rest_test_open(&t);
        rest_test_perform(&t, "/items", (struct rest_request){.on_body = rest_test_body}, &r);
        assert_int_equal(r.reply.rc, -ERR_RETRY);
        assert_true(r.reply.delivered);
        rest_test_says(&r, "8 bytes remaining");
        assert_int_equal(fake_http_count(t.server), 1);
        r.refuse = -ERR_GUARD; /* what rest_test_body says is passed on */
        rest_test_perform(&t, "/items", (struct rest_request){.on_body = rest_test_body}, &r);
        assert_int_equal(r.reply.rc, -ERR_GUARD);
        rest_test_says(&r, "/items: refused here");
        assert_int_equal(fake_http_count(t.server), 2);
        rest_test_end(&t);
}

static void retries_end(void **state)
{
        struct fake_reply script[20];
        struct rest_test t;
        struct rest_result r;
        char tried[32];

        (void)state;
        for (size_t i = 0; i < COUNT(script); i++)
                script[i] = (struct fake_reply){.status = 503, .body = "full"};
        script[0].headers = "Retry-After: 3600\r\n";
        rest_test_begin(&t, script, COUNT(script));
        t.options.retry_for_ms = 900;
        rest_test_open(&t);
        rest_test_get(&t, "/items", &r); /* nobody waits for an hour */
        assert_int_equal(r.reply.rc, -ERR_RETRY);
        assert_int_equal(r.reply.status, 503);
        rest_test_says(&r, "it asks to come back in 3600 s");
        assert_int_equal(fake_http_count(t.server), 1);
        rest_test_end(&t);

        rest_test_begin(&t, script + 1, COUNT(script) - 1);
        t.options.retry_for_ms = 900;
        rest_test_open(&t);
        int64_t began_ms = clock_monotonic_ms();
        rest_test_get(&t, "/items", &r);
        assert_int_equal(r.reply.rc, -ERR_RETRY);
        assert_in_range(clock_monotonic_ms() - began_ms, 600, 3000);
        assert_in_range(fake_http_count(t.server), 3, 8);
        snprintf(tried, sizeof(tried), "; tried %d times", fake_http_count(t.server));
        rest_test_says(&r, "503 Service Unavailable: full");
        rest_test_says(&r, tried);
        rest_test_end(&t);
}

/* ---- redirects ---- */

static void redirects_are_followed(void **state)
{
        static const struct {
                int status;
                const char *method, *location, *seen_method, *seen_path, *seen_body;
        } cases[] = {
                {301, "GET", "/moved?x=1", "GET", "/moved?x=1", ""},
                {302, "POST", "there", "POST", "/api/there", "{}"},
                {303, "POST", "/result", "GET", "/result", ""},
                {307, "POST", "?page=2", "POST", "/api/items?page=2", "{}"},
                {308, "GET", "../up", "GET", "/up", ""},
        };
        static char headers[COUNT(cases)][64];
        struct fake_reply script[2 * COUNT(cases)];
        struct rest_test t;

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                snprintf(headers[i], sizeof(headers[i]), "Location: %s\r\n", cases[i].location);
                script[2 * i] = (struct fake_reply){.status = cases[i].status,
                        .headers = headers[i],
                        .body = "not of interest"};
                script[2 * i + 1] = (struct fake_reply){.body = "found"};
        }
        rest_test_begin(&t, script, COUNT(script));
        t.options.auth = (struct rest_auth_options){
                .kind = REST_AUTH_BASIC, .user = "u", .password = "pass"};
        rest_test_open(&t);
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct rest_result r = {0};
                bool post = strcmp(cases[i].method, "POST") == 0;
                rest_test_perform(&t, "/items",
                        (struct rest_request){.method = cases[i].method,
                                .on_body = rest_test_body,
                                .body = post ? STR("{}") : (struct str){0}},
                        &r);
                assert_int_equal(r.reply.rc, 0);
                assert_string_equal(r.streamed, "found");
                const struct fake_request *q = fake_http_request(t.server, (int)(2 * i + 1));
                assert_string_equal(q->method, cases[i].seen_method);
                assert_string_equal(q->path, cases[i].seen_path);
                assert_string_equal(q->body, cases[i].seen_body);
                assert_non_null(strstr(r.url, cases[i].seen_path));
                assert_string_equal(
                        rest_test_seen(&t, (int)(2 * i + 1), "Authorization"), "Basic dTpwYXNz");
        }
        rest_test_end(&t);
}

static void redirects_end(void **state)
{
        static const struct {
                const char *locations[7];
                const char *text;
        } cases[] = {
                {{"/api/items"}, "302: it redirects round and round"},
                {{"/a", "/b", "/a"}, "/b: 302: it redirects round and round"},
                {{"/1", "/2", "/3", "/4", "/5", "/6"}, "it redirects more than 5 times"},
                {{"ftp://127.0.0.1/x"}, "the server names an address that is none"},
                {{"http://"}, "the server names an address that is none"},
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct fake_reply script[7] = {0};
                char headers[7][64];
                struct rest_test t;
                struct rest_result r;
                int n = 0;
                for (; cases[i].locations[n]; n++) {
                        snprintf(headers[n], sizeof(headers[n]), "Location: %s\r\n",
                                cases[i].locations[n]);
                        script[n] = (struct fake_reply){.status = 302, .headers = headers[n]};
                }
                rest_test_begin(&t, script, (size_t)n);
                rest_test_open(&t);
                rest_test_get(&t, "/items", &r);
                assert_int_equal(r.reply.rc, -ERR_CONFIG);
                rest_test_says(&r, cases[i].text);
                assert_int_equal(fake_http_count(t.server), n);
                rest_test_end(&t);
        }
}

/* Nothing that is ours goes to another host, and all of it again to our own. */
static void other_hosts_get_nothing(void **state)
{
        static char there[64], back[64];
        const struct fake_reply script[] = {{.status = 302, .headers = there}, {.body = "home"},
                {.status = 307, .headers = there}};
        const struct fake_reply elsewhere[] = {{.status = 302, .headers = back}};
        struct rest_pair headers[] = {{"X-Company", "cronus"}};
        struct rest_pair params[] = {{"tenant", "t1"}};
        const char *const own[] = {"Accept: a/b", "X-Api-Key: k", "Cookie: c=1", NULL};
        struct rest_test t;
        struct rest_result r = {0};
        char value[64];

        (void)state;
        rest_test_begin(&t, script, COUNT(script));
        struct fake_http *other = fake_http_start(elsewhere, COUNT(elsewhere));
        snprintf(there, sizeof(there), "Location: %s\r\n", fake_http_url(other, "/far"));
        snprintf(back, sizeof(back), "Location: %s\r\n", fake_http_url(t.server, "/near"));
        t.options.headers = (struct rest_pairs){headers, 1};
        t.options.params = (struct rest_pairs){params, 1};
        t.options.auth = (struct rest_auth_options){.kind = REST_AUTH_BEARER, .bearer = "s3cret"};
        rest_test_open(&t);
        rest_test_perform(&t, "/items", (struct rest_request){.headers = own}, &r);
        assert_string_equal(r.body, "home");
        const struct fake_request *q = fake_http_request(other, 0);
        static const char *const never[] = {"Authorization", "X-Company", "X-Api-Key", "Cookie"};
        for (size_t i = 0; i < COUNT(never); i++)
                assert_string_equal(fake_http_header(q, never[i], value, sizeof(value)), "");
        assert_string_equal(fake_http_header(q, "Accept", value, sizeof(value)), "a/b");
        assert_string_equal(q->path, "/far");
        assert_string_equal(fake_http_request(t.server, 1)->path, "/near?tenant=t1");
        assert_string_equal(rest_test_seen(&t, 1, "Authorization"), "Bearer s3cret");
        assert_string_equal(rest_test_seen(&t, 1, "X-Company"), "cronus");

        rest_test_perform(
                &t, "/rpc", (struct rest_request){.method = "POST", .body = STR("{\"pw\":1}")}, &r);
        assert_int_equal(r.reply.rc, -ERR_CONFIG);
        rest_test_says(
                &r, "/api/rpc: 307: it redirects to another host, and the body may hold secrets");
        assert_int_equal(fake_http_count(other), 1);
        fake_http_stop(other);
        rest_test_end(&t);
}

static void https_stays_https(void **state)
{
        static const struct {
                const char *source, *url, *location, *becomes; /* NULL: refused */
        } cases[] = {
                {"https://h", "https://h/a", "http://h/b", NULL},
                {"https://h", "https://h/a", "http://other/b", NULL},
                {"https://h", "https://h/a", "/b", "https://h/b"},
                {"http://h", "http://h/a", "https://h/b", "https://h/b"},
                {"https://h", "http://h/a", "/b", "https://h/b"}, /* a link of a server that does
                                                                     not know its own name */
        };

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                const struct rest_request q = {.method = "GET", .url = cases[i].url};
                cleanup_(rest_pending_freep) struct rest_pending *p = NULL;
                struct err e;
                assert_int_equal(rest_pending_new(cases[i].source, &q, &p, &e), 0);
                rest_pending_header(p, STR("Location"), str_of(cases[i].location));
                int rc = rest_pending_redirect(p, cases[i].source, 302, 5, &e);
                assert_int_equal(rc, cases[i].becomes ? 0 : -ERR_CONFIG);
                if (cases[i].becomes)
                        assert_string_equal(rest_pending_url(p), cases[i].becomes);
                else
                        assert_non_null(strstr(e.text, "from https to http"));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(replies_are_handed_on),
                cmocka_unit_test(requests_carry_what_the_source_says),
                cmocka_unit_test(dates_are_read),
                cmocka_unit_test(errors_are_told),
                cmocka_unit_test(what_passes_is_asked_again),
                cmocka_unit_test(a_body_that_breaks_is_not_asked_again),
                cmocka_unit_test(retries_end),
                cmocka_unit_test(redirects_are_followed),
                cmocka_unit_test(redirects_end),
                cmocka_unit_test(other_hosts_get_nothing),
                cmocka_unit_test(https_stays_https),
        };
        struct err e;

        if (http_global_init(&e) < 0)
                return 1;
        int failed = cmocka_run_group_tests(tests, NULL, NULL);
        http_global_cleanup();
        return failed;
}
