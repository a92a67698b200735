#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "ingest/couch/rev.h"
#include "ingest/couch/writer.h"
#include "tests/support/bulk_run.h"
#include "tests/support/couch.h"

/* What CouchDB holds under @id: "" where there is nothing live. */
static const char *rev_in_couchdb(const char *db, const char *id)
{
        static char rev[64];
        char path[256];

        snprintf(path, sizeof(path), "/%s/%s", db, id);
        cJSON *doc = test_call("GET", path, NULL);
        snprintf(rev, sizeof(rev), "%s", test_field(doc, "_rev"));
        cJSON_Delete(doc);
        return rev;
}

static int number_in_couchdb(const char *db, const char *id, const char *name)
{
        char path[256];

        snprintf(path, sizeof(path), "/%s/%s", db, id);
        cJSON *doc = test_call("GET", path, NULL);
        const cJSON *n = cJSON_GetObjectItemCaseSensitive(doc, name);
        int value = cJSON_IsNumber(n) ? n->valueint : -1;
        cJSON_Delete(doc);
        return value;
}

static int doc_count(const char *db)
{
        char path[96];

        snprintf(path, sizeof(path), "/%s", db);
        cJSON *info = test_call("GET", path, NULL);
        int n = cJSON_GetObjectItemCaseSensitive(info, "doc_count")->valueint;
        cJSON_Delete(info);
        return n;
}

/* Writes @json as somebody else would. Return: the revision. */
static const char *put(const char *db, const char *id, const char *json)
{
        static char rev[64];
        char path[256];

        snprintf(path, sizeof(path), "/%s/%s", db, id);
        cJSON *reply = test_call("PUT", path, json);
        snprintf(rev, sizeof(rev), "%s", test_field(reply, "rev"));
        cJSON_Delete(reply);
        return rev;
}

static struct bulk_run *start(void)
{
        return bulk_run_start(&test_couch()->options, test_couch_apache(), test_database(2));
}

static void stop(struct bulk_run *r)
{
        test_database_drop(r->database);
        bulk_run_stop(r);
}

static void drain(struct bulk_run *r)
{
        struct err e;

        if (bulk_drain(r->bulk, false, &e) < 0)
                fail_msg("%s", e.text);
}

static void many_new_documents(void **state)
{
        (void)state;
        test_couch_or_skip();
        struct bulk_run *r = start();
        bulk_run_many(r, "b", 3000);
        bulk_run_many(r, "a", 3000); /* not in order after the first ones */
        drain(r);
        assert_int_equal(r->counts[BULK_WRITTEN], 6000);
        assert_int_equal(r->count, 6000);
        assert_int_equal(doc_count(r->database), 6000);
        assert_string_equal(
                bulk_run_find(r, "a-00007")->rev, rev_in_couchdb(r->database, "a-00007"));
        assert_false(bulk_run_find(r, "a-00007")->existed);
        assert_int_equal(number_in_couchdb(r->database, "b-02999", "n"), 2999);
        assert_int_equal(bulk_stats(r->bulk)->mispredictions, 0);
        stop(r);
}

static void ids_ascend_within_a_batch(void **state)
{
        char id[16];
        struct err e;

        (void)state;
        test_apache_or_skip();
        struct bulk_run *r = bulk_run_start(&test_couch()->options, true, test_database(1));
        for (int i = 0; i < 300; i++) {
                snprintf(id, sizeof(id), "d%03d", (i * 7919) % 300);
                assert_int_equal(bulk_run_push(r, (struct bulk_doc){.id = str_of(id)}, &e), 0);
        }
        drain(r);
        /* Outcomes come in the order of the reply, which is that of the request. */
        assert_int_equal(r->counts[BULK_WRITTEN], 300);
        for (size_t i = 1; i < r->count; i++)
                assert_true(strcmp(r->told[i - 1].id, r->told[i].id) < 0);
        stop(r);
}

