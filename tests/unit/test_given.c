/* Bodies of pushed records: which are taken apart, into what, and what is said of the others. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "ingest/pipeline/given_internal.h"
#include "ingest/record/json.h"
#include "tests/support/alloc_fail.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct good {
        const char *body;
        const char *records; /* LINE:TEXT, one after the other */
};

static const struct good goods[] = {
        {"{}", "1:{}"},
        {" \t\r\n{\"id\": 1}\n", "2:{\"id\": 1}"},
        {"\xEF\xBB\xBF{\"id\":1}", "1:{\"id\":1}"},
        {"[]", ""},
        {" [ ] \n", ""},
        {"[{\"id\":1},{\"id\":2}]", "1:{\"id\":1}1:{\"id\":2}"},
        {"[\n{\"id\":1}\n,\n{\"id\":2}\n]\n", "2:{\"id\":1}4:{\"id\":2}"},
        {"{\"id\":1}\n{\"id\":2}", "1:{\"id\":1}2:{\"id\":2}"},
        {"{\"id\":1}\r\n\r\n  \r\n{\"id\":2}\r\n", "1:{\"id\":1}4:{\"id\":2}"},
        {"{\n\"id\":1\n}\n{\n\"id\":2}", "1:{\n\"id\":1\n}4:{\n\"id\":2}"},
        {"{\"a\":{\"b\":[1,{\"c\":[]},\"]}\"]},\"d\":{}}",
                "1:{\"a\":{\"b\":[1,{\"c\":[]},\"]}\"]},\"d\":{}}"},
        {"{\"n\":123456789012345678901234567890.00100E+400}",
                "1:{\"n\":123456789012345678901234567890.00100E+400}"},
        {"{\"n\":-0,\"t\":true,\"f\":false,\"z\":null}",
                "1:{\"n\":-0,\"t\":true,\"f\":false,\"z\":null}"},
        {"{\"s\":\"\\u00e9\\ud83d\\ude00\\n\\u0000\"}",
                "1:{\"s\":\"\\u00e9\\ud83d\\ude00\\n\\u0000\"}"},
        {"{\"a\":{\"x\":1},\"b\":{\"x\":2}}", "1:{\"a\":{\"x\":1},\"b\":{\"x\":2}}"},
};

struct bad {
        const char *body;
        const char *error; /* a part of it */
};

static const struct bad bads[] = {
        {"", "the body is empty"},
        {" \n ", "the body is empty"},
        {"\xEF\xBB\xBF", "the body is empty"},
        {"7", "line 1, byte 1: not JSON: a record, which is an object, expected"},
        {"\"x\"", "line 1, byte 1"},
        {"null", "line 1, byte 1"},
        {"[1]", "line 1, byte 2: not JSON: a record, which is an object, expected"},
        {"[[{}]]", "line 1, byte 2"},
        {"[{},]", "line 1, byte 5"},
        {"[{}{}]", "line 1, byte 4: not JSON: ',' or ']' expected"},
        {"[{}", "line 1, byte 4: not JSON: ',' or ']' expected where the body ends"},
        {"[{}}", "line 1, byte 4"},
        {"[{}] x", "line 1, byte 6: not JSON: nothing behind the array expected"},
        {"[{}]\n[{}]", "line 2, byte 1: not JSON: nothing behind the array"},
        {"{} {}", "line 1, byte 4: not JSON: the end of the line"},
        {"{\"id\":1}{\"id\":2}", "line 1, byte 9: not JSON: the end of the line"},
        {"{\"id\":1},\n{\"id\":2}", "line 1, byte 9"},
        {"{\"id\":1}\nx", "line 2, byte 1: not JSON: a record"},
        {"{\"id\":1}\n\n{\"id\":}", "line 3, byte 7: not JSON: a value expected"},
        {"{\"id\":1,}", "line 1, byte 9: not JSON: the name of a member"},
        {"{id:1}", "line 1, byte 2: not JSON: the name of a member"},
        {"{'id':1}", "line 1, byte 2"},
        {"{\"id\" 1}", "line 1, byte 7: not JSON: ':' expected"},
        {"{\"id\":01}", "line 1, byte 8"},
        {"{\"id\":1.}", "line 1, byte 9"},
        {"{\"id\":+1}", "line 1, byte 7"},
        {"{\"id\":NaN}", "line 1, byte 7"},
        {"{\"id\":tru}", "line 1, byte 10: not JSON: true, false or null expected"},
        {"{\"id\":1", "line 1, byte 8: not JSON: ',' or '}' expected where the body ends"},
        {"{\"id\":\"x", "expected where the body ends"},
        {"{\"id\":1]", "line 1, byte 8: not JSON: ',' or '}' expected"},
        {"{\"id\":[1}", "line 1, byte 9: not JSON: ',' or ']' expected"},
        {"{\"s\":\"a\nb\"}", "line 1, byte 8"},
        {"{\"s\":\"\\ud800\"}", "surrogate"},
        {"{\"s\":\"\\udc00\"}", "line 1, byte 12"},
        {"{\"s\":\"\\x\"}", "escape"},
        {"{\"s\":\"\xFF\"}", "line 1, byte 7: not JSON: a string"},
        {"{\"s\":\"\xC0\x80\"}", "line 1, byte 7"},
        {"{\"s\":\"\xED\xA0\x80\"}", "UTF-8"},
        {"\xFF\xFE{\"id\":1}", "line 1, byte 1"},
        {"{\"id\":1,\"id\":2}", "the record on line 1: "},
        {"\n{\"id\":1,\"\\u0069d\":2}", "the record on line 2: "},
        {"{\"a\":{\"x\":1,\"x\":1}}", "twice"},
        {"{}\n{\"a\":[{\"x\":1,\"x\":1}]}", "the record on line 2: "},
};

