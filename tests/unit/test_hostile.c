/*
 * Bad input, as a table: what a broken ERP or a wicked file may hold, and the error or the reject
 * that names it. Nothing here may take long, hold much memory, or change a value silently.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <time.h>

#include "tests/support/render_case.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MAX_YAML     (8 << 20)
#define LARGE_BYTES  (10 << 20)
#define FILL_BYTES   (64 << 10)
#define LARGE_MS     3000 /* processor time for one value of LARGE_BYTES, under sanitizers */

/* ---- values that are no values ---- */

#define SURROGATE "half of a surrogate pair stands for no character"

static void values_are_rejected_by_name(void **state)
{
        static const struct render_case cases[] = {
                /* halves of characters */
                {"v: data", "data=\"\\ud800\"", "!v: " SURROGATE},
                {"v: data", "data=\"\\udc00x\"", "!v: " SURROGATE},
                {"v: data", "data=\"\\ud800\\ud800\"", "!v: " SURROGATE},
                {"v: data", "data=[{\"a\":{\"\\ud800\":1}}]", "!v: " SURROGATE},
                {"v: data.a", "data={\"a\":\"x\\uDBFF\"}", "!v: " SURROGATE},
                {"v: {from: data.a, trim: true}", "data={\"a\":\"x\\uDBFF\"}", "!v: " SURROGATE},
                {"v: {from: data.a, type: bytes}", "data={\"a\":\"x\\uDBFF\"}", "!v: " SURROGATE},
                {"v: {from: data, split: ','}", "data=[\"a\",\"\\ud800,b\"]", "!v: " SURROGATE},
                {"v: {template: '${data.a}'}", "data={\"a\":\"\\ud800\"}", "!v: " SURROGATE},
                {"v: {each: data, fields: {n: value}}", "data=[\"a\",\"\\ud800\"]",
                        "!v[1].n: " SURROGATE},
                {"v: {from: code, type: json}", "code=\"\\udfff\"", "!v: " SURROGATE},
                {"v: code", "code=\xED\xA0\x80", "!v: is not valid UTF-8"},
                {"v: data", "data=\"\xED\xA0\x80\"", "!v: UTF-8"},
                {"v: data", "data=\"\\ud83d\\ude00\"", "\"v\":\"\xF0\x9F\x98\x80\""},
                /* control characters are escaped, never lost */
                {"v: code", "code=a\x01\x1F\x7F\n", "\"v\":\"a\\u0001\\u001f\x7F\\n\""},
                {"v: data", "data=\"\\u0000\"", "\"v\":\"\\u0000\""},
                {"v: data", "data=\"a\x01\"", "!v: control"},
                {"v: {from: code, upper: true}", "code=a\x01", "\"v\":\"A\\u0001\""},
                /* not a number */
                {"v: price", "price=NaN", "!v: \"NaN\" is not a number that JSON has"},
                {"v: weight", "weight=-Infinity", "!v: is not a number that JSON has"},
                {"v: ratio", "ratio=NaN", "!v: is not a number that JSON has"},
                {"v: amounts", "amounts={1,NaN}", "!v: is not a number that JSON has"},
                {"v: data", "data=NaN", "!v: not JSON"},
                {"v: data", "data=[Infinity]", "!v: not JSON"},
                {"v: {from: code, type: number}", "code=NaN", "!v: is not a number"},
                {"v: {from: code, type: integer}", "code=nan", "!v: is not a number"},
                {"v: {from: price, type: decimal, scale: 2, rounding: half_up}", "price=NaN",
                        "!v: is not a number"},
                {"v: {from: price, type: decimal, as: minor, scale: 2}", "price=Infinity",
                        "!v: is not a number"},
                /* doubles at their ends */
                {"v: data", "data=1e400", "!v: 1e400"},
                {"v: data", "data=-1e-400", "!v: 1e-400"},
                {"v: {from: code, type: number}", "code=1e400", "!v: 1e400"},
                {"v: {from: code, type: decimal}", "code=1e999999999", "!v: is not a number"},
                {"v: {from: code, type: decimal}", "code=1e-999999999", "!v: is not a number"},
                {"v: {from: code, type: decimal}", "code=1e99999999999999999999",
                        "!v: is not a number"},
                {"v: {from: data, type: decimal}", "data=1e999999999", "!v: is not a number"},
                /* years that no calendar of JSON readers has */
                {"v: day", "day=0000-01-01", "!v: is not a date"},
                {"v: day", "day=0001-01-01 BC", "!v: lies before year 1"},
                {"v: day", "day=10000-01-01", "!v: lies beyond year 9999"},
                {"v: day", "day=5874897-12-31", "!v: lies beyond year 9999"},
                {"v: stamp", "stamp=10000-01-01 00:00:00+00", "!v: lies beyond year 9999"},
                {"v: stamp", "stamp=294276-12-31 23:59:59+00", "!v: lies beyond year 9999"},
                {"v: stamp", "stamp=0000-01-01 00:00:00+00", "!v: is not a date and time"},
                {"v: {from: local, timezone: UTC}", "local=10000-01-01 00:00:00",
                        "!v: lies beyond year 9999"},
                {"v: {from: local, timezone: Asia/Tokyo}", "local=0001-01-01 00:00:00",
                        "!v: outside the years 1 to 9999"},
                {"v: {from: code, type: date}", "code=0000-01-01", "!v: is not a date"},
                {"v: {from: code, type: date}", "code=10000-01-01", "!v: year 9999"},
                {"v: {from: code, type: datetime}", "code=9999-12-31T23:59:59-01:00",
                        "!v: outside the years 1 to 9999"},
                {"v: {from: data.d, type: date}", "data={\"d\":\"10000-01-01\"}", "!v: year 9999"},
                {"v: {from: data.d, type: date}", "data={\"d\":20240101}", "!v: is a number"},
                /* JSON that is none, or says things twice */
                {"v: data", "data={\"a\":1,\"a\":2}", "!v: holds the key \"a\" twice"},
                {"v: data.b", "data={\"b\":1,\"\\u0062\":2}", "!v: holds the key \"b\" twice"},
                {"v: data", "data=", "!v: not JSON"},
                {"v: data", "data=[1]]", "!v: not JSON"},
                {"v: data", "data={\"a\":01}", "!v: not JSON"},
                {"v: data", "data=1 2", "!v: not JSON"},
        };

        RENDER_CASES(cases);
}

