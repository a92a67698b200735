#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "ingest/couch/rows.h"
#include "ingest/couch/scan.h"
#include "tests/support/bulk_run.h"
#include "tests/support/couch.h"
#include "tests/support/couch_proxy.h"

/* ---- rows: without a server ---- */

struct heard {
        struct buf text; /* the rows, each with a newline */
        int limit;       /* rows until an error; 0: none */
        int count;
};

static int hear(void *ctx, struct str row, struct err *e)
{
        struct heard *h = ctx;

        if (h->limit && ++h->count >= h->limit)
                return err_set(e, ERR_SYSTEM, "enough");
        buf_put_str(&h->text, row);
        buf_putc(&h->text, '\n');
        return 0;
}

static void rows_in_pieces_of_any_size(void **state)
{
        static const char reply[] = "{\"total_rows\":3,\"offset\":0,\"rows\":[\r\n"
                                    "{\"id\":\"a\",\"doc\":{\"x\":[1,{\"y\":\"}]\\\"\"}]}},\r\n"
                                    "{\"id\":\"b\\\\\"},\n{}\n],\"last_seq\":\"7-[}\"}\n";
        struct str frame;
        struct err e;

        (void)state;
        for (size_t piece = 1; piece <= sizeof(reply); piece++) {
                struct heard h = {.text = {.max = 1000}};
                struct rows r;
                rows_init(&r, hear, &h);
                for (size_t at = 0; at < sizeof(reply) - 1; at += piece) {
                        size_t n = sizeof(reply) - 1 - at < piece ? sizeof(reply) - 1 - at : piece;
                        char *copy = malloc(n);
                        memcpy(copy, reply + at, n);
                        assert_int_equal(rows_feed(&r, (struct str){copy, n}, &e), 0);
                        free(copy);
                }
                assert_string_equal(buf_cstr(&h.text),
                        "{\"id\":\"a\",\"doc\":{\"x\":[1,{\"y\":\"}]\\\"\"}]}}\n"
                        "{\"id\":\"b\\\\\"}\n{}\n");
                assert_int_equal(rows_frame(&r, &frame, &e), 0);
                assert_true(str_is(frame,
                        "{\"total_rows\":3,\"offset\":0,\"rows\":[],\"last_seq\":\"7-[}\"}"));
                rows_deinit(&r);
                buf_deinit(&h.text);
        }
}

static void rows_that_are_not(void **state)
{
        static const char *const replies[] = {
                "{\"rows\":[{\"id\":\"a\"}", "", "{\"rows\":[{", "{\"rows\":[{\"id\":\"", "<html>"};
        struct str frame;
        struct err e;

        (void)state;
        for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
                struct heard h = {.text = {.max = 1000}};
                struct rows r;
                rows_init(&r, hear, &h);
                if (rows_feed(&r, str_of(replies[i]), &e) == 0)
                        assert_int_equal(rows_frame(&r, &frame, &e), -ERR_RETRY);
                rows_deinit(&r);
                buf_deinit(&h.text);
        }
        struct rows r;
        rows_init(&r, hear, NULL);
        assert_int_equal(rows_feed(&r, STR("}"), &e), -ERR_RETRY);
        rows_reset(&r);
        assert_int_equal(rows_feed(&r, STR("{} {\"rows\":[]}"), &e), -ERR_RETRY);
        rows_deinit(&r);
}

static void the_frame_is_bounded(void **state)
{
        char junk[1000];
        struct rows r;
        struct err e;
        int rc = 0;

        (void)state;
        memset(junk, 'x', sizeof(junk));
        rows_init(&r, hear, NULL);
        for (int i = 0; i < 100 && rc == 0; i++)
                rc = rows_feed(&r, (struct str){junk, sizeof(junk)}, &e);
        assert_int_equal(rc, -ERR_REJECT);
        rows_deinit(&r);
}

/* ---- scans ---- */

struct seen {
        int count, conflicts, attachments, limit;
        char last[300];
        size_t json_bytes;
        bool sorted;
};

static int see(void *ctx, const struct scan_doc *doc, struct err *e)
{
        struct seen *s = ctx;
        char id[300];

        snprintf(id, sizeof(id), "%.*s", STR_ARG(doc->id));
        s->sorted = s->sorted && strcmp(s->last, id) < 0;
        memcpy(s->last, id, sizeof(id));
        s->count++;
        s->conflicts += doc->conflicts;
        s->attachments += doc->attachments;
        s->json_bytes += doc->json.ptr ? doc->json.len : 0;
        assert_true(doc->rev.len > 30);
        if (s->limit && s->count == s->limit)
                return err_set(e, ERR_RETRY, "the consumer is unavailable");
        return 0;
}

static struct seen scan(
        struct couch *c, const char *db, const char *prefix, bool bodies, int limit, int expect)
{
        struct seen s = {.sorted = true, .limit = limit};
        struct err e;

