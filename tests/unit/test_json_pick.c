/*
 * Picking from JSON objects: values as they stand, everything else refused; against cJSON's trees
 * and against what json_canonical() accepts.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include <cjson/cJSON.h>

#include "ingest/record/json_pick.h"
#include "ingest/record/json_scan.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/random_json.h"

#define MAX_TEXT  (1 << 20)
#define MAX_ARENA (1 << 20)
#define MAX_PATHS 8
#define COUNT(a)  (sizeof(a) / sizeof((a)[0]))

/* A glance finds the same in what is JSON. */
static void check_glance(const struct json_pick *p, struct str text, const struct str *values)
{
        struct str seen[MAX_PATHS] = {{NULL}};
        struct err e;

        assert_int_equal(json_pick_glance(p, text, seen, &e), 0);
        for (size_t i = 0; i < MAX_PATHS; i++)
                assert_true(seen[i].ptr == values[i].ptr && seen[i].len == values[i].len);
}

/* json_pick_values() on a copy of exactly this size, where reading beyond it is seen. */
static int pick(const struct json_pick *p, struct str text, struct str *values, struct err *e)
{
        char *copy = malloc(text.len ? text.len : 1);

        assert_non_null(copy);
        if (text.len)
                memcpy(copy, text.ptr, text.len);
        int rc = json_pick_values(p, (struct str){copy, text.len}, values, e);
        if (rc == 0)
                check_glance(p, (struct str){copy, text.len}, values);
        for (size_t i = 0; i < MAX_PATHS && !rc; i++)
                if (values[i].ptr)
                        values[i].ptr = text.ptr + (values[i].ptr - copy);
        free(copy);
        return rc;
}

static size_t count_paths(const char *const *paths)
{
        size_t n = 0;

        while (n < MAX_PATHS && paths[n])
                n++;
        return n;
}

static void values_are_picked_as_they_stand(void **state)
{
        static const struct {
                const char *paths[MAX_PATHS], *text, *values[MAX_PATHS];
        } cases[] = {
                {{"a"}, "{\"a\":1}", {"1"}},
                {{"a"}, " {\"a\" : 1 }\n", {"1"}},
                {{"a", "b"}, "{}", {NULL, NULL}},
                {{"a", "b", "c"}, "{\"c\":null,\"a\":true}", {"true", NULL, "null"}},
                {{"n", "s", "f"}, "{\"n\":-1.50E+3,\"s\":\"x\\\"}\",\"f\":false}",
                        {"-1.50E+3", "\"x\\\"}\"", "false"}},
                {{"a.b.c", "a", "a.b"}, "{\"a\":{\"b\": {\"c\" :[1 ]}}}",
                        {"[1 ]", "{\"b\": {\"c\" :[1 ]}}", "{\"c\" :[1 ]}"}},
                {{"a[1].b", "a[0]", "a[2]", "a"}, "{\"a\":[[ ],{\"b\":7}]}",
                        {"7", "[ ]", NULL, "[[ ],{\"b\":7}]"}},
                {{"a[0][1]", "a.b"}, "{\"a\":[[1,2],3]}", {"2", NULL}},
                {{"a[0]", "a.b"}, "{\"a\":{\"b\":5}}", {NULL, "5"}},
                {{"a.b", "a[0]"}, "{\"a\":\"text\"}", {NULL, NULL}},
                {{"a", "a"}, "{\"a\":1}", {"1", "1"}},
                {{"a\\.b", "a.b", "c\\[0\\]", "d\\\\"},
                        "{\"a.b\":1,\"a\":{\"b\":2},\"c[0]\":3,\"d\\\\\":4}", {"1", "2", "3", "4"}},
                {{"caf\xC3\xA9", "\xF0\x9F\x98\x80"}, "{\"caf\\u00E9\":1,\"\\ud83d\\ude00\":2}",
                        {"1", "2"}},
                {{"abcdefg", "abcdefgh", "abcdefghi", "abcdefghijklmnopq", "abcdefghiXjklmnop",
                         "abcdefghjklmnopq"},
                        "{\"abcdefg\":1,\"abcdefgh\":2,\"abcdefghi\":3,\"abcdefghijklmnopq\":4,"
                        "\"abcdefghiXjklmnop\":5,\"abcdefghjklmnopq\":6,\"abcdefghjk_mnopq\":7}",
                        {"1", "2", "3", "4", "5", "6"}},
                {{"c.id"}, "{\"c\":[{\"id\":1},{\"id\":2}],\"d\":{\"c\":{\"id\":3}},\"id\":4}",
                        {NULL}},
                {{"b"}, "{\"\":1,\"a\":2,\"a\":3,\"b\":4}", {"4"}},
                {{"a"}, "{\"a\":\"\\u0000\\b\\f\\n\\r\\t\\/\\\\\"}",
                        {"\"\\u0000\\b\\f\\n\\r\\t\\/\\\\\""}},
                {{"a"}, "{\"a\":0}", {"0"}},
                {{"a"}, "{\r\n\t\"a\"\r\n\t:\r\n\t[\r\n\t]\r\n\t}", {"[\r\n\t]"}},
                {{"a"}, "{\"x\":\"\xC3\xA9 \xE2\x82\xAC\",\"a\":\"\xF0\x9F\x98\x80\"}",
                        {"\"\xF0\x9F\x98\x80\""}},
        };

        for (size_t i = 0; i < COUNT(cases); i++) {
                cleanup_(arena_freep) struct arena *a = arena_new(MAX_ARENA);
                struct json_pick *p;
                struct str values[MAX_PATHS] = {{NULL}};
                struct err e = {.text = ""};
                size_t n = count_paths(cases[i].paths);
                assert_int_equal(json_pick_new(cases[i].paths, n, a, &p, &e), 0);
                if (pick(p, str_of(cases[i].text), values, &e))
                        fail_msg("%s: %s", cases[i].text, e.text);
                for (size_t k = 0; k < n; k++)
                        if (!values[k].ptr != !cases[i].values[k] ||
                                (values[k].ptr && !str_is(values[k], cases[i].values[k])))
                                fail_msg("%s: %s is %.*s", cases[i].text, cases[i].paths[k],
                                        STR_ARG(values[k]));
        }
}

