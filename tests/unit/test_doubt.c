/* Replies that are lost, cut, refused or wrong, between the writer and a real CouchDB. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "ingest/couch/rev.h"
#include "tests/support/bulk_run.h"
#include "tests/support/couch.h"
#include "tests/support/couch_proxy.h"

#define JSON  "Content-Type: application/json\r\n"
#define DOCS  60 /* of a test, in batches of BATCH */
#define BATCH 10

struct scene {
        struct couch_proxy *proxy;
        struct bulk_run *run;
        struct couch_options options;
};

static void set_scene(
        struct scene *s, const struct proxy_rule *rules, size_t count, int64_t retry_for_ms)
{
        s->options = test_couch()->options;
        s->proxy = couch_proxy_start(s->options.url, rules, count);
        s->options.url = couch_proxy_url(s->proxy);
        s->options.max_batch_docs = BATCH;
        s->options.max_in_flight = 3;
        s->options.retry_for_ms = retry_for_ms;
        s->run = bulk_run_start(&s->options, test_couch_apache(), test_database(1));
}

#define SCENE(s, ...)                                                                              \
        static const struct proxy_rule rules_[] = {__VA_ARGS__};                                   \
        struct scene s;                                                                            \
        set_scene(&s, rules_, sizeof(rules_) / sizeof(rules_[0]), 10000)

static void end_scene(struct scene *s)
{
        test_database_drop(s->run->database);
        bulk_run_stop(s->run);
        couch_proxy_stop(s->proxy);
}

static void drain(struct bulk_run *r)
{
        struct err e;

        if (bulk_drain(r->bulk, false, &e) < 0)
                fail_msg("%s", e.text);
}

static cJSON *all_docs(const char *db)
{
        char path[128];

        snprintf(path, sizeof(path), "/%s/_all_docs", db);
        return test_call("GET", path, NULL);
}

static int64_t update_number(const char *db)
{
        struct couch_database d;
        struct err e;

        if (couch_database(test_couch()->client, db, &d, &e) != 0)
                fail_msg("%s", e.text);
        int64_t n = d.update_number;
        couch_database_deinit(&d);
        return n;
}

/* Every document is there once, with the revision that was told, and no write was needless. */
static void check_all(struct bulk_run *r, int count, uint64_t generation)
{
        cJSON *reply = all_docs(r->database);
        const cJSON *row;
        int found = 0;

        cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(reply, "rows"))
        {
                const struct told *t = bulk_run_find(r, test_field(row, "id"));
                const char *rev = test_field(row, "value.rev");
                assert_non_null(t);
                assert_string_equal(t->rev, rev);
                assert_int_equal(rev_generation(str_of(rev)), generation);
                found++;
        }
        cJSON_Delete(reply);
        assert_int_equal(found, count);
        assert_int_equal(update_number(r->database), count * (int64_t)generation);
}

/* Creates under the fault, then updates of the same documents under what is left of the rules. */
static void load_and_check(struct scene *s)
{
        bulk_run_many(s->run, "d", DOCS);
        drain(s->run);
        assert_int_equal(s->run->count, DOCS);
        assert_int_equal(s->run->counts[BULK_WRITTEN], DOCS);
        check_all(s->run, DOCS, 1);
}

static void reply_lost_after_commit(void **state)
{
        (void)state;
        test_couch_or_skip();
        SCENE(s, {.path = "_bulk_docs", .from = 1, .to = 4, .fault = PROXY_LOSE});
        load_and_check(&s);
        assert_in_range(bulk_stats(s.run->bulk)->doubts, 3 * BATCH, 6 * BATCH);
        if (test_couch_apache()) { /* the revisions tell; no document is read for it */
                assert_in_range(couch_proxy_count(s.proxy, "_revs_diff"), 3, 6);
                assert_int_equal(couch_proxy_count(s.proxy, "_all_docs"), 0);
        }
        end_scene(&s);
}

static void half_a_reply(void **state)
{
        (void)state;
        test_couch_or_skip();
        SCENE(s, {.path = "_bulk_docs", .from = 0, .to = 3, .fault = PROXY_LOSE_HALF});
        load_and_check(&s);
        assert_int_equal(s.run->counts[BULK_WRITTEN], DOCS);
        assert_int_equal(bulk_stats(s.run->bulk)->doubts, 30);
        end_scene(&s);
}

