#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "ingest/base/clock.h"
#include "ingest/couch/couch.h"
#include "tests/support/couch.h"
#include "tests/support/couch_proxy.h"
#include "tests/support/fake_http.h"

#define JSON "Content-Type: application/json\r\n"

/* A client with options of its own, on the loop of the tests. */
static struct couch *client(const struct couch_options *options)
{
        struct couch *c;
        struct err e;

        if (couch_open(options, test_couch()->loop, NULL, &c, &e) < 0)
                fail_msg("%s", e.text);
        return c;
}

/* A client of a scripted server, without credentials. */
struct stage {
        struct fake_http *fake;
        struct loop *loop;
        struct couch_options options;
        struct couch *couch;
};

static void set_stage(struct stage *s, const struct fake_reply *script, size_t count)
{
        struct err e;

        s->fake = fake_http_start(script, count);
        s->options = (struct couch_options){.url = strdup(fake_http_url(s->fake, "/")),
                .max_in_flight = 2,
                .max_batch_docs = 10,
                .max_batch_bytes = 10000,
                .retry_for_ms = 3000};
        assert_int_equal(loop_new(&s->loop, &e), 0);
        assert_int_equal(couch_open(&s->options, s->loop, NULL, &s->couch, &e), 0);
}

static void end_stage(struct stage *s)
{
        couch_close(s->couch);
        loop_free(s->loop);
        fake_http_stop(s->fake);
        free((char *)s->options.url);
}

#define STAGE(s, ...)                                                                              \
        static const struct fake_reply script_[] = {__VA_ARGS__};                                  \
        struct stage s;                                                                            \
        set_stage(&s, script_, sizeof(script_) / sizeof(script_[0]))

/* ---- the server and its credentials ---- */

static void who_answers(void **state)
{
        struct couch_server server;
        struct err e;

        (void)state;
        test_couch_or_skip();
        assert_int_equal(couch_server(test_couch()->client, &server, &e), 0);
        assert_true(*server.version && *server.vendor && *server.uuid);
        assert_int_equal(
                server.predicts, strcmp(server.vendor, "The Apache Software Foundation") == 0);
}

static void others_make_revisions_their_own_way(void **state)
{
        static const char session[] = "{\"ok\":true,\"userCtx\":{\"name\":null,\"roles\":[]}}";
        struct couch_server server;
        struct err e;

        (void)state;
        STAGE(s,
                {.headers = JSON,
                        .body = "{\"express-pouchdb\":\"Welcome!\",\"version\":\"4.2.0\","
                                "\"vendor\":"
                                "{\"name\":\"PouchDB authors\"},\"uuid\":\"u\"}"},
                {.headers = JSON, .body = session},
                {.headers = JSON,
                        .body = "{\"couchdb\":\"Welcome\",\"version\":\"2.3.1\",\"vendor\":{"
                                "\"name\":"
                                "\"The Apache Software Foundation\"}}"},
                {.headers = JSON, .body = session});
        for (int i = 0; i < 2; i++) {
                assert_int_equal(couch_server(s.couch, &server, &e), 0);
                assert_false(server.predicts);
        }
        assert_string_equal(server.version, "2.3.1");
        end_stage(&s);
}

static void wrong_password_is_tried_once(void **state)
{
        static const enum couch_auth auths[] = {COUCH_AUTH_BASIC, COUCH_AUTH_SESSION};
        struct couch_options options;
        struct couch_server server;
        struct err e;

        (void)state;
        test_apache_or_skip();
        for (size_t i = 0; i < 2; i++) {
                struct couch_proxy *proxy = couch_proxy_start(test_couch()->options.url, NULL, 0);
                options = test_couch()->options;
                options.url = couch_proxy_url(proxy);
                options.auth = auths[i];
                options.user = "unit-test-nobody";
                options.password = "s3cret-value";
                struct couch *c = client(&options);
                assert_int_equal(couch_server(c, &server, &e), -ERR_CONFIG);
                assert_non_null(strstr(e.text, "couchdb.auth"));
                assert_null(strstr(e.text, "s3cret-value"));
                /* refused for good: nothing is sent any more */
                assert_int_equal(couch_server(c, &server, &e), -ERR_CONFIG);
                assert_int_equal(couch_proxy_count(proxy, ""), 1);
                couch_close(c);
                couch_proxy_stop(proxy);
        }
}

