/* The client, the writer and the scans with each of their allocations failing once. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "ingest/couch/bulk.h"
#include "ingest/couch/scan.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/fake_http.h"

#define JSON "Content-Type: application/json\r\n"

static const char welcome[] =
        "{\"couchdb\":\"Welcome\",\"version\":\"3.4.3\",\"uuid\":\"u\",\"vendor\":{\"name\":\"The "
        "Apache Software Foundation\"}}";
static const char rows[] =
        "{\"total_rows\":2,\"rows\":[{\"id\":\"a\",\"key\":\"a\",\"value\":{\"rev\":\"1-x\"},"
        "\"doc\":{\"_id\":\"a\",\"v\":1}},{\"id\":\"b\\u0001\",\"key\":\"b\",\"value\":{\"rev\":"
        "\"1-x\"},\"doc\":{\"_id\":\"b\",\"v\":1}}]}";
static const char changes[] = "{\"results\":[{\"seq\":\"1-x\",\"id\":\"a\",\"changes\":[{\"rev\":"
                              "\"1-x\"},{\"rev\":\"1-y\"}]}],\"last_seq\":\"1-x\"}";

/* What became of a document in this server: conflicts come first, whatever is sent. */
#define CONFLICT(id) "{\"id\":\"" id "\",\"error\":\"conflict\",\"reason\":\"x\"}"
#define WRITTEN(id)  "{\"ok\":true,\"id\":\"" id "\",\"rev\":\"9-0123456789abcdef0123456789abcdef\"}"

/* The path decides; the first _bulk_docs is answered by two conflicts and a refusal. */
static void on_request(void *ctx, const struct fake_request *r, struct fake_reply *reply)
{
        (void)ctx;
        reply->headers = JSON;
        if (strstr(r->path, "_bulk_docs")) {
                bool again = strstr(r->body, "_rev") != NULL;
                reply->status = 201;
                reply->body = again ? "[" WRITTEN("a") "]"
                                    : "[" CONFLICT("a") "," CONFLICT(
                                              "b") ",{\"id\":\"c\",\"error\":\"forbidden\"}]";
        } else if (strstr(r->path, "_revs_diff")) {
                reply->body = "{\"a\":{\"missing\":[\"2000000000-00\"]},\"b\":{\"missing\":["
                              "\"2000000000-00\"]}}";
        } else if (strstr(r->path, "include_docs=true") && r->body_len) {
                reply->body =
                        "{\"rows\":[{\"id\":\"a\",\"key\":\"a\",\"value\":{\"rev\":\"1-x\"},"
                        "\"doc\":{\"_id\":\"a\",\"v\":2,\"_attachments\":{\"t\":{\"stub\":true}}}},"
                        "{\"id\":\"b\",\"key\":\"b\",\"value\":{\"rev\":\"1-x\"},\"doc\":{\"v\":1}}"
                        "]}";
        } else if (strstr(r->path, "_all_docs")) {
                reply->body = rows;
        } else if (strstr(r->path, "_changes")) {
                reply->body = changes;
        } else if (strstr(r->path, "_session")) {
                reply->body = "{\"userCtx\":{\"name\":\"adm\",\"roles\":[]}}";
        } else if (strcmp(r->path, "/") == 0) {
                reply->body = welcome;
        } else {
                reply->body = "{\"update_seq\":\"5-x\",\"_rev\":\"0-1\"}";
        }
}

struct counts {
        unsigned outcomes, by_result[BULK_ABANDONED + 1];
        bool room;
};

static void on_outcome(void *ctx, const struct bulk_outcome *o)
{
        struct counts *c = ctx;

        c->outcomes++;
        c->by_result[o->result]++;
        assert_int_equal(o->id.len, 1); /* also when memory ran out in the middle of it */
        assert_in_range(o->id.ptr[0], 'a', 'c');
}

static void on_drain(void *ctx)
{
        ((struct counts *)ctx)->room = true;
}

static int write_three(struct couch *c, struct counts *counts, struct err *e)
{
        static const char *const ids[] = {"c", "a", "b", "a"};
        const struct bulk_callbacks callbacks = {on_outcome, on_drain, counts};
        cleanup_(bulk_freep) struct bulk *bulk = NULL;
        unsigned pushed = 0;
        int rc = bulk_new(c, NULL, true, &callbacks, &bulk, e);

        for (int i = 0; i < 3 && rc >= 0; i++) {
                const struct bulk_doc doc = {.database = "db",
                        .id = str_of(ids[i]),
                        .body = STR("\"v\":1"),
                        .digest = digest_body(STR("\"v\":1"))};
                rc = bulk_push(bulk, &doc, e);
                pushed += rc >= 0;
        }
        if (rc < 0 && bulk) { /* what was taken still gets its outcome */
                struct err other;
                if (bulk_drain(bulk, true, &other) == -ERR_CANCEL)
                        fail();
        } else if (rc >= 0) {
                rc = bulk_drain(bulk, true, e);
        }
        assert_int_equal(counts->outcomes, pushed);
        return rc;
}

