/* Compiling: what is wrong with a schema is named with its place; references; memory. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/stat.h>

#include "ingest/base/buf.h"
#include "schemas/schema.h"
#include "tests/support/alloc_fail.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void what_is_wrong_is_named_with_its_place(void **state)
{
        static const struct {
                const char *schema, *error;
        } cases[] = {
                {"{\"a\": 1,\n }", "s:2:2: not JSON: byte 10: a key in quotes expected here"},
                {"{\"a\": 1, \"a\": 2}",
                        "s:1:16: not JSON: byte 15: an object holds the key \"a\" twice"},
                {"[]", "s#: a schema is an object, true or false"},
                {"{\"properties\": {\"a\": 1}}",
                        "s#/properties/a: a schema is an object, true or false"},
                {"{\"properties\": []}", "s#/properties: must be an object"},
                {"{\"type\": \"strnig\"}",
                        "s#/type: no such type: did you mean string; there are null, boolean, "
                        "number, integer, string, array, object"},
                {"{\"type\": []}", "s#/type: an empty list lets nothing pass"},
                {"{\"type\": [1]}", "s#/type/0: a type is named by a string: \"number\""},
                {"{\"enum\": 1}", "s#/enum: must be a list of values"},
                {"{\"required\": [1]}", "s#/required/0: a name is a string"},
                {"{\"required\": \"a\"}", "s#/required: must be a list of names"},
                {"{\"dependentRequired\": {\"a\": 1}}",
                        "s#/dependentRequired/a: must be a list of names"},
                {"{\"minLength\": -1}", "s#/minLength: must be a whole number, 0 or more"},
                {"{\"minItems\": 1.5}", "s#/minItems: must be a whole number, 0 or more"},
                {"{\"maximum\": \"1\"}", "s#/maximum: must be a number"},
                {"{\"multipleOf\": 0}", "s#/multipleOf: must be a number above 0"},
                {"{\"multipleOf\": -2}", "s#/multipleOf: must be a number above 0"},
                {"{\"uniqueItems\": 1}", "s#/uniqueItems: must be true or false"},
                {"{\"allOf\": []}", "s#/allOf: must be a list of schemas, not empty"},
                {"{\"items\": [true]}",
                        "s#/items: must be a schema; a list of schemas is called prefixItems now"},
                {"{\"pattern\": \"a(?i)\"}",
                        "s#/pattern: the regular expression: byte 1: no such kind of group"},
                {"{\"patternProperties\": {\"(\": true}}",
                        "s#/patternProperties/(: the regular expression: missing closing "
                        "parenthesis"},
                {"{\"$ref\": 1}", "s#/$ref: must be a reference in a string"},
                {"{\"$ref\": \"#/$defs/a\"}", "s#/$ref: there is nothing at #/$defs/a of s"},
                {"{\"$ref\": \"#a\"}", "s#/$ref: there is nothing at #a of s"},
                {"{\"$ref\": \"#/%zz\"}", "s#/$ref: a % that no two hexadecimal digits follow"},
                {"{\"$ref\": \"#/title\", \"title\": \"x\"}", "s#/$ref: #/title of s is no schema"},
                {"{\"$ref\": \"other.json\"}", "s#/$ref: there is no schema \"other.json\" here"},
                {"{\"$id\": 1}", "s#/$id: must be a string"},
                {"{\"$id\": \"a#b\"}", "s#/$id: must have no fragment; use $anchor for a name"},
                {"{\"$defs\": {\"a\": {\"$id\": \"x\"}, \"b\": {\"$id\": \"x\"}}}",
                        "s#/$defs/b/$id: there is another schema of this $id"},
                {"{\"$anchor\": \"\"}", "s#/$anchor: must be a name"},
                {"{\"$schema\": \"http://json-schema.org/draft-07/schema#\"}",
                        "s#/$schema: an earlier draft: only "
                        "https://json-schema.org/draft/2020-12/schema is known"},
                {"{\"$schema\": 1}", "s#/$schema: must be a string"},
                {"{\"$ref\": \"#\"}",
                        "s#: the schema applies itself to the same value, without end"},
                {"{\"allOf\": [{\"$ref\": \"#/$defs/a\"}], \"$defs\": {\"a\": {\"not\": {\"if\": "
                 "{\"$ref\": \"#\"}}}}}",
                        "s#: the schema applies itself to the same value, without end"},
                {"{\"dependentSchemas\": {\"a\": {\"$ref\": \"#\"}}}",
                        "s#: the schema applies itself to the same value, without end"},
                {"{\"$dynamicRef\": \"#a\", \"$dynamicAnchor\": \"a\"}",
                        "s#: the schema applies itself to the same value, without end"},
        };

        for (size_t i = 0; i < COUNT(cases); i++) {
                struct schema *s = NULL;
                struct err e = {0};
                int rc = schema_compile_text(str_of(cases[i].schema), "s", NULL, &s, &e);
                if (rc != -ERR_CONFIG || s)
                        fail_msg("%s: taken", cases[i].schema);
                assert_string_equal(e.text, cases[i].error);
        }
}

/* Chains of references that end are fine up to the limit, wherever the walk begins. */
static void long_chains_are_refused(void **state)
{
        for (int length = SCHEMA_MAX_IN_PLACE - 2; length < 100000; length *= 4) {
                cleanup_buf_ struct buf text = BUF_INIT(8 << 20);
                cleanup_(schema_freep) struct schema *s = NULL;
                struct err e = {0};

                buf_puts(&text, "{\"$ref\":\"#/$defs/d0\",\"$defs\":{");
                for (int i = 0; i < length && length < 5000; i++)
                        buf_printf(&text, "\"d%d\":{\"$ref\":\"#/$defs/d%d\"},", i, i + 1);
                buf_printf(&text, "\"d%d\":true}}", length < 5000 ? length : 0);
                int rc = schema_compile_text(buf_str(&text), "s", NULL, &s, &e);
                bool fine = length < SCHEMA_MAX_IN_PLACE || length >= 5000;
                assert_int_equal(rc, fine ? 0 : -ERR_CONFIG);
                if (!fine)
                        assert_non_null(strstr(e.text, "more than 64 schemas in a row"));
        }
}