static void a_glance_stops_at_the_last_value(void **state)
{
        static const struct {
                const char *text, *a, *b; /* a: NULL: refused */
        } cases[] = {
                {"{\"a\":1,\"b\":2,\"a\":3}", "1", "2"},
                {"{\"a\":1,\"b\":{\"c\":[1]}, oops}", "1", "{\"c\":[1]}"},
                {"{\"a\":1,\"a\":3,\"b\":2}", NULL, NULL},
                {"{\"a\":1,\"b\":[2}", NULL, NULL},
                {"{\"a\":1,oops,\"b\":2}", NULL, NULL},
                {"{\"a\":1}}", NULL, NULL},
                {"{\"a\":1,\"c\":\"\xC3\",\"b\":2}", "1", "2"},
                {"[{\"a\":1,\"b\":2}]", NULL, NULL},
        };
        static const char *const paths[] = {"a", "b", "a"};
        cleanup_(arena_freep) struct arena *a = arena_new(MAX_ARENA);
        struct json_pick *p, *none;
        struct str values[COUNT(paths)];
        struct err e;

        (void)state;
        assert_int_equal(json_pick_new(paths, COUNT(paths), a, &p, &e), 0);
        for (size_t i = 0; i < COUNT(cases); i++) {
                int rc = json_pick_glance(p, str_of(cases[i].text), values, &e);
                if ((rc == 0) != (cases[i].a != NULL))
                        fail_msg("%s: %d", cases[i].text, rc);
                if (rc == 0)
                        assert_true(str_is(values[0], cases[i].a) &&
                                    str_is(values[1], cases[i].b) && str_is(values[2], cases[i].a));
        }
        assert_int_equal(json_pick_new(NULL, 0, a, &none, &e), 0);
        assert_int_equal(json_pick_glance(none, STR("{\"a\":1}"), NULL, &e), 0);
        assert_int_equal(json_pick_glance(none, STR("{\"a\":1 2}"), NULL, &e), -ERR_REJECT);
}

