/* Mango indexes: what counts as the same, and what is asked of CouchDB when something is not. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "ingest/couch/index.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/fake_http.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define JSON     "Content-Type: application/json\r\n"

static const char *const fields[] = {"type", "rep.id"};
#define SELECTOR "{\"type\":\"item\",\"n\":{\"$gt\":1}}"
#define NORMAL   "{\"$and\":[{\"type\":{\"$eq\":\"item\"}},{\"n\":{\"$gt\":1}}]}"

static const struct couch_index plain = {.name = "a", .fields = fields, .field_count = 2};
static struct couch_index partial(void)
{
        return (struct couch_index){
                .name = "p", .fields = fields, .field_count = 1, .filter = STR(SELECTOR)};
}

/* As CouchDB 3.4.3 stores them. */
#define PLAIN                                                                                      \
        "\"a\":{\"map\":{\"fields\":{\"type\":\"asc\",\"rep.id\":\"asc\"},"                        \
        "\"partial_filter_selector\":{}},\"reduce\":\"_count\","                                   \
        "\"options\":{\"def\":{\"fields\":[\"type\",\"rep.id\"]}}}"
#define PARTIAL                                                                                    \
        "\"p\":{\"map\":{\"fields\":{\"type\":\"asc\"},\"partial_filter_selector\":" NORMAL "},"   \
        "\"reduce\":\"_count\",\"options\":{\"def\":{\"fields\":[\"type\"],"                       \
        "\"partial_filter_selector\":" SELECTOR "}}}"
#define DESIGN(views)                                                                              \
        "{\"_id\":\"_design/erp2couch-item\",\"_rev\":\"3-x\",\"language\":\"query\","             \
        "\"views\":{" views "}}"

static const struct {
        const char *doc;
        bool equal;
} stored[] = {
        {DESIGN(PLAIN "," PARTIAL), true},
        {DESIGN(PARTIAL "," PLAIN), true},
        {DESIGN(PLAIN), false},
        {DESIGN(PLAIN "," PARTIAL ",\"more\":{}"), false},
        {"{}", false},
        {DESIGN(PLAIN ",\"p\":7"), false},
        {DESIGN(PLAIN ",\"p\":{\"map\":{\"fields\":{\"type\":\"asc\"}},\"options\":{\"def\":"
                      "{\"fields\":[\"type\"]}}}"),
                false},
        {DESIGN(PARTIAL ",\"a\":{\"map\":{\"fields\":{\"rep.id\":\"asc\",\"type\":\"asc\"}},"
                        "\"options\":{\"def\":{\"fields\":[\"type\",\"rep.id\"]}}}"),
                false},
        {DESIGN(PARTIAL ",\"a\":{\"map\":{\"fields\":{\"type\":\"asc\",\"rep.id\":\"asc\"}},"
                        "\"options\":{\"def\":{\"fields\":[\"rep.id\",\"type\"]}}}"),
                false},
        {DESIGN(PARTIAL ",\"a\":{\"map\":{\"fields\":{\"type\":\"asc\",\"rep.id\":\"asc\","
                        "\"x\":\"asc\"}},\"options\":{\"def\":{\"fields\":[\"type\","
                        "\"rep.id\"]}}}"),
                false},
        {DESIGN(PARTIAL ",\"a\":{\"map\":\"function(doc) {}\",\"options\":{\"def\":{\"fields\":["
                        "\"type\",\"rep.id\"]}}}"),
                false},
};

static void definitions_are_compared(void **state)
{
        const struct couch_index wanted[] = {plain, partial()};

        (void)state;
        for (size_t i = 0; i < COUNT(stored); i++) {
                cJSON *doc = cJSON_Parse(stored[i].doc);
                struct err e = {0};
                assert_non_null(doc);
                if (couch_indexes_equal(doc, wanted, 2, &e) != stored[i].equal)
                        fail_msg("%zu: %s", i, stored[i].doc);
                cJSON_Delete(doc);
        }
        const struct couch_index bad = {
                .name = "b", .fields = fields, .field_count = 1, .filter = STR("{")};
        struct err e = {0};
        cJSON *doc = cJSON_Parse(DESIGN("\"b\":{}"));
        assert_int_equal(couch_indexes_equal(doc, &bad, 1, &e), -ERR_CONFIG);
        cJSON_Delete(doc);
}

/* ---- what is asked of CouchDB ---- */

static const struct fake_reply absent = {
        404, JSON, .body = "{\"error\":\"not_found\",\"reason\":\"missing\"}"};
static const struct fake_reply explained = {
        200, JSON, .body = "{\"dbname\":\"db\",\"selector\":" NORMAL "}"};
static const struct fake_reply made = {201, JSON, .body = "{\"ok\":true,\"rev\":\"1-x\"}"};
static const struct fake_reply conflict = {
        409, JSON, .body = "{\"error\":\"conflict\",\"reason\":\"Document update conflict.\"}"};
static const struct fake_reply both = {200, JSON, .body = DESIGN(PLAIN "," PARTIAL)};
static const struct fake_reply one = {200, JSON, .body = DESIGN(PLAIN)};

#define PUT_BOTH "PUT {\"language\":\"query\",\"views\":{" PLAIN "," PARTIAL "}}"
#define PUT_OVER "PUT {\"_rev\":\"3-x\",\"language\":\"query\",\"views\":{" PLAIN "," PARTIAL "}}"

