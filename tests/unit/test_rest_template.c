/* ${...} in addresses, headers and bodies: what is sent, or the exact message. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "ingest/base/yaml.h"
#include "ingest/source/rest/template.h"
#include "tests/support/alloc_fail.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *const names[] = {"cursor", "page", "size", "id", "gone", "empty"};
static const struct string_list known = {(const char **)names, COUNT(names)};

static const struct rest_var values[] = {
        {STR("cursor"), STR("2026-01-31T10:00:00+01:00"), false},
        {STR("page"), STR("7"), true},
        {STR("size"), STR("100"), true},
        {STR("id"), STR("a/b c'd\"\xc3\xa9"), false},
        {STR("gone"), {NULL, 0}, true},
        {STR("empty"), STR(""), false},
        {STR("dots"), STR(".."), false},
        {STR("lines"), STR("a\r\nX-Admin: 1"), false},
        {STR("bytes"), STR("\xff\xfe"), false},
        {STR("var"), STR("${page}"), false},
};
static const struct rest_vars vars = {values, COUNT(values)};

/* A document of one value. */
struct yaml {
        struct ydoc *doc;
        struct arena *arena;
        struct option_context cx;
};

static void yaml_open(struct yaml *y, const char *text)
{
        struct err e;

        y->arena = arena_new(16 << 20);
        if (!y->arena || ydoc_parse(str_of(text), "m.yaml", YDOC_EXPAND_NONE, &y->doc, &e))
                fail_msg("%s: %s", text, e.text);
        y->cx = (struct option_context){y->doc, y->arena, NULL};
}

static void yaml_close(struct yaml *y)
{
        ydoc_free(y->doc);
        arena_free(y->arena);
}

struct sent {
        const char *text;
        enum rest_encoding encoding;
        const char *sent; /* NULL: absent */
};

static void a_template_is_sent_as_its_place_needs_it(void **state)
{
        static const struct sent cases[] = {
                {"plain", REST_ENCODE_NONE, "plain"},
                {"''", REST_ENCODE_NONE, ""},
                {"12", REST_ENCODE_NONE, "12"},
                {"a ${page} b", REST_ENCODE_NONE, "a 7 b"},
                {"${page}${size}", REST_ENCODE_NONE, "7100"},
                {"$", REST_ENCODE_NONE, "$"},
                {"$a $ b$", REST_ENCODE_NONE, "$a $ b$"},
                {"$$", REST_ENCODE_NONE, "$"},
                {"$$$$", REST_ENCODE_NONE, "$$"},
                {"$${page}", REST_ENCODE_NONE, "${page}"},
                {"$$${page}", REST_ENCODE_NONE, "$7"},
                {"'}{'", REST_ENCODE_NONE, "}{"},
                {"${var}", REST_ENCODE_NONE, "${page}"},
                {"/p/${id}/x", REST_ENCODE_PATH, "/p/a%2Fb%20c%27d%22%C3%A9/x"},
                {"/a b/\xc3\xa9?x=1&y=[2]", REST_ENCODE_PATH, "/a%20b/%C3%A9?x=1&y=[2]"},
                {"/a%20b", REST_ENCODE_PATH, "/a%20b"},
                {"a&b=${id}", REST_ENCODE_QUERY, "a%26b%3Da%2Fb%20c%27d%22%C3%A9"},
                {"${cursor}", REST_ENCODE_QUERY, "2026-01-31T10%3A00%3A00%2B01%3A00"},
                {"id eq '${id}'", REST_ENCODE_ODATA, "id eq 'a/b c''d\"\xc3\xa9'"},
                {"a\\b${id}", REST_ENCODE_TEXT, "a\\ba/b c'd\"\xc3\xa9"},
                {"${lines}", REST_ENCODE_TEXT, "a\r\nX-Admin: 1"},
                {"${gone}", REST_ENCODE_NONE, NULL},
                {"a ${gone} b", REST_ENCODE_QUERY, NULL},
                {"${nothing}", REST_ENCODE_NONE, NULL},
                {"/p/${empty}", REST_ENCODE_PATH, NULL},
                {"x${empty}", REST_ENCODE_QUERY, "x"},
                {"${dots}", REST_ENCODE_QUERY, ".."},
        };
        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                cleanup_buf_ struct buf out = BUF_INIT(1 << 10);
                struct rest_template *t;
                struct yaml y;
                yaml_open(&y, cases[i].text);
                assert_int_equal(rest_template_compile(&y.cx, y.doc->root, NULL, &t, NULL), 0);
                buf_puts(&out, "<");
                int rc = rest_template_put(t, &vars, cases[i].encoding, &out, NULL);
                if (rc != (cases[i].sent ? 0 : REST_ABSENT) ||
                        strcmp(buf_cstr(&out) + 1, cases[i].sent ? cases[i].sent : "") != 0)
                        fail_msg("%s: %d, %s", cases[i].text, rc, buf_cstr(&out));
                yaml_close(&y);
        }
}