static void connection_lost_before(void **state)
{
        (void)state;
        test_couch_or_skip();
        SCENE(s, {.path = "_bulk_docs", .from = 0, .to = 2, .fault = PROXY_RESET},
                {.path = "_bulk_docs", .from = 4, .to = 6, .fault = PROXY_REFUSE});
        load_and_check(&s);
        end_scene(&s);
}

static void everything_is_lost_for_a_while(void **state)
{
        (void)state;
        test_couch_or_skip();
        SCENE(s, {.path = "_revs_diff", .from = 0, .to = 3, .fault = PROXY_LOSE},
                {.path = "_bulk_docs", .from = 0, .to = 3, .fault = PROXY_LOSE});
        load_and_check(&s);
        /* what shrank meanwhile has grown again after as many good replies */
        bulk_run_many(s.run, "e", DOCS);
        drain(s.run);
        assert_int_equal(bulk_stats(s.run->bulk)->limit_in_flight, s.options.max_in_flight);
        end_scene(&s);
}

static void error_500_after_commit(void **state)
{
        (void)state;
        test_couch_or_skip();
        SCENE(s, {.path = "_bulk_docs",
                         .from = 0,
                         .to = 2,
                         .fault = PROXY_ANSWER_AFTER,
                         .status = 500,
                         .headers = JSON,
                         .body = "{\"error\":\"internal_server_error\",\"reason\":\"x\"}"});
        load_and_check(&s);
        assert_int_equal(bulk_stats(s.run->bulk)->bisections, 0);
        end_scene(&s);
}

/* As CouchDB answers when its shards do not: an array, and the documents may be written. */
#define ELEMENT(n)                                                                                 \
        "{\"id\":\"d-0000" #n "\",\"error\":\"error\",\"reason\":\"internal_server_error\"}"

static void error_500_with_an_array(void **state)
{
        static const char array[] =
                "[" ELEMENT(0) "," ELEMENT(1) "," ELEMENT(2) "," ELEMENT(3) "," ELEMENT(4) "," ELEMENT(
                        5) "," ELEMENT(6) "," ELEMENT(7) "," ELEMENT(8) "," ELEMENT(9) "]";

        (void)state;
        test_couch_or_skip();
        SCENE(s, {.path = "_bulk_docs",
                         .from = 0,
                         .to = 1,
                         .fault = PROXY_ANSWER_AFTER,
                         .status = 500,
                         .headers = JSON,
                         .body = array,
                         .if_body = "d-00000"});
        load_and_check(&s);
        assert_int_equal(bulk_stats(s.run->bulk)->doubts, BATCH);
        end_scene(&s);
}

static void overload_with_retry_after(void **state)
{
        (void)state;
        test_couch_or_skip();
        SCENE(s,
                {.path = "_bulk_docs",
                        .from = 0,
                        .to = 1,
                        .fault = PROXY_ANSWER,
                        .status = 503,
                        .headers = "Retry-After: 1\r\n"},
                {.path = "_bulk_docs",
                        .from = 1,
                        .to = 3,
                        .fault = PROXY_ANSWER,
                        .status = 429,
                        .headers = "Retry-After: 1\r\n"});
        int64_t start_ms = loop_now_ms(s.run->loop);
        load_and_check(&s);
        assert_true(loop_now_ms(s.run->loop) - start_ms >= 1000);
        assert_true(bulk_stats(s.run->bulk)->limit_in_flight <= 3);
        end_scene(&s);
}

static void not_json(void **state)
{
        (void)state;
        test_couch_or_skip();
        SCENE(s,
                {.path = "_bulk_docs",
                        .from = 0,
                        .to = 1,
                        .fault = PROXY_ANSWER_AFTER,
                        .status = 201,
                        .body = "<html>proxy</html>"},
                {.path = "_bulk_docs",
                        .from = 1,
                        .to = 2,
                        .fault = PROXY_ANSWER,
                        .status = 201,
                        .headers = JSON,
                        .body = "[]"},
                {.path = "_bulk_docs",
                        .from = 2,
                        .to = 3,
                        .fault = PROXY_ANSWER,
                        .status = 200,
                        .headers = JSON,
                        .body = "[{\"ok\":true,\"id\":\"somebody\",\"rev\":\"1-x\"}"});
        load_and_check(&s);
        end_scene(&s);
}