/* ---- files ---- */

static char folder[64];

static void write_file(const char *name, const char *text)
{
        char path[256];

        snprintf(path, sizeof(path), "%s/%s", folder, name);
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        fputs(text, f);
        fclose(f);
}

static int make_folder(void **state)
{
        snprintf(folder, sizeof(folder), "/tmp/test_schema_compile.XXXXXX");
        return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
        char command[128];

        snprintf(command, sizeof(command), "rm -rf '%s'", folder);
        return system(command);
}

static int compile_in_folder(const char *text, struct schema **out, struct err *e)
{
        struct schema_options options = {.folder = folder};

        return schema_compile_text(str_of(text), "s", &options, out, e);
}

static int check(const struct schema *s, const char *document)
{
        cleanup_(schema_checker_freep) struct schema_checker *c = schema_checker_new(s);
        struct schema_fault fault;
        struct err e;

        assert_non_null(c);
        return schema_check(c, str_of(document), SCHEMA_DOCUMENT, &fault, &e);
}

static void references_lead_to_files_in_the_folder(void **state)
{
        static const char *const references[] = {"number.json", "sub/number.json", "./number.json",
                "number.json#/$defs/n", "number.json#n", "https://example.com/x/number.json",
                "https://example.com/sub/number.json", "loop.json#/$defs/number"};

        write_file("number.json", "{\"type\":\"number\",\"$defs\":{\"n\":{\"$anchor\":\"n\","
                                  "\"type\":\"number\"}}}");
        write_file("loop.json", "{\"properties\":{\"a\":{\"$ref\":\"loop.json\"}},\"$defs\":{"
                                "\"number\":{\"$ref\":\"number.json\"}}}");
        char sub[128];
        snprintf(sub, sizeof(sub), "%s/sub", folder);
        assert_int_equal(mkdir(sub, 0777), 0);
        write_file("sub/number.json", "{\"type\":\"number\"}");
        for (size_t i = 0; i < COUNT(references); i++) {
                cleanup_(schema_freep) struct schema *s = NULL;
                char text[256];
                struct err e = {0};
                snprintf(text, sizeof(text), "{\"$ref\":\"%s\"}", references[i]);
                if (compile_in_folder(text, &s, &e))
                        fail_msg("%s: %s", references[i], e.text);
                assert_int_equal(check(s, "1"), 0);
                assert_int_equal(check(s, "\"1\""), SCHEMA_FAULT);
        }
}

