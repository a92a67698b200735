/* What a schema says to CouchDB: what is taken, what is refused and how it is told. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "ingest/base/buf.h"
#include "schemas/annotation.h"
#include "tests/support/alloc_fail.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static int set_up(void **state)
{
        *state = arena_new(1 << 20);
        return *state ? 0 : -1;
}

static int tear_down(void **state)
{
        arena_free(*state);
        return 0;
}

static const char whole[] =
        "{\"properties\": {\"type\": {}, \"rep\": {}, \"amounts\": {}},\n"
        " \"additionalProperties\": false, \"patternProperties\": {\"^x_\": {}},\n"
        " \"x-erp2couch\": {\n"
        "   \"indexes\": [{\"name\": \"by-rep\", \"fields\": [\"type\", \"rep\"]},\n"
        "     {\"fields\": [\"x_own\", \"amounts.total\"], \"name\": \"2\",\n"
        "      \"partial_filter_selector\": {\"a\": {\"$gt\": 12345678901234567890}}}],\n"
        "   \"tombstone\": [\"type\", \"r\\u0065p\"]}}";

static void an_annotation_is_read(void **state)
{
        struct schema_annotation a;
        struct err e = {0};

        if (schema_annotation_parse(STR(whole), "item.schema.json", *state, &a, &e))
                fail_msg("%s", e.text);
        assert_int_equal(a.index_count, 2);
        assert_string_equal(a.indexes[0].name, "by-rep");
        assert_int_equal(a.indexes[0].field_count, 2);
        assert_string_equal(a.indexes[0].fields[1], "rep");
        assert_int_equal(a.indexes[0].filter.len, 0);
        assert_string_equal(a.indexes[1].name, "2");
        assert_string_equal(a.indexes[1].fields[0], "x_own");
        assert_string_equal(a.indexes[1].fields[1], "amounts.total");
        assert_true(str_is(a.indexes[1].filter, "{\"a\": {\"$gt\": 12345678901234567890}}"));
        assert_int_equal(a.tombstone_count, 2);
        assert_string_equal(a.tombstone[1], "rep");
}

static void many_schemas_say_nothing(void **state)
{
        static const char *const cases[] = {"true", "{}", "{\"x-erp2couch\": {}}",
                "{\"x-erp2couch\": {\"indexes\": [], \"tombstone\": []}}",
                "{\"$defs\": {\"x-erp2couch\": 7}}"};

        for (size_t i = 0; i < COUNT(cases); i++) {
                struct schema_annotation a = {.index_count = 7, .tombstone_count = 7};
                struct err e = {0};
                if (schema_annotation_parse(str_of(cases[i]), "s", *state, &a, &e))
                        fail_msg("%s: %s", cases[i], e.text);
                assert_int_equal(a.index_count + a.tombstone_count, 0);
        }
}

/* Of the annotation itself, with the place in it; properties are those of `closed`. */
static const struct {
        const char *annotation, *why;
} mistakes[] = {
        {"7", "#/x-erp2couch: it must be an object"},
        {"{\"indices\": []}", "/indices: unknown member, did you mean \"indexes\"?"},
        {"{\"mango\": []}", "/mango: unknown member; there are: indexes, tombstone"},
        {"{\"indexes\": {}}", "/indexes: it must be a list of at most 32 indexes"},
        {"{\"indexes\": [[]]}", "/indexes/0: it must be an object"},
        {"{\"indexes\": [{\"name\": \"a\"}]}", "/indexes/0: \"fields\" is missing"},
        {"{\"indexes\": [{\"fields\": [\"rep\"]}]}", "/indexes/0: \"name\" is missing"},
        {"{\"indexes\": [{\"name\": \"a\", \"fields\": [\"rep\"], \"type\": \"json\"}]}",
                "/indexes/0/type: unknown member"},
        {"{\"indexes\": [{\"name\": \"_a\", \"fields\": [\"rep\"]}]}",
                "/indexes/0/name: the name of an index is"},
        {"{\"indexes\": [{\"name\": \"a b\", \"fields\": [\"rep\"]}]}", "the name of an index is"},
        {"{\"indexes\": [{\"name\": \"\", \"fields\": [\"rep\"]}]}", "the name of an index is"},
        {"{\"indexes\": [{\"name\": \"a\\u0000\", \"fields\": [\"rep\"]}]}",
                "the name of an index is"},
        {"{\"indexes\": [{\"name\": 1, \"fields\": [\"rep\"]}]}", "the name of an index is"},
        {"{\"indexes\": [{\"name\": \"a\", \"fields\": [\"rep\"]},"
         " {\"name\": \"a\", \"fields\": [\"type\"]}]}",
                "/indexes/1/name: there are two indexes \"a\""},
        {"{\"indexes\": [{\"name\": \"a\", \"fields\": []}]}",
                "/fields: it must be a list of 1 to 16 names"},
        {"{\"indexes\": [{\"name\": \"a\", \"fields\": \"rep\"}]}", "it must be a list of 1 to 16"},
        {"{\"indexes\": [{\"name\": \"a\", \"fields\": [{\"rep\": \"desc\"}]}]}",
                "/fields/0: it must be the name of a field, as text (CouchDB reads"},
        {"{\"indexes\": [{\"name\": \"a\", \"fields\": [\"\"]}]}",
                "it must be the name of a field"},
        {"{\"indexes\": [{\"name\": \"a\", \"fields\": [\"rep\", \"rep\"]}]}",
                "/fields/1: \"rep\" stands twice"},
        {"{\"indexes\": [{\"name\": \"a\", \"fields\": [\"typ\"]}]}",
                "the schema has no property \"typ\", did you mean \"type\"?"},
        {"{\"indexes\": [{\"name\": \"a\", \"fields\": [\"customer.id\"]}]}",
                "/fields/0: the schema has no property \"customer\""},
        {"{\"indexes\": [{\"name\": \"a\", \"fields\": [\"rep\"],"
         " \"partial_filter_selector\": {}}]}",
                "/partial_filter_selector: it must be a selector"},
        {"{\"indexes\": [{\"name\": \"a\", \"fields\": [\"rep\"],"
         " \"partial_filter_selector\": []}]}",
                "it must be a selector"},
        {"{\"tombstone\": \"type\"}", "/tombstone: it must be a list of 1 to 16 names"},
        {"{\"tombstone\": [\"type\", \"customer\"]}", "/tombstone/1: the schema has no property"},
        {"{\"tombstone\": [\"type\", \"type\"]}", "/tombstone/1: \"type\" stands twice"},
        {"{\"tombstone\": [null]}", "/tombstone/0: it must be the name of a field, as text"},
        {"{\"tombstone\": [], \"tombstone\": []}", "not JSON"},
};

