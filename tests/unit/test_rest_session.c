#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/base/clock.h"
#include "tests/unit/rest_auth_fixture.h"

/* ---- sessions ---- */

static struct ydoc *use_session(struct scene *s, const char *body)
{
        struct ydoc *d = NULL;

        if (body)
                assert_int_equal(ydoc_parse(str_of(body), "t", YDOC_EXPAND_NONE, &d, &s->err), 0);
        s->options.auth = (struct rest_auth_options){.kind = REST_AUTH_SESSION,
                .session = {.path = "/Login", .method = "POST", .body = d ? d->root : NULL}};
        return d;
}

static int perform(struct scene *s, const char *path)
{
        const char *headers[HTTP_MAX_HEADERS] = {0};
        cleanup_buf_ struct buf url = BUF_INIT(1000);
        struct http_result r = {0};
        struct err e;

        buf_printf(&url, "%s%s", s->url, path);
        assert_int_equal(rest_auth_put(s->auth, headers, &url, &e), 0);
        struct http_request q = {
                .method = "GET", .url = buf_cstr(&url), .on_done = http_test_done, .ctx = &r};
        memcpy(q.headers, headers, sizeof(headers));
        assert_int_equal(http_start(s->http, &q, NULL, &e), 0);
        assert_int_equal(loop_run_until(s->loop, &r.done, &e), 0);
        return r.reply.status;
}

/* As SAP Business One does it. */
static void cookies_make_a_session(void **state)
{
        static const struct fake_reply script[] = {
                {.headers = "Set-Cookie: B1SESSION=one; HttpOnly\r\nSet-Cookie: ROUTEID=.n1\r\n",
                        .body = "{\"SessionId\":\"one\",\"SessionTimeout\":30}"},
                {0},
                {.status = 401},
                {.headers = "Set-Cookie: B1SESSION=two\r\n", .body = "{\"SessionTimeout\":30}"},
                {0},
                {.status = 204},
        };
        static struct rest_pair headers[] = {{"X-Tenant", "t1"}}, params[] = {{"lang", "d e"}};
        struct scene s;

        (void)state;
        scene_begin(&s, script, COUNT(script));
        struct ydoc *d = use_session(&s, "CompanyDB: SBO\nUserName: manager\n"
                                         "Password: \"pa\\\"ss word\"\nLanguage: 23\n");
        s.options.auth.session.logout = "Logout";
        s.options.headers = (struct rest_pairs){headers, 1};
        s.options.params = (struct rest_pairs){params, 1};
        scene_open(&s);
        assert_false(rest_auth_ready(s.auth));
        assert_true(rest_auth_can_renew(s.auth));
        assert_int_equal(scene_get(&s, false), 0);
        assert_true(rest_auth_ready(s.auth));
        assert_string_equal(fake_http_request(s.server, 0)->path, "/api/Login?lang=d%20e");
        assert_string_equal(scene_body(&s, 0), "{\"CompanyDB\":\"SBO\",\"UserName\":\"manager\","
                                               "\"Password\":\"pa\\\"ss word\",\"Language\":23}");
        assert_string_equal(scene_header(&s, 0, "Content-Type"), "application/json");
        assert_string_equal(scene_header(&s, 0, "X-Tenant"), "t1");

        assert_int_equal(perform(&s, "/Items"), 200);
        assert_says(scene_header(&s, 1, "Cookie"), "B1SESSION=one");
        assert_says(scene_header(&s, 1, "Cookie"), "ROUTEID=.n1");
        assert_int_equal(perform(&s, "/Items"), 401);
        assert_int_equal(scene_get(&s, true), 0);
        assert_int_equal(perform(&s, "/Items"), 200);
        assert_says(scene_header(&s, 4, "Cookie"), "B1SESSION=two");

        /* Nobody used it for nearly the half hour that the server keeps it. */
        s.auth->session.used_ms -= 28 * 60000;
        assert_true(rest_auth_ready(s.auth));
        s.auth->session.used_ms -= 2 * 60000;
        assert_false(rest_auth_ready(s.auth));

        s.auth = rest_auth_close(s.auth);
        assert_string_equal(fake_http_request(s.server, 5)->path, "/api/Logout?lang=d%20e");
        assert_string_equal(fake_http_request(s.server, 5)->method, "POST");
        assert_says(scene_header(&s, 5, "Cookie"), "B1SESSION=two");
        scene_end(&s);
        ydoc_free(d);
}

