/* Query options, headers, literals and addresses of entities, of OData 4, 3 and 2, in tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ingest/source/rest/odata.h"
#include "tests/support/alloc_fail.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LIST(...)                                                                                  \
        {                                                                                          \
                .items = (const char *[]){__VA_ARGS__},                                            \
                .count = COUNT(((const char *[]){__VA_ARGS__}))                                    \
        }

static const struct rest_cursor_spec modified = {.kind = REST_CURSOR_TIME,
        .fields = {"lastModifiedDateTime"},
        .field_count = 1,
        .filter = "lastModifiedDateTime ge ${cursor}"};
static const struct rest_cursor_spec two = {.kind = REST_CURSOR_TIME,
        .fields = {"UpdateDate", "UpdateTime"},
        .field_count = 2,
        .filter = "UpdateDate ge '${cursor}'"};
static const struct string_list id = LIST("id"), dotted = LIST("header.id", "header.line", "no");

static const struct {
        const char *name, *url;
        struct rest_odata_spec spec;
        const struct string_list *key;
        const struct rest_cursor_spec *cursor;
        const char *from;
        int64_t top;
        const char *want;
} queries[] = {
        {"nothing to say", "/items", {.version = 4}, &id, &modified, NULL, 0, "/items"},
        {"all of it", "/items",
                {.version = 4,
                        .select = LIST("number", "unitPrice"),
                        .expand = LIST("lines", "unit"),
                        .orderby = LIST("id desc"),
                        .filter = "blocked eq false"},
                &id, &modified, "2026-08-01T10:00:00Z", 5,
                "/items?$select=number,unitPrice,id,lastModifiedDateTime&$expand=lines,unit"
                "&$filter=(blocked%20eq%20false)%20and%20(lastModifiedDateTime%20ge%20"
                "2026-08-01T10:00:00Z)&$orderby=id%20desc&$top=5"},
        {"a first read has the mapper's filter alone", "/items",
                {.version = 4, .filter = "a eq 1 or b eq 2"}, &id, &modified, NULL, 0,
                "/items?$filter=a%20eq%201%20or%20b%20eq%202"},
        {"the cursor's alone", "/items", {.version = 4}, &id, &modified, "2026-08-01T10:00:00Z", 0,
                "/items?$filter=lastModifiedDateTime%20ge%202026-08-01T10:00:00Z"},
        {"behind a query", "/items?company=A%26B", {.version = 4}, NULL, NULL, NULL, 3,
                "/items?company=A%26B&$top=3"},
        {"behind an open query", "/items?", {.version = 4}, NULL, NULL, NULL, 3, "/items?$top=3"},
        {"* is everything", "/i", {.version = 4, .select = LIST("*")}, &id, &modified, NULL, 0,
                "/i?$select=*"},
        {"selected already", "/i", {.version = 4, .select = LIST("id", "lastModifiedDateTime")},
                &id, &modified, NULL, 0, "/i?$select=id,lastModifiedDateTime"},
        {"paths begin with a property, each once", "/i", {.version = 4, .select = LIST("name")},
                &dotted, &two, NULL, 0, "/i?$select=name,header,no,UpdateDate,UpdateTime"},
        {"version 2 selects what it expands", "/i",
                {.version = 2,
                        .select = LIST("Id"),
                        .expand = LIST("to_Item", "to_Partner/to_Address")},
                NULL, NULL, NULL, 0,
                "/i?$select=Id,to_Item,to_Partner&$expand=to_Item,to_Partner/to_Address"},
        {"version 4 need not", "/i",
                {.version = 4, .select = LIST("id"), .expand = LIST("lines($select=a;$top=2)")},
                NULL, NULL, NULL, 0, "/i?$select=id&$expand=lines($select%3Da%3B$top%3D2)"},
        {"a cursor cannot leave its literal", "/i", {.version = 4}, NULL, &two,
                "x' or 1 eq 1&$top=9", 0,
                "/i?$filter=UpdateDate%20ge%20'x''%20or%201%20eq%201%26$top%3D9'"},
        {"signs of addresses", "/i", {.version = 4, .filter = "a eq '#+%\xc3\xa9\"'"}, NULL, NULL,
                NULL, 0, "/i?$filter=a%20eq%20'%23%2B%25%C3%A9%22'"},
};

static void queries_are_put(void **state)
{
        for (size_t i = 0; i < COUNT(queries); i++) {
                cleanup_buf_ struct buf url = BUF_INIT(4096);
                struct rest_odata_query q = {.spec = &queries[i].spec,
                        .key = queries[i].key,
                        .cursor = queries[i].cursor,
                        .from = str_of(queries[i].from),
                        .top = queries[i].top};
                buf_puts(&url, queries[i].url);
                rest_odata_put_query(&q, &url);
                if (!str_is(buf_str(&url), queries[i].want))
                        fail_msg("%s: %s", queries[i].name, buf_cstr(&url));
        }
}

static void two_dollars_in_a_filter_are_one(void **state)
{
        cleanup_buf_ struct buf url = BUF_INIT(4096);
        struct rest_odata_spec spec = {.version = 4};
        struct rest_cursor_spec cursor = modified;
        struct rest_odata_query q = {.spec = &spec, .cursor = &cursor, .from = STR("7")};

        cursor.filter = "a eq '$$5' and v gt ${cursor}";
        rest_odata_put_query(&q, &url);
        assert_string_equal(buf_cstr(&url), "?$filter=a%20eq%20'$5'%20and%20v%20gt%207");
}

static void a_filter_too_long_is_an_error(void **state)
{
        cleanup_buf_ struct buf url = BUF_INIT(1 << 20), filter = BUF_INIT(1 << 20);
        struct rest_odata_spec spec = {.version = 4};
        struct rest_odata_query q = {.spec = &spec};
        struct err e = {0};

        for (int i = 0; i < 100000; i++)
                buf_putc(&filter, 'a');
        spec.filter = buf_cstr(&filter);
        rest_odata_put_query(&q, &url);
        assert_int_not_equal(buf_check(&url, "an address", &e), 0);
}

/* ---- headers ---- */