static void mistakes_are_told_with_their_place(void **state)
{
        cleanup_buf_ struct buf text = BUF_INIT(1 << 16);

        for (size_t i = 0; i < COUNT(mistakes); i++) {
                struct schema_annotation a = {.index_count = 7};
                struct err e = {0};
                buf_clear(&text);
                buf_printf(&text,
                        "{\"properties\": {\"type\": {}, \"rep\": {}},"
                        " \"additionalProperties\": false, \"x-erp2couch\": %s}",
                        mistakes[i].annotation);
                int rc =
                        schema_annotation_parse(buf_str(&text), "item.schema.json", *state, &a, &e);
                if (rc != -ERR_CONFIG || !strstr(e.text, mistakes[i].why) ||
                        strncmp(e.text, "item.schema.json", 16) != 0)
                        fail_msg("%s: %d: %s", mistakes[i].annotation, rc, e.text);
                assert_int_equal(a.index_count, 7);
        }
}

static void fields_are_not_judged_where_others_may_be_there(void **state)
{
        struct schema_annotation a;
        struct err e = {0};

        assert_int_equal(
                schema_annotation_parse(STR("{\"properties\": {}, \"allOf\": [],"
                                            " \"x-erp2couch\": {\"tombstone\": [\"any\"]}}"),
                        "s", *state, &a, &e),
                0);
        assert_string_equal(a.tombstone[0], "any");
}

static void there_are_limits(void **state)
{
        cleanup_buf_ struct buf text = BUF_INIT(1 << 16);
        struct schema_annotation a;
        struct err e = {0};

        buf_puts(&text, "{\"x-erp2couch\": {\"indexes\": [");
        for (int i = 0; i <= ANNOTATION_MAX_INDEXES; i++)
                buf_printf(&text, "%s{\"name\": \"i%d\", \"fields\": [\"a\"]}", i ? "," : "", i);
        buf_puts(&text, "]}}");
        assert_int_equal(schema_annotation_parse(buf_str(&text), "s", *state, &a, &e), -ERR_CONFIG);
        assert_non_null(strstr(e.text, "at most 32 indexes"));
        buf_clear(&text);
        buf_puts(&text, "{\"x-erp2couch\": {\"indexes\": [{\"name\": \"");
        for (int i = 0; i <= ANNOTATION_MAX_NAME; i++)
                buf_putc(&text, 'a');
        buf_puts(&text, "\", \"fields\": [\"a\"]}]}}");
        assert_int_equal(schema_annotation_parse(buf_str(&text), "s", *state, &a, &e), -ERR_CONFIG);
}

static void a_file_that_is_not_there_is_named(void **state)
{
        struct schema_annotation a;
        struct err e = {0};

        assert_int_equal(
                schema_annotation_read("/nowhere/x.schema.json", *state, &a, &e), -ERR_CONFIG);
        assert_non_null(strstr(e.text, "/nowhere/x.schema.json"));
}

static void memory_that_runs_out_is_an_error(void **state)
{
        (void)state;
        ALLOC_FAIL_EACH(i)
        {
                struct arena *arena = arena_new(1 << 20);
                struct schema_annotation a = {.index_count = 7};
                struct err e = {0};
                alloc_fail_at(i);
                int rc = schema_annotation_parse(STR(whole), "s", arena, &a, &e);
                assert_true(rc == 0 || rc == -ERR_NOMEM);
                assert_int_equal(a.index_count, rc ? 7 : 2);
                arena_free(arena);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(an_annotation_is_read, set_up, tear_down),
                cmocka_unit_test_setup_teardown(many_schemas_say_nothing, set_up, tear_down),
                cmocka_unit_test_setup_teardown(
                        mistakes_are_told_with_their_place, set_up, tear_down),
                cmocka_unit_test_setup_teardown(
                        fields_are_not_judged_where_others_may_be_there, set_up, tear_down),
                cmocka_unit_test_setup_teardown(there_are_limits, set_up, tear_down),
                cmocka_unit_test_setup_teardown(
                        a_file_that_is_not_there_is_named, set_up, tear_down),
                cmocka_unit_test(memory_that_runs_out_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