static void nothing_else_is_opened(void **state)
{
        static const char *const references[] = {"../number.json", "/etc/passwd",
                "file:///etc/passwd", "missing.json", ".hidden",
                "https://example.com/../../etc/passwd", "sub/../../x", "number.json%00",
                "nu%6Dber.json", "sub", "sub/"};

        write_file(".hidden", "{}");
        for (size_t i = 0; i < COUNT(references); i++) {
                cleanup_(schema_freep) struct schema *s = NULL;
                char text[256];
                struct err e = {0};
                snprintf(text, sizeof(text), "{\"$ref\":\"%s\"}", references[i]);
                int rc = compile_in_folder(text, &s, &e);
                if (i == 0) { /* there is nothing above the folder: it is number.json itself */
                        assert_int_equal(rc, 0);
                        continue;
                }
                if (rc != -ERR_CONFIG)
                        fail_msg("%s was opened", references[i]);
        }
}

static void a_file_must_have_the_id_it_was_asked_for_by(void **state)
{
        cleanup_(schema_freep) struct schema *s = NULL;
        struct err e = {0};

        write_file("named.json", "{\"$id\":\"https://example.com/named.json\"}");
        assert_int_equal(
                compile_in_folder("{\"$ref\":\"https://example.com/named.json\"}", &s, &e), 0);
        assert_int_equal(compile_in_folder("{\"$ref\":\"https://other.org/named.json\"}", &s, &e),
                -ERR_CONFIG);
        assert_non_null(strstr(e.text, "but its $id is \"https://example.com/named.json\""));
        s = schema_free(s);
        /* By both names it is one schema, not two of one $id. */
        assert_int_equal(compile_in_folder("{\"allOf\":[{\"$ref\":\"named.json\"},{\"$ref\":"
                                           "\"https://example.com/named.json\"}]}",
                                 &s, &e),
                0);
        s = schema_free(s);
        assert_int_equal(
                compile_in_folder("{\"allOf\":[{\"$ref\":\"https://example.com/named.json\"}"
                                  ",{\"$ref\":\"named.json\"}]}",
                        &s, &e),
                0);
}

static void a_file_is_compiled_by_its_path(void **state)
{
        cleanup_(schema_freep) struct schema *s = NULL;
        struct schema_options options = {.folder = folder};
        struct err e = {0};
        char path[128];

        write_file(
                "a.schema.json", "{\"properties\":{\"b\":{\"$ref\":\"b.schema.json#/$defs/b\"}}}");
        write_file("b.schema.json", "{\"$defs\":{\"b\":{\"type\":\"srting\"}}}");
        snprintf(path, sizeof(path), "%s/a.schema.json", folder);
        assert_int_equal(schema_compile_file(path, &options, &s, &e), -ERR_CONFIG);
        assert_non_null(strstr(e.text, "/b.schema.json#/$defs/b/type: no such type: did you mean"));
        write_file("b.schema.json", "{\"$defs\":{\"b\":{\"type\":\"string\"}}}");
        assert_int_equal(schema_compile_file(path, &options, &s, &e), 0);
        assert_int_equal(check(s, "{\"b\":1}"), SCHEMA_FAULT);
        assert_int_equal(schema_compile_file("/nowhere/x.json", &options, &s, &e), -ERR_CONFIG);
}