static const struct {
        int version;
        int64_t size;
        bool pages;
        const char *want; /* joined by | */
} headers[] = {
        {4, 500, true,
                "Accept: application/json;odata.metadata=minimal|OData-MaxVersion: 4.0|"
                "Prefer: odata.maxpagesize=500|"},
        {4, 0, true, "Accept: application/json;odata.metadata=minimal|OData-MaxVersion: 4.0|"},
        {4, 500, false, "Accept: application/json;odata.metadata=minimal|OData-MaxVersion: 4.0|"},
        {3, 20, true,
                "Accept: application/json|MaxDataServiceVersion: 3.0|"
                "Prefer: odata.maxpagesize=20|"},
        {2, 0, true, "Accept: application/json|MaxDataServiceVersion: 2.0|"},
        {4, INT64_MAX, true,
                "Accept: application/json;odata.metadata=minimal|OData-MaxVersion: 4.0|"
                "Prefer: odata.maxpagesize=9223372036854775807|"},
};

static void headers_are_of_the_version(void **state)
{
        for (size_t i = 0; i < COUNT(headers); i++) {
                char lines[REST_ODATA_HEADERS][REST_ODATA_HEADER_BYTES];
                cleanup_buf_ struct buf all = BUF_INIT(1024);
                struct rest_odata_spec spec = {
                        .version = headers[i].version, .page_size = headers[i].size};
                size_t n = rest_odata_headers(&spec, headers[i].pages, lines);
                for (size_t k = 0; k < n; k++)
                        buf_printf(&all, "%s|", lines[k]);
                if (!str_is(buf_str(&all), headers[i].want))
                        fail_msg("%s", buf_cstr(&all));
        }
}

/* ---- literals ---- */

