/* Documents against schemas: messages, both forms, both ways of checking, limits, memory. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "ingest/base/buf.h"
#include "schemas/eval.h"
#include "schemas/quick.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/random_json.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct fixture {
        struct schema *schema;
        struct schema_checker *checker;
};

static void fixture_deinit(struct fixture *f)
{
        schema_checker_free(f->checker);
        schema_free(f->schema);
}

static struct fixture compiled(const char *text)
{
        struct schema_options options = {.assert_formats = true};
        struct fixture f = {NULL, NULL};
        struct err e = {0};

        if (schema_compile_text(str_of(text), "s", &options, &f.schema, &e))
                fail_msg("%s: %s", text, e.text);
        f.checker = schema_checker_new(f.schema);
        assert_non_null(f.checker);
        return f;
}

#define ITEM "\"sku\":{\"type\":\"string\",\"pattern\":\"^[A-Z]\"}"

static const struct {
        const char *schema, *document; /* NULL: the last schema */
        const char *path, *message;    /* NULL: it fits */
} faults[] = {
        {"{\"type\":[\"string\",\"null\"]}", "12", "",
                "the document is 12: must be of type string or null (type at s#/type)"},
        {NULL, "null", NULL, NULL},
        {"{\"properties\":{\"a/b\":{\"items\":{\"enum\":[\"x\",1,null]}}}}",
                "{\"a/b\":[\"x\",1.0,\"y\"]}", "/a~1b/2",
                "/a~1b/2 is \"y\": must be \"x\", 1 or null (enum at "
                "s#/properties/a~1b/items/enum)"},
        {"{\"const\":{\"a\":[1]}}", "{\"a\":[2]}", "",
                "the document: must be {\"a\":[1]} (const at s#/const)"},
        {NULL, "{\"a\":[1.0]}", NULL, NULL},
        {"{\"minLength\":2,\"maxLength\":3}", "\"\xC3\xA4\"", "",
                "the document is \"\xC3\xA4\": must have at least 2 characters, and has 1 "
                "(minLength at s#/minLength)"},
        {NULL, "\"\\u00e4\\ud83d\\udc32\"", NULL, NULL},
        {NULL, "\"abcd\"", "",
                "the document is \"abcd\": must have at most 3 characters, and has 4 "
                "(maxLength at s#/maxLength)"},
        {"{"
         "\"properties\":{" ITEM "}}",
                "{\"sku\":\"a\\n1\"}", "/sku",
                "/sku is \"a\\n1\": must match ^[A-Z] (pattern at "
                "s#/properties/sku/pattern)"},
        {NULL, "{\"sku\":\"A\\n1\"}", NULL, NULL},
        {"{\"format\":\"date\"}", "\"1.1.26\"", "",
                "the document is \"1.1.26\": must be in the format date (format at "
                "s#/format)"},
        {"{\"minimum\":0,\"exclusiveMaximum\":1e2}", "-0.5", "",
                "the document is -0.5: must be at least 0 (minimum at s#/minimum)"},
        {NULL, "100", "",
                "the document is 100: must be below 1e2 (exclusiveMaximum at "
                "s#/exclusiveMaximum)"},
        {NULL, "99.99999999999999999999999", NULL, NULL},
        {"{\"exclusiveMinimum\":0.5,\"maximum\":1}", "5e-1", "",
                "the document is 5e-1: must be above 0.5 (exclusiveMinimum at "
                "s#/exclusiveMinimum)"},
        {NULL, "1.0000000000000000000000001", "",
                "the document is 1.0000000000000000000000001: must be at most 1 (maximum "
                "at "
                "s#/maximum)"},
        {"{\"multipleOf\":0.01}", "19.995", "",
                "the document is 19.995: must be a multiple of 0.01 (multipleOf at "
                "s#/multipleOf)"},
        {NULL, "19.99", NULL, NULL},
        {"{\"required\":[\"a\",\"b\"]}", "{\"a\":1}", "",
                "the document: must have \"b\" (required at s#/required)"},
        {"{\"additionalProperties\":false,\"properties\":{\"a\":true}}", "{\"a\":1,\"b\":2}", "/b",
                "/b is 2: the schema knows no such member (additionalProperties at "
                "s#/additionalProperties)"},
        {"{\"propertyNames\":{\"maxLength\":2}}", "{\"abc\":1}", "/abc",
                "the name of /abc is \"abc\": must have at most 2 characters, and has 3 "
                "(maxLength at s#/propertyNames/maxLength)"},
        {"{\"dependentRequired\":{\"a\":[\"b\"]}}", "{\"a\":1}", "",
                "the document: must have \"b\", because it has \"a\" (dependentRequired at "
                "s#/dependentRequired)"},
        {"{\"uniqueItems\":true}", "[1,[2],1.0]", "/2",
                "/2 is 1.0: must not be equal to item 0 (uniqueItems at s#/uniqueItems)"},
        {"{\"contains\":{\"const\":1}}", "[2]", "",
                "the document: must have an item that fits `contains`, and has none "
                "(contains at s#/contains)"},
        {"{\"prefixItems\":[true],\"items\":false}", "[1,2]", "/1",
                "/1 is 2: the schema knows no such item (items at s#/items)"},
        {"{\"not\":{\"type\":\"null\"}}", "null", "",
                "the document is null: must not fit the schema in `not` (not at s#/not)"},
        {"{\"anyOf\":[{\"type\":\"null\"},{\"properties\":{" ITEM "}}]}", "{\"sku\":1}", "",
                "the document: must fit one of 2 schemas, and fits none; the nearest: /sku "
                "is 1: must be of type string (anyOf at s#/anyOf)"},
        {"{\"oneOf\":[{\"minimum\":1},{\"maximum\":3}]}", "2", "",
                "the document is 2: must fit exactly one of the schemas, and fits several "
                "(oneOf at s#/oneOf)"},
        {"{\"allOf\":[{\"properties\":{\"a\":true}}],\"unevaluatedProperties\":false}",
                "{\"a\":1,\"b\":\"x\"}", "/b",
                "/b is \"x\": the schema knows no such member (unevaluatedProperties at "
                "s#/unevaluatedProperties)"},
        {"false", "1", "", "the document is 1: nothing is allowed here (false at s#)"},
};

