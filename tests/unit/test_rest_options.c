/* REST sources of erp2couch.yaml; decoded, or the exact message. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/alloc_fail.h"
#include "tests/support/rest_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct bad {
        const char *text, *message;
};

/* Secrets of these cases are "hunter2": no message has it. */
static void expect_errors(const struct bad *cases, size_t count)
{
        size_t wrong = 0;

        for (size_t i = 0; i < count; i++) {
                struct rest_fixture f;
                struct err e = {0};
                int rc = rest_fixture_source(&f, cases[i].text, &e);
                if (rc != -ERR_CONFIG || strcmp(e.text, cases[i].message) != 0) {
                        print_error("%s\n  is      %s\n  must be %s\n\n", cases[i].text,
                                rc ? e.text : "right", cases[i].message);
                        wrong++;
                }
                assert_null(strstr(e.text, "hunter2"));
                rest_fixture_free(&f);
        }
        assert_int_equal(wrong, 0);
}

static const struct rest_options *load(struct rest_fixture *f, const char *text)
{
        struct err e = {0};

        if (rest_fixture_source(f, text, &e))
                fail_msg("%s\n%s", text, e.text);
        return rest_fixture_options(f);
}

static void a_small_source_gets_the_defaults(void **state)
{
        struct rest_fixture f;

        (void)state;
        const struct rest_options *o = load(&f, "url: https://erp.example.com/api/\n");
        assert_string_equal(o->url, "https://erp.example.com/api");
        assert_int_equal(o->auth.kind, REST_AUTH_NONE);
        assert_int_equal(o->headers.count + o->params.count, 0);
        assert_int_equal(o->budget_count, 0);
        assert_int_equal(o->errors.count, 0);
        assert_int_equal(o->max_concurrent, 4);
        assert_int_equal(o->retry_for_ms, 300000);
        assert_int_equal(o->timeout_ms, 600000);
        assert_int_equal(o->connect_timeout_ms, 10000);
        assert_int_equal(o->idle_timeout_ms, 90000);
        assert_int_equal(o->max_record, 24 << 20);
        assert_int_equal(o->max_redirects, 5);
        assert_true(o->compressed);
        assert_null(o->ca_file);
        assert_null(o->proxy);
        rest_fixture_free(&f);
}

static void every_key_is_decoded(void **state)
{
        struct rest_fixture f;

        (void)state;
        const struct rest_options *o = load(&f,
                "url: https://erp.example.com:8443\nheaders: {X-Company: 7, Accept-Language: de}\n"
                "params: {tenant: a b}\nrate_limit: [10/s, 6000/5min, 5000/day]\n"
                "error_limit: 10/h\nmax_concurrent: 2\nretry_for: 0\ntimeout: 1m\n"
                "connect_timeout: 1s\nidle_timeout: 5s\nmax_record: 1MiB\nmax_redirects: 0\n"
                "compressed: false\ntls: {ca_file: ca.pem, cert_file: /c.pem, key_file: k.pem}\n"
                "proxy: http://u:p@proxy:3128\n");
        assert_int_equal(o->headers.count, 2);
        assert_string_equal(o->headers.items[0].value, "7");
        assert_string_equal(o->params.items[0].name, "tenant");
        assert_int_equal(o->budget_count, 3);
        assert_int_equal(o->budgets[1].count, 6000);
        assert_int_equal(o->budgets[1].window_ms, 300000);
        assert_int_equal(o->budgets[2].window_ms, 86400000);
        assert_int_equal(o->errors.count, 10);
        assert_int_equal(o->retry_for_ms, 0);
        assert_int_equal(o->max_record, 1 << 20);
        assert_false(o->compressed);
        assert_string_equal(o->ca_file, "ca.pem"); /* beside c.yaml, which has no folder */
        assert_string_equal(o->cert_file, "/c.pem");
        assert_string_equal(o->proxy, "http://u:p@proxy:3128");
        rest_fixture_free(&f);
}