static void a_proxy_with_a_small_limit(void **state)
{
        (void)state;
        test_couch_or_skip();
        SCENE(s, {.path = "_bulk_docs",
                         .from = 0,
                         .to = 1000,
                         .fault = PROXY_ANSWER,
                         .status = 413,
                         .body = "<html>413</html>",
                         .if_body = "d-00003"});
        bulk_run_many(s.run, "d", DOCS);
        drain(s.run);
        assert_int_equal(s.run->counts[BULK_WRITTEN], DOCS - 1);
        assert_int_equal(s.run->counts[BULK_REFUSED], 1);
        assert_string_equal(bulk_run_find(s.run, "d-00003")->reason, "HTTP status 413");
        assert_true(bulk_stats(s.run->bulk)->bisections >= 3);
        end_scene(&s);
}

static void one_document_makes_couchdb_fail(void **state)
{
        (void)state;
        test_couch_or_skip();
        SCENE(s, {.path = "_bulk_docs",
                         .from = 0,
                         .to = 1000,
                         .fault = PROXY_ANSWER,
                         .status = 500,
                         .headers = JSON,
                         .body = "{\"error\":\"badarg\",\"reason\":\"boom\"}",
                         .if_body = "d-00003"});
        bulk_run_many(s.run, "d", DOCS);
        drain(s.run);
        assert_int_equal(s.run->counts[BULK_WRITTEN], DOCS - 1);
        assert_int_equal(s.run->counts[BULK_REFUSED], 1);
        assert_string_equal(bulk_run_find(s.run, "d-00003")->reason, "badarg: boom");
        end_scene(&s);
}

/* A CouchDB that cannot write at all is no reason to refuse documents. */
static void nothing_can_be_written(void **state)
{
        static const struct proxy_rule rules[] = {{.path = "_bulk_docs",
                                                          .to = 100000,
                                                          .fault = PROXY_ANSWER,
                                                          .status = 500,
                                                          .body = "{\"error\":\"enospc\"}"},
                {.path = "_local",
                        .to = 100000,
                        .fault = PROXY_ANSWER,
                        .status = 500,
                        .body = "{\"error\":\"enospc\"}"}};
        struct scene s;
        struct err e;

        (void)state;
        test_couch_or_skip();
        set_scene(&s, rules, 2, 1500);
        bulk_run_many(s.run, "d", 1);
        assert_int_equal(bulk_drain(s.run->bulk, false, &e), -ERR_RETRY);
        assert_non_null(strstr(e.text, "gave up after"));
        assert_non_null(strstr(e.text, "enospc"));
        assert_int_equal(s.run->counts[BULK_ABANDONED], 1);
        end_scene(&s);
}

static void errors_of_single_documents(void **state)
{
        (void)state;
        test_couch_or_skip();
        SCENE(s, {.path = "_bulk_docs",
                         .from = 0,
                         .to = 1,
                         .fault = PROXY_ANSWER,
                         .status = 201,
                         .headers = JSON,
                         .body = "[{\"id\":\"d-00000\",\"error\":\"insufficent_storage\","
                                 "\"reason\":\"full\"},"
                                 "{\"id\":\"d-00001\",\"error\":\"unauthorized\",\"reason\":"
                                 "\"no\\n\"},"
                                 "{\"id\":\"d-00002\",\"error\":\"internal_server_error\"},\n"
                                 "{\"id\":\"d-00003\",\"error\":\"conflict\",\"reason\":\"x\"},"
                                 "{\"id\":\"d-00004\",\"error\":\"TypeError\",\"reason\":"
                                 "\"undefined\"}]",
                         .if_body = "d-00000"});
        bulk_run_many(s.run, "d", 5);
        drain(s.run);
        assert_int_equal(s.run->counts[BULK_WRITTEN], 3);
        assert_int_equal(s.run->counts[BULK_REFUSED], 2);
        assert_string_equal(bulk_run_find(s.run, "d-00001")->reason, "unauthorized: no\n");
        assert_string_equal(bulk_run_find(s.run, "d-00004")->reason, "TypeError: undefined");
        end_scene(&s);
}