static const struct {
        int version;
        enum rest_odata_type type;
        const char *value, *want;
} literals[] = {
        {4, REST_ODATA_STRING, "it's", "'it''s'"},
        {4, REST_ODATA_STRING, "", "''"},
        {4, REST_ODATA_GUID, "5d115c9c-44e3-ea11-bb43-000d3a2feca1",
                "5d115c9c-44e3-ea11-bb43-000d3a2feca1"},
        {4, REST_ODATA_INT64, "5", "5"},
        {4, REST_ODATA_DECIMAL, "1.50", "1.50"},
        {4, REST_ODATA_DATE, "2026-01-31", "2026-01-31"},
        {4, REST_ODATA_DATETIMEOFFSET, "2026-01-31T10:00:00Z", "2026-01-31T10:00:00Z"},
        {4, REST_ODATA_BOOLEAN, "true", "true"},
        {2, REST_ODATA_STRING, "it's", "'it''s'"},
        {2, REST_ODATA_GUID, "5d115c9c-44e3-ea11-bb43-000d3a2feca1",
                "guid'5d115c9c-44e3-ea11-bb43-000d3a2feca1'"},
        {2, REST_ODATA_NUMBER, "5", "5"},
        {2, REST_ODATA_INT64, "5", "5L"},
        {2, REST_ODATA_DECIMAL, "1.50", "1.50M"},
        {2, REST_ODATA_DATE, "2026-01-31", "datetime'2026-01-31T00:00:00'"},
        {3, REST_ODATA_DATETIME, "2026-01-31T10:00:00Z", "datetime'2026-01-31T10:00:00'"},
        {2, REST_ODATA_DATETIMEOFFSET, "2026-01-31T10:00:00Z",
                "datetimeoffset'2026-01-31T10:00:00Z'"},
        {2, REST_ODATA_BOOLEAN, "false", "false"},
};

static void literals_are_of_the_version(void **state)
{
        for (size_t i = 0; i < COUNT(literals); i++) {
                cleanup_buf_ struct buf out = BUF_INIT(256);
                rest_odata_put_literal(
                        literals[i].version, literals[i].type, str_of(literals[i].value), &out);
                if (!str_is(buf_str(&out), literals[i].want))
                        fail_msg("%s: %s", literals[i].value, buf_cstr(&out));
        }
}

/* ---- entities ---- */

static const struct {
        int version;
        const char *path;
        size_t count;
        const char *names[2], *values[2];
        const char *want; /* of each attempt, joined by blanks */
} entities[] = {
        {4, "/Items", 1, {"no"}, {"A1"}, "/Items('A1')"},
        {4, "/Items/?$x=1", 1, {"no"}, {"A 1/2?"}, "/Items('A%201%2F2%3F')"},
        {4, "/Items", 1, {"no"}, {"it's"}, "/Items('it''s')"},
        {4, "/Items", 1, {"id"}, {"5"}, "/Items(5) /Items('5')"},
        {4, "/Items", 1, {"id"}, {"-5"}, "/Items(-5) /Items('-5')"},
        {4, "/Items", 1, {"id"}, {"007"}, "/Items('007')"},
        {4, "/Items", 1, {"id"}, {"1.5"}, "/Items('1.5') /Items(1.5)"},
        {4, "/Items", 1, {"id"}, {"5d115c9c-44e3-ea11-bb43-000d3a2feca1"},
                "/Items(5d115c9c-44e3-ea11-bb43-000d3a2feca1) "
                "/Items('5d115c9c-44e3-ea11-bb43-000d3a2feca1')"},
        {4, "/Items", 1, {"id"}, {"2026-01-31"}, "/Items(2026-01-31) /Items('2026-01-31')"},
        {4, "/Items", 1, {"id"}, {"true"}, "/Items(true) /Items('true')"},
        {4, "/Items", 1, {"id"}, {""}, "/Items('')"},
        {2, "/Items", 1, {"id"}, {"5"}, "/Items(5) /Items('5') /Items(5L) /Items(5M)"},
        {2, "/Items", 1, {"id"}, {"5d115c9c-44e3-ea11-bb43-000d3a2feca1"},
                "/Items(guid'5d115c9c-44e3-ea11-bb43-000d3a2feca1') "
                "/Items('5d115c9c-44e3-ea11-bb43-000d3a2feca1')"},
        {4, "/Lines", 2, {"order", "line"}, {"A", "x"}, "/Lines(order='A',line='x')"},
        {4, "/Lines", 2, {"order", "line"}, {"7", "2"},
                "/Lines(order=7,line=2) /Lines(order='7',line=2) /Lines(order=7,line='2') "
                "/Lines(order='7',line='2')"},
};