static void every_way_to_log_in_is_decoded(void **state)
{
        struct rest_fixture f;

        (void)state;
        const struct rest_auth_options *a = &load(&f, "url: http://a%40b:p%3A@h")->auth;
        assert_int_equal(a->kind, REST_AUTH_BASIC);
        assert_string_equal(a->user, "a@b");
        assert_string_equal(a->password, "p:");
        assert_string_equal(rest_fixture_options(&f)->url, "http://h");
        rest_fixture_free(&f);

        a = &load(&f, "url: http://h\nauth: {user: u, password: ''}")->auth;
        assert_int_equal(a->kind, REST_AUTH_BASIC);
        assert_string_equal(a->password, "");
        rest_fixture_free(&f);

        a = &load(&f, "url: http://h\nauth: {bearer: x.y-z}")->auth;
        assert_int_equal(a->kind, REST_AUTH_BEARER);
        assert_string_equal(a->bearer, "x.y-z");
        rest_fixture_free(&f);

        a = &load(&f, "url: http://h\nauth: {header: {Authorization: token k:s, X-Key: 1}}")->auth;
        assert_int_equal(a->kind, REST_AUTH_HEADER);
        assert_int_equal(a->pairs.count, 2);
        assert_string_equal(a->pairs.items[0].value, "token k:s");
        rest_fixture_free(&f);

        a = &load(&f, "url: http://h\nauth: {query: {api_key: a&b}}")->auth;
        assert_int_equal(a->kind, REST_AUTH_QUERY);
        assert_string_equal(a->pairs.items[0].value, "a&b");
        rest_fixture_free(&f);
}

static void oauth2_is_decoded(void **state)
{
        struct rest_fixture f;

        (void)state;
        const struct rest_oauth2_options *o =
                &load(&f, "url: http://h\nauth: {oauth2: {token_url: 'https://l/t', client_id: c, "
                          "client_secret: s}}")
                         ->auth.oauth2;
        assert_int_equal(rest_fixture_options(&f)->auth.kind, REST_AUTH_OAUTH2);
        assert_int_equal(o->grant, REST_OAUTH2_CLIENT_CREDENTIALS);
        assert_false(o->basic);
        assert_null(o->scope);
        rest_fixture_free(&f);

        o = &load(&f, "url: http://h\nauth: {oauth2: {token_url: 'https://l/t', client_id: c, "
                      "client_secret: s, grant: refresh_token, refresh_token: r, client_auth: "
                      "basic, scope: a b, params: {resource: x}}}")
                     ->auth.oauth2;
        assert_int_equal(o->grant, REST_OAUTH2_REFRESH_TOKEN);
        assert_true(o->basic);
        assert_string_equal(o->scope, "a b");
        assert_string_equal(o->refresh_token, "r");
        assert_string_equal(o->params.items[0].name, "resource");
        rest_fixture_free(&f);
}

static void sessions_are_decoded(void **state)
{
        struct rest_fixture f;

        (void)state;
        const struct rest_session_options *s =
                &load(&f, "url: http://h\nauth: {session: {path: /Login, body: {User: u}}}")
                         ->auth.session;
        assert_int_equal(rest_fixture_options(&f)->auth.kind, REST_AUTH_SESSION);
        assert_string_equal(s->method, "POST");
        assert_int_equal(s->body->kind, YNODE_MAP);
        assert_null(s->token);
        assert_int_equal(s->send.count, 0);
        rest_fixture_free(&f);

        s = &load(&f, "url: http://h\nauth: {session: {path: /Login, token: data.token}}")
                     ->auth.session;
        assert_string_equal(s->send.items[0].name, "Authorization");
        assert_string_equal(s->send.items[0].value, "Bearer ${token}");
        rest_fixture_free(&f);

        s = &load(&f, "url: http://h\nauth: {session: {path: https://l/login, method: GET, token: "
                      "t, headers: {A: b}, send: {Cookie: 's=${token}'}, logout: /Logout}}")
                     ->auth.session;
        assert_string_equal(s->send.items[0].value, "s=${token}");
        assert_string_equal(s->logout, "/Logout");
        assert_string_equal(s->headers.items[0].value, "b");
        rest_fixture_free(&f);
}