static void tokens_of_sessions_are_taken_and_sent(void **state)
{
        static struct rest_pair plain[] = {{"X-Session", "${token}"}},
                                twice[] = {{"X-A", "$a $${token} ${token} b$ ${token}$$"},
                                        {"X-B", "fixed"}};
        static const struct {
                const char *reply, *token;
                struct rest_pairs send;
                const char *lines[2];
        } cases[] = {
                {"{\"data\":{\"token\":\"access-1\"}}", "data.token", {0},
                        {"Authorization: Bearer access-1"}},
                {"{\"result\":[4,\"access-1\"]}", "result[1]", {plain, 1}, {"X-Session: access-1"}},
                {"{\"result\":[4,\"access-1\"]}", "result.1", {plain, 1}, {"X-Session: access-1"}},
                {"{\"a.b\":\"access-\\u0031\"}", "a\\.b", {twice, 2},
                        {"X-A: $a ${token} access-1 b$ access-1$", "X-B: fixed"}},
                {"{\"id\":12345678901234567890}", "id", {plain, 1},
                        {"X-Session: 12345678901234567890"}},
                {"\"access-1\"", "", {plain, 1}, {"X-Session: access-1"}},
                {"{\"t\":\"access-0\",\"t\":\"access-1\"}", "t", {plain, 1},
                        {"X-Session: access-1"}},
        };
        struct fake_reply script[COUNT(cases)];
        struct scene s;

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                script[i] = (struct fake_reply){.body = cases[i].reply};
        scene_begin(&s, script, COUNT(script));
        for (size_t i = 0; i < COUNT(cases); i++) {
                const char *headers[HTTP_MAX_HEADERS] = {0};
                cleanup_buf_ struct buf url = BUF_INIT(1000);
                struct err e;
                struct ydoc *d = use_session(&s, "\"a=1&b=2\"");
                s.options.auth.session.token = cases[i].token;
                s.options.auth.session.send = cases[i].send;
                scene_open(&s);
                if (scene_get(&s, false) != 0)
                        fail_msg("%s: %s", cases[i].reply, s.err.text);
                assert_int_equal(rest_auth_put(s.auth, headers, &url, &e), 0);
                for (size_t j = 0; j < 2; j++)
                        if (cases[i].lines[j])
                                assert_string_equal(headers[j], cases[i].lines[j]);
                assert_string_equal(scene_body(&s, (int)i), "a=1&b=2");
                assert_string_equal(scene_header(&s, (int)i, "Content-Type"),
                        "application/x-www-form-urlencoded");
                s.auth = rest_auth_close(s.auth);
                ydoc_free(d);
        }
        scene_end(&s);
}

static void log_ins_go_where_they_are_told(void **state)
{
        static const struct fake_reply script[] = {{.body = "{\"t\":\"access-1\"}"},
                {.body = "{\"t\":\"access-1\"}"}, {.body = "{\"t\":\"access-1\"}"}};
        static struct rest_pair headers[] = {{"X-Tenant", "t1"}, {"accept", "text/x"}},
                                own[] = {{"content-type", "text/plain"}, {"X-Tenant", "mine"}};
        struct scene s;
        char absolute[160];

        (void)state;
        scene_begin(&s, script, COUNT(script));
        s.options.headers = (struct rest_pairs){headers, 2};
        s.options.params = (struct rest_pairs){headers, 1};
        struct ydoc *d = use_session(&s, "' [1, \"x\"]'");
        snprintf(absolute, sizeof(absolute), "%s", fake_http_url(s.server, "/other?a=1"));
        s.options.auth.session.token = "t";
        s.options.auth.session.path =
                absolute; /* somewhere else: nothing of the source goes along */
        scene_open(&s);
        assert_int_equal(scene_get(&s, false), 0);
        assert_string_equal(fake_http_request(s.server, 0)->path, "/other?a=1");
        assert_string_equal(scene_header(&s, 0, "X-Tenant"), "");
        assert_string_equal(scene_header(&s, 0, "Content-Type"), "application/json");
        assert_string_equal(scene_header(&s, 0, "Accept"), "application/json");

        s.options.auth.session.path = "in?b=2";
        s.options.auth.session.headers = (struct rest_pairs){own, 2};
        scene_open(&s);
        assert_int_equal(scene_get(&s, false), 0);
        assert_string_equal(fake_http_request(s.server, 1)->path, "/api/in?b=2&X-Tenant=t1");
        assert_string_equal(scene_header(&s, 1, "X-Tenant"), "mine");
        assert_string_equal(scene_header(&s, 1, "Content-Type"), "text/plain");
        assert_string_equal(scene_header(&s, 1, "Accept"), "text/x");

        s.options.auth.session.method = "GET";
        s.options.auth.session.body = NULL;
        scene_open(&s);
        assert_int_equal(scene_get(&s, false), 0);
        assert_string_equal(fake_http_request(s.server, 2)->method, "GET");
        scene_end(&s);
        ydoc_free(d);
}