static void what_is_no_object_is_refused(void **state)
{
        static const struct {
                const char *text, *words;
        } cases[] = {
                {"", "empty"},
                {" ", "empty"},
                {"[]", "an array"},
                {"\"x\"", "a string"},
                {"null", "null"},
                {"1", "something else"},
                {"{", "'}' expected at its end"},
                {"}", "something else"},
                {"{\"a\":1", "'}' expected at its end"},
                {"{\"a\":{\"b\":1}", "',' or a closing bracket expected at its end"},
                {"{\"a\":[1}", "',' or ']' expected at byte 7"},
                {"{\"a\":1]}", "',' or '}' expected at byte 6"},
                {"{\"a\" 1}", "':' expected at byte 5"},
                {"{a:1}", "a name in quotes expected at byte 1"},
                {"{\"a\":1,}", "a name in quotes expected at byte 7"},
                {"{,}", "a name"},
                {"{\"a\":}", "a value expected at byte 5"},
                {"{\"a\":,}", "a value expected at byte 5"},
                {"{\"a\":[1,]}", "a value expected at byte 8"},
                {"{\"a\":[,]}", "a value expected at byte 6"},
                {"{\"a\":1 \"b\":2}", "',' or '}' expected at byte 7"},
                {"{\"a\":01}", "',' or '}' expected at byte 6"},
                {"{\"a\":-}", "a digit expected at byte 6"},
                {"{\"a\":1.}", "a digit expected at byte 7"},
                {"{\"a\":.5}", "a value"},
                {"{\"a\":1e}", "a digit expected at byte 7"},
                {"{\"a\":1e+}", "a digit expected at byte 8"},
                {"{\"a\":+1}", "a value"},
                {"{\"a\":tru}", "true expected at byte 5"},
                {"{\"a\":nul}", "null expected at byte 5"},
                {"{\"a\":falsy}", "false expected at byte 5"},
                {"{\"a\":nullx}", "',' or '}' expected at byte 9"},
                {"{\"a\":\"x}", "the end of a string"},
                {"{\"a\":\"x\ny\"}", "control character expected at byte 7"},
                {"{\"a\":\"a longer text that has a tab\tin it, and more\"}", "control character"},
                {"{\"a\":\"\\x\"}", "an escape of JSON expected at byte 6"},
                {"{\"a\":\"\\u12g4\"}", "hexadecimal"},
                {"{\"a\":\"\\u12\"}", "hexadecimal"},
                {"{\"a\":\"\\u}", "hexadecimal"},
                {"{\"a\":\"\\ud800\"}", "surrogate"},
                {"{\"a\":\"\\ud800\\u0041\"}", "surrogate"},
                {"{\"a\":\"\\udc00\\ud800\"}", "surrogate"},
                {"{\"\\udc00\":1}", "surrogate"},
                {"{\"a\":\"\xFF\"}", "UTF-8"},
                {"{\"\xC3\":1}", "UTF-8"},
                {"{\"a\":\"\xED\xA0\x80\"}", "UTF-8"},
                {"{}{}", "nothing more expected at byte 2"},
                {"{} {\"a\":1}", "nothing more"},
                {"{\"a\":1}}", "nothing more"},
                {"{\"k\":1,\"a\":2,\"k\":3}", "the name k twice"},
                {"{\"k\":1,\"a\":2,\"\\u006b\":3}", "the name k twice"},
                {"{\"o\":{\"x\":1},\"o\":2}", "the name o twice"},
                {"{\"o\":{\"x\":1,\"x\":null}}", "the name x twice"},
                {"{\"a\":\xC3\xA9}", "a value"},
                {"{\x0B\"a\":1}", "a name"},
        };
        static const char *const paths[] = {"k", "o.x"};
        cleanup_(arena_freep) struct arena *a = arena_new(MAX_ARENA);
        struct json_pick *p;
        struct str values[MAX_PATHS];
        struct err e;

        assert_int_equal(json_pick_new(paths, COUNT(paths), a, &p, &e), 0);
        for (size_t i = 0; i < COUNT(cases); i++) {
                assert_int_equal(pick(p, str_of(cases[i].text), values, &e), -ERR_REJECT);
                if (!strstr(e.text, cases[i].words))
                        fail_msg("%s\n  is %s\n  not %s", cases[i].text, e.text, cases[i].words);
        }
}

static void depth_is_limited(void **state)
{
        cleanup_(arena_freep) struct arena *a = arena_new(MAX_ARENA);
        struct json_pick *p;
        struct str values[MAX_PATHS] = {{NULL}};
        struct err e;

        assert_int_equal(json_pick_new(NULL, 0, a, &p, &e), 0);
        for (size_t depth = JSON_MAX_DEPTH - 1; depth <= 10000; depth = depth * 10 + 10) {
                cleanup_buf_ struct buf text = BUF_INIT(MAX_TEXT);
                for (size_t i = 0; i < depth; i++)
                        buf_puts(&text, "{\"a\":");
                buf_puts(&text, "{}");
                for (size_t i = 0; i < depth; i++)
                        buf_puts(&text, "}");
                int rc = pick(p, buf_str(&text), values, &e);
                assert_int_equal(rc, depth < JSON_MAX_DEPTH ? 0 : -ERR_REJECT);
                if (rc)
                        assert_non_null(strstr(e.text, "nested deeper than 200"));
        }
}

