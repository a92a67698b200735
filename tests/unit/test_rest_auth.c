#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/base/clock.h"
#include "tests/support/alloc_fail.h"
#include "tests/unit/rest_auth_fixture.h"

#define X10  "xxxxxxxxxx"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10

#define US_PER_S INT64_C(1000000)

/* ---- the kinds that need no request ---- */

static void static_kinds_put_what_they_have(void **state)
{
        static struct rest_pair pairs[] = {{"X-Key", "k1"}, {"A&B", "c d/\xc3\xa9"}};
        static const struct {
                struct rest_auth_options auth;
                const char *url, *after;
                const char *headers[4];
        } cases[] = {
                {{.kind = REST_AUTH_NONE}, "http://h/p", "http://h/p", {0}},
                {{.kind = REST_AUTH_BASIC, .user = "Aladdin", .password = "open sesame"},
                        "http://h/p", "http://h/p",
                        {"Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}},
                {{.kind = REST_AUTH_BASIC, .user = "a", .password = ""}, "", "",
                        {"Authorization: Basic YTo="}},
                {{.kind = REST_AUTH_BEARER, .bearer = "abc.def"}, "", "",
                        {"Authorization: Bearer abc.def"}},
                {{.kind = REST_AUTH_HEADER, .pairs = {pairs, 2}}, "u", "u",
                        {"X-Key: k1", "A&B: c d/\xc3\xa9"}},
                {{.kind = REST_AUTH_QUERY, .pairs = {pairs, 2}}, "http://h/p",
                        "http://h/p?X-Key=k1&A%26B=c%20d%2F%C3%A9", {0}},
                {{.kind = REST_AUTH_QUERY, .pairs = {pairs, 1}}, "http://h/p?a=1",
                        "http://h/p?a=1&X-Key=k1", {0}},
        };
        struct scene s;

        (void)state;
        scene_begin(&s, NULL, 0);
        for (size_t i = 0; i < COUNT(cases); i++) {
                const char *headers[HTTP_MAX_HEADERS] = {"Accept: x"};
                cleanup_buf_ struct buf url = BUF_INIT(1000);
                struct err e;
                s.options.auth = cases[i].auth;
                scene_open(&s);
                assert_true(rest_auth_ready(s.auth));
                assert_false(rest_auth_can_renew(s.auth));
                buf_puts(&url, cases[i].url);
                assert_int_equal(rest_auth_put(s.auth, headers, &url, &e), 0);
                assert_true(str_is(buf_str(&url), cases[i].after));
                assert_string_equal(headers[0], "Accept: x");
                size_t n = 0;
                for (; cases[i].headers[n]; n++)
                        assert_string_equal(headers[1 + n], cases[i].headers[n]);
                assert_null(headers[1 + n]);
                assert_int_equal(scene_get(&s, false), 0);
                assert_int_equal(scene_get(&s, true), -ERR_CONFIG);
                assert_says(s.err.text, "the server refuses the credentials");
        }
        assert_int_equal(fake_http_count(s.server), 0);
        scene_end(&s);
}

static void lines_are_not_broken(void **state)
{
        static struct rest_pair pair = {"X-Key", SECRET "\r\nHost: evil"};
        static const struct rest_auth_options cases[] = {
                {.kind = REST_AUTH_BEARER, .bearer = SECRET "\n"},
                {.kind = REST_AUTH_HEADER, .pairs = {&pair, 1}},
                {.kind = REST_AUTH_SESSION, .session = {.path = "/", .send = {&pair, 1}}},
        };
        struct scene s;

        (void)state;
        scene_begin(&s, NULL, 0);
        for (size_t i = 0; i < COUNT(cases); i++) {
                s.options.auth = cases[i];
                assert_int_equal(scene_try(&s), -ERR_CONFIG);
                assert_says(s.err.text, "line break");
                assert_no_secret(s.err.text);
        }
        scene_end(&s);
}

/* ---- client credentials ---- */

static void client_credentials_are_asked_for_as_told(void **state)
{
        static const struct fake_reply script[] = {
                {.body = "{\"access_token\":\"access-a\",\"expires_in\":3600}"},
                {.body = " {\"token_type\":\"Bearer\",\"access_token\":\"access-b\"}\n"},
        };
        static struct rest_pair params[] = {{"resource", "https://bc/"}, {"x", "a&b"}};
        struct scene s;

        (void)state;
        scene_begin(&s, script, COUNT(script));
        scene_oauth2(&s, REST_OAUTH2_CLIENT_CREDENTIALS);
        s.options.auth.oauth2.scope = "a b";
        scene_open(&s);
        assert_true(rest_auth_can_renew(s.auth));
        assert_false(rest_auth_ready(s.auth));
        assert_int_equal(scene_get(&s, false), 0);
        assert_true(rest_auth_ready(s.auth));
        assert_string_equal(scene_line(&s), "Authorization: Bearer access-a");
        assert_string_equal(fake_http_request(s.server, 0)->method, "POST");
        assert_string_equal(scene_body(&s, 0),
                "grant_type=client_credentials&client_id=the%20client&"
                "client_secret=s3cret%2Fof%2Bclient&scope=a%20b");
        assert_string_equal(
                scene_header(&s, 0, "Content-Type"), "application/x-www-form-urlencoded");
        assert_string_equal(scene_header(&s, 0, "Accept"), "application/json");
        assert_string_equal(scene_header(&s, 0, "Authorization"), "");

        scene_open(&s); /* another run takes what is kept */
        assert_int_equal(scene_get(&s, false), 0);
        assert_string_equal(scene_line(&s), "Authorization: Bearer access-a");
        assert_int_equal(fake_http_count(s.server), 1);

        s.options.auth.oauth2.basic = true; /* another configuration does not */
        s.options.auth.oauth2.params = (struct rest_pairs){params, 2};
        scene_open(&s);
        assert_int_equal(scene_get(&s, false), 0);
        assert_string_equal(scene_line(&s), "Authorization: Bearer access-b");
        assert_string_equal(scene_body(&s, 1), "grant_type=client_credentials&scope=a%20b&"
                                               "resource=https%3A%2F%2Fbc%2F&x=a%26b");
        assert_string_equal(scene_header(&s, 1, "Authorization"),
                "Basic dGhlJTIwY2xpZW50OnMzY3JldCUyRm9mJTJCY2xpZW50");
        assert_true(rest_auth_ready(s.auth)); /* it did not say for how long */
        scene_end(&s);
}

static void one_request_serves_all_who_wait(void **state)
{
        static const struct fake_reply script[] = {
                {.body = "{\"access_token\":\"access-a\"}", .delay_ms = 30}};
        struct scene s;
        struct err e;
        bool never = false;

        (void)state;
        scene_begin(&s, script, COUNT(script));
        scene_oauth2(&s, REST_OAUTH2_CLIENT_CREDENTIALS);
        scene_open(&s);
        for (int i = 0; i < 5; i++)
                assert_int_equal(rest_auth_get(s.auth, false, scene_got, &s, &e), 0);
        assert_int_equal(rest_auth_get(s.auth, false, scene_got, &never, &e), 0);
        rest_auth_forget(s.auth, &never);
        assert_int_equal(loop_run_until(s.loop, &s.done, &e), 0);
        assert_int_equal(s.calls, 5);
        assert_int_equal(fake_http_count(s.server), 1);

        assert_int_equal(rest_auth_get(s.auth, true, scene_got, &s, &e), 0);
        s.auth = rest_auth_close(s.auth); /* nobody hears of it */
        assert_int_equal(loop_sleep(s.loop, 20, &e), 0);
        assert_int_equal(s.calls, 5);
        scene_end(&s);
}

/* ---- what token servers say ---- */

static void refusals_are_clear(void **state)
{
        static const struct {
                struct fake_reply reply;
                int rc;
                const char *says[3];
        } cases[] = {
                {{.status = 400,
                         .body = "{\"error\":\"invalid_grant\",\"error_description\":"
                                 "\"Token " REFRESH " has expired\"}"},
                        -ERR_CONFIG,
                        {"auth.oauth2: POST http://127.0.0.1:",
                                "/token: 400: invalid_grant: Token *** has expired",
                                "put the new token into auth.oauth2.refresh_token"}},
                {{.status = 400,
                         .body = "{\"error\":\"invalid_grant\",\"error_description\":"
                                 "\"" X100 X100 "12345678901234567890123456789012345678901"
                                 "23456789012345678901234567890123456789 " REFRESH "\"}"},
                        -ERR_CONFIG, {"9 ***; the refresh token"}},
                {{.status = 500, .body = X100 X100 X100 X100 X100 " " SECRET}, -ERR_RETRY,
                        {"xxx..."}},
                {{.status = 500,
                         .body = "{\"message\":\"" X100 X100 X100 " s3cret\\u002fof+client\"}"},
                        -ERR_RETRY, {"xxx"}},
                {{.status = 401, .body = "{\"error\":\"invalid_client\"}"}, -ERR_CONFIG,
                        {"401: invalid_client;", "check client_id, client_secret and client_auth"}},
                {{.status = 400, .body = "{\"error\":\"unsupported_grant_type\"}"}, -ERR_CONFIG,
                        {"check auth.oauth2.grant"}},
                {{.status = 400,
                         .body = "{\"error\":\"invalid_scope\",\"error_description\":\"no\\n"
                                 "such\\u001b[31m scope\"}"},
                        -ERR_CONFIG, {"invalid_scope: no such [31m scope", "auth.oauth2.scope"}},
                {{.status = 200, .body = "{\"error\":\"invalid_client\"}"}, -ERR_CONFIG,
                        {"200: invalid_client"}},
                {{.status = 200, .body = "{\"message\":\"hello\",\"accessToken\":\"access-1\"}"},
                        -ERR_CONFIG, {"200: JSON with \"message\", \"accessToken\"; check auth."}},
                {{.status = 200, .body = "[\"access-1\"]"}, -ERR_CONFIG,
                        {"JSON that is no object"}},
                {{.status = 204}, -ERR_CONFIG, {"204: an empty reply"}},
                {{.status = 200,
                         .headers = "Content-Type: text/html\r\n",
                         .body = "<html><title>Sign in</title><input value=access-1>"},
                        -ERR_CONFIG, {"an HTML page, titled \"Sign in\"", "token_url"}},
                {{.status = 200, .body = "{\"access_token\":\"\"}"}, -ERR_CONFIG, {"token_url"}},
                {{.status = 200, .body = "{\"access_token\":{}}"}, -ERR_CONFIG, {"token_url"}},
                {{.status = 200, .body = "{\"access_token\":\"access-1"}, -ERR_CONFIG,
                        {"token_url"}},
                {{.status = 200, .body = "{\"access_token\":\"access-1\\r\\nX: y\"}"}, -ERR_CONFIG,
                        {"JSON with \"access_token\""}},
                {{.status = 404,
                         .headers = "Content-Type: text/html\r\n",
                         .body = "<html><title>No such page</title>"},
                        -ERR_CONFIG, {"404", "check auth.oauth2.token_url"}},
                {{.status = 302, .headers = "Location: /login\r\n"}, -ERR_CONFIG,
                        {"302", "token_url"}},
                {{.status = 500, .headers = "Content-Type: text/html\r\n", .body = "<html>oops"},
                        -ERR_RETRY, {"500"}},
                {{.status = 503, .body = "{\"error\":\"temporarily_unavailable\"}"}, -ERR_RETRY,
                        {"temporarily_unavailable"}},
                {{.status = 400, .body = "{\"error\":\"slow_down\"}"}, -ERR_RETRY, {"slow_down"}},
                {{.status = 429, .headers = "Retry-After: 7\r\n", .body = "slowly, " SECRET},
                        -ERR_RETRY, {"429", "wait 7 s"}},
                {{.fault = FAKE_RESET}, -ERR_RETRY, {"auth.oauth2: POST http"}},
                {{.fault = FAKE_HALF, .body = "{\"access_token\":\"access-1\"}"}, -ERR_RETRY, {0}},
        };
        struct fake_reply script[COUNT(cases)];
        struct scene s;

        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++)
                script[i] = cases[i].reply;
        scene_begin(&s, script, COUNT(script));
        scene_oauth2(&s, REST_OAUTH2_REFRESH_TOKEN);
        scene_open(&s);
        for (size_t i = 0; i < COUNT(cases); i++) {
                int rc = scene_get(&s, false);
                if (rc != cases[i].rc)
                        fail_msg("case %zu: %d: %s", i, rc, s.err.text);
                for (size_t j = 0; j < COUNT(cases[i].says) && cases[i].says[j]; j++)
                        assert_says(s.err.text, cases[i].says[j]);
                assert_false(rest_auth_ready(s.auth));
        }
        scene_end(&s);
}

static void large_replies_are_refused(void **state)
{
        size_t n = 2 << 20;
        char *body = malloc(n + 1);
        memset(body, 'a', n);
        body[n] = '\0';
        const struct fake_reply script[] = {{.body = body}};
        struct scene s;

        (void)state;
        scene_begin(&s, script, 1);
        scene_oauth2(&s, REST_OAUTH2_CLIENT_CREDENTIALS);
        scene_open(&s);
        assert_int_equal(scene_get(&s, false), -ERR_RETRY);
        scene_end(&s);
        free(body);
}

/* Exact Online gives no token before the last one is nearly over. */
static void tokens_are_used_until_they_are_nearly_over(void **state)
{
        static const struct {
                int64_t life_s, left_s;
                bool good;
        } cases[] = {{600, 599, true}, {600, 40, true}, {600, 28, true}, {600, 22, false},
                {600, -5, false}, {3600, 28, true}, {3600, 22, false}, {60, 9, true},
                {60, 3, false}};
        struct scene s;
        struct err e;

        (void)state;
        scene_begin(&s, NULL, 0);
        s.provider.grace = true;
        scene_oauth2(&s, REST_OAUTH2_REFRESH_TOKEN);
        scene_open(&s);
        assert_int_equal(scene_get(&s, false), 0);
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct rest_token_store *store;
                struct rest_token t = {0};
                int before = s.provider.given;
                assert_int_equal(rest_token_store_open(s.kept, &store, &e), 0);
                assert_int_equal(rest_token_read(store, &t, &e), 0);
                t.expires_us = clock_wall_us() + cases[i].left_s * US_PER_S;
                t.got_us = t.expires_us - cases[i].life_s * US_PER_S;
                assert_int_equal(rest_token_lock(store, &e), 0);
                assert_int_equal(rest_token_write(store, &t, &e), 0);
                rest_token_store_close(store);
                rest_token_clear(&t);
                scene_open(&s);
                assert_int_equal(scene_get(&s, false), 0);
                if (s.provider.given != before + !cases[i].good)
                        fail_msg("case %zu", i);
                assert_true(rest_auth_ready(s.auth));
        }
        scene_end(&s);
}