/* 320 digits: CouchDB answers 500 to such an integer. */
static void long_integers_are_rejected(void **state)
{
        static const struct {
                const char *fields, *column, *expected;
        } cases[] = {
                {"v: id", "id", "!v: 2^53-1, where JSON readers lose digits: write type: string"},
                {"v: data", "data", "!v: digits"},
                {"v: {from: data, type: integer}", "data", "!v: 2^53-1"},
                {"v: {from: data, numbers: string}", "data", NULL},
                {"v: {from: data, type: string}", "data", NULL},
                {"v: {from: id, type: string}", "id", NULL},
                {"v: {from: id, type: number}", "id", "!v: as a JSON number"},
                {"v: money", "money", NULL},
                {"v: {from: money, type: integer}", "money", "!v: 2^53-1"},
                {"v: {from: money, type: number}", "money", "!v: as a JSON number"},
                {"v: {from: money, type: decimal, as: number}", "money", "!v: as a JSON number"},
                {"v: {from: money, type: decimal, scale: 2, as: minor}", "money", "!v: in minor"},
                {"v: {from: code, type: integer}", "code", "!v: 2^53-1"},
                {"v: {from: code, type: json}", "code", "!v: digits"},
        };
        char digits[321], row[400], expected[400];

        memset(digits, '7', 320);
        digits[320] = '\0';
        for (size_t i = 0; i < COUNT(cases); i++) {
                snprintf(row, sizeof(row), "%s=%s", cases[i].column, digits);
                snprintf(expected, sizeof(expected), "\"v\":\"%s\"", digits);
                render_case_check("",
                        &(struct render_case){cases[i].fields, row,
                                cases[i].expected ? cases[i].expected : expected},
                        "");
        }
}

/* ---- values of 10 MB ---- */