static void wrong_paths_are_refused(void **state)
{
        static const struct {
                const char *path, *words;
        } cases[] = {
                {"", "empty"},
                {"[0].a", "begins with an element"},
                {"a.", "a name is missing"},
                {"a..b", "a name is missing"},
                {"a[1", "between [ and ]"},
                {"a[-1]", "between [ and ]"},
                {"a[9999999999]", "between [ and ]"},
                {"a]", "behind ]"},
                {"a\\", "behind a backslash"},
                {"a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q", "too many steps"},
        };
        cleanup_(arena_freep) struct arena *a = arena_new(MAX_ARENA);
        struct json_pick *p;
        struct err e;

        for (size_t i = 0; i < COUNT(cases); i++) {
                assert_int_equal(json_pick_new(&cases[i].path, 1, a, &p, &e), -ERR_CONFIG);
                if (!strstr(e.text, cases[i].words))
                        fail_msg("%s: %s", cases[i].path, e.text);
        }
}

static void many_paths_are_picked_and_too_many_refused(void **state)
{
        enum { MOST = 4096 };
        cleanup_(arena_freep) struct arena *a = arena_new(64 * MAX_ARENA);
        cleanup_(freep) const char **paths = calloc(MOST + 1, sizeof(*paths));
        cleanup_(freep) struct str *values = calloc(MOST, sizeof(*values));
        cleanup_buf_ struct buf text = BUF_INIT(MAX_TEXT);
        struct json_pick *p;
        struct err e;

        assert_true(paths && values);
        for (int i = 0; i <= MOST; i++) {
                char name[16];
                snprintf(name, sizeof(name), "n%d", i);
                paths[i] = arena_strdup(a, str_of(name));
                buf_printf(&text, "%s\"n%d\":%d", i ? "," : "{", i, i);
        }
        buf_puts(&text, "}");
        assert_int_equal(json_pick_new(paths, MOST + 1, a, &p, &e), -ERR_CONFIG);
        assert_int_equal(json_pick_new(paths, MOST, a, &p, &e), 0);
        assert_int_equal(json_pick_values(p, buf_str(&text), values, &e), 0);
        for (int i = 0; i < MOST; i++) {
                int64_t n;
                assert_true(str_to_int64(values[i], &n) && n == i);
        }
}

static void failed_allocations_are_told(void **state)
{
        static const char *const paths[] = {"a.b", "a[0]", "c", "a long name that is not shared"};

        for (size_t bytes = 16; bytes < 4096; bytes += 16) {
                cleanup_(arena_freep) struct arena *a = arena_new(bytes);
                struct json_pick *p = NULL;
                struct err e;
                int rc = json_pick_new(paths, COUNT(paths), a, &p, &e);
                assert_true(rc ? rc == -ERR_REJECT && !p : bytes > 512);
        }
        ALLOC_FAIL_EACH(i)
        {
                cleanup_(arena_freep) struct arena *a = arena_new(MAX_ARENA);
                struct json_pick *p = NULL;
                struct err e;
                alloc_fail_at(i);
                int rc = json_pick_new(paths, COUNT(paths), a, &p, &e);
                assert_true(rc == 0 || (rc == -ERR_NOMEM && !p));
        }
}

/* Paths to values of @json, and the values, by cJSON's own tree. */
static void collect(const cJSON *json, struct buf *path, const cJSON **found, char (*paths)[200],
        size_t *count, uint64_t *seed)
{
        size_t len = path->len, index = 0;

        for (const cJSON *c = json->child; c; c = c->next, index++) {
                path->len = len;
                if (json->string || json->child)
                        buf_puts(path, len && !cJSON_IsArray(json) ? "." : "");
                if (cJSON_IsArray(json)) {
                        buf_printf(path, "[%zu]", index);
                } else {
                        for (const char *s = c->string; *s; s++)
                                buf_printf(path, strchr(".[]\\", *s) ? "\\%c" : "%c", *s);
                }
                if (path->len >= sizeof(paths[0]))
                        continue;
                if (*count < MAX_PATHS && random_next(seed) % 3 == 0) {
                        memcpy(paths[*count], path->data, path->len);
                        paths[*count][path->len] = '\0';
                        found[(*count)++] = c;
                }
                collect(c, path, found, paths, count, seed);
        }
        path->len = len;
}