static void a_server_that_counts_otherwise(void **state)
{
        (void)state;
        test_apache_or_skip();
        SCENE(s,
                {.path = "_bulk_docs",
                        .from = 0,
                        .to = 1,
                        .fault = PROXY_ANSWER_AFTER,
                        .status = 201,
                        .headers = JSON,
                        .body = "[{\"ok\":true,\"id\":\"d-00000\",\"rev\":\"1-"
                                "00000000000000000000000000000000\",\"accepted\":true},"
                                "{\"ok\":true,\"id\":\"d-00001\",\"rev\":\"1-"
                                "00000000000000000000000000000000\"}]"},
                {.path = "_bulk_docs", .from = 1, .to = 2, .fault = PROXY_LOSE_HALF});
        bulk_run_many(s.run, "d", 2);
        drain(s.run);
        assert_int_equal(s.run->counts[BULK_WRITTEN], 2);
        assert_int_equal(bulk_stats(s.run->bulk)->mispredictions, 1); /* told once */
        /* from now on bodies are compared */
        bulk_run_many(s.run, "e", 5);
        drain(s.run);
        assert_int_equal(s.run->counts[BULK_WRITTEN], 7);
        assert_int_equal(couch_proxy_count(s.proxy, "_revs_diff"), 0);
        assert_int_equal(update_number(s.run->database), 7);
        end_scene(&s);
}

static void updates_and_deletions_in_doubt(void **state)
{
        struct told first[DOCS];
        struct err e;

        (void)state;
        test_couch_or_skip();
        for (int predicts = 0; predicts < 2; predicts++) {
                SCENE(s, {.path = "_bulk_docs",
                                 .from = DOCS / BATCH,
                                 .to = DOCS / BATCH + 4,
                                 .fault = PROXY_LOSE_HALF});
                bulk_run_stop(s.run);
                s.run = bulk_run_start(
                        &s.options, predicts && test_couch_apache(), test_database(1));
                bulk_run_many(s.run, "d", DOCS);
                drain(s.run);
                memcpy(first, s.run->told, sizeof(first));
                for (int i = 0; i < DOCS; i++)
                        assert_int_equal(bulk_run_push(s.run,
                                                 (struct bulk_doc){.id = str_of(first[i].id),
                                                         .parent = str_of(first[i].rev),
                                                         .deleted = i % 2,
                                                         .body = STR("\"v\":2")},
                                                 &e),
                                0);
                drain(s.run);
                assert_int_equal(s.run->counts[BULK_WRITTEN], 2 * DOCS);
                assert_int_equal(update_number(s.run->database), 2 * DOCS);
                for (int i = 0; i < DOCS; i++)
                        assert_true(s.run->told[DOCS + i].existed);
                end_scene(&s);
        }
}

/* The predicted revision is known to CouchDB, but from an earlier life of the document. */
static void an_old_life_is_no_proof(void **state)
{
        char path[200];

        (void)state;
        test_apache_or_skip();
        SCENE(s, {.path = "_bulk_docs", .from = 0, .to = 1, .fault = PROXY_RESET});
        snprintf(path, sizeof(path), "/%s/d-00000", s.run->database);
        cJSON *put = test_call("PUT", path, "{\"n\":0}");
        snprintf(path, sizeof(path), "/%s/d-00000?rev=%s", s.run->database, test_field(put, "rev"));
        cJSON_Delete(test_call("DELETE", path, NULL));
        cJSON_Delete(put);
        bulk_run_many(s.run, "d", 1); /* would be the very revision of the first life */
        drain(s.run);
        assert_int_equal(s.run->counts[BULK_WRITTEN], 1);
        assert_int_equal(rev_generation(str_of(s.run->told[0].rev)), 3);
        cJSON *reply = all_docs(s.run->database);
        assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(reply, "rows")), 1);
        cJSON_Delete(reply);
        end_scene(&s);
}