static int64_t cpu_ms(void)
{
        struct timespec t;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct large_case {
        const char *fields, *column;
        const char *open, *fill, *close; /* fill is repeated */
        const char *expected;            /* a part of the reject; NULL: a document */
};

static void check_large(const struct large_case *c)
{
        cleanup_buf_ struct buf text = BUF_INIT(2 * LARGE_BYTES), fill = BUF_INIT(LARGE_BYTES);
        struct value row[FIXTURE_COLUMNS] = {{NULL, 0}};
        struct child_rows none[2] = {{NULL, 0}, {NULL, 0}};
        struct record record = {row, none};
        struct mapper_reject why;
        struct fixture f;
        struct mapped m;
        struct err e;

        buf_puts(&text, c->open);
        while (fill.len < FILL_BYTES)
                buf_puts(&fill, c->fill);
        while (text.len < LARGE_BYTES)
                buf_put_str(&text, buf_str(&fill));
        buf_puts(&text, c->close);
        if (fixture_open(&f, c->fields, &e))
                fail_msg("%s: %s", c->fields, e.text);
        fixture_value(row, "id", STR("1"));
        fixture_value(row, c->column, buf_str(&text));
        int64_t begun_ms = cpu_ms();
        int rc = mapper_render(f.program, &record, &m, &why, &e);
        int64_t took_ms = cpu_ms() - begun_ms;
        if (rc < 0 || (rc == MAPPER_REJECT) != (c->expected != NULL))
                fail_msg("%s of %s: %d %s", c->fields, c->fill, rc,
                        rc < 0    ? e.text
                        : rc == 0 ? "a document"
                                  : why.reason);
        if (rc && (!strstr(why.reason, c->expected) || strlen(why.reason) > 1024))
                fail_msg("%s of %s: %s", c->fields, c->fill, why.reason);
        if (took_ms > LARGE_MS)
                fail_msg("%s of %s: %d ms", c->fields, c->fill, (int)took_ms);
        fixture_close(&f);
}

static void large_values_are_taken_or_rejected(void **state)
{
        static const struct large_case cases[] = {
                {"v: code", "code", "", "x", "", NULL},
                {"v: code", "code", "", "\x01", "", NULL}, /* six times as long in JSON */
                {"v: code", "code", "", "x", "\xFF", "bytes) is not valid UTF-8"},
                {"v: {from: code, upper: true}", "code", "", "\xC3\xA9", "", NULL},
                {"v: {from: code, lower: true}", "code", "", "\xCE\xA3.", "", NULL},
                {"v: {from: code, type: bytes}", "code", "", "x", "", NULL},
                {"v: {from: code, type: integer}", "code", "", "7", "", "2^53-1"},
                {"v: {from: code, type: decimal}", "code", "", "7", "", NULL},
                {"v: {from: code, type: decimal}", "code", "", "0", "1", NULL},
                {"v: {from: code, type: decimal}", "code", "1.", "7", "", NULL},
                {"v: {from: code, type: number}", "code", "1.", "7", "", "as a JSON number"},
                {"v: {from: code, type: decimal}", "code", "1e", "9", "", "is not a number"},
                {"v: {from: code, type: date}", "code", "", "9", "-01-01", "lies beyond year 9999"},
                {"v: {from: code, type: datetime, timezone: UTC}", "code", "2024-01-01 00:00:00.",
                        "9", "", NULL},
                {"v: {from: code, type: json}", "code", "", "[", "", "nested deeper"},
                {"v: {from: code, map: {a: b}}", "code", "", "a", "", "is not in map"},
                {"v: {from: code, split: ','}", "code", "", "abcdef,", "", NULL},
                {"v: {from: code, split: {pattern: ',+?'}}", "code", "", "abcdef,", "", NULL},
                {"v: {from: code, replace: {pattern: '\\s+', with: ' '}}", "code", "", "abcdef  ",
                        "", NULL},
                {"v: {from: code, replace: {pattern: '(x+x+)+y', with: ''}}", "code", "", "x", "",
                        "takes the pattern of replace too long"},
                {"v: {from: code, replace: {pattern: '.{1000}', with: '$0$0$0$0$0$0$0$0'}}", "code",
                        "", "x", "", "the document is larger than"},
                {"v: {from: code, replace: [{pattern: '.{99}', with: '$0$0'}, {pattern: '.{99}', "
                 "with: '$0$0'}, {pattern: '.{99}', with: '$0$0'}]}",
                        "code", "", "x", "", "the document is larger than"},
                {"v: data", "data", "\"", "x", "\"", NULL},
                {"v: data", "data", "[", "[],", "0]", NULL},
                {"v: data", "data", "", "[", "", "nested deeper"},
                {"v: data", "data", "", "{\"a\":", "", "nested deeper"},
                {"v: data", "data", "", "9", "", "digits"},
                {"v: data", "data", "0.", "9", "", "numbers: string"},
                {"v: {from: data, type: decimal, scale: 2}", "data", "[", "1234567,", "2]", NULL},
                {"v: {from: data, trim: true}", "data", "", "[", "", "not JSON"},
                {"v: {each: data, fields: {n: value}}", "data", "[", "1234567,", "2]", NULL},
                {"v: {each: data, fields: {n: a}}", "data", "", "[", "", "not JSON"},
                {"v: data.a", "data", "{\"b\":", "[", "", "not JSON"},
                {"v: tags", "tags", "{", "abcdef,", "b}", NULL},
                {"v: tags", "tags", "", "{", "", "is not an array"},
                {"v: grid", "grid", "", "{", "", "is not an array"},
                {"v: raw", "raw", "\\x", "ff", "", NULL},
                {"v: padded", "padded", "", " ", "", NULL},
                {"v: {template: '${code}${code}${code}${code}${code}${code}${code}'}", "code", "",
                        "x", "", "the document is larger than"},
                {"v: id\nw: {template: '${doc.v}'}", "id", "", "1", "", "2^53-1"},
        };

        for (size_t i = 0; i < COUNT(cases); i++)
                check_large(&cases[i]);
}

/* ---- ids and databases ---- */

struct id_case {
        const char *database, *id;
        struct str code;
        const char *expected; /* "FIELD: part of the reason" */
};

static void check_id(const struct id_case *c)
{
        cleanup_buf_ struct buf yaml = BUF_INIT(MAX_YAML);
        struct value row[FIXTURE_COLUMNS] = {{NULL, 0}};
        struct child_rows none[2] = {{NULL, 0}, {NULL, 0}};
        struct record record = {row, none};
        struct mapper_reject why;
        struct fixture f;
        struct mapped m;
        struct err e;

        fixture_yaml(&yaml, "", c->database, c->id, "v: id");
        if (fixture_load(&f, buf_cstr(&yaml), &e))
                fail_msg("%s: %s", c->id, e.text);
        fixture_value(row, "id", STR("1"));
        if (c->code.ptr)
                fixture_value(row, "code", c->code);
        int rc = mapper_render(f.program, &record, &m, &why, &e);
        const char *colon = strchr(c->expected, ':');
        if (rc != MAPPER_REJECT || strncmp(why.field, c->expected, strlen(why.field)) != 0 ||
                !strstr(why.reason, colon + 2))
                fail_msg("%s of %.20s: %d %s: %s", c->id, c->code.ptr, rc, rc ? why.field : "",
                        rc ? why.reason : "");
        fixture_close(&f);
}

static void ids_that_couchdb_refuses_are_rejected(void **state)
{
        static char large[MAPPER_MAX_ID + 1], name[240];
        const struct id_case cases[] = {
                {"db", "t:${code}", {large, MAPPER_MAX_ID - 1}, "_id: more than 4096 bytes"},
                {"db", "t:${code}", STR("a\nb"), "_id: control character"},
                {"db", "t:${code}", STR("a\0b"), "_id: control character"},
                {"db", "t:${code}", STR("\x7F"), "_id: control character"},
                {"db", "t:${code}", STR("\xED\xA0\x80"), "_id: is not valid UTF-8"},
                {"db", "t:${code}", {NULL, 0}, "_id: ${code} is null"},
                {"db_${code}", "t:${id}", {name, sizeof(name)}, "target.database: no name"},
                {"${code}", "t:${id}", STR("_users"), "target.database: no name"},
                {"${code}", "t:${id}", STR(""), "target.database: no name"},
                {"${code}", "t:${id}", STR("a\n"), "target.database: no name"},
        };

        memset(large, 'x', sizeof(large));
        memset(name, 'x', sizeof(name));
        for (size_t i = 0; i < COUNT(cases); i++)
                check_id(&cases[i]);
}

/* ---- mapper files ---- */

static void expect_file_error(struct str yaml, const char *expected)
{
        cleanup_(mapper_spec_freep) struct mapper_spec *m = NULL;
        struct err e = {.text = ""};
        int64_t begun_ms = cpu_ms();

        int rc = mapper_spec_parse(yaml, "m.yaml", &m, &e);
        if (rc != -ERR_CONFIG || strncmp(e.text, "m.yaml", 6) != 0 || !strstr(e.text, expected))
                fail_msg("%.200s:\n    %s\n    does not say\n    %s", yaml.ptr,
                        rc ? e.text : "no error", expected);
        if (cpu_ms() - begun_ms > LARGE_MS)
                fail_msg("%.200s: %d ms", yaml.ptr, (int)(cpu_ms() - begun_ms));
}

/* @open, then @count times @fill, then @close: as the value of the one field. */
static void check_file(
        const char *open, const char *fill, size_t count, const char *close, const char *expected)
{
        cleanup_buf_ struct buf fields = BUF_INIT(MAX_YAML), yaml = BUF_INIT(2 * MAX_YAML);

        buf_puts(&fields, open);
        for (size_t i = 0; i < count; i++)
                buf_puts(&fields, fill);
        buf_puts(&fields, close);
        fixture_yaml(&yaml, "", "db", "t:${id}", buf_cstr(&fields));
        expect_file_error(buf_str(&yaml), expected);
}

static void files_that_are_too_much_are_refused(void **state)
{
        check_file("v: {value: \"", "x", 5 << 20, "\"}", "m.yaml is larger than 4194304 bytes");
        check_file("v: {value: \"", "x", 2 << 20, "\"}", "bytes");
        check_file("v: {from: code, map: {a: \"", "x", 2 << 20, "\"}}", "bytes");
        check_file("v: {value: ", "[", 100, "", "nested deeper than 64 levels");
        check_file("v: {value: ", "[", 1 << 20, "", "nested deeper than 64 levels");
        check_file("v: {object: {a: ", "{object: {a: ", 60, "", "nested deeper than 64 levels");
        check_file("v: {value: ", "9", 320, "}", "digits");
        check_file("v: {from: id, default: ", "9", 320, "}", "digits");
        check_file("v: {from: id, map: {a: ", "9", 320, "}}", "digits");
        check_file("v: {template: \"", "${id}", 200, "\"}", "too many ${...}");
        check_file("v: {from: a", ".a", 40, "}", "too many steps");
        check_file(
                "v: {from: code, replace: {pattern: '", "x", 9000, "'}}", "longer than 8192 bytes");
        check_file("v: {from: code, replace: {pattern: '", "(", 300, "'}}",
                "is no regular expression");
        check_file("v: {from: code, replace: {pattern: x, with: '", "$0", 65, "'}}",
                "'with' has more than 64 parts");
}

/* Each line holds the one before it ten times. */
static void aliases_cannot_explode(void **state)
{
        cleanup_buf_ struct buf fields = BUF_INIT(MAX_YAML), yaml = BUF_INIT(MAX_YAML);

        buf_puts(&fields, "a0: {value: &a0 [x]}\n");
        for (int i = 1; i < 20; i++) {
                buf_printf(&fields, "a%d: {value: &a%d [", i, i);
                for (int k = 0; k < 10; k++)
                        buf_printf(&fields, "%s*a%d", k ? "," : "", i - 1);
                buf_puts(&fields, "]}\n");
        }
        fixture_yaml(&yaml, "", "db", "t:${id}", buf_cstr(&fields));
        expect_file_error(buf_str(&yaml), "more than 200000 values (aliases included)");
}

static void files_that_contradict_themselves_are_refused(void **state)
{
        static const struct {
                const char *id, *fields, *expected;
        } cases[] = {
                {"t:${id}", "v: {from: code, map: {a: 1, b: 2, a: 3}}", "m.yaml:6:37: duplicate"},
                {"t:${id}", "v: {from: code, map: {1: x, \"1\": y}}", "duplicate"},
                {"t:${id}", "v: {from: code, map: {\"a\": 1, \"\\x61\": 2}}", "duplicate"},
                {"t:${id}", "v: {value: {a: 1, a: 2}}", "duplicate"},
                {"t:${id}", "v: code\nv: id", "m.yaml:7:3: duplicate"},
                {"t:${id}", "v: &x {value: *x}", "x"},
                {"t:${id}", "v: {<<: {from: code}}", "<<"},
                {"t:${id}", "v: !!python/object {from: code}", "tag"},
                {"t:${id}", "_id: code", "names that begin with _ belong to CouchDB"},
                {"t:${id}", "\"\": code", "a field needs a name"},
                {"t:${id}", "v: {value: .nan}", "nan"},
                {"t:${id}", "v: {value: [-.inf]}", "inf"},
                {"t:${id}", "v: {value: 1e400}", "1e400"},
                {"t:${id}", "v: {value: \"\\ud800\"}", "m.yaml:6"},
                {"t:${id}", "v: \"a\\0b\"", "m.yaml:6"},
                {"t:${id}", "v: {from: code, null_if: [[a]]}", "null_if"},
                {"${id}", "v: id", "'id' must begin with text before its first ${...}"},
                {"_design/${id}", "v: id", "'id' begins with _"},
                {"", "v: id", "'id'"},
                {"t", "v: id", "'id' has no ${...}"},
                {"t:${id", "v: id", "'id'"},
                {"t:${}", "v: id", "'id'"},
        };

        for (size_t i = 0; i < COUNT(cases); i++) {
                cleanup_buf_ struct buf yaml = BUF_INIT(MAX_YAML);
                fixture_yaml(&yaml, "", "db", cases[i].id, cases[i].fields);
                expect_file_error(buf_str(&yaml), cases[i].expected);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(values_are_rejected_by_name),
                cmocka_unit_test(long_integers_are_rejected),
                cmocka_unit_test(large_values_are_taken_or_rejected),
                cmocka_unit_test(ids_that_couchdb_refuses_are_rejected),
                cmocka_unit_test(files_that_are_too_much_are_refused),
                cmocka_unit_test(aliases_cannot_explode),
                cmocka_unit_test(files_that_contradict_themselves_are_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