static void random_values_are_what_cjson_finds(void **state)
{
        struct random_pair p;

        random_pair_init(&p, 3);
        for (int i = 0; i < 3000; i++) {
                cleanup_(arena_freep) struct arena *a = arena_new(MAX_ARENA);
                cleanup_buf_ struct buf path = BUF_INIT(MAX_TEXT);
                const cJSON *found[MAX_PATHS];
                char texts[MAX_PATHS][200];
                const char *paths[MAX_PATHS];
                struct str values[MAX_PATHS] = {{NULL}};
                struct json_pick *picker;
                struct err e = {.text = ""};
                size_t count = 0;

                random_pair_next(&p);
                /* \u0000 in a name ends it for cJSON; a member may come twice: _attachments */
                if (memmem(p.other.data, p.other.len, "\\u0000", 6) ||
                        memmem(p.other.data, p.other.len, "_attachments", 12))
                        continue;
                cJSON *json = cJSON_ParseWithLength(p.other.data, p.other.len);
                assert_non_null(json);
                collect(json, &path, found, texts, &count, &p.seed);
                for (size_t k = 0; k < count; k++)
                        paths[k] = texts[k];
                if (json_pick_new(paths, count, a, &picker, &e))
                        fail_msg("%s", e.text);
                if (pick(picker, buf_str(&p.other), values, &e))
                        fail_msg("%s: %s", buf_cstr(&p.other), e.text);
                for (size_t k = 0; k < count; k++) {
                        if (!values[k].ptr)
                                fail_msg("%s: no %s", buf_cstr(&p.other), paths[k]);
                        cJSON *value = cJSON_ParseWithLength(values[k].ptr, values[k].len);
                        if (!cJSON_Compare(value, found[k], true))
                                fail_msg("%s: %s is %.*s", buf_cstr(&p.other), paths[k],
                                        STR_ARG(values[k]));
                        cJSON_Delete(value);
                }
                cJSON_Delete(json);
        }
        random_pair_deinit(&p);
}

/* Changed documents are accepted by both or by none; json_canonical() minds names twice as well. */
static void broken_json_is_accepted_as_by_the_canonicaliser(void **state)
{
        static const char bytes[] = "\"\\{}[]:,0-.eu\n\x80\xC3tfn ";
        cleanup_(arena_freep) struct arena *a = arena_new(MAX_ARENA);
        cleanup_buf_ struct buf text = BUF_INIT(MAX_TEXT), out = BUF_INIT(MAX_TEXT);
        struct json_pick *picker;
        struct random_pair p;
        struct err e, canonical;
        struct str none[MAX_PATHS] = {{NULL}};
        size_t accepted = 0, refused = 0;

        assert_int_equal(json_pick_new(NULL, 0, a, &picker, &e), 0);
        random_pair_init(&p, 4);
        for (int i = 0; i < 30000; i++) {
                if (i % 20 == 0)
                        random_pair_next(&p);
                buf_clear(&text);
                buf_clear(&out);
                buf_put_str(&text, buf_str(&p.other));
                for (size_t k = random_next(&p.seed) % 3; k > 0; k--)
                        text.data[random_next(&p.seed) % text.len] =
                                bytes[random_next(&p.seed) % (sizeof(bytes) - 1)];
                if (json_trim(buf_str(&text)).ptr[0] != '{')
                        continue;
                bool ok =
                        json_canonical(buf_str(&text), JSON_NUMBERS_STRING, &out, &canonical) == 0;
                int rc = pick(picker, buf_str(&text), none, &e);
                if (!ok && strstr(canonical.text, "twice"))
                        continue;
                if (ok != (rc == 0))
                        fail_msg("%s: %s", buf_cstr(&text), ok ? e.text : canonical.text);
                accepted += ok;
                refused += !ok;
        }
        assert_true(accepted > 5000 && refused > 5000);
        random_pair_deinit(&p);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(values_are_picked_as_they_stand),
                cmocka_unit_test(a_glance_stops_at_the_last_value),
                cmocka_unit_test(what_is_no_object_is_refused),
                cmocka_unit_test(depth_is_limited),
                cmocka_unit_test(wrong_paths_are_refused),
                cmocka_unit_test(many_paths_are_picked_and_too_many_refused),
                cmocka_unit_test(failed_allocations_are_told),
                cmocka_unit_test(random_values_are_what_cjson_finds),
                cmocka_unit_test(broken_json_is_accepted_as_by_the_canonicaliser),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