static void faults_are_said_in_one_sentence(void **state)
{
        struct fixture f = {NULL, NULL};

        for (size_t i = 0; i < COUNT(faults); i++) {
                struct schema_fault fault = {0};
                struct err e = {0};
                if (faults[i].schema) {
                        fixture_deinit(&f);
                        f = compiled(faults[i].schema);
                }
                int rc = schema_check(
                        f.checker, str_of(faults[i].document), SCHEMA_DOCUMENT, &fault, &e);
                if (rc != (faults[i].path ? SCHEMA_FAULT : 0))
                        fail_msg("%s: %d %s", faults[i].document, rc, rc < 0 ? e.text : "");
                if (rc) {
                        assert_string_equal(fault.message, faults[i].message);
                        assert_string_equal(fault.path, faults[i].path);
                }
        }
        fixture_deinit(&f);
}

static void values_are_shortened_and_made_visible(void **state)
{
        cleanup_(fixture_deinit) struct fixture f = compiled("{\"type\":\"null\"}");
        cleanup_buf_ struct buf text = BUF_INIT(1 << 20);
        struct schema_fault fault;
        struct err e;

        buf_puts(&text, "\"\x7F");
        for (int i = 0; i < 1000; i++)
                buf_puts(&text, "\xC3\xA4");
        buf_putc(&text, '"');
        assert_int_equal(
                schema_check(f.checker, buf_str(&text), SCHEMA_DOCUMENT, &fault, &e), SCHEMA_FAULT);
        assert_true(strlen(fault.message) < 300);
        assert_true(str_utf8_valid(str_of(fault.message)));
        assert_null(strchr(fault.message, 0x7F));
        assert_true(strlen(fault.value) < 150);
}

static void members_are_a_document_without_braces(void **state)
{
        cleanup_(fixture_deinit) struct fixture f =
                compiled("{\"required\":[\"a\"],\"properties\":{\"a\":{\"type\":\"integer\"}}}");
        static const struct {
                const char *members;
                int rc;
        } cases[] = {{"\"a\":1", 0}, {"\"a\":1,\"b\":{}", 0}, {"", SCHEMA_FAULT},
                {"\"a\":1.5", SCHEMA_FAULT}, {"\"a\":1}", -ERR_REJECT}, {"\"a\":1},{", -ERR_REJECT},
                {"{\"a\":1}", -ERR_REJECT}};
        struct schema_fault fault;
        struct err e;

        for (size_t i = 0; i < COUNT(cases); i++)
                assert_int_equal(schema_check(f.checker, str_of(cases[i].members), SCHEMA_MEMBERS,
                                         &fault, &e),
                        cases[i].rc);
}