static void a_document_through_its_life(void **state)
{
        char rev[64];

        (void)state;
        test_couch_or_skip();
        struct bulk_run *r = start();
        const struct told *t =
                bulk_run_one(r, (struct bulk_doc){.id = STR("d"), .body = STR("\"v\":1")});
        assert_int_equal(t->result, BULK_WRITTEN);
        assert_false(t->existed);
        memcpy(rev, t->rev, sizeof(rev));
        t = bulk_run_one(r,
                (struct bulk_doc){.id = STR("d"), .parent = str_of(rev), .body = STR("\"v\":2")});
        assert_int_equal(t->result, BULK_WRITTEN);
        assert_true(t->existed);
        assert_false(t->foreign);
        memcpy(rev, t->rev, sizeof(rev));
        t = bulk_run_one(r, (struct bulk_doc){.id = STR("d"),
                                    .parent = str_of(rev),
                                    .deleted = true,
                                    .body = STR("\"type\":\"x\"")});
        assert_int_equal(t->result, BULK_WRITTEN);
        assert_true(t->existed);
        memcpy(rev, t->rev, sizeof(rev));
        assert_string_equal(rev_in_couchdb(r->database, "d"), "");
        t = bulk_run_one(r, (struct bulk_doc){.id = STR("d"),
                                    .parent = str_of(rev),
                                    .parent_deleted = true,
                                    .body = STR("\"v\":3")});
        assert_int_equal(t->result, BULK_WRITTEN);
        assert_false(t->existed);
        assert_int_equal(rev_generation(str_of(t->rev)), 4);
        assert_int_equal(number_in_couchdb(r->database, "d", "v"), 3);
        assert_int_equal(bulk_stats(r->bulk)->doubts, 0);
        assert_int_equal(bulk_stats(r->bulk)->mispredictions, 0);
        stop(r);
}

static void a_tombstone_nobody_knew(void **state)
{
        char rev[64], path[200];

        (void)state;
        test_couch_or_skip();
        struct bulk_run *r = start();
        snprintf(rev, sizeof(rev), "%s", put(r->database, "d", "{\"v\":1}"));
        snprintf(path, sizeof(path), "/%s/d?rev=%s", r->database, rev);
        cJSON_Delete(test_call("DELETE", path, NULL));
        const struct told *t =
                bulk_run_one(r, (struct bulk_doc){.id = STR("d"), .body = STR("\"v\":1")});
        assert_int_equal(t->result, BULK_WRITTEN);
        assert_string_equal(t->rev, rev_in_couchdb(r->database, "d"));
        assert_int_equal(rev_generation(str_of(t->rev)), 3);
        assert_int_equal(bulk_stats(r->bulk)->mispredictions, 0);
        stop(r);
}

/* A tombstone's revision conflicts for ever: it must not be sent, however it came to us. */
static void a_tombstone_taken_for_live(void **state)
{
        char rev[64], path[200];

        (void)state;
        test_couch_or_skip();
        struct bulk_run *r = start();
        snprintf(rev, sizeof(rev), "%s", put(r->database, "d", "{\"v\":1}"));
        snprintf(path, sizeof(path), "/%s/d?rev=%s", r->database, rev);
        cJSON *gone = test_call("DELETE", path, NULL);
        const char *parents[] = {rev, test_field(gone, "rev")};
        for (size_t i = 0; i < 2; i++) {
                const struct told *t =
                        bulk_run_one(r, (struct bulk_doc){.id = STR("d"),
                                                .parent = str_of(parents[i]),
                                                .body = i ? STR("\"v\":8") : STR("\"v\":7")});
                assert_int_equal(t->result, BULK_WRITTEN);
                if (i == 0) {
                        assert_false(t->existed);
                        assert_int_equal(rev_generation(str_of(t->rev)), 3);
                }
        }
        assert_int_equal(number_in_couchdb(r->database, "d", "v"), 8);
        cJSON_Delete(gone);
        stop(r);
}

static void equal_is_not_written_again(void **state)
{
        char rev[64];

        (void)state;
        test_couch_or_skip();
        struct bulk_run *r = start();
        snprintf(rev, sizeof(rev), "%s", put(r->database, "d", "{\"x\":0}"));
        char json[160];
        snprintf(json, sizeof(json), "{\"_rev\":\"%s\",\"v\":1.50,\"w\":\"\\u00e4\"}", rev);
        snprintf(rev, sizeof(rev), "%s", put(r->database, "d", json));
        const struct told *t = bulk_run_one(
                r, (struct bulk_doc){.id = STR("d"), .body = STR("\"v\":1.5,\"w\":\"\xc3\xa4\"")});
        assert_int_equal(t->result, BULK_EQUAL);
        assert_true(t->existed);
        assert_string_equal(t->rev, rev);
        assert_string_equal(rev_in_couchdb(r->database, "d"), rev);
        stop(r);
}