static void what_may_not_be_sent_is_an_error(void **state)
{
        static const struct {
                const char *text;
                enum rest_encoding encoding;
                int rc;
                const char *message;
        } cases[] = {
                {"${lines}", REST_ENCODE_NONE, -ERR_CONFIG, "${lines}: a line break in a header"},
                {"\"a\\nb\"", REST_ENCODE_NONE, -ERR_CONFIG, "its text: a line break in a header"},
                {"/p/${dots}/x", REST_ENCODE_PATH, -ERR_CONFIG,
                        "${dots} is \"..\", which means a folder in an address: it cannot be asked "
                        "for"},
        };
        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                cleanup_buf_ struct buf out = BUF_INIT(1 << 10);
                struct rest_template *t;
                struct err e = {0};
                struct yaml y;
                yaml_open(&y, cases[i].text);
                assert_int_equal(rest_template_compile(&y.cx, y.doc->root, NULL, &t, NULL), 0);
                assert_int_equal(
                        rest_template_put(t, &vars, cases[i].encoding, &out, &e), cases[i].rc);
                assert_string_equal(e.text, cases[i].message);
                assert_int_equal(out.len, 0);
                yaml_close(&y);
        }
}

static void wrong_templates_are_refused(void **state)
{
        static const struct {
                const char *text, *message;
        } cases[] = {
                {"${", "m.yaml:1:1: a ${ has no }; for a dollar sign before a brace write $$"},
                {"a ${page",
                        "m.yaml:1:1: a ${ has no }; for a dollar sign before a brace write $$"},
                {"${}", "m.yaml:1:1: ${} names no variable; for a dollar sign before a brace write "
                        "$$"},
                {"${ page }", "m.yaml:1:1: ' page ' is no name of a variable; for a dollar sign "
                              "before a brace write $$"},
                {"${${page}}", "m.yaml:1:1: '${page' is no name of a variable; for a dollar sign "
                               "before a brace write $$"},
                {"${pgae}", "m.yaml:1:1: there is no variable 'pgae' here, did you mean 'page'?"},
                {"${xyzzy}", "m.yaml:1:1: there is no variable 'xyzzy' here; there is ${cursor}, "
                             "${page}, ${size}, ${id}, ${gone}, ${empty}"},
                {"[a]", "m.yaml:1:1: a text must stand here, not a list"},
        };
        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct rest_template *t = NULL;
                struct err e = {0};
                struct yaml y;
                yaml_open(&y, cases[i].text);
                assert_int_equal(
                        rest_template_compile(&y.cx, y.doc->root, &known, &t, &e), -ERR_CONFIG);
                assert_string_equal(e.text, cases[i].message);
                assert_null(t);
                yaml_close(&y);
        }
}

static void a_template_without_names_takes_no_variable(void **state)
{
        static const struct string_list none = {0};
        struct rest_template *t;
        struct err e;
        struct yaml y;

        (void)state;
        yaml_open(&y, "${page}");
        assert_int_equal(rest_template_compile(&y.cx, y.doc->root, &none, &t, &e), -ERR_CONFIG);
        assert_string_equal(e.text,
                "m.yaml:1:1: no variable can stand here, but there is 'page'; for a dollar sign "
                "before a brace write $$");
        yaml_close(&y);
}