static void print_records(const struct given *g, struct buf *out)
{
        for (size_t i = 0; i < given_count(g); i++)
                buf_printf(out, "%zu:%.*s", g->items[i].line, STR_ARG(g->items[i].json));
}

static void bodies_are_taken_apart(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT(goods); i++) {
                cleanup_(given_freep) struct given *g = NULL;
                cleanup_buf_ struct buf out = BUF_INIT(1 << 16);
                struct err e;

                if (given_new(str_of(goods[i].body), &g, &e))
                        fail_msg("%s: %s", goods[i].body, e.text);
                print_records(g, &out);
                buf_putc(&out, '\0');
                assert_string_equal(out.data, goods[i].records);
        }
}

static void mistakes_are_named_with_their_place(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT(bads); i++) {
                struct given *g = NULL;
                struct err e = {0};
                size_t len = strlen(bads[i].body);
                char *exact = malloc(len + !len); /* reading beyond it is seen */

                memcpy(exact, bads[i].body, len);
                int rc = given_new((struct str){exact, len}, &g, &e);
                free(exact);
                assert_null(g);
                if (rc != -ERR_REJECT || !strstr(e.text, bads[i].error))
                        fail_msg("%s: %d: %s", bads[i].body, rc, e.text);
        }
}

static void a_nul_is_no_end(void **state)
{
        struct given *g = NULL;
        struct err e;

        (void)state;
        assert_int_equal(given_new(STR("{}\0{}"), &g, &e), -ERR_REJECT);
        assert_non_null(strstr(e.text, "line 1, byte 3"));
        assert_int_equal(given_new(STR("{\"a\":\"\0\"}"), &g, &e), -ERR_REJECT);
}

static int push_repeated(const char *first, const char *part, size_t count, const char *last,
        struct given **out, struct err *e)
{
        cleanup_buf_ struct buf body = BUF_INIT(1 << 24);

        buf_puts(&body, first);
        for (size_t i = 0; i < count; i++)
                buf_puts(&body, part);
        buf_puts(&body, last);
        return given_new(buf_str(&body), out, e);
}

static void only_so_many(void **state)
{
        struct given *g = NULL;
        struct err e;

        (void)state;
        assert_int_equal(push_repeated("", "{}\n", GIVEN_MAX_RECORDS, "", &g, &e), 0);
        assert_int_equal(given_count(g), GIVEN_MAX_RECORDS);
        assert_int_equal(g->items[GIVEN_MAX_RECORDS - 1].line, GIVEN_MAX_RECORDS);
        g = given_free(g);
        assert_int_equal(push_repeated("", "{}\n", GIVEN_MAX_RECORDS + 1, "", &g, &e), -ERR_REJECT);
        assert_non_null(strstr(e.text, "line 10001: more than 10000 records"));
        assert_int_equal(push_repeated("[{}", ",{}", GIVEN_MAX_RECORDS, "]", &g, &e), -ERR_REJECT);
}

/* The array around records is a level of its own. */
static void only_so_deep(void **state)
{
        cleanup_buf_ struct buf close = BUF_INIT(1 << 16);
        struct given *g = NULL;
        struct err e;

        (void)state;
        for (size_t i = 0; i < JSON_MAX_DEPTH - 1; i++)
                buf_putc(&close, ']');
        buf_puts(&close, "}");
        assert_int_equal(
                push_repeated("{\"a\":", "[", JSON_MAX_DEPTH - 1, buf_cstr(&close), &g, &e), 0);
        g = given_free(g);
        assert_int_equal(push_repeated("{\"a\":", "[", 100000, "", &g, &e), -ERR_REJECT);
        assert_non_null(strstr(e.text, "nested deeper than 200 levels"));
        assert_int_equal(push_repeated("", "{\"a\":", 100000, "", &g, &e), -ERR_REJECT);
}

static void without_memory(void **state)
{
        size_t count = 0;
        struct err e;

        (void)state;
        ALLOC_FAIL_EACH(i)
        {
                struct given *g = NULL;
                alloc_fail_at(i);
                int rc = given_new(STR("[{\"a\":[1,{\"b\":\"x\"}]},{}]"), &g, &e);
                given_free(g);
                assert_true(rc == 0 || rc == -ERR_NOMEM);
                count += rc != 0;
        }
        assert_true(count >= 3); /* the records, the body, the list at least */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(bodies_are_taken_apart),
                cmocka_unit_test(mistakes_are_named_with_their_place),
                cmocka_unit_test(a_nul_is_no_end),
                cmocka_unit_test(only_so_many),
                cmocka_unit_test(only_so_deep),
                cmocka_unit_test(without_memory),
        };

        return cmocka_run_group_tests_name("given", tests, NULL, NULL);
}