static void a_locked_account_is_explained(void **state)
{
        struct couch_options options;
        struct couch_server server;
        char user[64], path[256], json[256];
        struct err e;

        (void)state;
        test_apache_or_skip();
        snprintf(user, sizeof(user), "unit-test-locked-%d", (int)getpid());
        snprintf(path, sizeof(path), "/_users/org.couchdb.user:%s", user);
        snprintf(json, sizeof(json),
                "{\"name\":\"%s\",\"password\":\"right\",\"roles\":[],\"type\":\"user\"}", user);
        cJSON_Delete(test_call("PUT", path, json));
        options = test_couch()->options;
        options.user = user;
        options.password = "wrong";
        for (int i = 0; i < 6; i++) {
                struct couch *c = client(&options);
                assert_int_equal(couch_server(c, &server, &e), -ERR_CONFIG);
                couch_close(c);
        }
        cJSON *doc = test_call("GET", path, NULL);
        snprintf(path + strlen(path), sizeof(path) - strlen(path), "?rev=%s",
                test_field(doc, "_rev"));
        cJSON_Delete(test_call("DELETE", path, NULL));
        cJSON_Delete(doc);
        if (e.code != 403) { /* before 3.4 nothing is locked */
                print_message("skipped: this CouchDB does not lock accounts\n");
                skip();
        }
        assert_non_null(strstr(e.text, "locks an account"));
}

static void a_session_logs_in(void **state)
{
        struct couch_options options;
        struct couch_server server;
        struct err e;

        (void)state;
        test_apache_or_skip();
        options = test_couch()->options;
        options.auth = COUCH_AUTH_SESSION;
        struct couch *c = client(&options);
        assert_int_equal(couch_server(c, &server, &e), 0);
        couch_close(c);
}

/* Signed with the key of tests/support for the administrator "adm", until 2100. */
#define TOKEN                                                                                      \
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."                                                    \
        "eyJzdWIiOiJhZG0iLCJleHAiOjQxMDI0NDQ4MDAsIl9jb3VjaGRiLnJvbGVzIjpbIl9hZG1pbiJdfQ."          \
        "q3DenEcr0-_Pr447COomSdBxQPMMxgICnLygFH7aifg"
#define OLD_TOKEN                                                                                  \
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhZG0iLCJleHAiOjF9."                       \
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static void write_file(const char *path, const char *text)
{
        FILE *f = fopen(path, "w");

        fputs(text, f);
        fclose(f);
}

static bool takes_tokens(void)
{
        struct couch_options options = test_couch()->options;
        struct couch_server server;
        struct err e;

        options.auth = COUCH_AUTH_BEARER;
        options.bearer = TOKEN;
        struct couch *c = client(&options);
        int rc = couch_server(c, &server, &e);
        couch_close(c);
        return rc == 0;
}

static void a_token_file_is_read_again(void **state)
{
        char path[] = "/tmp/unit-test-token-XXXXXX";
        struct couch_options options;
        struct couch_server server;
        struct err e;

        (void)state;
        test_apache_or_skip();
        if (!takes_tokens()) {
                print_message("skipped: this CouchDB does not know the tests' token key\n");
                skip();
        }
        close(mkstemp(path));
        options = test_couch()->options;
        options.auth = COUCH_AUTH_JWT_FILE;
        options.jwt_file = path;
        write_file(path, OLD_TOKEN "\n");
        struct couch *c = client(&options);
        write_file(path, TOKEN "\n"); /* renewed by somebody else before the first request */
        assert_int_equal(couch_server(c, &server, &e), 0);
        couch_close(c);
        write_file(path, OLD_TOKEN);
        c = client(&options);
        assert_int_equal(couch_server(c, &server, &e), -ERR_CONFIG);
        assert_non_null(strstr(e.text, "token"));
        couch_close(c);
        write_file(path, "\n");
        assert_int_equal(couch_open(&options, test_couch()->loop, NULL, &c, &e), -ERR_CONFIG);
        assert_non_null(strstr(e.text, "is empty"));
        unlink(path);
        assert_int_equal(couch_open(&options, test_couch()->loop, NULL, &c, &e), -ERR_CONFIG);
        assert_non_null(strstr(e.text, path));
}