static void wrong_sources_are_refused(void **state)
{
        static const struct bad cases[] = {
                {"{}", "c.yaml:1:1: key 'url' is missing in REST source; add it: address of the "
                       "API, which paths of mappers stand under; user and password in it are basic "
                       "auth"},
                {"url: erp.example.com",
                        "c.yaml:1:6: 'url' of a REST source: it must begin with http:// or "
                        "https://, such as https://erp.example.com/api"},
                {"url: ftp://h", "c.yaml:1:6: 'url' of a REST source: it must begin with http:// "
                                 "or https://"},
                {"url: http://h/?a=b",
                        "c.yaml:1:6: 'url' of a REST source: it must end before ? and #, such as "
                        "https://erp.example.com/api; in a password they are %3F and %23; "
                        "parameters of every request stand in 'params'"},
                {"url: 'http://'",
                        "c.yaml:1:6: 'url' of a REST source: it is not a URL such as "
                        "https://erp.example.com/api; the characters @ : / ? # % of a user or "
                        "password are percent-encoded (@ is %40), or stand in auth as they are"},
                {"url: [x]", "c.yaml:1:6: 'url' must be a string, not a list"},
                {"url:", "c.yaml:1:5: 'url' must be a string, not null"},
                {"url: http://u:p@h\nauth: {bearer: x}",
                        "c.yaml:1:6: 'url' of a REST source: it holds a user, and there is 'auth', "
                        "too: keep one"},
                {"url: http://:p@h", "c.yaml:1:6: 'url' of a REST source: its user or password is "
                                     "empty or holds control codes"},
                {"url: http://h\nurll: x", "c.yaml:2:1: unknown key 'urll', did you mean 'url'?"},
                {"url: http://h\ntls: {ca_file: a}",
                        "c.yaml:2:6: 'tls' needs a 'url' with https://"},
                {"url: https://h\ntls: {cert_file: a}",
                        "c.yaml:2:6: 'cert_file' and 'key_file' stand together"},
                {"url: https://h\ntls: {ca: a}",
                        "c.yaml:2:7: unknown key 'ca'; tls takes ca_file, cert_file or key_file"},
                {"url: http://h\nproxy: h:80",
                        "c.yaml:2:8: 'proxy' must begin with http://, https://, socks5:// or "
                        "socks5h://, such as http://proxy.example.com:3128"},
                {"url: http://h\nproxy: {a: b}",
                        "c.yaml:2:8: 'proxy' must begin with http://, https://, socks5:// or "
                        "socks5h://, such as http://proxy.example.com:3128"},
                {"url: http://h\nrate_limit: 10",
                        "c.yaml:2:13: 'rate_limit' must be a rate such as 10/s, 60/min, 6000/5min "
                        "or 5000/day, not '10'"},
                {"url: http://h\nrate_limit: 10/x",
                        "c.yaml:2:13: 'rate_limit' must be a rate such as 10/s, 60/min, 6000/5min "
                        "or 5000/day, not '10/x'"},
                {"url: http://h\nrate_limit: 0/s",
                        "c.yaml:2:13: 'rate_limit' must be a rate such as 10/s, 60/min, 6000/5min "
                        "or 5000/day, not '0/s'"},
                {"url: http://h\nrate_limit: []", "c.yaml:2:13: 'rate_limit' must not be empty"},
                {"url: http://h\nrate_limit: [10/s, x]",
                        "c.yaml:2:20: 'rate_limit' must be a rate such as 10/s, 60/min, 6000/5min "
                        "or 5000/day, not 'x'"},
                {"url: http://h\nrate_limit: [10/s, 5/s]",
                        "c.yaml:2:20: 'rate_limit' has two rates of the same time: keep the "
                        "smaller one"},
                {"url: http://h\nrate_limit: [1/s, 1/2s, 1/3s, 1/4s, 1/5s, 1/6s, 1/7s, 1/8s, 1/9s]",
                        "c.yaml:2:13: 'rate_limit' has more than 8 rates"},
                {"url: http://h\nrate_limit: {a: b}",
                        "c.yaml:2:13: 'rate_limit' must be a rate such as 10/s, 60/min, 6000/5min "
                        "or 5000/day, not a map"},
                {"url: http://h\nerror_limit: [10/h]",
                        "c.yaml:2:14: 'error_limit' must be a rate such as 10/s, 60/min, 6000/5min "
                        "or 5000/day, not a list"},
                {"url: http://h\nmax_concurrent: 0",
                        "c.yaml:2:17: 'max_concurrent' must be from 1 to 64, not '0'"},
                {"url: http://h\nmax_record: 10",
                        "c.yaml:2:13: 'max_record' must be from 1024 to 268435456 bytes, not '10'"},
                {"url: http://h\ntimeout: 5", "c.yaml:2:10: 'timeout' must be a duration such as "
                                              "500ms, 30s, 5m or 1h30m, not '5'"},
                {"url: http://h\ntimeout: 1s\nidle_timeout: 2s",
                        "c.yaml:3:15: 'idle_timeout' is longer than 'timeout'"},
                {"url: http://h\nmax_redirects: 51",
                        "c.yaml:2:16: 'max_redirects' must be from 0 to 50, not '51'"},
                {"url: http://h\ncompressed: yes",
                        "c.yaml:2:13: 'compressed' must be true or false, not 'yes'"},
                {"url: http://h\nretry_for: -1s", "c.yaml:2:12: 'retry_for' must be a duration "
                                                  "such as 500ms, 30s, 5m or 1h30m, not '-1s'"},
                {"url: http://h\nheaders: [a]",
                        "c.yaml:2:10: 'headers' must be a map of names and texts, not a list"},
                {"url: http://h\nheaders: {a: }", "c.yaml:2:14: 'a' must be a text, not null"},
                {"url: http://h\nheaders: {a: [b]}", "c.yaml:2:14: 'a' must be a text, not a list"},
                {"url: http://h\nheaders: {'': b}", "c.yaml:2:11: a name is empty"},
                {"url: http://h\nheaders: {'a:': b}",
                        "c.yaml:2:11: 'a:' is no name of a header: letters, digits and -"},
                {"url: http://h\nheaders: {Content-Length: 5}",
                        "c.yaml:2:11: header 'Content-Length' is set by the program itself"},
                {"url: http://h\nheaders: {cookie: hunter2}",
                        "c.yaml:2:11: header 'cookie' carries credentials: they stand in the "
                        "source's 'auth', such as auth: {header: {cookie: ...}}"},
                {"url: http://h\nheaders: {a: \"hunter2\\n\"}",
                        "c.yaml:2:14: 'a' holds a line break or another control character: a "
                        "header is one line"},
                {"url: http://h\nparams: {a: {b: c}}",
                        "c.yaml:2:13: 'a' must be a text, not a map"},
        };
        (void)state;
        expect_errors(cases, COUNT(cases));
}