/* By the metaschema formats are asserted, and then all of them must be known. */
static void a_metaschema_may_assert_formats(void **state)
{
        cleanup_(schema_freep) struct schema *s = NULL;
        struct err e = {0};

        write_file("asserting.json", "{\"$vocabulary\":{\"https://json-schema.org/draft/2020-12/"
                                     "vocab/format-assertion\":"
                                     "true,\"https://example.com/unknown\":false}}");
        write_file("demanding.json", "{\"$vocabulary\":{\"https://example.com/unknown\":true}}");
        assert_int_equal(compile_in_folder("{\"$schema\":\"https://x/asserting.json\",\"format\":"
                                           "\"ipv4\",\"minLength\":99}",
                                 &s, &e),
                0);
        assert_int_equal(check(s, "\"1.2.3.4\""), 0); /* minLength is not of its vocabularies */
        assert_int_equal(check(s, "\"1.2.3\""), SCHEMA_FAULT);
        s = schema_free(s);
        assert_int_equal(
                compile_in_folder(
                        "{\"$schema\":\"https://x/asserting.json\",\"format\":\"ipv5\"}", &s, &e),
                -ERR_CONFIG);
        assert_string_equal(
                e.text, "s#/format: no such format, and the metaschema asserts formats");
        assert_int_equal(compile_in_folder("{\"$schema\":\"https://x/demanding.json\"}", &s, &e),
                -ERR_CONFIG);
        assert_non_null(
                strstr(e.text, "demanding.json#/$vocabulary/https:~1~1example.com~1unknown: "
                               "the vocabulary is required"));
}

static void patterns_have_a_limit(void **state)
{
        cleanup_buf_ struct buf text = BUF_INIT(1 << 20);
        cleanup_(schema_freep) struct schema *s = NULL;
        struct err e = {0};

        buf_puts(&text, "{\"patternProperties\":{");
        for (int i = 0; i <= SCHEMA_MAX_PATTERNS; i++)
                buf_printf(&text, "%s\"a%d\":true", i ? "," : "", i);
        buf_puts(&text, "}}");
        assert_int_equal(schema_compile_text(buf_str(&text), "s", NULL, &s, &e), -ERR_CONFIG);
        assert_non_null(strstr(e.text, "more than 1000 regular expressions"));
}

static int resolve_only_x(void *arg, struct str uri, struct str *text, struct err *e)
{
        ++*(int *)arg;
        if (str_is(uri, "https://x/broken"))
                return err_set(e, ERR_RETRY, "the resolver is asleep");
        if (!str_is(uri, "https://x/x"))
                return SCHEMA_UNKNOWN;
        *text = STR("{\"type\":\"string\"}");
        return 0;
}

static void a_resolver_is_asked_once_for_each_text(void **state)
{
        cleanup_(schema_freep) struct schema *s = NULL;
        int calls = 0;
        struct schema_options options = {.resolve = resolve_only_x, .resolve_arg = &calls};
        struct err e = {0};

        assert_int_equal(schema_compile_text(STR("{\"allOf\":[{\"$ref\":\"https://x/x\"},{\"$ref\":"
                                                 "\"https://x/x#\"}]}"),
                                 "s", &options, &s, &e),
                0);
        assert_int_equal(calls, 1);
        assert_int_equal(check(s, "\"\""), 0);
        assert_int_equal(check(s, "1"), SCHEMA_FAULT);
        s = schema_free(s);
        assert_int_equal(
                schema_compile_text(STR("{\"$ref\":\"https://x/broken\"}"), "s", &options, &s, &e),
                -ERR_RETRY);
        assert_string_equal(e.text, "s#/$ref: the resolver is asleep");
}