static void entities_have_addresses(void **state)
{
        for (size_t i = 0; i < COUNT(entities); i++) {
                cleanup_buf_ struct buf all = BUF_INIT(4096);
                struct str values[] = {
                        str_of(entities[i].values[0]), str_of(entities[i].values[1])};
                struct err e = {0};
                int rc = 0;
                for (unsigned attempt = 0; rc == 0 && attempt < 20; attempt++) {
                        size_t before = all.len;
                        if (attempt > 0)
                                buf_putc(&all, ' ');
                        rc = rest_odata_put_entity(entities[i].version, str_of(entities[i].path),
                                entities[i].names, values, entities[i].count, attempt, &all, &e);
                        if (rc)
                                all.len = before;
                }
                if (rc != REST_ABSENT || !str_is(buf_str(&all), entities[i].want))
                        fail_msg("%s: %d %s", entities[i].want, rc, buf_cstr(&all));
        }
}

static int put_some(struct err *e)
{
        cleanup_buf_ struct buf url = BUF_INIT(4096);
        struct rest_odata_query q = {
                .spec = &queries[1].spec, .cursor = &modified, .from = STR("x"), .key = &id};
        const char *const names[] = {"id"};
        struct str value = STR("5");

        rest_odata_put_query(&q, &url);
        int rc = buf_check(&url, "an address", e);
        if (rc)
                return rc;
        buf_clear(&url);
        return rest_odata_put_entity(4, STR("/x"), names, &value, 1, 1, &url, e);
}

static void a_failed_allocation_is_an_error(void **state)
{
        ALLOC_FAIL_EACH(i)
        {
                struct err e = {0};
                alloc_fail_at(i);
                int rc = put_some(&e);
                if (rc != 0 && rc != -ERR_NOMEM)
                        fail_msg("allocation %ld: %d %s", i, rc, e.text);
        }
}

static void paths_are_of_the_version(void **state)
{
        assert_string_equal(rest_odata_records(4)[0], "value");
        assert_string_equal(rest_odata_records(2)[0], "d.results");
        assert_string_equal(rest_odata_records(3)[0], "value");
        assert_string_equal(rest_odata_entity(4)[0], "");
        assert_string_equal(rest_odata_entity(2)[0], "d");
        assert_string_equal(rest_odata_next(4)[0], "@odata\\.nextLink");
        assert_string_equal(rest_odata_next(2)[0], "d.__next");
        for (int version = 2; version <= 4; version++) {
                const char *const *lists[] = {rest_odata_records(version),
                        rest_odata_entity(version), rest_odata_next(version),
                        rest_odata_count(version)};
                for (size_t i = 0; i < COUNT(lists); i++)
                        for (size_t k = 0; lists[i][k]; k++)
                                assert_true(k < REST_ODATA_PATHS - 1);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(queries_are_put),
                cmocka_unit_test(two_dollars_in_a_filter_are_one),
                cmocka_unit_test(a_filter_too_long_is_an_error),
                cmocka_unit_test(headers_are_of_the_version),
                cmocka_unit_test(literals_are_of_the_version),
                cmocka_unit_test(entities_have_addresses),
                cmocka_unit_test(a_failed_allocation_is_an_error),
                cmocka_unit_test(paths_are_of_the_version),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