static void wrong_log_ins_are_refused(void **state)
{
        static const struct bad cases[] = {
                {"url: http://h\nauth: {}",
                        "c.yaml:2:7: 'auth' has exactly one form: {user, password}, {bearer}, "
                        "{header: {NAME: VALUE}}, {query: {NAME: VALUE}}, {oauth2: {token_url, "
                        "client_id, ...}} or {session: {path, body, ...}}"},
                {"url: http://h\nauth: basic", "c.yaml:2:7: auth must be a map, not a string"},
                {"url: http://h\nauth: {user: u}", "c.yaml:2:7: key 'password' is missing in auth"},
                {"url: http://h\nauth: {password: hunter2}",
                        "c.yaml:2:7: key 'user' is missing in auth"},
                {"url: http://h\nauth: {user: 'a:b', password: hunter2}",
                        "c.yaml:2:14: basic authentication takes no ':' in 'user'; use header or "
                        "session"},
                {"url: http://h\nauth: {bearer: x, user: u, password: hunter2}",
                        "c.yaml:2:7: 'auth' has exactly one form: {user, password}, {bearer}, "
                        "{header: {NAME: VALUE}}, {query: {NAME: VALUE}}, {oauth2: {token_url, "
                        "client_id, ...}} or {session: {path, body, ...}}"},
                {"url: http://h\nauth: {bearer: \"hunter2\\n\"}",
                        "c.yaml:2:16: 'bearer' holds a blank or a character that no token has"},
                {"url: http://h\nauth: {bearer: ''}", "c.yaml:2:16: 'bearer' must not be empty"},
                {"url: http://h\nauth: {token: hunter2}",
                        "c.yaml:2:8: unknown key 'token'; auth takes user, password, bearer, "
                        "header, query, oauth2 or session"},
                {"url: http://h\nauth: {header: hunter2}",
                        "c.yaml:2:16: 'header' must be a map of names and texts, not a string"},
                {"url: http://h\nauth: {header: {}}", "c.yaml:2:16: 'header' must not be empty"},
                {"url: http://h\nauth: {query: {}}", "c.yaml:2:15: 'query' must not be empty"},
                {"url: http://h\nauth: {header: {Host: hunter2}}",
                        "c.yaml:2:17: header 'Host' is set by the program itself"},
                {"url: http://h\nauth: {header: {Authorization: \"a\\r\\nb: hunter2\"}}",
                        "c.yaml:2:32: 'Authorization' holds a line break or another control "
                        "character: a header is one line"},
                {"url: http://h\nauth: {oauth2: {}}", "c.yaml:2:16: key 'token_url' is missing in "
                                                      "oauth2; add it: address that gives tokens"},
                {"url: http://h\nauth: {oauth2: {token_url: login, client_id: a}}",
                        "c.yaml:2:28: 'token_url' must be an address such as "
                        "https://login.example.com/oauth2/token"},
                {"url: http://h\nauth: {oauth2: {token_url: \"https://u:hunter2@h/t\", client_id: "
                 "a}}",
                        "c.yaml:2:28: 'token_url' holds a user: credentials stand in the source's "
                        "'auth'"},
                {"url: http://h\nauth: {oauth2: {token_url: \"https://h/t\", client_id: a}}",
                        "c.yaml:2:16: 'grant: client_credentials' needs 'client_secret'"},
                {"url: http://h\nauth: {oauth2: {token_url: \"https://h/t\", client_id: a, "
                 "client_secret: s, grant: password}}",
                        "c.yaml:2:82: 'grant' must be client_credentials or refresh_token, not "
                        "'password'"},
                {"url: http://h\nauth: {oauth2: {token_url: \"https://h/t\", client_id: a, grant: "
                 "refresh_token}}",
                        "c.yaml:2:16: 'grant: refresh_token' needs 'refresh_token': the one that "
                        "the API gave when access was granted"},
                {"url: http://h\nauth: {oauth2: {token_url: \"https://h/t\", client_id: a, "
                 "client_secret: s, refresh_token: r}}",
                        "c.yaml:2:90: 'refresh_token' needs 'grant: refresh_token'"},
                {"url: http://h\nauth: {oauth2: {token_url: \"https://h/t\", client_id: a, grant: "
                 "refresh_token, refresh_token: r, client_auth: basic}}",
                        "c.yaml:2:110: 'client_auth: basic' needs 'client_secret'"},
                {"url: http://h\nauth: {oauth2: {token_url: \"https://h/t\", client_id: a, "
                 "client_secret: s, client_auth: header}}",
                        "c.yaml:2:88: 'client_auth' must be body or basic, not 'header'"},
                {"url: http://h\nauth: {oauth2: {token_url: \"https://h/t\", client_id: a, "
                 "client_secret: s, params: {scope: x}}}",
                        "c.yaml:2:83: 'scope' is sent already: it has a key of its own in oauth2"},
                {"url: http://h\nauth: {session: {}}",
                        "c.yaml:2:17: key 'path' is missing in session; add it: where to log in, "
                        "under the source's url"},
                {"url: http://h\nauth: {session: {path: Login}}",
                        "c.yaml:2:24: 'path' must begin with / (it is under the source's url), or "
                        "be an address with http:// or https://"},
                {"url: http://h\nauth: {session: {path: /Login, logout: Logout}}",
                        "c.yaml:2:40: 'logout' must begin with / (it is under the source's url), "
                        "or be an address with http:// or https://"},
                {"url: http://h\nauth: {session: {path: /Login, method: DELETE}}",
                        "c.yaml:2:40: 'method' of a log-in must be POST, GET or PUT"},
                {"url: http://h\nauth: {session: {path: /Login, method: GET, body: {a: b}}}",
                        "c.yaml:2:40: 'method: GET' sends no 'body'"},
                {"url: http://h\nauth: {session: {path: /Login, body: }}",
                        "c.yaml:2:38: 'body' must be a map, a list or a text, not null"},
                {"url: http://h\nauth: {session: {path: /Login, body: {a: .inf}}}",
                        "c.yaml:2:42: JSON cannot write the number '.inf': write it in plain "
                        "decimal digits, or in quotes for text"},
                {"url: http://h\nauth: {session: {path: /Login, token: a, send: {X: y}}}",
                        "c.yaml:2:48: 'send' does not name the token: write it as $${token}, such "
                        "as {X-Session: \"$${token}\"}; without 'send' it goes out as "
                        "Authorization: Bearer"},
                {"url: http://h\nauth: {session: {path: /Login, send: {X: '${token}'}}}",
                        "c.yaml:2:38: ${token} needs 'token': where the reply of the log-in has "
                        "it"},
                {"url: http://h\nauth: {session: {path: /Login, token: a, send: {X: '${tok}'}}}",
                        "c.yaml:2:52: there is no variable 'tok' here; there is ${token}"},
                {"url: http://h\nauth: {session: {path: /Login, token: a..b, send: {X: "
                 "'${token}'}}}",
                        "c.yaml:2:39: 'token': \"a..b\" is not a path: a name is missing"},
        };
        (void)state;
        expect_errors(cases, COUNT(cases));
}

