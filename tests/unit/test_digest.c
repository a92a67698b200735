/*
 * Digests: equal for a rendered body and for what CouchDB gives back of it, whatever the spelling;
 * filters leave out exactly what they name.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "ingest/record/digest.h"
#include "ingest/record/json.h"

#define MAX_TEXT (1 << 20)

static uint64_t random_next(uint64_t *state)
{
        uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));

        z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
        return z ^ (z >> 31);
}

/* A document written twice at once: canonically, and with other white space, escapes and number
 * spellings. */
struct pair {
        struct buf canonical, other;
        uint64_t seed;
};

static void both(struct pair *p, const char *text)
{
        buf_puts(&p->canonical, text);
        buf_puts(&p->other, text);
        if (random_next(&p->seed) % 3 == 0)
                buf_puts(&p->other, random_next(&p->seed) % 2 ? " " : "\n\t");
}

static void put_string(struct pair *p, const char *prefix)
{
        static const struct {
                const char *canonical, *other;
        } parts[] = {
                {"a", "\\u0061"},
                {"Zz 9", "Zz 9"},
                {"\\\"", "\\u0022"},
                {"\\\\", "\\u005C"},
                {"/", "\\/"},
                {"\\n", "\\u000a"},
                {"\\u001f", "\\u001F"},
                {"\xC3\xA9", "\\u00e9"},
                {"\xF0\x9F\x98\x80", "\\uD83D\\ude00"},
        };
        uint64_t count = random_next(&p->seed) % 6;

        buf_printf(&p->canonical, "\"%s", prefix);
        buf_printf(&p->other, "\"%s", prefix);
        for (uint64_t i = 0; i < count; i++) {
                size_t k = random_next(&p->seed) % (sizeof(parts) / sizeof(parts[0]));
                buf_puts(&p->canonical, parts[k].canonical);
                buf_puts(&p->other, parts[k].other);
        }
        both(p, "\"");
}

static void put_number(struct pair *p)
{
        int64_t n = (int64_t)(random_next(&p->seed) % 2000000) - 1000000;

        if (n % 2 || n == 0) {
                buf_printf(&p->canonical, "%lld", (long long)n);
                buf_printf(&p->other, "%lld", (long long)n);
                return;
        }
        json_put_double(&p->canonical, (double)n / 1000);
        buf_printf(&p->other, random_next(&p->seed) % 2 ? "%llde-3" : "%lld000E-6", (long long)n);
}

static void put_value(struct pair *p, int depth)
{
        static const char *const words[] = {"null", "true", "false", "{}", "[]"};
        uint64_t kind = random_next(&p->seed) % (depth > 0 ? 6 : 3);
        uint64_t count = 1 + random_next(&p->seed) % 4;

        if (kind == 0) {
                put_string(p, "");
        } else if (kind == 1) {
                put_number(p);
        } else if (kind == 2) {
                both(p, words[random_next(&p->seed) % 5]);
        } else {
                both(p, kind == 3 ? "[" : "{");
                for (uint64_t i = 0; i < count; i++) {
                        char name[8];

                        snprintf(name, sizeof(name), "k%d", (int)i);
                        if (i > 0)
                                both(p, ",");
                        if (kind != 3) {
                                put_string(p, name);
                                both(p, ":");
                        }
                        put_value(p, depth - 1);
                }
                both(p, kind == 3 ? "]" : "}");
        }
}

/* @other as CouchDB would give it: with members of its own. */
static void put_document(struct pair *p)
{
        uint64_t count = random_next(&p->seed) % 5;

        buf_clear(&p->canonical);
        buf_clear(&p->other);
        buf_puts(&p->other, "{\"_id\":\"a\", \"_rev\":\"1-a7a7\"");
        for (uint64_t i = 0; i < count; i++) {
                char name[8];

                snprintf(name, sizeof(name), "f%d", (int)i);
                buf_puts(&p->canonical, i > 0 ? "," : "");
                buf_puts(&p->other, ",");
                put_string(p, name);
                both(p, ":");
                put_value(p, 4);
                if (random_next(&p->seed) % 4 == 0)
                        buf_puts(&p->other, ",\"_attachments\":{\"a\":{\"stub\":true}}");
        }
        buf_puts(&p->other, "}");
}

static void documents_hash_like_their_bodies(void **state)
{
        struct pair p = {.seed = 42};
        cleanup_buf_ struct buf scratch, body;

        buf_init(&p.canonical, MAX_TEXT);
        buf_init(&p.other, MAX_TEXT);
        buf_init(&scratch, MAX_TEXT);
        buf_init(&body, MAX_TEXT);
        for (int i = 0; i < 20000; i++) {
                struct digest document;
                struct err e;

                put_document(&p);
                struct digest rendered = digest_body(buf_str(&p.canonical));
                if (digest_document(buf_str(&p.other), NULL, &scratch, &body, &document, &e))
                        fail_msg("%s: %s", buf_cstr(&p.other), e.text);
                assert_string_equal(buf_cstr(&body), buf_cstr(&p.canonical));
                assert_true(digest_eq(&rendered, &document));
                assert_false(digest_is_void(&document));
        }
        buf_deinit(&p.canonical);
        buf_deinit(&p.other);
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