static void a_template_tells_what_it_uses(void **state)
{
        struct rest_template *t;
        struct yaml y;

        (void)state;
        yaml_open(&y, "a ${page} $${size}");
        assert_int_equal(rest_template_compile(&y.cx, y.doc->root, &known, &t, NULL), 0);
        assert_true(rest_template_uses(t, "page"));
        assert_false(rest_template_uses(t, "size"));
        assert_null(rest_template_text(t).ptr);
        yaml_close(&y);
        yaml_open(&y, "a $$ b");
        assert_int_equal(rest_template_compile(&y.cx, y.doc->root, &known, &t, NULL), 0);
        assert_true(str_is(rest_template_text(t), "a $ b"));
        yaml_close(&y);
}

static void a_body_is_sent_as_json(void **state)
{
        static const struct {
                const char *text, *sent; /* NULL: absent */
                bool json;
        } cases[] = {
                {"{}", "{}", true},
                {"[]", "[]", true},
                {"{a: 1, b: 1.50, c: true, d: null, e: ~, f: '1', g: 1e5}",
                        "{\"a\":1,\"b\":1.50,\"c\":true,\"d\":null,\"e\":null,\"f\":\"1\","
                        "\"g\":1e5}",
                        true},
                {"{page: \"${page}\", text: \"p${page}\"}", "{\"page\":7,\"text\":\"p7\"}", true},
                {"{a: \"${id}\", b: '$${x} $'}", "{\"a\":\"a/b c'd\\\"\xc3\xa9\",\"b\":\"${x} $\"}",
                        true},
                {"{\"q\\\"\": \"a\\nb\"}", "{\"q\\\"\":\"a\\nb\"}", true},
                /* a member that is absent is left out */
                {"{a: \"${gone}\", b: 1}", "{\"b\":1}", true},
                {"{b: 1, a: \"x${gone}\"}", "{\"b\":1}", true},
                {"{a: {b: \"${gone}\"}}", "{\"a\":{}}", true},
                /* ... and a list without one of its scalars means something else */
                {"{d: [[write_date, '>=', \"${gone}\"]]}", "{\"d\":[]}", true},
                {"{d: [[active, =, true], [write_date, '>=', \"${gone}\"], [a, =, b]]}",
                        "{\"d\":[[\"active\",\"=\",true],[\"a\",\"=\",\"b\"]]}", true},
                {"{d: [[write_date, '>=', \"${cursor}\"]]}",
                        "{\"d\":[[\"write_date\",\">=\",\"2026-01-31T10:00:00+01:00\"]]}", true},
                {"{d: [\"${gone}\"], e: 1}", "{\"e\":1}", true},
                {"[[\"${gone}\"], [1]]", "[[1]]", true},
                {"[{a: \"${gone}\"}, 2]", "[{},2]", true},
                {"[\"${gone}\"]", NULL, true},
                /* texts are sent as they are */
                {"'<q>${id}</q>'", "<q>a/b c'd\"\xc3\xa9</q>", false},
                {"12", "12", false},
                {"'a=${gone}'", NULL, false},
        };
        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                cleanup_buf_ struct buf out = BUF_INIT(1 << 10);
                struct rest_body *b;
                struct err e = {0};
                struct yaml y;
                yaml_open(&y, cases[i].text);
                if (rest_body_compile(&y.cx, y.doc->root, NULL, &b, &e))
                        fail_msg("%s: %s", cases[i].text, e.text);
                assert_true(rest_body_is_json(b) == cases[i].json);
                buf_puts(&out, "<");
                int rc = rest_body_put(b, &vars, &out, &e);
                if (rc != (cases[i].sent ? 0 : REST_ABSENT) ||
                        strcmp(buf_cstr(&out) + 1, cases[i].sent ? cases[i].sent : "") != 0)
                        fail_msg("%s: %d, %s", cases[i].text, rc, buf_cstr(&out));
                yaml_close(&y);
        }
}

static void wrong_bodies_are_refused(void **state)
{
        static const struct {
                const char *text, *message;
        } cases[] = {
                {"a: {b: [\"${pgae}\"]}",
                        "m.yaml:1:9: there is no variable 'pgae' here, did you mean 'page'?"},
                {"a: 007", "m.yaml:1:4: JSON cannot write the number '007': write it in plain "
                           "decimal digits, or in quotes for text"},
                {"~", "m.yaml:1:1: 'body' must be a map, a list or a text, not null"},
        };
        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                struct rest_body *b = NULL;
                struct err e = {0};
                struct yaml y;
                yaml_open(&y, cases[i].text);
                assert_int_equal(
                        rest_body_compile(&y.cx, y.doc->root, &known, &b, &e), -ERR_CONFIG);
                assert_string_equal(e.text, cases[i].message);
                assert_null(b);
                yaml_close(&y);
        }
}