static void what_is_not_json_is_refused_by_any_schema(void **state)
{
        static const char *const schemas[] = {"true", "{\"not\":false}",
                "{\"properties\":{\"a\":{\"type\":\"string\"}}}", "{\"uniqueItems\":true}"};
        static const char *const texts[] = {"", "{", "[1,]", "{\"a\":}", "{\"a\":\"x}", "nul",
                "1 2", "{\"a\" 1}", "\"\xff\"", "\"\\ud800\"", "[\"\\x\"]", "{\"b\":01}",
                "{\"a\":\"\n\"}", "{a:1}", "\"a\"x", "[1}", "{\"\xC0\x80\":1}", "1e9999999999", "-",
                "{,}"};

        for (size_t i = 0; i < COUNT(schemas); i++) {
                cleanup_(fixture_deinit) struct fixture f = compiled(schemas[i]);
                for (size_t k = 0; k < COUNT(texts); k++) {
                        struct schema_fault fault;
                        struct err e = {0};
                        if (schema_check(f.checker, str_of(texts[k]), SCHEMA_DOCUMENT, &fault,
                                    &e) != -ERR_REJECT)
                                fail_msg("%s by %s", texts[k], schemas[i]);
                }
        }
}

/* ---- the two ways ---- */

static bool fits_as_tree(const struct schema *s, struct str text, struct arena *arena,
        struct buf *scratch, struct regex_room *room)
{
        struct finding finding;
        struct node *doc = NULL;
        struct err e;

        arena_reset(arena);
        if (node_parse(text, arena, scratch, &doc, NULL, &e))
                fail_msg("%.*s: %s", STR_ARG(text), e.text);
        return eval_document(s, doc, SCHEMA_BASE_STEPS, arena, room, &finding) == VERDICT_FITS;
}

/* Random documents against schemas that say much: the quick way says yes exactly when the tree
 * does. */
static void both_ways_agree(void **state)
{
        static const char *const schemas[] = {
                "{\"type\":\"object\",\"maxProperties\":4,\"additionalProperties\":{\"type\":"
                "[\"string\",\"number\",\"boolean\"]}}",
                "{\"additionalProperties\":{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"string\","
                "\"maxLength\":5},"
                "{\"type\":\"array\",\"minItems\":1,\"items\":{\"not\":{\"type\":\"null\"}}},{"
                "\"type\":\"object\",\"minProperties\":2}]}}",
                "{\"patternProperties\":{\"^[a-m]\":{\"minLength\":2},\"e$\":{\"maximum\":1000}},"
                "\"additionalProperties\":{\"if\":{\"type\":\"number\"},\"then\":{\"multipleOf\":0."
                "5},"
                "\"else\":{\"oneOf\":[{\"type\":\"array\"},{\"pattern\":\"[aeiou]\"},{\"type\":"
                "\"object\"}]}}}",
                "{\"$defs\":{\"v\":{\"items\":{\"$ref\":\"#/$defs/v\"},\"additionalProperties\":{"
                "\"$ref\":\"#/$defs/v\"},\"minimum\":-100,\"maxLength\":12}},\"$ref\":\"#/$defs/"
                "v\"}",
        };
        cleanup_(arena_freep) struct arena *arena = arena_new(64 << 20);
        cleanup_(regex_room_freep) struct regex_room *room = regex_room_new();
        cleanup_buf_ struct buf scratch = BUF_INIT(1 << 20), text = BUF_INIT(1 << 20);

        for (size_t k = 0; k < COUNT(schemas); k++) {
                cleanup_(fixture_deinit) struct fixture f = compiled(schemas[k]);
                struct random_pair p;
                int fitting = 0;
                assert_true(schema_is_quick(f.schema));
                random_pair_init(&p, 7 + k);
                for (int i = 0; i < 3000; i++) {
                        random_pair_next(&p);
                        buf_clear(&text);
                        buf_printf(&text, "{%.*s}", STR_ARG(buf_str(&p.canonical)));
                        bool quick = quick_fits(
                                f.schema, buf_str(&text), SCHEMA_BASE_STEPS, &scratch, room);
                        bool tree = fits_as_tree(f.schema, buf_str(&text), arena, &scratch, room);
                        if (quick != tree)
                                fail_msg("%s: quick %d, tree %d: %s", schemas[k], quick, tree,
                                        buf_cstr(&text));
                        fitting += tree;
                }
                random_pair_deinit(&p);
                if (fitting < 30 || fitting > 2970)
                        fail_msg("%s: %d documents fit: this proves little", schemas[k], fitting);
        }
}