static void refused_log_ins_are_clear(void **state)
{
        static const struct {
                struct fake_reply reply;
                const char *token;
                int rc;
                const char *says[2];
        } cases[] = {
                {{.status = 401,
                         .body = "{\"error\":{\"code\":-304,\"message\":{\"lang\":\"en-us\","
                                 "\"value\":\"Fail to get DB Credentials\"}}}"},
                        NULL, -ERR_CONFIG, {"auth.session: POST ", "check the credentials in"}},
                {{.status = 401, .body = "wrong password pa\"ss word"}, NULL, -ERR_CONFIG, {"401"}},
                {{.status = 404}, NULL, -ERR_CONFIG, {"404", "path and method"}},
                {{.status = 503, .body = "wait"}, NULL, -ERR_RETRY, {"503"}},
                {{.fault = FAKE_CLOSE}, NULL, -ERR_RETRY, {"auth.session"}},
                {{.body = "{\"jsonrpc\":\"2.0\",\"error\":{\"message\":\"Access Denied\"}}"}, NULL,
                        -ERR_CONFIG, {"check the credentials"}},
                {{.body = "{\"result\":null}"}, "result[1]", -ERR_CONFIG,
                        {"no token at 'result[1]'"}},
                {{.body = "{\"result\":false}"}, "result", -ERR_CONFIG, {"no token at"}},
                {{.body = "<html><title>Sign in</title>",
                         .headers = "Content-Type: text/html\r\nSet-Cookie: a=b\r\n"},
                        "t", -ERR_CONFIG, {"no token at 't'"}},
                {{.body = "{\"ok\":true}"}, NULL, -ERR_CONFIG, {"sets no cookie"}},
                {{.body = "{\"t\":\"a\\nb\"}"}, "t", -ERR_CONFIG, {"line break"}},
        };
        struct fake_reply script[COUNT(cases)];
        struct scene s;

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                script[i] = cases[i].reply;
        scene_begin(&s, script, COUNT(script));
        struct ydoc *d = use_session(&s, "params: [db, 'pa\"ss word']");
        for (size_t i = 0; i < COUNT(cases); i++) {
                s.options.auth.session.token = cases[i].token;
                scene_open(&s);
                int rc = scene_get(&s, false);
                if (rc != cases[i].rc)
                        fail_msg("case %zu: %d: %s", i, rc, rc ? s.err.text : "");
                for (size_t j = 0; j < 2 && cases[i].says[j]; j++)
                        assert_says(s.err.text, cases[i].says[j]);
                assert_false(rest_auth_ready(s.auth));
        }
        scene_end(&s);
        ydoc_free(d);
}

static void times_of_sessions_are_kept(void **state)
{
        static const struct {
                const char *reply;
                int64_t idle_ms, life_ms;
        } cases[] = {{"{\"SessionTimeout\":30}", 29 * 60000, 0},
                {"{\"SessionTimeout\":\"1\"}", 30000, 0}, {"{\"SessionTimeout\":0}", 0, 0},
                {"{\"SessionTimeout\":-5}", 0, 0}, {"{\"SessionTimeout\":99999999999}", 0, 0},
                {"{\"expires_in\":3600}", 0, 3540000}, {"{\"expires_in\":10}", 0, 5000},
                {"hello", 0, 0}};
        struct fake_reply script[COUNT(cases)];
        struct scene s;

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                script[i] = (struct fake_reply){
                        .body = cases[i].reply, .headers = "Set-Cookie: a=b\r\n"};
        scene_begin(&s, script, COUNT(script));
        use_session(&s, NULL);
        scene_open(&s);
        for (size_t i = 0; i < COUNT(cases); i++) {
                assert_int_equal(scene_get(&s, true), 0);
                const struct auth_session_state *session = &s.auth->session;
                assert_int_equal(session->idle_ms, cases[i].idle_ms);
                assert_int_equal(session->expires_ms ? session->expires_ms - session->used_ms : 0,
                        cases[i].life_ms);
                assert_true(rest_auth_ready(s.auth));
        }
        scene_end(&s);
}

static void logging_out_takes_two_seconds_at_most(void **state)
{
        static const struct fake_reply script[] = {
                {.headers = "Set-Cookie: a=b\r\n"}, {.fault = FAKE_HANG}};
        struct scene s;

        (void)state;
        scene_begin(&s, script, COUNT(script));
        use_session(&s, NULL);
        s.options.auth.session.logout = "/Logout";
        scene_open(&s);
        assert_int_equal(scene_get(&s, false), 0);
        int64_t began = clock_monotonic_ms();
        loop_cancel(s.loop); /* a run that is stopped logs out too */
        s.auth = rest_auth_close(s.auth);
        assert_in_range(clock_monotonic_ms() - began, 1500, 3500);
        assert_int_equal(fake_http_count(s.server), 2);
        scene_end(&s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(cookies_make_a_session),
                cmocka_unit_test(tokens_of_sessions_are_taken_and_sent),
                cmocka_unit_test(log_ins_go_where_they_are_told),
                cmocka_unit_test(refused_log_ins_are_clear),
                cmocka_unit_test(times_of_sessions_are_kept),
                cmocka_unit_test(logging_out_takes_two_seconds_at_most),
        };

        http_test_main_begin();
        int failed = cmocka_run_group_tests(tests, NULL, NULL);
        http_test_main_end();
        return failed;
}