static const struct {
        const char *what;
        const struct fake_reply script[8];
        size_t wanted; /* of plain and partial */
        int rc;
        const char *requests[8]; /* method and body, or the end of the path */
        const char *says;
} scripts[] = {
        {"the same", {both}, 2, COUCH_INDEXES_SAME, {"GET "}, NULL},
        {"none, and none wanted", {absent}, 0, COUCH_INDEXES_SAME, {"GET "}, NULL},
        {"missing", {absent, explained, made}, 2, COUCH_INDEXES_WRITTEN,
                {"GET ", "POST {\"selector\":" SELECTOR "}", PUT_BOTH}, NULL},
        {"changed", {one, explained, made}, 2, COUCH_INDEXES_WRITTEN,
                {"GET ", "POST {\"selector\":" SELECTOR "}", PUT_OVER}, NULL},
        {"not wanted any more", {both, made}, 0, COUCH_INDEXES_WRITTEN, {"GET ", "DELETE "}, NULL},
        {"a server without _explain", {absent, absent, made}, 2, COUCH_INDEXES_WRITTEN,
                {"GET ", "POST {\"selector\":" SELECTOR "}", NULL}, NULL},
        {"somebody was faster", {absent, explained, conflict, both}, 2, COUCH_INDEXES_SAME,
                {"GET ", "POST {\"selector\":" SELECTOR "}", PUT_BOTH, "GET "}, NULL},
        {"deleted while it was", {both, conflict, absent}, 0, COUCH_INDEXES_SAME,
                {"GET ", "DELETE ", "GET "}, NULL},
        {"a member", {absent, {403, JSON, .body = "{\"error\":\"forbidden\"}"}}, 1,
                COUCH_INDEXES_REFUSED, {"GET "},
                "database db: design document _design/erp2couch-item: CouchDB lets only admins"},
        {"no selector", {absent, {400, JSON, .body = "{\"error\":\"invalid_operator\"}"}}, 2,
                -ERR_CONFIG, {"GET "},
                "_design/erp2couch-item: index p: CouchDB refuses its partial_filter_selector"},
        {"another language", {{200, JSON, .body = "{\"_rev\":\"1-x\",\"views\":{}}"}}, 2,
                -ERR_CONFIG, {"GET "}, "somebody else's"},
        {"another language, none wanted", {{200, JSON, .body = "{\"_rev\":\"1-x\"}"}}, 0,
                -ERR_CONFIG, {"GET "}, "somebody else's"},
        {"the database is gone", {absent, absent}, 1, -ERR_RETRY, {"GET "}, "not there any more"},
};

struct client {
        struct fake_http *server;
        struct loop *loop;
        struct couch_options options;
        struct couch *couch;
};

static void client_open(struct client *k, const struct fake_reply *script, size_t count)
{
        struct err e = {0};

        k->server = fake_http_start(script, count);
        k->options = (struct couch_options){.url = fake_http_url(k->server, ""),
                .control_database = "control",
                .retry_for_ms = 100,
                .max_in_flight = 1};
        if (loop_new(&k->loop, &e) || couch_open(&k->options, k->loop, NULL, &k->couch, &e))
                fail_msg("%s", e.text);
}

static void client_close(struct client *k)
{
        couch_close(k->couch);
        loop_free(k->loop);
        fake_http_stop(k->server);
}

static void check_requests(const struct client *k, size_t i)
{
        for (int n = 0; n < 8 && scripts[i].requests[n]; n++) {
                const struct fake_request *r = fake_http_request(k->server, n);
                char got[4096];
                if (!r)
                        fail_msg("%s: request %d did not come", scripts[i].what, n);
                snprintf(got, sizeof(got), "%s %s", r->method, r->body);
                if (strcmp(got, scripts[i].requests[n]) != 0)
                        fail_msg("%s: request %d is %s, not %s", scripts[i].what, n, got,
                                scripts[i].requests[n]);
                assert_string_equal(r->path, strstr(r->method, "POST") ? "/db/_explain"
                                             : strstr(r->method, "DELETE")
                                                     ? "/db/_design/erp2couch-item?rev=3-x"
                                                     : "/db/_design/erp2couch-item");
        }
}

static void only_what_differs_is_written(void **state)
{
        const struct couch_index wanted[] = {plain, partial()};

        (void)state;
        for (size_t i = 0; i < COUNT(scripts); i++) {
                struct client k;
                struct err e = {0};
                size_t count = 0;
                while (count < COUNT(scripts[i].script) && scripts[i].script[count].status)
                        count++;
                client_open(&k, scripts[i].script, count);
                int rc = couch_indexes_keep(k.couch, "db", "item", wanted, scripts[i].wanted, &e);
                if (rc != scripts[i].rc || (scripts[i].says && !strstr(e.text, scripts[i].says)))
                        fail_msg("%s: %d, %s", scripts[i].what, rc, e.text);
                if (rc >= 0 && rc != COUCH_INDEXES_REFUSED)
                        assert_int_equal(fake_http_count(k.server), count);
                check_requests(&k, i);
                client_close(&k);
        }
}

static void memory_that_runs_out_is_an_error(void **state)
{
        static const struct fake_reply script[] = {
                {404, JSON, .body = "{\"error\":\"not_found\"}"},
                {200, JSON, .body = "{\"selector\":" NORMAL "}"},
                {201, JSON, .body = "{\"ok\":true}"},
        };
        const struct couch_index wanted[] = {plain, partial()};

        (void)state;
        ALLOC_FAIL_EACH(i)
        {
                struct client k;
                struct err e = {0};
                client_open(&k, script, COUNT(script));
                alloc_fail_at(i);
                int rc = couch_indexes_keep(k.couch, "db", "item", wanted, 2, &e);
                if (rc != COUCH_INDEXES_WRITTEN && rc != -ERR_NOMEM && rc != -ERR_RETRY)
                        fail_msg("%d: %s", rc, e.text);
                client_close(&k);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(definitions_are_compared),
                cmocka_unit_test(only_what_differs_is_written),
                cmocka_unit_test(memory_that_runs_out_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