static void credentials_refused_on_the_way(void **state)
{
        struct err e;

        (void)state;
        test_couch_or_skip();
        SCENE(s, {.path = "_bulk_docs",
                         .from = 2,
                         .to = 1000,
                         .fault = PROXY_ANSWER,
                         .status = 401,
                         .headers = JSON,
                         .body = "{\"error\":\"unauthorized\",\"reason\":\"Name or password is "
                                 "incorrect.\"}"});
        bulk_run_many(s.run, "d", 1000);
        assert_int_equal(bulk_drain(s.run->bulk, false, &e), -ERR_CONFIG);
        assert_non_null(strstr(e.text, "couchdb.auth"));
        assert_int_equal(s.run->counts[BULK_WRITTEN] + s.run->counts[BULK_ABANDONED], s.run->count);
        assert_true(couch_proxy_count(s.proxy, "_bulk_docs") <= 2 + 3);
        /* Batches that were under way when the other was refused are told as what they are. */
        assert_int_equal(s.run->counts[BULK_WRITTEN], 2 * BATCH);
        assert_int_equal(update_number(s.run->database), 2 * BATCH);
        end_scene(&s);
}

static void a_session_that_expires(void **state)
{
        static const struct proxy_rule rules[] = {{.path = "_bulk_docs",
                .from = 2,
                .to = 3,
                .fault = PROXY_ANSWER,
                .status = 401,
                .headers = JSON,
                .body = "{\"error\":\"unauthorized\",\"reason\":\"expired\"}"}};
        struct couch_server server;
        struct scene s;
        struct err e;

        (void)state;
        test_apache_or_skip();
        set_scene(&s, rules, 1, 10000);
        const char *db = s.run->database;
        bulk_run_stop(s.run);
        s.options.auth = COUCH_AUTH_SESSION;
        s.run = bulk_run_start(&s.options, true, db);
        assert_int_equal(couch_server(s.run->couch, &server, &e), 0);
        load_and_check(&s);
        assert_int_equal(couch_proxy_count(s.proxy, "_session"), 3); /* two POST, one GET */
        end_scene(&s);
}

static void gives_up_in_the_end(void **state)
{
        static const struct proxy_rule rules[] = {
                {.path = "", .from = 0, .to = 100000, .fault = PROXY_REFUSE}};
        struct scene s;
        struct err e;

        (void)state;
        test_couch_or_skip();
        set_scene(&s, rules, 1, 1000);
        bulk_run_many(s.run, "d", 200);
        int64_t start_ms = loop_now_ms(s.run->loop);
        assert_int_equal(bulk_drain(s.run->bulk, false, &e), -ERR_RETRY);
        assert_true(loop_now_ms(s.run->loop) - start_ms < 5000);
        assert_non_null(strstr(e.text, "gave up after"));
        assert_int_equal(bulk_stats(s.run->bulk)->limit_in_flight, 1);
        assert_int_equal(s.run->counts[BULK_ABANDONED], s.run->count);
        assert_true(s.run->count > 0);
        end_scene(&s);
}

static int stop_server(void **state)
{
        (void)state;
        test_couch_stop();
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(reply_lost_after_commit),
                cmocka_unit_test(half_a_reply),
                cmocka_unit_test(connection_lost_before),
                cmocka_unit_test(everything_is_lost_for_a_while),
                cmocka_unit_test(error_500_after_commit),
                cmocka_unit_test(error_500_with_an_array),
                cmocka_unit_test(overload_with_retry_after),
                cmocka_unit_test(not_json),
                cmocka_unit_test(a_proxy_with_a_small_limit),
                cmocka_unit_test(one_document_makes_couchdb_fail),
                cmocka_unit_test(nothing_can_be_written),
                cmocka_unit_test(errors_of_single_documents),
                cmocka_unit_test(a_server_that_counts_otherwise),
                cmocka_unit_test(updates_and_deletions_in_doubt),
                cmocka_unit_test(an_old_life_is_no_proof),
                cmocka_unit_test(credentials_refused_on_the_way),
                cmocka_unit_test(a_session_that_expires),
                cmocka_unit_test(gives_up_in_the_end),
        };
        return cmocka_run_group_tests(tests, NULL, stop_server);
}