static void insignificant_members_do_not_count(void **state)
{
        static const struct digest_filter members[] = {
                {.name = {"seen", 4}, .insignificant = true}};
        static const struct digest_filter filter = {.members = members, .member_count = 1};
        struct err e;

        (void)state;
        test_couch_or_skip();
        struct bulk_run *r = start();
        put(r->database, "d", "{\"v\":1,\"seen\":\"yesterday\"}");
        struct bulk_doc doc = {.database = r->database,
                .id = STR("d"),
                .body = STR("\"v\":1,\"seen\":\"today\""),
                .filter = &filter,
                .digest = digest_body(STR("\"v\":1"))};
        assert_int_equal(bulk_push(r->bulk, &doc, &e), 0);
        drain(r);
        assert_int_equal(r->told[0].result, BULK_EQUAL);
        stop(r);
}

static void somebody_elses_change(void **state)
{
        char rev[64];

        (void)state;
        test_couch_or_skip();
        struct bulk_run *r = start();
        snprintf(rev, sizeof(rev), "%s", put(r->database, "d", "{\"v\":1}"));
        const struct told *t = bulk_run_one(
                r, (struct bulk_doc){
                           .id = STR("d"), .body = STR("\"v\":2"), .reject_conflicts = true});
        assert_int_equal(t->result, BULK_CONFLICT);
        assert_string_equal(t->rev, rev);
        assert_non_null(strstr(t->reason, "conflict"));
        assert_string_equal(rev_in_couchdb(r->database, "d"), rev);
        t = bulk_run_one(r, (struct bulk_doc){.id = STR("d"), .body = STR("\"v\":2")});
        assert_int_equal(t->result, BULK_WRITTEN);
        assert_true(t->foreign);
        assert_true(t->existed);
        assert_int_equal(number_in_couchdb(r->database, "d", "v"), 2);
        /* an update whose parent is old */
        t = bulk_run_one(r,
                (struct bulk_doc){.id = STR("d"), .parent = str_of(rev), .body = STR("\"v\":3")});
        assert_int_equal(t->result, BULK_WRITTEN);
        assert_true(t->foreign);
        assert_int_equal(number_in_couchdb(r->database, "d", "v"), 3);
        stop(r);
}

static void deletions(void **state)
{
        char rev[64];

        (void)state;
        test_couch_or_skip();
        struct bulk_run *r = start();
        const struct told *t =
                bulk_run_one(r, (struct bulk_doc){.id = STR("never"), .deleted = true});
        assert_int_equal(t->result, BULK_GONE);
        assert_string_equal(t->rev, "");
        snprintf(rev, sizeof(rev), "%s", put(r->database, "d", "{\"v\":1}"));
        t = bulk_run_one(
                r, (struct bulk_doc){.id = STR("d"), .deleted = true, .reject_conflicts = true});
        assert_int_equal(t->result, BULK_CONFLICT);
        t = bulk_run_one(r, (struct bulk_doc){.id = STR("d"), .deleted = true});
        assert_int_equal(t->result, BULK_WRITTEN);
        assert_true(t->existed);
        assert_string_equal(rev_in_couchdb(r->database, "d"), "");
        /* the tombstone that is there is not the one that this would make */
        t = bulk_run_one(r, (struct bulk_doc){.id = STR("d"),
                                    .parent = str_of(rev),
                                    .deleted = true,
                                    .body = STR("\"type\":\"x\"")});
        assert_int_equal(t->result, BULK_GONE);
        assert_int_equal(rev_generation(str_of(t->rev)), 2);
        stop(r);
}

static void attachments_stay(void **state)
{
        char rev[64], path[200];

        (void)state;
        test_apache_or_skip();
        struct bulk_run *r = start();
        put(r->database, "d",
                "{\"v\":1,\"_attachments\":{\"a.txt\":{\"content_type\":\"text/plain\","
                "\"data\":\"aGVsbG8=\"}}}");
        const struct told *t =
                bulk_run_one(r, (struct bulk_doc){.id = STR("d"), .body = STR("\"v\":2")});
        assert_int_equal(t->result, BULK_WRITTEN);
        assert_true(t->attachments);
        snprintf(rev, sizeof(rev), "%s", t->rev);
        t = bulk_run_one(r, (struct bulk_doc){.id = STR("d"),
                                    .parent = str_of(rev),
                                    .attachments = true,
                                    .body = STR("\"v\":3")});
        assert_int_equal(t->result, BULK_WRITTEN);
        assert_false(t->foreign);
        assert_int_equal(rev_generation(str_of(t->rev)), 3);
        snprintf(path, sizeof(path), "/%s/d", r->database);
        cJSON *doc = test_call("GET", path, NULL);
        assert_int_equal(cJSON_GetObjectItem(doc, "v")->valueint, 3);
        assert_non_null(cJSON_GetObjectItem(cJSON_GetObjectItem(doc, "_attachments"), "a.txt"));
        cJSON_Delete(doc);
        assert_int_equal(bulk_stats(r->bulk)->mispredictions, 0);
        stop(r);
}