static void too_many_headers_are_refused(void **state)
{
        cleanup_buf_ struct buf text = BUF_INIT(YDOC_MAX_BYTES);
        struct rest_fixture f;
        struct err e = {0};

        (void)state;
        buf_puts(&text, "url: http://h\nheaders:\n");
        for (int i = 0; i < 10000; i++)
                buf_printf(&text, "  h%d: x\n", i);
        assert_int_equal(rest_fixture_source(&f, buf_cstr(&text), &e), -ERR_CONFIG);
        assert_string_equal(e.text, "c.yaml:3:3: 'headers' has more than 64 entries");
        rest_fixture_free(&f);
}

static void running_out_of_memory_is_an_error(void **state)
{
        static const char text[] =
                "{url: 'https://u%40:p@h/a', headers: {A: b}, params: {c: d}, rate_limit: [1/s], "
                "tls: {ca_file: x}, proxy: http://p}";
        cleanup_(ydoc_freep) struct ydoc *d = NULL;

        (void)state;
        assert_int_equal(ydoc_parse(str_of(text), "c.yaml", YDOC_EXPAND_NONE, &d, NULL), 0);
        ALLOC_FAIL_EACH(i)
        {
                alloc_fail_at(i);
                cleanup_(arena_freep) struct arena *arena = arena_new(1 << 20);
                struct option_context cx = {d, arena, NULL};
                struct rest_options o = {0};
                struct err e = {0};
                int rc = arena ? options_decode(&cx, &rest_option_table, d->root, &o, &e)
                               : -ERR_NOMEM;
                if (rc && rc != -ERR_NOMEM)
                        fail_msg("allocation %ld: %s", i, e.text);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_small_source_gets_the_defaults),
                cmocka_unit_test(every_key_is_decoded),
                cmocka_unit_test(every_way_to_log_in_is_decoded),
                cmocka_unit_test(oauth2_is_decoded),
                cmocka_unit_test(sessions_are_decoded),
                cmocka_unit_test(wrong_sources_are_refused),
                cmocka_unit_test(wrong_log_ins_are_refused),
                cmocka_unit_test(too_many_headers_are_refused),
                cmocka_unit_test(running_out_of_memory_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