static int see_doc(void *ctx, const struct scan_doc *doc, struct err *e)
{
        (void)e;
        ++*(unsigned *)ctx;
        return doc->rev.len ? 0 : -1;
}

static int see_change(void *ctx, const struct scan_change *c, struct err *e)
{
        (void)e;
        *(unsigned *)ctx += (unsigned)c->leaf_count;
        return 0;
}

static int scan_both(struct couch *c, struct err *e)
{
        cleanup_buf_ struct buf last = {.max = 100};
        unsigned docs = 0, leaves = 0;
        int rc = scan_prefix(c, "db", STR("a"), true, see_doc, &docs, e);

        if (rc == 0)
                rc = scan_changes(c, "db", STR("0"), see_change, &leaves, &last, e);
        if (rc == 0) {
                assert_int_equal(docs, 2);
                assert_int_equal(leaves, 2);
                assert_true(str_is(buf_str(&last), "1-x"));
        }
        return rc;
}

static int single_requests(struct couch *c, struct err *e)
{
        struct couch_server server;
        struct couch_database d = {.n = 0};
        cJSON *json = NULL;
        int rc = couch_server(c, &server, e);

        if (rc == 0)
                rc = couch_database_ensure(c, "db", NULL, e);
        if (rc == 0)
                rc = couch_database(c, "db", &d, e);
        couch_database_deinit(&d);
        if (rc == 0)
                rc = couch_local_get(c, "db", "x", &json, e);
        if (rc == 0)
                rc = couch_local_put(c, "db", "x", json, e);
        cJSON_Delete(json);
        return rc;
}

enum part { PART_SINGLE, PART_WRITE, PART_SCAN };

static int run(const char *url, enum part part, struct counts *counts, struct err *e)
{
        const struct couch_options options = {.url = url,
                .auth = COUCH_AUTH_BASIC,
                .user = "adm",
                .password = "pass",
                .max_batch_docs = 100,
                .max_batch_bytes = 1 << 20,
                .max_in_flight = 2,
                .retry_for_ms = 200};
        cleanup_(loop_freep) struct loop *loop = NULL;
        cleanup_(couch_closep) struct couch *c = NULL;
        int rc = loop_new(&loop, e);

        if (rc == 0)
                rc = couch_open(&options, loop, NULL, &c, e);
        if (rc < 0)
                return rc;
        switch (part) {
        case PART_SINGLE:
                return single_requests(c, e);
        case PART_WRITE:
                return write_three(c, counts, e);
        default:
                return scan_both(c, e);
        }
}

static void each_allocation(enum part part)
{
        struct fake_http *fake = fake_http_start_handler(on_request, NULL);
        char url[128];
        struct err e;

        snprintf(url, sizeof(url), "%s", fake_http_url(fake, ""));
        ALLOC_FAIL_EACH(i)
        {
                struct counts counts = {.outcomes = 0};
                alloc_fail_at(i);
                int rc = run(url, part, &counts, &e);
                assert_true(rc == 0 || rc == -ERR_NOMEM || rc == -ERR_RETRY || rc == -ERR_SYSTEM ||
                            rc == -ERR_CONFIG);
        }
        struct counts counts = {.outcomes = 0};
        if (run(url, part, &counts, &e) < 0) /* and with none failing */
                fail_msg("%s", e.text);
        if (part == PART_WRITE) {
                assert_int_equal(counts.by_result[BULK_WRITTEN], 1);
                assert_int_equal(counts.by_result[BULK_EQUAL], 1);
                assert_int_equal(counts.by_result[BULK_REFUSED], 1);
        }
        fake_http_stop(fake);
}

static void single_requests_survive(void **state)
{
        (void)state;
        each_allocation(PART_SINGLE);
}

static void the_writer_survives(void **state)
{
        (void)state;
        each_allocation(PART_WRITE);
}

static void scans_survive(void **state)
{
        (void)state;
        each_allocation(PART_SCAN);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(single_requests_survive),
                cmocka_unit_test(the_writer_survives),
                cmocka_unit_test(scans_survive),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