/* ---- limits ---- */

static void put_nested(struct buf *text, int depth)
{
        for (int i = 0; i < depth; i++)
                buf_puts(text, "{\"a\":");
        buf_putc(text, '1');
        for (int i = 0; i < depth; i++)
                buf_putc(text, '}');
}

static void schemas_that_explode_are_stopped(void **state)
{
        static const struct {
                const char *schema, *error;
        } cases[] = {
                /* twice the work with each level of the document */
                {"{\"allOf\":[{\"properties\":{\"a\":{\"$ref\":\"#\"}}},{\"properties\":{\"a\":"
                 "{\"$ref\":\"#\"}}}]}",
                        "the document cannot be checked in 1000000 steps and 16 for each byte; "
                        "make "
                        "the schema simpler"},
                {"{\"not\":{\"properties\":{\"a\":{\"$ref\":\"#\"}}},\"anyOf\":[{\"properties\":{"
                 "\"a\":{\"$ref\":\"#\"}}},true]}",
                        "the document cannot be checked in 1000000 steps and 16 for each byte; "
                        "make "
                        "the schema simpler"},
                /* seven schemas in a row for each level */
                {"{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"allOf\":[{\"$ref\":\"#/$defs/b\"}]},"
                 "\"b\":{\"allOf\":[{\"allOf\":[{\"allOf\":[{\"properties\":{\"a\":{\"$ref\":\"#\"}"
                 "}"
                 "}]}]}]}}}",
                        "the document and its schema are nested more than 600 deep together"},
        };

        for (size_t i = 0; i < COUNT(cases); i++) {
                cleanup_(fixture_deinit) struct fixture f = compiled(cases[i].schema);
                cleanup_buf_ struct buf text = BUF_INIT(1 << 20);
                struct schema_fault fault;
                struct err e = {0};
                put_nested(&text, 150);
                assert_int_equal(
                        schema_check(f.checker, buf_str(&text), SCHEMA_DOCUMENT, &fault, &e),
                        -ERR_REJECT);
                assert_string_equal(e.text, cases[i].error);
                buf_clear(&text);
                put_nested(&text, 3); /* and the checker goes on */
                assert_true(
                        schema_check(f.checker, buf_str(&text), SCHEMA_DOCUMENT, &fault, &e) >= 0);
        }
}

/* Only at run time it can be seen where a $dynamicRef leads. */
static void a_dynamic_reference_without_end_is_stopped(void **state)
{
        cleanup_(fixture_deinit) struct fixture f =
                compiled("{\"$id\":\"https://e/"
                         "a\",\"$dynamicAnchor\":\"n\",\"$ref\":\"b\",\"$defs\":{\"b\":{"
                         "\"$id\":\"b\",\"$dynamicRef\":\"#n\",\"$defs\":{\"n\":{\"$"
                         "dynamicAnchor\":\"n\"}}}}}");
        struct schema_fault fault;
        struct err e = {0};

        assert_int_equal(
                schema_check(f.checker, STR("1"), SCHEMA_DOCUMENT, &fault, &e), -ERR_REJECT);
        assert_non_null(strstr(e.text, "nested more than"));
}