/* The metaschemas are built in, and fit themselves. */
static void metaschemas_describe_themselves(void **state)
{
        static const char *const names[] = {"schema", "meta/core", "meta/applicator",
                "meta/unevaluated", "meta/validation", "meta/meta-data", "meta/format-annotation",
                "meta/format-assertion", "meta/content"};
        static const char *const bad[] = {"{\"type\":\"x\"}", "{\"items\":[]}",
                "{\"minimum\":\"\"}", "{\"$defs\":{\"a\":{\"required\":[1]}}}", "1",
                "{\"unevaluatedItems\":3}", "{\"title\":1}", "{\"format\":1}", "{\"$id\":\"a#b\"}",
                "{\"multipleOf\":0}"};

        for (size_t i = 0; i < COUNT(names); i++) {
                cleanup_(schema_freep) struct schema *s = NULL;
                struct err e = {0};
                char text[128];
                snprintf(text, sizeof(text),
                        "{\"$ref\":\"https://json-schema.org/draft/2020-12/%s\"}", names[i]);
                if (schema_compile_text(str_of(text), "s", NULL, &s, &e))
                        fail_msg("%s", e.text);
                assert_int_equal(check(s, "{\"type\":\"object\",\"$id\":\"x\"}"), 0);
                assert_int_equal(check(s, "true"), 0);
                for (size_t k = 0; i == 0 && k < COUNT(bad); k++)
                        if (check(s, bad[k]) != SCHEMA_FAULT)
                                fail_msg("%s fits", bad[k]);
        }
}

static void running_out_of_memory_is_an_error(void **state)
{
        static const char text[] =
                "{\"$id\":\"https://e/a\",\"type\":[\"object\",\"null\"],\"required\":[\"a\"],"
                "\"properties\":{\"a\":{\"$ref\":\"#b\"},\"c\":{\"enum\":[1,\"x\",\"y\"]},"
                "\"d\":{\"$dynamicRef\":\"#n\"},\"e\":1.0e0},\"$defs\":{\"b\":{\"$anchor\":\"b\","
                "\"$dynamicAnchor\":\"n\",\"pattern\":\"^a\\\\s\",\"multipleOf\":0.01},"
                "\"m\":{\"multipleOf\":12345678901234567890123}},"
                "\"patternProperties\":{\"^x\":{\"minLength\":2}},\"dependentRequired\":{\"a\":"
                "[\"b\"]},\"oneOf\":[{\"not\":{\"contains\":true}},{\"if\":true,\"then\":false}]}";
        struct str whole = STR(text);

        ALLOC_FAIL_EACH(i)
        {
                struct err e = {0};
                alloc_fail_at(i);
                cleanup_(schema_freep) struct schema *s = NULL;
                int rc = schema_compile_text(whole, "s", NULL, &s, &e);
                if (rc != -ERR_NOMEM && rc != -ERR_CONFIG)
                        fail_msg("%d: %s", rc, e.text);
                if (rc == -ERR_CONFIG) /* its place may be what there was no memory for */
                        assert_non_null(strstr(e.text, ": a schema is an object, true or false"));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_wrong_is_named_with_its_place),
                cmocka_unit_test(long_chains_are_refused),
                cmocka_unit_test(references_lead_to_files_in_the_folder),
                cmocka_unit_test(nothing_else_is_opened),
                cmocka_unit_test(a_file_must_have_the_id_it_was_asked_for_by),
                cmocka_unit_test(a_file_is_compiled_by_its_path),
                cmocka_unit_test(a_metaschema_may_assert_formats),
                cmocka_unit_test(patterns_have_a_limit),
                cmocka_unit_test(a_resolver_is_asked_once_for_each_text),
                cmocka_unit_test(metaschemas_describe_themselves),
                cmocka_unit_test(running_out_of_memory_is_an_error),
        };
        return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
