/*
 * What a real CouchDB gives back is what was written: numbers byte by byte, documents by their
 * digests. Replies are read as text here, because a JSON tree would round the numbers.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include <curl/curl.h>

#include "ingest/record/digest.h"
#include "ingest/record/json.h"
#include "ingest/record/json_scan.h"
#include "tests/support/couch.h"
#include "tests/support/random_json.h"

#define MAX_TEXT  (64 << 20)
#define NUMBERS   20000
#define DOCUMENTS 3000

static size_t append(char *data, size_t size, size_t n, void *user)
{
        buf_put(user, data, size * n);
        return size * n;
}

static void call(const char *method, const char *path, const char *body, struct buf *reply)
{
        const struct couch_options *o = &test_couch()->options;
        struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
        CURL *c = curl_easy_init();
        char url[1024];

        headers = curl_slist_append(headers, "Expect:");
        snprintf(url, sizeof(url), "%s/%s", o->url, path);
        buf_clear(reply);
        curl_easy_setopt(c, CURLOPT_URL, url);
        curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
        curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
        if (o->user)
                curl_easy_setopt(c, CURLOPT_USERNAME, o->user);
        if (o->password)
                curl_easy_setopt(c, CURLOPT_PASSWORD, o->password);
        if (body)
                curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, append);
        curl_easy_setopt(c, CURLOPT_WRITEDATA, reply);
        assert_int_equal(curl_easy_perform(c), CURLE_OK);
        curl_easy_cleanup(c);
        curl_slist_free_all(headers);
}

static void numbers_come_back_as_they_were_written(void **state)
{
        cleanup_buf_ struct buf sent = {.max = MAX_TEXT}, reply = {.max = MAX_TEXT};
        cleanup_buf_ struct buf back = {.max = MAX_TEXT};
        uint64_t seed = (uint64_t)getpid();
        char path[300];

        test_apache_or_skip();
        const char *database = test_database(1);
        snprintf(path, sizeof(path), "%s/numbers", database);
        buf_puts(&sent, "{\"v\":[");
        for (int i = 0; i < NUMBERS; i++) {
                double subnormal = ldexp((double)(random_next(&seed) % 4096), -1074);
                buf_puts(&sent, i ? "," : "");
                json_put_double(&sent, i % 10 ? random_double(&seed) : subnormal);
        }
        buf_puts(&sent, "]}");
        call("PUT", path, buf_cstr(&sent), &reply);
        assert_non_null(strstr(buf_cstr(&reply), "\"ok\":true"));
        call("GET", path, NULL, &reply);
        assert_int_equal(json_canonical(buf_str(&reply), JSON_NUMBERS_NEAREST, &back, NULL), 0);
        test_database_drop(database);
        const char *values = strstr(buf_cstr(&back), "\"v\":[");
        assert_non_null(values);
        assert_string_equal(values, buf_cstr(&sent) + 1);
}

/* Writes DOCUMENTS random documents with ids in ascending order; notes their digests. */
static void write_documents(
        const char *database, struct digest *digests, struct buf *sent, struct buf *reply)
{
        struct random_pair p;
        char path[300];

        random_pair_init(&p, (uint64_t)getpid());
        buf_puts(sent, "{\"docs\":[");
        for (int i = 0; i < DOCUMENTS; i++) {
                random_pair_next(&p);
                digests[i] = digest_body(buf_str(&p.canonical));
                buf_printf(
                        sent, "%s{\"_id\":\"%06d\"%s", i ? "," : "", i, p.canonical.len ? "," : "");
                buf_put_str(sent, buf_str(&p.canonical));
                buf_puts(sent, "}");
        }
        buf_puts(sent, "]}");
        random_pair_deinit(&p);
        snprintf(path, sizeof(path), "%s/_bulk_docs", database);
        call("POST", path, buf_cstr(sent), reply);
        assert_null(strstr(buf_cstr(reply), "\"error\""));
}

static struct str member(struct str object, const char *name)
{
        struct json_walk w;
        struct str key, value;

        assert_true(json_walk_open(&w, object, '{'));
        while (json_walk_next(&w, &key, &value))
                if (key.len == strlen(name) + 2 && memcmp(key.ptr + 1, name, key.len - 2) == 0)
                        return value;
        fail_msg("no %s in %.*s", name, STR_ARG(object));
        return object;
}

static void documents_come_back_with_their_digests(void **state)
{
        cleanup_buf_ struct buf sent = {.max = MAX_TEXT}, reply = {.max = MAX_TEXT};
        cleanup_buf_ struct buf scratch = {.max = MAX_TEXT};
        static struct digest digests[DOCUMENTS];
        struct json_walk w;
        struct str key, row;
        char path[300];
        int i = 0;

        test_apache_or_skip();
        const char *database = test_database(2);
        write_documents(database, digests, &sent, &reply);
        snprintf(path, sizeof(path), "%s/_all_docs?include_docs=true", database);
        call("GET", path, NULL, &reply);
        test_database_drop(database);
        assert_true(json_walk_open(&w, member(buf_str(&reply), "rows"), '['));
        for (; json_walk_next(&w, &key, &row); i++) {
                struct str document = member(row, "doc");
                struct digest d;
                struct err e;

                if (digest_document(document, NULL, &scratch, NULL, &d, &e))
                        fail_msg("%s", e.text);
                if (!digest_eq(&d, &digests[i]))
                        fail_msg("another digest: %.*s", STR_ARG(document));
        }
        assert_false(w.bad);
        assert_int_equal(i, DOCUMENTS);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(numbers_come_back_as_they_were_written),
                cmocka_unit_test(documents_come_back_with_their_digests),
        };
        int failed = cmocka_run_group_tests(tests, NULL, NULL);

        test_couch_stop();
        return failed;
}