static void lifetimes_are_read_as_they_come(void **state)
{
        static const struct {
                const char *text;
                int64_t life_s; /* 0: until it is refused */
        } cases[] = {{"600", 600}, {"\"600\"", 600}, {"3599.97", 3599}, {"null", 0}, {"0", 0},
                {"-1", 0}, {"\"soon\"", 0}, {"1e3", 0}, {"{}", 0}, {"99999999999999999999", 0},
                {"9999999999", INT64_C(366) * 86400}};
        struct scene s;

        (void)state;
        scene_begin(&s, NULL, 0);
        scene_oauth2(&s, REST_OAUTH2_REFRESH_TOKEN);
        scene_open(&s);
        for (size_t i = 0; i < COUNT(cases); i++) {
                s.provider.life = cases[i].text;
                assert_int_equal(scene_get(&s, true), 0);
                const struct rest_token *t = &s.auth->oauth2.token;
                int64_t life = t->expires_us ? (t->expires_us - t->got_us) / US_PER_S : 0;
                if (life != cases[i].life_s)
                        fail_msg("%s: %lld", cases[i].text, (long long)life);
                assert_true(rest_auth_ready(s.auth));
        }
        scene_end(&s);
}

/* ---- texts of others, memory ---- */

static void secrets_are_hidden(void **state)
{
        static struct rest_pair headers[] = {{"DOLAPIKEY", "dolibarr-key"}, {"X-Site", "site-1"}},
                                params[] = {{"audience", SECRET "-and-more"}};
        struct scene s;
        char text[] = "a " SECRET SECRET " and longer " SECRET
                      "-and-more, refresh-from-configuration, access-1, fresh-1, "
                      "dolibarr-key, site-1";

        (void)state;
        scene_begin(&s, NULL, 0);
        scene_oauth2(&s, REST_OAUTH2_REFRESH_TOKEN);
        s.options.auth.oauth2.params = (struct rest_pairs){params, 1};
        s.options.headers = (struct rest_pairs){headers, 2};
        scene_open(&s);
        assert_int_equal(scene_get(&s, false), 0);
        rest_auth_hide(s.auth, text);
        assert_string_equal(text, "a ****** and longer ***, ***, ***, ***, ***, site-1");
        scene_end(&s);
}