static void a_body_that_cannot_be_json_is_a_reject(void **state)
{
        cleanup_buf_ struct buf out = BUF_INIT(1 << 10), small = BUF_INIT(4);
        struct rest_body *b;
        struct err e;
        struct yaml y;

        (void)state;
        yaml_open(&y, "{a: \"${bytes}\"}");
        assert_int_equal(rest_body_compile(&y.cx, y.doc->root, NULL, &b, &e), 0);
        assert_int_equal(rest_body_put(b, &vars, &out, &e), -ERR_REJECT);
        assert_string_equal(e.text, "a value in the body is not UTF-8");
        assert_int_equal(out.len, 0);
        yaml_close(&y);
        yaml_open(&y, "{abc: def}");
        assert_int_equal(rest_body_compile(&y.cx, y.doc->root, NULL, &b, &e), 0);
        assert_int_equal(rest_body_put(b, &vars, &small, &e), -ERR_REJECT);
        assert_int_equal(small.len, 0);
        yaml_close(&y);
}

/* YAML ends at a depth of its own, so what compiles and puts bodies never goes deeper. */
static void depth_ends_where_yaml_does(void **state)
{
        static const int depths[] = {YDOC_MAX_DEPTH - 2, 200};

        (void)state;
        for (size_t i = 0; i < COUNT(depths); i++) {
                cleanup_(ydoc_freep) struct ydoc *d = NULL;
                cleanup_buf_ struct buf text = BUF_INIT(1 << 12), out = BUF_INIT(1 << 12);
                cleanup_(arena_freep) struct arena *arena = arena_new(1 << 20);
                struct rest_body *b;
                struct err e = {0};
                for (int k = 0; k < depths[i]; k++)
                        buf_puts(&text, k % 2 ? "{a: " : "[");
                buf_puts(&text, "1");
                for (int k = depths[i]; k-- > 0;)
                        buf_puts(&text, k % 2 ? "}" : "]");
                int rc = ydoc_parse(buf_str(&text), "m.yaml", YDOC_EXPAND_NONE, &d, &e);
                assert_int_equal(rc, i == 0 ? 0 : -ERR_CONFIG);
                if (rc)
                        continue;
                const struct option_context cx = {d, arena, NULL};
                assert_int_equal(rest_body_compile(&cx, d->root, NULL, &b, &e), 0);
                assert_int_equal(rest_body_put(b, &vars, &out, &e), 0);
        }
}

static void running_out_of_memory_is_an_error(void **state)
{
        struct yaml y;

        (void)state;
        yaml_open(&y, "{a: [\"${page} x\", b], c: {d: \"${id}\"}}");
        ALLOC_FAIL_EACH(i)
        {
                alloc_fail_at(i);
                cleanup_(arena_freep) struct arena *arena = arena_new(1 << 20);
                const struct option_context cx = {y.doc, arena, NULL};
                cleanup_buf_ struct buf out = BUF_INIT(1 << 10);
                struct rest_body *b;
                struct err e = {0};
                int rc = arena ? rest_body_compile(&cx, y.doc->root, NULL, &b, &e) : -ERR_NOMEM;
                if (rc == 0)
                        rc = rest_body_put(b, &vars, &out, &e);
                if (rc && rc != -ERR_NOMEM)
                        fail_msg("allocation %ld: %s", i, e.text);
        }
        yaml_close(&y);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_template_is_sent_as_its_place_needs_it),
                cmocka_unit_test(what_may_not_be_sent_is_an_error),
                cmocka_unit_test(wrong_templates_are_refused),
                cmocka_unit_test(a_template_without_names_takes_no_variable),
                cmocka_unit_test(a_template_tells_what_it_uses),
                cmocka_unit_test(a_body_is_sent_as_json),
                cmocka_unit_test(wrong_bodies_are_refused),
                cmocka_unit_test(a_body_that_cannot_be_json_is_a_reject),
                cmocka_unit_test(depth_ends_where_yaml_does),
                cmocka_unit_test(running_out_of_memory_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