static void credentials_that_are_ignored(void **state)
{
        struct couch_server server;
        struct err e;

        (void)state;
        STAGE(s,
                {.headers = JSON,
                        .body = "{\"couchdb\":\"Welcome\",\"version\":\"3.4.3\",\"vendor\":{"
                                "\"name\":"
                                "\"The Apache Software Foundation\"}}"},
                {.headers = JSON, .body = "{\"userCtx\":{\"name\":null,\"roles\":[]}}"});
        s.options.auth = COUCH_AUTH_BEARER;
        s.options.bearer = "abc";
        couch_close(s.couch);
        assert_int_equal(couch_open(&s.options, s.loop, NULL, &s.couch, &e), 0);
        assert_int_equal(couch_server(s.couch, &server, &e), -ERR_CONFIG);
        assert_non_null(strstr(e.text, "ignores the credentials"));
        char value[64];
        assert_string_equal(
                fake_http_header(fake_http_request(s.fake, 0), "Authorization", value, 64),
                "Bearer abc");
        end_stage(&s);
}

static void not_a_couchdb(void **state)
{
        struct couch_server server;
        struct err e;

        (void)state;
        STAGE(s, {.body = "<html>hello</html>"}, {.headers = JSON, .body = "{\"hello\":1}"},
                {.status = 301, .headers = "Location: https://elsewhere/\r\n"});
        assert_int_equal(couch_server(s.couch, &server, &e), -ERR_CONFIG);
        assert_non_null(strstr(e.text, "is couchdb.url the address of a CouchDB?"));
        assert_int_equal(couch_server(s.couch, &server, &e), -ERR_CONFIG);
        assert_non_null(strstr(e.text, "is not a CouchDB"));
        assert_int_equal(couch_server(s.couch, &server, &e), -ERR_CONFIG);
        assert_non_null(strstr(e.text, "redirects"));
        end_stage(&s);
}

static void nobody_answers(void **state)
{
        struct couch_server server;
        struct stage s;
        struct err e;

        (void)state;
        set_stage(&s, NULL, 0);
        fake_http_stop(s.fake);
        s.options.retry_for_ms = 700;
        int64_t start_ms = clock_monotonic_ms();
        assert_int_equal(couch_server(s.couch, &server, &e), -ERR_RETRY);
        assert_in_range(clock_monotonic_ms() - start_ms, 700, 5000);
        assert_non_null(strstr(e.text, "gave up after"));
        assert_non_null(strstr(e.text, "Connection refused"));
        assert_true(couch_stats(s.couch)->retries > 1);
        s.fake = fake_http_start(NULL, 0);
        end_stage(&s);
}

/* Tries and silence count together: retry_for alone would begin with the end of a silent one. */
static void patience_ends_silence(void **state)
{
        struct couch_server server;
        struct err e;

        (void)state;
        STAGE(s, {.status = 503}, {.fault = FAKE_HANG}, {.fault = FAKE_HANG}, {.fault = FAKE_HANG});
        int64_t start_ms = clock_monotonic_ms();
        couch_patience(s.couch, 800, false);
        assert_int_equal(couch_server(s.couch, &server, &e), -ERR_RETRY);
        assert_in_range(clock_monotonic_ms() - start_ms, 800, 5000);
        assert_non_null(strstr(e.text, "no answer within"));
        end_stage(&s);
}

/* A server that answers slowly has it for each question only where it is renewed. */
static void patience_is_for_all_or_for_each(void **state)
{
        static const struct fake_reply slow = {.status = 404, .delay_ms = 1000};
        const struct fake_reply script[] = {slow, slow, {.status = 404}};
        struct couch_database db;
        struct stage s;
        struct err e;

        (void)state;
        for (int renewed = 0; renewed < 2; renewed++) {
                set_stage(&s, script, 3);
                couch_patience(s.couch, 1800, renewed);
                for (int i = 0; i < 2; i++)
                        assert_int_equal(couch_database(s.couch, "a", &db, &e),
                                renewed || i < 1 ? COUCH_ABSENT : -ERR_RETRY);
                couch_patience(s.couch, 0, false);
                assert_int_equal(couch_database(s.couch, "a", &db, &e), COUCH_ABSENT);
                end_stage(&s);
        }
}

/* ---- requests ---- */