        int rc = scan_prefix(c, db, str_of(prefix), bodies, see, &s, &e);
        if (rc != expect)
                fail_msg("scan of %s: %d: %s", prefix, rc, rc < 0 ? e.text : "");
        assert_true(s.sorted);
        return s;
}

static void load(const char *db, const char *prefix, int count)
{
        struct bulk_run *r = bulk_run_start(&test_couch()->options, test_couch_apache(), db);
        struct err e;

        bulk_run_many(r, prefix, count);
        if (bulk_drain(r->bulk, false, &e) < 0)
                fail_msg("%s", e.text);
        bulk_run_stop(r);
}

static void ranges_in_pages(void **state)
{
        struct seen s = {.sorted = true};
        struct err e;

        (void)state;
        test_couch_or_skip();
        struct couch *c = test_couch()->client;
        const char *db = test_database(2);
        load(db, "p", 12000);
        load(db, "pq", 5);
        load(db, "\xc3\xbf", 3); /* U+00FF: what comes above it has another first byte */
        load(db, "\xf4\x8f\xbf\xbf", 2);
        assert_int_equal(scan(c, db, "p-", false, 0, 0).count, 12000);
        assert_int_equal(scan(c, db, "p", false, 0, 0).count, 12005);
        assert_int_equal(scan(c, db, "p-", true, 0, 0).count, 12000);
        assert_int_equal(scan(c, db, "\xc3\xbf", true, 0, 0).count, 3);
        if (test_couch_apache()) /* pouchdb-server sorts these ids by their UTF-16 */
                assert_int_equal(scan(c, db, "\xf4\x8f\xbf\xbf", true, 0, 0).count, 2);
        assert_int_equal(scan(c, db, "", false, 0, 0).count, 12010);
        assert_int_equal(scan(c, db, "q", false, 0, 0).count, 0);
        assert_int_equal(scan_range(c, db, STR("p-00010"), STR("p-00020"), false, see, &s, &e), 0);
        assert_int_equal(s.count, 10);
        assert_string_equal(s.last, "p-00019");
        /* the consumer's error ends it, also one that could be retried */
        assert_int_equal(scan(c, db, "p-", false, 11000, -ERR_RETRY).count, 11000);
        test_database_drop(db);
}

static void documents_of_any_size(void **state)
{
        char path[128];

        (void)state;
        test_couch_or_skip();
        const char *db = test_database(1);
        char *large = malloc(7000100);
        int n = snprintf(large, 100, "{\"t\":\"");
        memset(large + n, '{', 7000000);
        memcpy(large + n + 7000000, "\"}", 3);
        for (int i = 0; i < 3; i++) {
                snprintf(path, sizeof(path), "/%s/large-%d", db, i);
                cJSON_Delete(test_call("PUT", path, large));
        }
        free(large);
        struct seen s = scan(test_couch()->client, db, "large", true, 0, 0);
        assert_int_equal(s.count, 3);
        assert_true(s.json_bytes > 21000000 && s.json_bytes < 21001000);
        test_database_drop(db);
}

static void conflicts_and_attachments_show(void **state)
{
        char path[128];

        (void)state;
        test_apache_or_skip();
        const char *db = test_database(1);
        snprintf(path, sizeof(path), "/%s/_bulk_docs", db);
        cJSON_Delete(test_call("POST", path,
                "{\"new_edits\":false,\"docs\":["
                "{\"_id\":\"c\",\"_rev\":\"1-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"v\":1},"
                "{\"_id\":\"c\",\"_rev\":\"1-bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\",\"v\":2},"
                "{\"_id\":\"d\",\"_rev\":\"1-bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\",\"v\":2,"
                "\"_attachments\":{\"a\":{\"content_type\":\"text/plain\",\"data\":\"aGk=\"}}},"
                "{\"_id\":\"gone\",\"_rev\":\"1-bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\","
                "\"_deleted\":true}]}"));
        struct seen s = scan(test_couch()->client, db, "", true, 0, 0);
        assert_int_equal(s.count, 2);
        assert_int_equal(s.conflicts, 1);
        assert_int_equal(s.attachments, 1);
        test_database_drop(db);
}