static void one_id_pushed_again_follows_the_first(void **state)
{
        char body[32];
        struct err e;

        (void)state;
        test_couch_or_skip();
        struct bulk_run *r = start();
        for (int i = 0; i < 20; i++) {
                snprintf(body, sizeof(body), "\"v\":%d", i);
                assert_int_equal(bulk_run_push(r,
                                         (struct bulk_doc){.id = STR("d"),
                                                 .body = str_of(body),
                                                 .cookie = (void *)(intptr_t)i},
                                         &e),
                        0);
        }
        drain(r);
        assert_int_equal(r->counts[BULK_WRITTEN], 20);
        for (int i = 0; i < 20; i++) {
                assert_int_equal((intptr_t)r->told[i].cookie, i);
                assert_int_equal(rev_generation(str_of(r->told[i].rev)), i + 1);
                assert_false(r->told[i].foreign);
        }
        assert_int_equal(number_in_couchdb(r->database, "d", "v"), 19);
        assert_int_equal(bulk_stats(r->bulk)->doubts, 0);
        stop(r);
}

static void strange_ids(void **state)
{
        static const char *const ids[] = {"a/b c?d&e=f%20", "\"quoted\\\"", "tab\tand\x01", "..",
                "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "+", "\x7f"};
        struct err e;

        (void)state;
        test_couch_or_skip();
        struct bulk_run *r = start();
        for (int round = 0; round < 2; round++) /* the second one conflicts and compares */
                for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
                        assert_int_equal(bulk_run_push(r,
                                                 (struct bulk_doc){.id = str_of(ids[i]),
                                                         .body = STR("\"v\":1")},
                                                 &e),
                                0);
        drain(r);
        bulk_run_stop(r);
}

static void what_couchdb_refuses(void **state)
{
        char path[200];
        struct err e;

        (void)state;
        test_apache_or_skip();
        struct bulk_run *r = start();
        snprintf(path, sizeof(path), "/%s/_design/rule", r->database);
        cJSON_Delete(test_call("PUT", path,
                "{\"validate_doc_update\":\"function(n){if(n.bad)throw({forbidden:'not "
                "good'});}\"}"));
        bulk_run_many(r, "m", 50);
        assert_int_equal(
                bulk_run_push(r,
                        (struct bulk_doc){.id = STR("m-00025x"), .body = STR("\"bad\":true")}, &e),
                0);
        assert_int_equal(
                bulk_run_push(r, (struct bulk_doc){.id = STR("_bad"), .body = STR("\"v\":1")}, &e),
                0);
        drain(r);
        assert_int_equal(r->counts[BULK_WRITTEN], 50);
        assert_int_equal(r->counts[BULK_REFUSED], 2);
        assert_string_equal(bulk_run_find(r, "m-00025x")->reason, "forbidden: not good");
        assert_non_null(strstr(bulk_run_find(r, "_bad")->reason, "illegal_docid"));
        assert_true(bulk_stats(r->bulk)->bisections > 0);
        stop(r);
}

/* CouchDB's own limit on one document (8,000,000 bytes) rejects the whole batch. */
static void a_document_too_large_for_couchdb(void **state)
{
        const size_t bytes = 8500000;
        struct couch_options options;
        char *text = malloc(bytes);
        struct err e;

        (void)state;
        test_apache_or_skip();
        memset(text, 'x', bytes);
        memcpy(text, "\"t\":\"", 5);
        text[bytes - 1] = '"';
        options = test_couch()->options;
        options.max_batch_bytes = 16 << 20;
        struct bulk_run *r = bulk_run_start(&options, true, test_database(1));
        bulk_run_many(r, "m", 20);
        assert_int_equal(
                bulk_run_push(r,
                        (struct bulk_doc){.id = STR("m-00010x"), .body = (struct str){text, bytes}},
                        &e),
                0);
        drain(r);
        assert_int_equal(r->counts[BULK_WRITTEN], 20);
        assert_int_equal(r->counts[BULK_REFUSED], 1);
        assert_non_null(strstr(bulk_run_find(r, "m-00010x")->reason, "document_too_large"));
        free(text);
        stop(r);
}

static void limits_of_a_push(void **state)
{
        struct couch_options options;
        struct err e;

        (void)state;
        test_couch_or_skip();
        options = test_couch()->options;
        options.max_batch_bytes = 4096;
        options.max_in_flight = 2;
        struct bulk_run *r = bulk_run_start(&options, test_couch_apache(), test_database(1));
        char *text = malloc(5000);
        memset(text, 'x', 5000);
        memcpy(text, "\"t\":\"", 5);
        text[3999] = '"';
        assert_int_equal(
                bulk_run_push(r,
                        (struct bulk_doc){.id = STR("large"), .body = (struct str){text, 5000}},
                        &e),
                -ERR_REJECT);
        assert_non_null(strstr(e.text, "max_batch_bytes"));
        assert_int_equal(
                bulk_run_push(r, (struct bulk_doc){.id = STR("\xff"), .body = STR("")}, &e),
                -ERR_REJECT);
        /* a document near the limit goes alone; the writer says when it is full */
        int full = 0;
        for (int i = 0; i < 20; i++) {
                char id[16];
                snprintf(id, sizeof(id), "d%02d", i);
                struct bulk_doc doc = {.database = r->database,
                        .id = str_of(id),
                        .body = (struct str){text, 4000}};
                int rc = bulk_push(r->bulk, &doc, &e);
                assert_true(rc >= 0);
                full += rc == BULK_FULL;
                r->room = false;
                if (rc == BULK_FULL)
                        assert_int_equal(loop_run_until(r->loop, &r->room, &e), 0);
                assert_true(bulk_stats(r->bulk)->in_flight <= 2);
        }
        drain(r);
        assert_true(full > 5);
        assert_int_equal(r->counts[BULK_WRITTEN], 20);
        assert_int_equal(bulk_stats(r->bulk)->batches, 20);
        free(text);
        stop(r);
}

static void many_databases(void **state)
{
        const char *names[8];
        char id[16];
        struct err e;

        (void)state;
        test_couch_or_skip();
        for (int i = 0; i < 8; i++)
                names[i] = test_database(1);
        struct bulk_run *r = bulk_run_start(&test_couch()->options, test_couch_apache(), names[0]);
        for (int i = 0; i < 4000; i++) {
                snprintf(id, sizeof(id), "d%05d", i / 8);
                r->database = names[i % 8];
                assert_int_equal(bulk_run_push(r, (struct bulk_doc){.id = str_of(id)}, &e), 0);
        }
        drain(r);
        assert_int_equal(r->counts[BULK_WRITTEN], 4000);
        for (int i = 0; i < 8; i++) {
                assert_int_equal(doc_count(names[i]), 500);
                test_database_drop(names[i]);
        }
        bulk_run_stop(r);
}

static void the_database_is_missing(void **state)
{
        struct err e;

        (void)state;
        test_couch_or_skip();
        struct bulk_run *r =
                bulk_run_start(&test_couch()->options, test_couch_apache(), "not-there");
        bulk_run_many(r, "m", 10);
        assert_int_equal(bulk_drain(r->bulk, false, &e), -ERR_RETRY);
        assert_non_null(strstr(e.text, "database not-there was deleted during the run"));
        assert_int_equal(r->counts[BULK_ABANDONED], 10);
        assert_int_equal(bulk_failed(r->bulk, &e), -ERR_RETRY);
        assert_int_equal(bulk_run_push(r, (struct bulk_doc){.id = STR("later")}, &e), -ERR_RETRY);
        bulk_run_stop(r);
}

static void freed_while_in_flight(void **state)
{
        (void)state;
        test_couch_or_skip();
        struct bulk_run *r = start();
        bulk_run_many(r, "m", 2000);
        bulk_flush(r->bulk);
        const char *db = r->database;
        bulk_run_stop(r);
        test_database_drop(db);
}

static void cancelled_and_finished(void **state)
{
        struct err e;

        (void)state;
        test_couch_or_skip();
        struct bulk_run *r = start();
        bulk_run_many(r, "m", 700);
        loop_cancel(r->loop);
        assert_int_equal(bulk_drain(r->bulk, false, &e), -ERR_CANCEL);
        assert_int_equal(bulk_drain(r->bulk, true, &e), 0);
        assert_int_equal(r->counts[BULK_WRITTEN], 700);
        stop(r);
}

/* As the pipeline does with rejects: the outcome of one document pushes another. */
static void push_another(struct bulk_run *r, const struct told *t)
{
        char id[140];
        struct err e;

        if (t->id[0] == 'x')
                return;
        snprintf(id, sizeof(id), "x-%s", t->id);
        const struct bulk_doc doc = {.database = r->database, .id = str_of(id)};
        assert_true(bulk_push(r->bulk, &doc, &e) >= 0);
}

static void outcomes_may_push(void **state)
{
        struct couch_options options;

        (void)state;
        test_couch_or_skip();
        options = test_couch()->options;
        options.max_batch_docs = 7;
        options.max_in_flight = 3;
        struct bulk_run *r = bulk_run_start(&options, test_couch_apache(), test_database(1));
        r->hook = push_another;
        bulk_run_many(r, "d", 200);
        drain(r);
        assert_int_equal(r->counts[BULK_WRITTEN], 400);
        assert_int_equal(doc_count(r->database), 400);
        stop(r);
}

/* Two ids that the writer takes for one: the second waits, and is its own document all the same. */
static void ids_with_one_hash(void **state)
{
        enum { TRIES = 300000 };
        struct seen {
                uint32_t hash;
                int number;
        } *seen = calloc(1 << 20, sizeof(*seen));
        int first = -1, second = -1;
        char id[32], rev[64];
        struct err e;

        (void)state;
        test_couch_or_skip();
        struct bulk_run *r = start();
        bulk_run_one(r, (struct bulk_doc){.id = STR("d")});
        for (int i = 0; i < TRIES && first < 0; i++) {
                snprintf(id, sizeof(id), "n%d", i);
                uint32_t hash = claims_hash(r->bulk->last_database, str_of(id));
                size_t at = hash & ((1 << 20) - 1);
                while (seen[at].hash && seen[at].hash != hash)
                        at = (at + 1) & ((1 << 20) - 1);
                if (seen[at].hash) {
                        first = seen[at].number;
                        second = i;
                }
                seen[at] = (struct seen){hash, i};
        }
        free(seen);
        assert_true(first >= 0); /* 300,000 numbers of 32 bits: some ten pairs */
        snprintf(id, sizeof(id), "n%d", second);
        snprintf(rev, sizeof(rev), "%s", put(r->database, id, "{\"v\":1}"));
        const int numbers[] = {first, second};
        for (int i = 0; i < 2; i++) {
                snprintf(id, sizeof(id), "n%d", numbers[i]);
                assert_int_equal(bulk_run_push(r,
                                         (struct bulk_doc){.id = str_of(id),
                                                 .parent = i ? str_of(rev) : STR(""),
                                                 .body = STR("\"v\":2")},
                                         &e),
                        0);
        }
        drain(r);
        assert_int_equal(r->counts[BULK_WRITTEN], 3);
        assert_int_equal(rev_generation(str_of(bulk_run_find(r, id)->rev)), 2);
        assert_false(bulk_run_find(r, id)->foreign);
        assert_int_equal(bulk_stats(r->bulk)->doubts, 0);
        stop(r);
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
                cmocka_unit_test(many_new_documents),
                cmocka_unit_test(ids_ascend_within_a_batch),
                cmocka_unit_test(a_document_through_its_life),
                cmocka_unit_test(a_tombstone_nobody_knew),
                cmocka_unit_test(a_tombstone_taken_for_live),
                cmocka_unit_test(equal_is_not_written_again),
                cmocka_unit_test(insignificant_members_do_not_count),
                cmocka_unit_test(somebody_elses_change),
                cmocka_unit_test(deletions),
                cmocka_unit_test(attachments_stay),
                cmocka_unit_test(one_id_pushed_again_follows_the_first),
                cmocka_unit_test(strange_ids),
                cmocka_unit_test(what_couchdb_refuses),
                cmocka_unit_test(a_document_too_large_for_couchdb),
                cmocka_unit_test(limits_of_a_push),
                cmocka_unit_test(many_databases),
                cmocka_unit_test(the_database_is_missing),
                cmocka_unit_test(freed_while_in_flight),
                cmocka_unit_test(cancelled_and_finished),
                cmocka_unit_test(outcomes_may_push),
                cmocka_unit_test(ids_with_one_hash),
        };
        return cmocka_run_group_tests(tests, NULL, stop_server);
}