static void a_pattern_that_runs_away_is_a_fault(void **state)
{
        static const char *const schemas[] = {"{\"pattern\":\"^(a+)+$\"}",
                "{\"not\":{\"pattern\":\"^(a+)+$\"}}",
                "{\"anyOf\":[{\"pattern\":\"^(a+)+$\"},true]}",
                "{\"if\":{\"pattern\":\"^(a+)+$\"},\"then\":false}",
                "{\"patternProperties\":{\"^(a+)+$\":true}}",
                "{\"contains\":{\"pattern\":\"^(a+)+$\"}}"};
        static const char a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!";

        for (size_t i = 0; i < COUNT(schemas); i++) {
                cleanup_(fixture_deinit) struct fixture f = compiled(schemas[i]);
                cleanup_buf_ struct buf text = BUF_INIT(1 << 10);
                struct schema_fault fault = {0};
                struct err e = {0};
                buf_printf(&text, i < 4 ? "\"%s\"" : i == 4 ? "{\"%s\":1}" : "[\"%s\"]", a);
                assert_int_equal(
                        schema_check(f.checker, buf_str(&text), SCHEMA_DOCUMENT, &fault, &e),
                        SCHEMA_FAULT);
                assert_non_null(strstr(fault.message, "cannot be matched in 100000 steps"));
                assert_string_equal(fault.keyword, "pattern");
        }
}

static void objects_of_many_properties_are_checked(void **state)
{
        cleanup_buf_ struct buf schema = BUF_INIT(1 << 20), text = BUF_INIT(1 << 20);
        struct schema_fault fault;
        struct err e;

        for (int count = 63; count < 1000; count += 97) {
                buf_clear(&schema);
                buf_clear(&text);
                buf_puts(&schema,
                        "{\"additionalProperties\":false,\"required\":[\"p62\"],\"properties\":{");
                buf_putc(&text, '{');
                for (int i = 0; i < count; i++) {
                        buf_printf(&schema, "%s\"p%d\":{\"const\":%d}", i ? "," : "", i, i);
                        buf_printf(
                                &text, "%s\"p%d\":%d", i ? "," : "", count - 1 - i, count - 1 - i);
                }
                buf_puts(&schema, "}}");
                buf_putc(&text, '}');
                cleanup_(fixture_deinit) struct fixture f = compiled(buf_cstr(&schema));
                assert_int_equal(
                        schema_check(f.checker, buf_str(&text), SCHEMA_DOCUMENT, &fault, &e), 0);
                text.len--;
                buf_puts(&text, ",\"q\":1}");
                assert_int_equal(
                        schema_check(f.checker, buf_str(&text), SCHEMA_DOCUMENT, &fault, &e),
                        SCHEMA_FAULT);
                assert_string_equal(fault.path, "/q");
        }
}

static void running_out_of_memory_is_an_error(void **state)
{
        static const char *const documents[] = {"{\"a\":\"x\\n\",\"b\":[1,2,{\"c\":[]}]}",
                "{\"a\":1}", "{\"a\":\"x\",\"b\":[1,1]}"};
        cleanup_(fixture_deinit) struct fixture f = compiled(
                "{\"properties\":{\"a\":{\"type\":\"string\",\"pattern\":\"x\"},\"b\":{"
                "\"uniqueItems\":"
                "true}},\"unevaluatedProperties\":false,\"propertyNames\":{\"maxLength\":3}}");

        ALLOC_FAIL_EACH(i)
        {
                struct schema_fault fault;
                struct err e = {0};
                alloc_fail_at(i);
                cleanup_(schema_checker_freep) struct schema_checker *c =
                        schema_checker_new(f.schema);
                for (size_t k = 0; c && k < COUNT(documents); k++) {
                        int rc = schema_check(c, str_of(documents[k]), SCHEMA_DOCUMENT, &fault, &e);
                        if (rc != -ERR_NOMEM && rc != (k ? SCHEMA_FAULT : 0))
                                fail_msg("%s: %d %s", documents[k], rc, e.text);
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(faults_are_said_in_one_sentence),
                cmocka_unit_test(values_are_shortened_and_made_visible),
                cmocka_unit_test(members_are_a_document_without_braces),
                cmocka_unit_test(what_is_not_json_is_refused_by_any_schema),
                cmocka_unit_test(both_ways_agree),
                cmocka_unit_test(schemas_that_explode_are_stopped),
                cmocka_unit_test(a_dynamic_reference_without_end_is_stopped),
                cmocka_unit_test(a_pattern_that_runs_away_is_a_fault),
                cmocka_unit_test(objects_of_many_properties_are_checked),
                cmocka_unit_test(running_out_of_memory_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
