/*
 * Digests: equal for a rendered body and for what CouchDB gives back of it, whatever the spelling;
 * filters leave out exactly what they name.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "ingest/record/digest.h"
#include "tests/support/random_json.h"

#define MAX_TEXT (1 << 20)

static void documents_hash_like_their_bodies(void **state)
{
        struct random_pair p;
        cleanup_buf_ struct buf scratch, body;

        random_pair_init(&p, 42);
        buf_init(&scratch, MAX_TEXT);
        buf_init(&body, MAX_TEXT);
        for (int i = 0; i < 20000; i++) {
                struct digest document;
                struct err e;

                random_pair_next(&p);
                struct digest rendered = digest_body(buf_str(&p.canonical));
                if (digest_document(buf_str(&p.other), NULL, &scratch, &body, &document, &e))
                        fail_msg("%s: %s", buf_cstr(&p.other), e.text);
                assert_string_equal(buf_cstr(&body), buf_cstr(&p.canonical));
                assert_true(digest_eq(&rendered, &document));
                assert_false(digest_is_void(&document));
        }
        random_pair_deinit(&p);
}

static const struct digest_filter line_members[] = {
        {.name = STR("seen"), .insignificant = true},
        {.name = STR("qty")},
};
static const struct digest_filter members[] = {
        {.name = STR("updated"), .insignificant = true},
        {.name = STR("lines"), .members = line_members, .member_count = 2},
        {.name = STR("a\"b"), .insignificant = true},
        {.name = STR("address"), .members = line_members, .member_count = 1},
};
static const struct digest_filter filter = {.members = members, .member_count = 4};

static void filters_leave_out_what_they_name(void **state)
{
        static const struct {
                const char *body, *left;
        } cases[] = {
                {"", ""},
                {"\"updated\":1", ""},
                {"\"updated\":1,\"x\":2", "\"x\":2"},
                {"\"x\":2,\"updated\":1", "\"x\":2"},
                {"\"x\":2,\"updated\":{\"x\":[1]},\"y\":3", "\"x\":2,\"y\":3"},
                {"\"a\\\"b\":1,\"y\":3", "\"y\":3"},
                {"\"lines\":[{\"seen\":1,\"qty\":2},{\"qty\":3,\"seen\":4},{\"seen\":5},{}]",
                        "\"lines\":[{\"qty\":2},{\"qty\":3},{},{}]"},
                {"\"lines\":[],\"address\":{\"seen\":1},\"seen\":7",
                        "\"lines\":[],\"address\":{},\"seen\":7"},
                {"\"lines\":[[{\"seen\":1}],null,3,\"seen\"]", "\"lines\":[[{}],null,3,\"seen\"]"},
                {"\"x\":{\"updated\":1}", "\"x\":{\"updated\":1}"},
        };
        cleanup_buf_ struct buf scratch, json, body;
        struct err e;

        buf_init(&scratch, MAX_TEXT);
        buf_init(&json, MAX_TEXT);
        buf_init(&body, MAX_TEXT);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct digest expected = digest_body(str_of(cases[i].left)), d;

                assert_int_equal(
                        digest_filtered(str_of(cases[i].body), &filter, &scratch, &d, &e), 0);
                assert_true(digest_eq(&d, &expected));
                buf_clear(&json);
                buf_printf(&json, "{\"_id\":\"x\"%s%s}", *cases[i].body ? "," : "", cases[i].body);
                assert_int_equal(
                        digest_document(buf_str(&json), &filter, &scratch, &body, &d, &e), 0);
                assert_true(digest_eq(&d, &expected));
                assert_string_equal(buf_cstr(&body), cases[i].body);
                assert_int_equal(
                        digest_document(buf_str(&json), &filter, &scratch, NULL, &d, &e), 0);
                assert_true(digest_eq(&d, &expected));
        }
}

static void what_is_no_document_is_refused(void **state)
{
        static const char *const bad[] = {"", "[]", "1", "{", "{\"a\":1", "{\"a\":1}x",
                "{\"a\":1}}", "{\"a\" 1}", "{\"a\":1,}", "{\"a\":tru}", "{\"a\":[1}",
                "{\"a\":\"\\ud800\"}", "{,}", "{\"a\":1 \"b\":2}", "{a:1}"};
        cleanup_buf_ struct buf scratch;
        struct digest d;
        struct err e;

        buf_init(&scratch, MAX_TEXT);
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                if (digest_document(str_of(bad[i]), NULL, &scratch, NULL, &d, &e) != -ERR_REJECT)
                        fail_msg("not refused: %s", bad[i]);
}

static void digests_are_those_of_xxh3(void **state)
{
        /* XXH3-128 of nothing and of "a", seed 0, canonical byte order. */
        static const struct digest nothing = {{0x99, 0xAA, 0x06, 0xD3, 0x01, 0x47, 0x98, 0xD8, 0x60,
                0x01, 0xC3, 0x24, 0x46, 0x8D, 0x49, 0x7F}};
        struct digest d = digest_body(STR(""));

        assert_memory_equal(d.bytes, nothing.bytes, DIGEST_BYTES);
        assert_true(digest_is_void(&(struct digest){{0}}));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(documents_hash_like_their_bodies),
                cmocka_unit_test(filters_leave_out_what_they_name),
                cmocka_unit_test(what_is_no_document_is_refused),
                cmocka_unit_test(digests_are_those_of_xxh3),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