static void retries_until_it_works(void **state)
{
        const struct couch_request request = {.method = "GET", .path = "/x"};
        cJSON *json = NULL;
        int status = 0;
        struct err e;

        (void)state;
        STAGE(s, {.fault = FAKE_RESET}, {.fault = FAKE_HALF, .body = "{\"a\":1}"},
                {.status = 503, .headers = "Retry-After: 1\r\n"}, {.status = 500, .body = "oops"},
                {.status = 429}, {.headers = JSON, .body = "{\"a\":2}"});
        int64_t start_ms = clock_monotonic_ms();
        assert_int_equal(couch_call(s.couch, &request, &status, &json, &e), 0);
        assert_true(clock_monotonic_ms() - start_ms >= 1000);
        assert_int_equal(status, 200);
        assert_int_equal(cJSON_GetObjectItem(json, "a")->valueint, 2);
        assert_int_equal(couch_stats(s.couch)->retries, 5);
        cJSON_Delete(json);
        end_stage(&s);
}

static void retry_after_beyond_the_budget(void **state)
{
        const struct couch_request request = {.method = "GET", .path = "/x"};
        struct err e;

        (void)state;
        STAGE(s, {.status = 503, .headers = "Retry-After: 3600\r\n", .body = "busy"});
        assert_int_equal(couch_call(s.couch, &request, NULL, NULL, &e), -ERR_RETRY);
        assert_non_null(strstr(e.text, "busy"));
        assert_int_equal(fake_http_count(s.fake), 1);
        end_stage(&s);
}

static void statuses_have_classes(void **state)
{
        static const struct {
                int status;
                enum err_class class;
        } cases[] = {{400, ERR_REJECT}, {401, ERR_CONFIG}, {403, ERR_CONFIG}, {404, ERR_CONFIG},
                {405, ERR_CONFIG}, {408, ERR_RETRY}, {409, ERR_BUG}, {412, ERR_REJECT},
                {413, ERR_REJECT}, {451, ERR_CONFIG}, {415, ERR_CONFIG}, {429, ERR_RETRY},
                {500, ERR_RETRY}, {503, ERR_RETRY}, {302, ERR_CONFIG}};
        struct http_reply reply = {.body = STR("{\"error\":\"e\",\"reason\":\"the reason\"}")};
        struct err e;

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                reply.status = cases[i].status;
                assert_int_equal(couch_reply_error(&reply, "POST", "/p", &e), -(int)cases[i].class);
                assert_int_equal(e.code, cases[i].status);
                assert_non_null(strstr(e.text, "e: the reason"));
        }
        reply = (struct http_reply){.status = 502, .body = STR("<html>\n\x01 bad gateway")};
        assert_int_equal(couch_reply_error(&reply, "POST", "/p", &e), -ERR_RETRY);
        assert_non_null(strstr(e.text, "<html>   bad gateway"));
}

static void cancelled_while_it_waits(void **state)
{
        const struct couch_request request = {.method = "GET", .path = "/x"};
        struct err e;

        (void)state;
        STAGE(s, {.fault = FAKE_HANG});
        loop_cancel(s.loop);
        assert_int_equal(couch_call(s.couch, &request, NULL, NULL, &e), -ERR_CANCEL);
        loop_cancel(s.loop); /* and when even the clean end is cut short */
        assert_int_equal(couch_call(s.couch, &request, NULL, NULL, &e), -ERR_CANCEL);
        end_stage(&s);
}

/* ---- databases ---- */

static void database_names(void **state)
{
        static const char *const good[] = {"a", "catalog", "a0_$()+/-", "a/b"};
        static const char *const bad[] = {"", "A", "1a", "_users", "a b", "a.b", "a?", "\xc3\xa4"};
        char name[240];

        (void)state;
        for (size_t i = 0; i < 4; i++)
                assert_true(couch_database_name_valid(str_of(good[i])));
        for (size_t i = 0; i < 8; i++)
                assert_false(couch_database_name_valid(str_of(bad[i])));
        memset(name, 'a', sizeof(name));
        assert_true(couch_database_name_valid((struct str){name, 238}));
        assert_false(couch_database_name_valid((struct str){name, 239}));
        assert_false(couch_database_name_valid((struct str){"a\0b", 3}));
}