/* Whatever fails, an error comes of it, and what is left can be closed. */
static void memory_may_run_out(void **state)
{
        static const enum rest_auth_kind kinds[] = {REST_AUTH_BASIC, REST_AUTH_HEADER,
                REST_AUTH_QUERY, REST_AUTH_OAUTH2, REST_AUTH_SESSION};
        static struct rest_pair pairs[] = {{"X-Key", "${token}"}};
        struct scene s;
        struct err e;

        (void)state;
        scene_begin(&s, NULL, 0);
        s.provider.grace = true;
        for (size_t k = 0; k < COUNT(kinds); k++)
                ALLOC_FAIL_EACH(i)
                {
                        scene_oauth2(&s, REST_OAUTH2_CLIENT_CREDENTIALS);
                        s.options.auth.oauth2.params = (struct rest_pairs){pairs, 1};
                        s.options.auth.kind = kinds[k];
                        s.options.auth.pairs = (struct rest_pairs){pairs, 1};
                        s.options.auth.session = (struct rest_session_options){.path = "/x",
                                .method = "POST",
                                .token = "access_token",
                                .send = {pairs, 1},
                                .logout = "/y"};
                        http_free(s.http); /* one without memory stays broken */
                        loop_free(s.loop);
                        scene_client(&s);
                        s.done = false;
                        alloc_fail_at(i);
                        int rc = rest_auth_open(
                                &s.options, "shop", NULL, s.http, s.loop, s.log, &s.auth, &s.err);
                        if (rc == 0)
                                rc = rest_auth_get(s.auth, false, scene_got, &s, &e);
                        if (rc == 0)
                                rc = loop_run_until(s.loop, &s.done, &e);
                        if (rc == 0)
                                rc = s.rc;
                        s.auth = rest_auth_close(s.auth);
                        if (rc != 0 && rc != -ERR_NOMEM && rc != -ERR_RETRY)
                                fail_msg("%zu %ld: %d %s", k, i, rc, s.err.text);
                }
        scene_end(&s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(static_kinds_put_what_they_have),
                cmocka_unit_test(lines_are_not_broken),
                cmocka_unit_test(client_credentials_are_asked_for_as_told),
                cmocka_unit_test(one_request_serves_all_who_wait),
                cmocka_unit_test(refusals_are_clear),
                cmocka_unit_test(large_replies_are_refused),
                cmocka_unit_test(tokens_are_used_until_they_are_nearly_over),
                cmocka_unit_test(lifetimes_are_read_as_they_come),
                cmocka_unit_test(secrets_are_hidden),
                cmocka_unit_test(memory_may_run_out),
        };

        http_test_main_begin();
        int failed = cmocka_run_group_tests(tests, NULL, NULL);
        http_test_main_end();
        return failed;
}