static void scans_go_on_after_a_break(void **state)
{
        static const struct proxy_rule rules[] = {
                {.path = "_all_docs", .from = 0, .to = 2, .fault = PROXY_LOSE_HALF},
                {.path = "_all_docs", .from = 3, .to = 4, .fault = PROXY_RESET},
                {.path = "_all_docs", .from = 4, .to = 5, .fault = PROXY_ANSWER, .status = 503},
                {.path = "_all_docs",
                        .from = 5,
                        .to = 6,
                        .fault = PROXY_ANSWER,
                        .status = 200,
                        .body = "<html>"}};
        struct couch_options options;
        struct couch *c;
        struct err e;

        (void)state;
        test_couch_or_skip();
        const char *db = test_database(1);
        load(db, "p", 5000);
        struct couch_proxy *proxy = couch_proxy_start(test_couch()->options.url, rules, 4);
        options = test_couch()->options;
        options.url = couch_proxy_url(proxy);
        assert_int_equal(couch_open(&options, test_couch()->loop, NULL, &c, &e), 0);
        assert_int_equal(scan(c, db, "p-", true, 0, 0).count, 5000);
        assert_true(couch_proxy_count(proxy, "_all_docs") > 6);
        couch_close(c);
        couch_proxy_stop(proxy);
        test_database_drop(db);
}

static void no_such_database(void **state)
{
        struct seen s = {.sorted = true};
        struct err e;

        (void)state;
        test_couch_or_skip();
        assert_int_equal(
                scan_prefix(test_couch()->client, "not-there", STR("x"), false, see, &s, &e),
                -ERR_CONFIG);
        assert_non_null(strstr(e.text, "not-there"));
}

/* ---- changes ---- */

struct changed {
        int count, deleted, leaves, limit;
        int times[3000]; /* that "p-00000" ... came */
};

static int change(void *ctx, const struct scan_change *c, struct err *e)
{
        struct changed *s = ctx;

        s->count++;
        s->deleted += c->deleted;
        s->leaves += (int)c->leaf_count;
        if (str_starts(c->id, STR("p-")))
                s->times[strtol(c->id.ptr + 2, NULL, 10)]++;
        assert_true(str_eq(c->rev, c->leaves[0]));
        assert_true(c->id.len > 0 && c->rev.len > 30);
        if (s->limit && s->count == s->limit)
                return err_set(e, ERR_REJECT, "enough");
        return 0;
}

static void changes_since(void **state)
{
        static const struct proxy_rule rules[] = {
                {.path = "_changes", .from = 0, .to = 3, .fault = PROXY_LOSE_HALF}};
        cleanup_buf_ struct buf since = {.max = 10000};
        struct changed s = {.count = 0};
        struct couch_options options;
        struct couch *c;
        char path[128];
        struct err e;

        (void)state;
        test_apache_or_skip();
        const char *db = test_database(2);
        load(db, "p", 3000);
        struct couch_proxy *proxy = couch_proxy_start(test_couch()->options.url, rules, 1);
        options = test_couch()->options;
        options.url = couch_proxy_url(proxy);
        assert_int_equal(couch_open(&options, test_couch()->loop, NULL, &c, &e), 0);
        assert_int_equal(scan_changes(c, db, STR(""), change, &s, &since, &e), 0);
        assert_in_range(s.count, 3000, 6000); /* after a break some come again */
        for (int i = 0; i < 3000; i++)
                assert_true(s.times[i] > 0);
        couch_close(c);
        couch_proxy_stop(proxy);

        snprintf(path, sizeof(path), "/%s/_bulk_docs", db);
        cJSON_Delete(test_call("POST", path,
                "{\"new_edits\":false,\"docs\":["
                "{\"_id\":\"c\\\"\\u00e4\",\"_rev\":\"1-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"},"
                "{\"_id\":\"c\\\"\\u00e4\",\"_rev\":\"1-bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\"},"
                "{\"_id\":\"gone\",\"_rev\":\"1-bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\","
                "\"_deleted\":true}]}"));
        s = (struct changed){.count = 0};
        cleanup_buf_ struct buf last = {.max = 10000};
        c = test_couch()->client;
        assert_int_equal(scan_changes(c, db, buf_str(&since), change, &s, &last, &e), 0);
        assert_int_equal(s.count, 2);
        assert_int_equal(s.leaves, 3);
        assert_int_equal(s.deleted, 1);
        s = (struct changed){.count = 0};
        assert_int_equal(scan_changes(c, db, buf_str(&last), change, &s, NULL, &e), 0);
        assert_int_equal(s.count, 0);
        s = (struct changed){.limit = 10};
        assert_int_equal(scan_changes(c, db, STR("0"), change, &s, NULL, &e), -ERR_REJECT);
        test_database_drop(db);
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
                cmocka_unit_test(rows_in_pieces_of_any_size),
                cmocka_unit_test(rows_that_are_not),
                cmocka_unit_test(the_frame_is_bounded),
                cmocka_unit_test(ranges_in_pages),
                cmocka_unit_test(documents_of_any_size),
                cmocka_unit_test(conflicts_and_attachments_show),
                cmocka_unit_test(scans_go_on_after_a_break),
                cmocka_unit_test(no_such_database),
                cmocka_unit_test(changes_since),
        };
        return cmocka_run_group_tests(tests, NULL, stop_server);
}