static void databases_are_made(void **state)
{
        struct couch_options options;
        struct couch_database d;
        char name[64];
        bool created;
        struct err e;

        (void)state;
        test_couch_or_skip();
        options = test_couch()->options;
        options.create_q = 3;
        struct couch *c = client(&options);
        snprintf(name, sizeof(name), "unit/made-%d", (int)getpid());
        assert_int_equal(couch_database(c, name, &d, &e), COUCH_ABSENT);
        options.create = false;
        assert_int_equal(couch_database_ensure(c, name, NULL, &e), -ERR_CONFIG);
        assert_non_null(strstr(e.text, "couchdb.create"));
        options.create = true;
        assert_int_equal(couch_database_ensure(c, name, &created, &e), 0);
        assert_true(created);
        assert_int_equal(couch_database_ensure(c, name, &created, &e), 0);
        assert_false(created);
        assert_int_equal(couch_database(c, name, &d, &e), 0);
        assert_int_equal(d.doc_count, 0);
        assert_int_equal(d.update_number, 0);
        assert_true(d.update_seq.len > 0);
        assert_int_equal(d.n, 1);
        couch_database_deinit(&d);
        assert_int_equal(couch_database_ensure(c, "Upper", NULL, &e), -ERR_CONFIG);
        assert_non_null(strstr(e.text, "must begin with a-z"));
        couch_close(c);
        snprintf(name, sizeof(name), "unit%%2Fmade-%d", (int)getpid());
        test_database_drop(name);
}

static void made_by_somebody_else_meanwhile(void **state)
{
        bool created = true;
        struct err e;

        (void)state;
        STAGE(s, {.status = 404, .headers = JSON, .body = "{\"error\":\"not_found\"}"},
                {.status = 412, .headers = JSON, .body = "{\"error\":\"file_exists\"}"},
                {.status = 404, .headers = JSON, .body = "{\"error\":\"not_found\"}"},
                {.headers = JSON, .body = "{\"db_name\":\"a\"}"});
        s.options.create = true;
        assert_int_equal(couch_database_ensure(s.couch, "a", &created, &e), 0);
        assert_false(created);
        end_stage(&s);
}

static void no_right_to_make_one(void **state)
{
        struct err e;

        (void)state;
        STAGE(s, {.status = 404, .headers = JSON, .body = "{\"error\":\"not_found\"}"},
                {.status = 403,
                        .headers = JSON,
                        .body = "{\"error\":\"forbidden\",\"reason\":\"You are not a server "
                                "admin.\"}"});
        s.options.create = true;
        assert_int_equal(couch_database_ensure(s.couch, "a", NULL, &e), -ERR_CONFIG);
        assert_non_null(strstr(e.text, "not a server admin"));
        assert_non_null(strstr(e.text, "only administrators create databases"));
        end_stage(&s);
}

static void local_documents(void **state)
{
        cJSON *doc = cJSON_Parse("{\"session\":\"s1\",\"seq\":123456789012345}"), *got = NULL;
        struct err e;

        (void)state;
        test_couch_or_skip();
        struct couch *c = test_couch()->client;
        const char *db = test_database(1);
        assert_int_equal(couch_local_get(c, db, "a-b", &got, &e), COUCH_ABSENT);
        for (int i = 0; i < 3; i++)
                assert_int_equal(couch_local_put(c, db, "a-b", doc, &e), 0);
        assert_int_equal(couch_local_get(c, db, "a-b", &got, &e), 0);
        assert_string_equal(test_field(got, "session"), "s1");
        assert_true(cJSON_GetObjectItem(got, "seq")->valuedouble == 123456789012345.0);
        cJSON_Delete(got);
        test_database_drop(db);
        assert_int_equal(couch_local_put(c, db, "a-b", doc, &e), -ERR_CONFIG);
        assert_non_null(strstr(e.text, db));
        cJSON_Delete(doc);
}

static int stop(void **state)
{
        (void)state;
        test_couch_stop();
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(who_answers),
                cmocka_unit_test(others_make_revisions_their_own_way),
                cmocka_unit_test(wrong_password_is_tried_once),
                cmocka_unit_test(a_locked_account_is_explained),
                cmocka_unit_test(a_session_logs_in),
                cmocka_unit_test(a_token_file_is_read_again),
                cmocka_unit_test(credentials_that_are_ignored),
                cmocka_unit_test(not_a_couchdb),
                cmocka_unit_test(nobody_answers),
                cmocka_unit_test(patience_ends_silence),
                cmocka_unit_test(patience_is_for_all_or_for_each),
                cmocka_unit_test(retries_until_it_works),
                cmocka_unit_test(retry_after_beyond_the_budget),
                cmocka_unit_test(statuses_have_classes),
                cmocka_unit_test(cancelled_while_it_waits),
                cmocka_unit_test(database_names),
                cmocka_unit_test(databases_are_made),
                cmocka_unit_test(made_by_somebody_else_meanwhile),
                cmocka_unit_test(no_right_to_make_one),
                cmocka_unit_test(local_documents),
        };
        return cmocka_run_group_tests(tests, NULL, stop);
}
