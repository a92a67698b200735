/*
 * Records to documents: every kind with every type, steps in their order, templates, nesting,
 * rejects that name field, value and remedy, digests without insignificant fields.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "ingest/record/json.h"
#include "tests/support/render_case.h"

#define MAX_TEXT     (1 << 20)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void check_cases(const char *head, const struct render_case *cases, size_t count)
{
        for (size_t i = 0; i < count; i++)
                render_case_check(head, &cases[i], "");
}

#define CHECK(head, cases) check_cases(head, cases, COUNT(cases))

static void kinds_have_their_form(void **state)
{
        static const struct render_case cases[] = {
                {"v: id", "id=7", "\"v\":7"},
                {"v: id", "id=-9007199254740991", "\"v\":-9007199254740991"},
                {"v: id", "id=9007199254740992",
                        "!v: \"9007199254740992\" is beyond 2^53-1, where JSON readers lose "
                        "digits: "
                        "write type: string"},
                {"v: id", "id=-99999999999999999999", "!v: type: string"},
                {"v: id", "id=7}", "!v: is not an integer"},
                {"v: id", "id=-0", "\"v\":0"},
                {"v: id", "id=-007", "\"v\":-7"},
                {"v: id", "id=0", "\"v\":0"},
                {"v: id", "id=", "!v: is not an integer"},
                {"v: code", "code=", "\"v\":\"\""},
                {"v: code", "code=a \"b\" \\ c", "\"v\":\"a \\\"b\\\" \\\\ c\""},
                {"v: code", "code=caf\xC3\xA9", "\"v\":\"caf\xC3\xA9\""},
                {"v: code", "code=caf\xE9", "!v: \"caf\xEF\xBF\xBD\" is not valid UTF-8"},
                {"v: padded", "padded=A1        ", "\"v\":\"A1\""},
                {"v: padded", "padded=          ", "\"v\":\"\""},
                {"v: price", "price=2.50", "\"v\":\"2.50\""},
                {"v: price", "price=-0.00", "\"v\":\"-0.00\""},
                {"v: money", "money=123456789012345678901234567890.123456789",
                        "\"v\":\"123456789012345678901234567890.123456789\""},
                {"v: price", "price=NaN", "!v: \"NaN\" is not a number that JSON has"},
                {"v: price", "price=-Infinity", "!v: null_if"},
                {"v: price", "price=1,5", "!v: is not a decimal"},
                {"v: weight", "weight=0.1", "\"v\":0.1"},
                {"v: weight", "weight=5", "\"v\":5.0"},
                {"v: weight", "weight=-0", "\"v\":0.0"},
                {"v: weight", "weight=1e+25", "\"v\":1e+25"},
                {"v: weight", "weight=1e-05", "\"v\":0.00001"},
                {"v: weight", "weight=0.30000000000000004", "\"v\":0.30000000000000004"},
                {"v: weight", "weight=9.999999999999999e+22", "\"v\":1e+23"},
                {"v: weight", "weight=1.7976931348623157e+308", "\"v\":1.7976931348623157e+308"},
                {"v: weight", "weight=5e-324", "\"v\":5.0e-324"},
                {"v: weight", "weight=NaN", "!v: is not a number that JSON has"},
                {"v: weight", "weight=Infinity", "!v: is not a number that JSON has"},
                {"v: weight", "weight=1e", "!v: is not a double"},
                {"v: ratio", "ratio=3.4028235e+38", "\"v\":3.4028235e+38"},
                {"v: ratio", "ratio=0.1", "\"v\":0.1"},
                {"v: active", "active=t", "\"v\":true"},
                {"v: active", "active=f", "\"v\":false"},
                {"v: active", "active=yes", "!v: is not a boolean"},
                {"v: raw", "raw=\\x", "\"v\":\"\""},
                {"v: raw", "raw=\\x00", "\"v\":\"AA==\""},
                {"v: raw", "raw=\\x00ff", "\"v\":\"AP8=\""},
                {"v: raw", "raw=\\x666f6f626172", "\"v\":\"Zm9vYmFy\""},
                {"v: raw", "raw=\\x0g", "!v: is not binary data"},
                {"v: raw", "raw=\\x000", "!v: is not binary data"},
                {"v: day", "day=2024-02-29", "\"v\":\"2024-02-29\""},
                {"v: day", "day=2023-02-29", "!v: is not a date"},
                {"v: day", "day=0044-03-15 BC", "!v: lies before year 1"},
                {"v: day", "day=10000-01-01", "!v: lies beyond year 9999"},
                {"v: day", "day=infinity", "!v: null_if: [infinity, -infinity]"},
                {"v: clock", "clock=08:05:00", "\"v\":\"08:05:00\""},
                {"v: clock", "clock=08:05:00.120000", "\"v\":\"08:05:00.12\""},
                {"v: clock", "clock=24:00:00", "\"v\":\"24:00:00\""},
                {"v: clock", "clock=24:00:01", "!v: is not a time of day"},
                {"v: stamp", "stamp=2024-01-02 03:04:05+00", "\"v\":\"2024-01-02T03:04:05Z\""},
                {"v: stamp", "stamp=2024-01-02 03:04:05.120000+00",
                        "\"v\":\"2024-01-02T03:04:05.12Z\""},
                {"v: stamp", "stamp=2024-01-02 03:04:05.000000+00",
                        "\"v\":\"2024-01-02T03:04:05Z\""},
                {"v: stamp", "stamp=2024-01-02 03:04:05+05:30", "\"v\":\"2024-01-01T21:34:05Z\""},
                {"v: stamp", "stamp=2024-02-28 23:30:00.5-01", "\"v\":\"2024-02-29T00:30:00.5Z\""},
                {"v: stamp", "stamp=1883-11-18 12:03:57-04:56:02",
                        "\"v\":\"1883-11-18T16:59:59Z\""},
                {"v: stamp", "stamp=9999-12-31 23:30:00-01", "!v: outside the years 1 to 9999"},
                {"v: stamp", "stamp=0001-01-01 00:30:00+01", "!v: outside the years 1 to 9999"},
                {"v: stamp", "stamp=0001-01-01 00:00:00+00 BC", "!v: lies before year 1"},
                {"v: stamp", "stamp=-infinity", "!v: has no place in a calendar"},
                {"v: stamp", "stamp=2024-13-02 03:04:05+00", "!v: is not a date and time"},
                {"v: stamp", "stamp=2024-01-02 03:04:60+00", "!v: is not a date and time"},
                {"v: stamp", "stamp=2024-01-02 03:04:05+00x", "!v: is not a date and time"},
                {"v: stamp", "stamp=2024-01-02", "!v: is not a date and time"},
                {"v: span", "span=P1Y2M3DT4H5M6.7S", "\"v\":\"P1Y2M3DT4H5M6.7S\""},
                {"v: span", "span=P-1Y", "\"v\":\"P-1Y\""},
                {"v: span", "span=1 day", "!v: is not an ISO 8601 interval"},
                {"v: with.dot", "with.dot=x", "\"v\":\"x\""},
        };

        CHECK("", cases);
}

static void arrays_keep_their_nulls(void **state)
{
        static const struct render_case cases[] = {
                {"v: tags", "tags={}", "\"v\":[]"},
                {"v: tags", "tags={a,NULL,\"NULL\",\"\",\"b \\\"c\\\" \\\\ ,{}\"}",
                        "\"v\":[\"a\",null,\"NULL\",\"\",\"b \\\"c\\\" \\\\ ,{}\"]"},
                {"v: grid", "grid={{1,2},{3,NULL}}", "\"v\":[[1,2],[3,null]]"},
                {"v: grid", "grid=[0:1]={1,2}", "\"v\":[1,2]"},
                {"v: amounts", "amounts={1.50,NULL}", "\"v\":[\"1.50\",null]"},
                {"v: amounts", "amounts={NaN}", "!v: \"NaN\" is not a number"},
                {"v: flags", "flags={t,f}", "\"v\":[true,false]"},
                {"v: stamps", "stamps={\"2024-01-02 03:04:05+02\"}",
                        "\"v\":[\"2024-01-02T01:04:05Z\"]"},
                {"v: docs", "docs={\"{\\\"a\\\": 1.50}\",NULL,\"null\"}",
                        "\"v\":[{\"a\":1.5},null,null]"},
                {"v: {from: amounts, type: decimal, scale: 1, rounding: half_up}",
                        "amounts={1.25,NULL,-1.25}", "\"v\":[\"1.3\",null,\"-1.3\"]"},
                {"v: {from: tags, trim: true, null_if: [x, \"\"]}", "tags={\" a \",x,\" \"}",
                        "\"v\":[\"a\",null,null]"},
                {"v: {from: tags, type: integer}", "tags={1,\"02\"}", "\"v\":[1,2]"},
                {"v: {from: tags, map: {a: 1, b: null}}", "tags={a,b}", "\"v\":[1,null]"},
                {"v: {from: tags, type: json}", "tags={a}", "\"v\":[\"a\"]"},
                {"v: tags[1]", "tags={a,\"b c\"}", "\"v\":\"b c\""},
                {"v: tags[2]", "tags={a,b}", ""},
                {"v: grid[1][0]", "grid={{1,2},{3,4}}", "\"v\":3"},
                {"v: grid[1]", "grid={{1,2},{3,4}}", "\"v\":[3,4]"},
                {"v: 'docs[1].a[0]'", "docs={\"{}\",\"{\\\"a\\\":[7]}\"}", "\"v\":7"},
                {"v: tags", "tags={a", "!v: is not an array"},
                {"v: tags", "tags={a,}", "!v: is not an array"},
                {"v: tags", "tags={,a}", "!v: is not an array"},
                {"v: tags", "tags={a}b}", "!v: is not an array"},
                {"v: tags", "tags={\"a}", "!v: is not an array"},
                {"v: tags", "tags=a", "!v: is not an array"},
                {"v: tags", "tags=", "!v: is not an array"},
                {"v: tags", "tags=[0:1]", "!v: is not an array"},
                {"v: grid", "grid={{{{{{{1}}}}}}}", "!v: is not an array"},
        };

        CHECK("", cases);
}

static void json_columns_keep_their_structure(void **state)
{
        static const struct render_case cases[] = {
                {"v: data", "data={\"b\": [1, 2.50, null], \"a\": {}}",
                        "\"v\":{\"b\":[1,2.5,null],\"a\":{}}"},
                {"v: data", "data=null", ""},
                {"v: {from: data, keep_null: true}", "data=null", "\"v\":null"},
                {"v: {from: data, required: true}", "data= null ",
                        "!v: required but null (column \"data\")"},
                {"v: data.a", "data={\"a\":\"x\"}", "\"v\":\"x\""},
                {"v: data.a", "data={\"\\u0061\":\"x\"}", "\"v\":\"x\""},
                {"v: data.a", "data={\"b\":\"x\"}", ""},
                {"v: data.a", "data=[1]", ""},
                {"v: data.a", "data=\"a\"", ""},
                {"v: data.a.b", "data={\"a\":null}", ""},
                {"v: data.a.b", "data={\"a\":{\"x\":[1,{}],\"b\":{\"c\":\"}\"}}}",
                        "\"v\":{\"c\":\"}\"}"},
                {"v: 'data.a[1]'", "data={\"a\":[1,[2, 3]]}", "\"v\":[2,3]"},
                {"v: 'data[0]'", "data=[true]", "\"v\":true"},
                {"v: 'data[5]'", "data=[true]", ""},
                {"v: data.a", "data={\"a\":1,\"a\":2}", "!v: holds the key \"a\" twice"},
                {"v: data", "data={\"a\":{\"b\":1,\"b\":2}}", "!v: holds the key \"b\" twice"},
                {"v: data", "data={\"a\":0.1000000000000000055511151231257827}",
                        "!v: use numbers: string"},
                {"v: {from: data, numbers: string}",
                        "data={\"a\":0.1000000000000000055511151231257827}",
                        "\"v\":{\"a\":\"0.1000000000000000055511151231257827\"}"},
                {"v: data", "data={\"a\":\"\\ud800\"}", "!v: surrogate"},
                {"v: data", "data={\"a\":\"\\u0000\"}", "\"v\":{\"a\":\"\\u0000\"}"},
                {"v: data", "data={\"a\":", "!v: not JSON"},
                {"v: {from: data.n, type: string}", "data={\"n\":1.50}", "\"v\":\"1.50\""},
                {"v: {from: data.n, type: decimal, scale: 2}", "data={\"n\":1.5}",
                        "\"v\":\"1.50\""},
                {"v: {from: data.n, type: decimal}", "data={\"n\":15e-1}", "\"v\":\"1.5\""},
                {"v: {from: data.n, type: integer}", "data={\"n\":2.0}", "\"v\":2"},
                {"v: {from: data.n, type: integer}", "data={\"n\":2.5}", "!v: not a whole number"},
                {"v: {from: data.n, type: integer}", "data={\"n\":\"17\"}", "\"v\":17"},
                {"v: {from: data.n, type: boolean}", "data={\"n\":false}", "\"v\":false"},
                {"v: {from: data.n, type: string}", "data={\"n\":false}", "\"v\":\"false\""},
                {"v: {from: data.n, type: integer}", "data={\"n\":true}", "!v: is a boolean"},
                {"v: {from: data.n, type: boolean}", "data={\"n\":1}", "!v: is a number"},
                {"v: {from: data.n, type: string}", "data={\"n\":{}}", "!v: is an object"},
                {"v: {from: data.n, type: date}", "data={\"n\":\"2024-05-06\"}",
                        "\"v\":\"2024-05-06\""},
                {"v: {from: data.n, type: bytes}", "data={\"n\":1}", "!v: cannot become"},
                {"v: {from: data.n, type: decimal, scale: 1}", "data={\"n\":[1,\"2.0\",null]}",
                        "\"v\":[\"1.0\",\"2.0\",null]"},
                {"v: {from: data.n, trim: true}", "data={\"n\":\" x \"}", "\"v\":\"x\""},
                {"v: {from: data.n, null_if: [\"0\", \"false\"]}", "data={\"n\":false}", ""},
                {"v: {from: data.n, null_if: \"0\"}", "data={\"n\":0}", ""},
                {"v: {from: data.n, null_if: \"0\"}", "data={\"n\":1.50}", "\"v\":1.5"},
                {"v: {from: data.n, map: {\"1\": one, \"true\": yes}}", "data={\"n\":[1,true]}",
                        "\"v\":[\"one\",\"yes\"]"},
                {"v: {from: data.n, trim: true, type: json}", "data={\"n\":\" 1 \"}",
                        "\"v\":\"1\""},
        };

        CHECK("", cases);
}

static void types_convert_or_reject(void **state)
{
        static const struct render_case cases[] = {
                {"v: {from: id, type: string}", "id=9007199254740993",
                        "\"v\":\"9007199254740993\""},
                {"v: {from: id, type: number}", "id=5", "\"v\":5"},
                {"v: {from: id, type: number}", "id=9007199254740992", "\"v\":9007199254740992.0"},
                {"v: {from: id, type: number}", "id=9007199254740993",
                        "!v: would change as a JSON number"},
                {"v: {from: id, type: decimal, scale: 2}", "id=5", "\"v\":\"5.00\""},
                {"v: {from: price, type: string}", "price=NaN", "\"v\":\"NaN\""},
                {"v: {from: price, type: string}", "price=2.50", "\"v\":\"2.50\""},
                {"v: {from: price, type: integer}", "price=12.00", "\"v\":12"},
                {"v: {from: price, type: integer}", "price=-0.00", "\"v\":0"},
                {"v: {from: price, type: integer}", "price=12.50",
                        "!v: \"12.50\" is not a whole number"},
                {"v: {from: price, type: integer}", "price=9007199254740992.0", "!v: 2^53-1"},
                {"v: {from: price, type: number}", "price=2.50", "\"v\":2.5"},
                {"v: {from: price, type: number}", "price=2.00", "\"v\":2.0"},
                {"v: {from: price, type: number}", "price=0.12345678901234567890",
                        "!v: would change as a JSON number"},
                {"v: {from: weight, type: decimal}", "weight=1e-05", "\"v\":\"0.00001\""},
                {"v: {from: weight, type: decimal, scale: 2}", "weight=0.1", "\"v\":\"0.10\""},
                {"v: {from: weight, type: decimal, scale: 0}", "weight=1.5e+20",
                        "\"v\":\"150000000000000000000\""},
                {"v: {from: weight, type: decimal}", "weight=Infinity", "!v: is not a number"},
                {"v: {from: weight, type: integer}", "weight=1e+15", "\"v\":1000000000000000"},
                {"v: {from: weight, type: string}", "weight=1e-05", "\"v\":\"1e-05\""},
                {"v: {from: code, type: integer}", "code=0012", "\"v\":12"},
                {"v: {from: code, type: integer}", "code=-7.0", "\"v\":-7"},
                {"v: {from: code, type: integer}", "code= 7", "!v: write trim: true"},
                {"v: {from: code, trim: true, type: integer}", "code= 7 ", "\"v\":7"},
                {"v: {from: code, type: integer}", "code=", "!v: write null_if"},
                {"v: {from: code, type: integer}", "code=7a", "!v: \"7a\" is not a number"},
                {"v: {from: code, type: integer}", "code=+7", "!v: is not a number"},
                {"v: {from: code, type: integer}", "code=1e999", "!v: is not a number"},
                {"v: {from: code, type: number}", "code=1.25", "\"v\":1.25"},
                {"v: {from: code, type: number}", "code=0x10", "!v: is not a number"},
                {"v: {from: code, type: decimal}", "code=007.50", "\"v\":\"7.50\""},
                {"v: {from: code, type: decimal}", "code=NaN", "!v: is not a number"},
                {"v: {from: code, type: boolean}", "code=true", "\"v\":true"},
                {"v: {from: code, type: boolean}", "code=f", "\"v\":false"},
                {"v: {from: code, type: boolean}", "code=yes", "!v: name the values"},
                {"v: {from: code, type: date}", "code=2024-01-31", "\"v\":\"2024-01-31\""},
                {"v: {from: code, type: date}", "code=31.01.2024", "!v: is not a date"},
                {"v: {from: code, type: datetime}", "code=2024-01-31T10:00:00Z",
                        "\"v\":\"2024-01-31T10:00:00Z\""},
                {"v: {from: code, type: datetime}", "code=2024-01-31 10:00:00.50+0200",
                        "\"v\":\"2024-01-31T08:00:00.5Z\""},
                {"v: {from: code, type: datetime}", "code=2024-01-31 10:00:00",
                        "!v: has no time zone: write timezone:"},
                {"v: {from: code, type: json}", "code={\"a\": [1 ]}", "\"v\":{\"a\":[1]}"},
                {"v: {from: code, type: json}", "code=nope", "!v: not JSON"},
                {"v: {from: code, type: json}", "code=null", ""},
                {"v: {from: padded, type: integer}", "padded=12        ", "\"v\":12"},
                {"v: {from: padded, map: {A: 1}}", "padded=A         ", "\"v\":1"},
                {"v: {from: active, type: string}", "active=t", "\"v\":\"true\""},
                {"v: {from: day, type: string}", "day=2024-01-31", "\"v\":\"2024-01-31\""},
                {"v: {from: local, type: date}", "local=2024-01-31 00:00:00",
                        "\"v\":\"2024-01-31\""},
                {"v: {from: local, type: date}", "local=2024-01-31 00:00:01",
                        "!v: would lose its time of day"},
                {"v: {from: raw, type: bytes}", "raw=\\x00", "\"v\":\"AA==\""},
        };

        CHECK("", cases);
}

static void decimals_are_exact(void **state)
{
        static const struct render_case cases[] = {
                {"v: {from: money, type: decimal, scale: 2}", "money=1.5", "\"v\":\"1.50\""},
                {"v: {from: money, type: decimal, scale: 2}", "money=1.5000", "\"v\":\"1.50\""},
                {"v: {from: money, type: decimal, scale: 2}", "money=1.505",
                        "!v: \"1.505\" has digits beyond scale: 2 that would be lost"},
                {"v: {from: money, type: decimal, scale: 0}", "money=5.0", "\"v\":\"5\""},
                {"v: {from: money, type: decimal, as: number}", "money=2.50", "\"v\":2.5"},
                {"v: {from: money, type: decimal, as: number}", "money=5", "\"v\":5"},
                {"v: {from: money, type: decimal, scale: 2, as: number}", "money=5", "\"v\":5.0"},
                {"v: {from: money, type: decimal, as: number}", "money=0.1", "\"v\":0.1"},
                {"v: {from: money, type: decimal, as: number}", "money=0.30000000000000001",
                        "!v: as: string"},
                {"v: {from: money, type: decimal, as: number}", "money=12345678901234567890",
                        "!v: would change"},
                {"v: {from: money, type: decimal, scale: 2, as: minor}", "money=12.5",
                        "\"v\":1250"},
                {"v: {from: money, type: decimal, scale: 2, as: minor}", "money=-0.05", "\"v\":-5"},
                {"v: {from: money, type: decimal, scale: 2, as: minor}", "money=-0.00", "\"v\":0"},
                {"v: {from: money, type: decimal, scale: 2, as: minor}", "money=0.001",
                        "!v: has digits beyond scale: 2"},
                {"v: {from: money, type: decimal, scale: 3, as: minor}", "money=9007199254740.991",
                        "\"v\":9007199254740991"},
                {"v: {from: money, type: decimal, scale: 3, as: minor}", "money=9007199254740.992",
                        "!v: in minor units"},
                {"v: {from: money, type: decimal, scale: 38}", "money=1",
                        "\"v\":\"1.00000000000000000000000000000000000000\""},
        };

        CHECK("", cases);
}

static void every_rounding_rounds_its_way(void **state)
{
        static const char *const names[] = {
                "half_even", "half_up", "down", "up", "floor", "ceiling"};
        static const struct {
                const char *in;
                const char *out[6]; /* in the order of names */
        } cases[] = {
                {"1.1", {"1", "1", "1", "2", "1", "2"}},
                {"1.5", {"2", "2", "1", "2", "1", "2"}},
                {"2.5", {"2", "3", "2", "3", "2", "3"}},
                {"2.50001", {"3", "3", "2", "3", "2", "3"}},
                {"0.5", {"0", "1", "0", "1", "0", "1"}},
                {"-1.1", {"-1", "-1", "-1", "-2", "-2", "-1"}},
                {"-1.5", {"-2", "-2", "-1", "-2", "-2", "-1"}},
                {"-2.5", {"-2", "-3", "-2", "-3", "-3", "-2"}},
                {"-0.5", {"0", "-1", "0", "-1", "-1", "0"}},
                {"-0.4", {"0", "0", "0", "-1", "-1", "0"}},
                {"9.9", {"10", "10", "9", "10", "9", "10"}},
                {"99999999999999999999.5",
                        {"100000000000000000000", "100000000000000000000", "99999999999999999999",
                                "100000000000000000000", "99999999999999999999",
                                "100000000000000000000"}},
                {"7.000", {"7", "7", "7", "7", "7", "7"}},
        };
        char fields[128], row[64], expected[64];

        for (size_t i = 0; i < COUNT(cases); i++)
                for (size_t k = 0; k < COUNT(names); k++) {
                        snprintf(fields, sizeof(fields),
                                "v: {from: money, type: decimal, scale: 0, rounding: %s}",
                                names[k]);
                        snprintf(row, sizeof(row), "money=%s", cases[i].in);
                        snprintf(expected, sizeof(expected), "\"v\":\"%s\"", cases[i].out[k]);
                        render_case_check("", &(struct render_case){fields, row, expected}, "");
                }
        render_case_check("",
                &(struct render_case){
                        "v: {from: money, type: decimal, scale: 2, rounding: half_up}",
                        "money=-9.995", "\"v\":\"-10.00\""},
                "");
}

static void steps_come_in_their_order(void **state)
{
        static const struct render_case cases[] = {
                {"v: {from: code, trim: true}", "code=\t a b \n", "\"v\":\"a b\""},
                {"v: {from: code, trim: true}", "code=  ", "\"v\":\"\""},
                {"v: {from: code, trim: true, null_if: \"\"}", "code=  ", ""},
                {"v: {from: code, null_if: [n/a, \"-\"]}", "code=-", ""},
                {"v: {from: code, null_if: [n/a, \"-\"]}", "code=- ", "\"v\":\"- \""},
                {"v: {from: code, trim: true, map: {d: draft, \"\": none}}", "code= d ",
                        "\"v\":\"draft\""},
                {"v: {from: code, trim: true, map: {d: draft, \"\": none}}",
                        "code= ", "\"v\":\"none\""},
                {"v: {from: code, map: {d: draft}, default: unknown}", "code=x",
                        "\"v\":\"unknown\""},
                {"v: {from: code, map: {d: draft}, default: unknown}", "", "\"v\":\"unknown\""},
                {"v: {from: code, map: {d: draft}}", "code=x",
                        "!v: \"x\" is not in map: add it there, or write a default"},
                {"v: {from: code, map: {d: draft}}", "", ""},
                {"v: {from: code, map: {d: null}, default: 7}", "code=d", "\"v\":7"},
                {"v: {from: code, map: {\"1\": 2}, type: string}", "code=1", "\"v\":\"2\""},
                {"v: {from: code, map: {a: \"1.5\"}, type: decimal, scale: 2}", "code=a",
                        "\"v\":\"1.50\""},
                {"v: {from: code, map: {a: {x: [1, 2.50]}}}", "code=a", "\"v\":{\"x\":[1,2.5]}"},
                {"v: {from: active, map: {\"true\": active, \"false\": archived}}", "active=f",
                        "\"v\":\"archived\""},
                {"v: {from: active, null_if: \"false\"}", "active=f", ""},
                {"v: {from: id, map: {\"1\": true, \"0\": false}, type: boolean}", "id=1",
                        "\"v\":true"},
                {"v: {from: day, map: {\"2024-01-01\": first}, type: string}", "day=2024-01-01",
                        "\"v\":\"first\""},
                {"v: {from: stamp, null_if: [infinity]}", "stamp=infinity", ""},
                {"v: {from: code, default: {a: [1, null]}}", "", "\"v\":{\"a\":[1,null]}"},
                {"v: {from: code, default: x, required: true}", "", "\"v\":\"x\""},
                {"v: {from: code, required: true}", "", "!v: required but null (column \"code\")"},
                {"v: {from: code, required: true, keep_null: true}", "", "!v: required but null"},
                {"v: {from: code, keep_null: true}", "", "\"v\":null"},
                {"v: code\nw: id", "", "\"w\":1"},
                {"v: {from: code, null_if: \"\", required: true}",
                        "code=", "!v: required but null (column \"code\")"},
        };

        CHECK("", cases);
}

static void constants_objects_and_prefixes(void **state)
{
        static const struct render_case cases[] = {
                {"type: {value: product}", "", "\"type\":\"product\""},
                {"v: {value: {b: [1, 2.50, null, true], a: x}}", "",
                        "\"v\":{\"b\":[1,2.5,null,true],\"a\":\"x\"}"},
                {"v: {value: null}\nw: {value: null, keep_null: true}", "", "\"w\":null"},
                {"v: {value: \"2.5\", type: decimal, scale: 2}", "", "\"v\":\"2.50\""},
                {"o: {object: {a: code, b: name}}", "name=n", "\"o\":{\"b\":\"n\"}"},
                {"o: {object: {a: code, b: name}}", "", "\"o\":{}"},
                {"o: {object: {p: {object: {q: code}}, r: id}}", "code=c",
                        "\"o\":{\"p\":{\"q\":\"c\"},\"r\":1}"},
                {"o: {object: {p: {object: {q: {from: code, required: true}}}}}", "",
                        "!o.p.q: required but null"},
                {"\"a\\\"b\": id", "", "\"a\\\"b\":1"},
                {"caf\xC3\xA9: id", "", "\"caf\xC3\xA9\":1"},
        };

        CHECK("", cases);
}

static void templates_take_texts(void **state)
{
        static const struct render_case cases[] = {
                {"v: {template: \"${code}/${name}\"}", "code=a|name=b", "\"v\":\"a/b\""},
                {"v: {template: \"$$${code}\"}", "code=a", "\"v\":\"$a\""},
                {"v: {template: \"${code}/${name}\"}", "code=a", ""},
                {"v: {template: \"${code}\", default: none}", "", "\"v\":\"none\""},
                {"v: {template: \"${code}\", required: true}", "", "!v: required but null"},
                {"v: {template: \"${code}\"}", "code=a \"q\"\n", "\"v\":\"a \\\"q\\\"\\n\""},
                {"v: {template: \"${id}-${active}-${weight}-${padded}.\"}",
                        "active=t|weight=5|padded=x         ", "\"v\":\"1-true-5.0-x.\""},
                {"v: {template: \"${data.a}\"}", "data={\"a\":\"\\u00e9\\n\"}",
                        "\"v\":\"\xC3\xA9\\n\""},
                {"v: {template: \"${data.a}\"}", "data={\"a\":[1]}", "!v: only single values"},
                {"v: {template: \"${tags[0]}\"}", "tags={x}", "\"v\":\"x\""},
                {"v: {template: \"${code}\", trim: true, map: {a: b}}", "code= a ", "\"v\":\"b\""},
                {"v: {template: \"${id}\", type: integer}", "id=12", "\"v\":12"},
                /* a field before a column of its name */
                {"code: {from: name}\nv: {template: \"${code} ${row.code} ${doc.code}\"}",
                        "code=c|name=n", "\"code\":\"n\",\"v\":\"n c n\""},
                {"o: {object: {x: code}}\nv: {template: \"${o.x}\"}", "code=c",
                        "\"o\":{\"x\":\"c\"},\"v\":\"c\""},
                {"p: {from: price, type: decimal, scale: 3}\nv: {template: \"EUR ${p}\"}",
                        "price=1.50", "\"p\":\"1.500\",\"v\":\"EUR 1.500\""},
                {"k: {value: 17}\nv: {template: \"${k}\"}", "", "\"k\":17,\"v\":\"17\""},
                {"k: {from: code, keep_null: true}\nv: {template: \"${k}\"}", "", "\"k\":null"},
                {"j: data\nv: {template: \"${j}\"}", "data=true", "\"j\":true,\"v\":\"true\""},
                {"j: data\nv: {template: \"${j}\"}", "data={}", "!v: only single values"},
                /* fields that come later, and chains of them */
                {"v: {template: \"<${w}>\"}\nw: code", "code=c", "\"v\":\"<c>\",\"w\":\"c\""},
                {"v: {template: \"<${w}>\"}\nw: {template: \"(${x})\"}\nx: code", "code=c",
                        "\"v\":\"<(c)>\",\"w\":\"(c)\",\"x\":\"c\""},
                {"x: code\nv: {template: \"<${w}>\"}\nw: {template: \"(${x})\"}", "code=c",
                        "\"x\":\"c\",\"v\":\"<(c)>\",\"w\":\"(c)\""},
                {"v: {template: \"<${w}>\"}\nw: code", "", ""},
                {"v: {template: \"<${w}>\"}\nw: {value: null}\nx: id", "", "\"x\":1"},
                {"v: {template: \"<${w}>\"}\nw: {value: y}\nx: id", "",
                        "\"v\":\"<y>\",\"w\":\"y\",\"x\":1"},
                {"v: {template: \"${o.x}\"}\no: {object: {y: id, x: code}}", "code=c",
                        "\"v\":\"c\",\"o\":{\"y\":1,\"x\":\"c\"}"},
                {"v: {template: \"${w}\"}\nw: {from: code, required: true}", "",
                        "!w: required but null"},
        };

        CHECK("", cases);
}

static void children_become_arrays(void **state)
{
        static const struct {
                struct render_case c;
                const char *lines;
        } cases[] = {
                {{"l: {each: lines, fields: {sku: sku, qty: {from: qty, type: decimal}}}", "",
                         "\"l\":[]"},
                        ""},
                {{"l: {each: lines, fields: {sku: sku, qty: {from: qty, type: decimal}}}", "",
                         "\"l\":[{\"sku\":\"a\",\"qty\":\"1\"},{\"qty\":\"2.5\"},{}]"},
                        "sku=a|qty=1\nqty=2.5\nid=3"},
                {{"e: {each: empty, fields: {id: id}}\nx: id", "id=9", "\"e\":[],\"x\":9"}, ""},
                {{"l: {each: lines, fields: {o: {object: {s: sku}}, e: {from: extra.a}}}\nx: id",
                         "id=9", "\"l\":[{\"o\":{\"s\":\"a\"},\"e\":7}],\"x\":9"},
                        "sku=a|extra={\"a\":7}"},
                {{"l: {each: lines, fields: {q: {from: qty, type: integer}}}", "",
                         "!l[2].q: \"1.5\" is not a whole number"},
                        "qty=1\nqty=2\nqty=1.5"},
                {{"l: {each: lines, fields: {o: {object: {q: {from: sku, required: true}}}}}", "",
                         "!l[1].o.q: required but null (column \"sku\")"},
                        "sku=a\nqty=2"},
                /* arrays inside children */
                {{"l: {each: lines, fields: {t: {each: labels, fields: {n: value}}}}", "",
                         "\"l\":[{\"t\":[{\"n\":\"x\"},{}]},{}]"},
                        "labels={x,NULL}\nid=1"},
                {{"l: {each: lines, fields: {t: {each: extra, fields: {n: a, v: value}}}}", "",
                         "\"l\":[{\"t\":[{\"n\":1},{\"v\":5},{}]},{\"t\":[]}]"},
                        "extra=[{\"a\":1},5,null]\nextra=[]"},
                {{"l: {each: lines, fields: {t: {each: extra, fields: {n: {from: a, "
                  "type: integer}}}}}",
                         "", "!l[0].t[1].n: \"x\" is not a number"},
                        "extra=[{\"a\":1},{\"a\":\"x\"}]"},
                /* templates inside: element fields, element columns, the record, the document */
                {{"c: code\nl: {each: lines, fields: {s: sku, k: {template: \"${s}-${qty}-"
                  "${row.id}-${doc.c}-${row.code}\"}}}",
                         "id=9|code=c",
                         "\"c\":\"c\",\"l\":[{\"s\":\"a\",\"k\":\"a-1-9-c-c\"},"
                         "{\"s\":\"b\",\"k\":\"b-2-9-c-c\"}]"},
                        "sku=a|qty=1\nsku=b|qty=2"},
                {{"l: {each: lines, fields: {k: {template: \"${s}${doc.c}\"}, s: sku}}\nc: code",
                         "code=c",
                         "\"l\":[{\"k\":\"ac\",\"s\":\"a\"},{\"k\":\"bc\",\"s\":\"b\"}],"
                         "\"c\":\"c\""},
                        "sku=a\nsku=b"},
                /* the row is the record's again behind the children */
                {{"l: {each: lines, fields: {s: id}}\nx: id", "id=9", "\"l\":[{\"s\":1}],\"x\":9"},
                        "id=1"},
        };

        for (size_t i = 0; i < COUNT(cases); i++)
                render_case_check("", &cases[i].c, cases[i].lines);
}

static void each_runs_over_arrays_and_json(void **state)
{
        static const struct render_case cases[] = {
                {"t: {each: tags, fields: {n: {from: value, trim: true}}}", "tags={\" a\",NULL}",
                        "\"t\":[{\"n\":\"a\"},{}]"},
                {"t: {each: tags, fields: {n: value}}", "tags={\"q\\\"\",b}",
                        "\"t\":[{\"n\":\"q\\\"\"},{\"n\":\"b\"}]"},
                {"t: {each: tags, fields: {n: value}}", "", ""},
                {"t: {each: tags, fields: {n: value}, default: []}", "", "\"t\":[]"},
                {"t: {each: tags, fields: {n: value}, required: true}", "",
                        "!t: required but null (column \"tags\")"},
                {"t: {each: tags, fields: {n: value}}", "tags={{a}}",
                        "!t: more than one dimension"},
                {"t: {each: 'grid[1]', fields: {n: value}}", "grid={{1},{2}}", "\"t\":[{\"n\":2}]"},
                {"t: {each: docs, fields: {n: value.a}}", "docs={\"{\\\"a\\\":1}\"}",
                        "\"t\":[{\"n\":1}]"},
                {"t: {each: 'docs[0].l', fields: {n: a}}", "docs={\"{\\\"l\\\":[{\\\"a\\\":1}]}\"}",
                        "\"t\":[{\"n\":1}]"},
                {"t: {each: docs, fields: {m: {each: value.l, fields: {n: a, r: {template: "
                 "\"${row.tags[0]}\"}}}}}",
                        "tags={\"z\\\\\"}|docs={\"{\\\"l\\\":[{\\\"a\\\":1},{\\\"a\\\":2}]}\"}",
                        "\"t\":[{\"m\":[{\"n\":1,\"r\":\"z\\\\\"},{\"n\":2,\"r\":\"z\\\\\"}]}]"},
                {"t: {each: data, fields: {n: a, m: 'b[1]'}}", "data=[{\"a\":1,\"b\":[2,3]},{}]",
                        "\"t\":[{\"n\":1,\"m\":3},{}]"},
                {"t: {each: data.x, fields: {n: a}}", "data={\"x\":[{\"a\":1}]}",
                        "\"t\":[{\"n\":1}]"},
                {"t: {each: data.x, fields: {n: a}}", "data={}", ""},
                {"t: {each: data.x, fields: {n: a}}", "data={\"x\":null}", ""},
                {"t: {each: data, fields: {n: a}}", "data={\"x\":1}",
                        "!t: is not a JSON array, which each needs"},
                {"t: {each: data, fields: {n: value}}", "data=[1,\"x\",{\"value\":3}]",
                        "\"t\":[{\"n\":1},{\"n\":\"x\"},{\"n\":3}]"},
                {"t: {each: data, fields: {u: {each: l, fields: {n: a, k: {template: "
                 "\"${n}${row.id}\"}}}}}",
                        "data=[{\"l\":[{\"a\":1},{\"a\":2}]},{\"l\":[]},{}]",
                        "\"t\":[{\"u\":[{\"n\":1,\"k\":\"11\"},{\"n\":2,\"k\":\"21\"}]},"
                        "{\"u\":[]},{}]"},
                {"t: {each: data, fields: {n: {from: a, type: decimal, scale: 1}}}",
                        "data=[{\"a\":1},{\"a\":\"x\"}]", "!t[1].n: \"x\" is not a number"},
                {"t: {each: data, fields: {n: a}}", "data=[1,", "!t: is not JSON"},
        };

        CHECK("", cases);
}

static void local_times_go_through_their_zone(void **state)
{
        static const struct render_case cases[] = {
                {"v: local", "local=2024-01-15 12:00:00", "\"v\":\"2024-01-15T12:00:00Z\""},
                {"v: local", "local=2024-07-15 12:00:00.250000",
                        "\"v\":\"2024-07-15T11:00:00.25Z\""},
                {"v: local", "local=2024-07-15 00:30:00", "\"v\":\"2024-07-14T23:30:00Z\""},
                {"v: local", "local=2024-03-31 01:30:00",
                        "!v: \"2024-03-31 01:30:00\" never was in its time zone"},
                {"v: local", "local=2024-10-27 01:30:00", "\"v\":\"2024-10-27T00:30:00Z\""},
                {"v: local", "local=infinity", "!v: has no place in a calendar"},
                {"v: {from: local, timezone: America/New_York}", "local=2024-07-15 12:00:00",
                        "\"v\":\"2024-07-15T16:00:00Z\""},
                {"v: {from: local, timezone: UTC}", "local=2024-07-15 12:00:00",
                        "\"v\":\"2024-07-15T12:00:00Z\""},
                {"v: {from: day, type: datetime}", "day=2024-07-15",
                        "\"v\":\"2024-07-14T23:00:00Z\""},
                {"v: {from: day, type: datetime, timezone: UTC}", "day=2024-07-15",
                        "\"v\":\"2024-07-15T00:00:00Z\""},
                {"v: {from: code, type: datetime}", "code=2024-07-15 12:00:00",
                        "\"v\":\"2024-07-15T11:00:00Z\""},
                {"v: {from: data.t, type: datetime}", "data={\"t\":\"2024-07-15T12:00:00\"}",
                        "\"v\":\"2024-07-15T11:00:00Z\""},
                {"v: stamp", "stamp=2024-07-15 12:00:00+00", "\"v\":\"2024-07-15T12:00:00Z\""},
        };

        CHECK("timezone: Europe/Dublin\n", cases);
}

/* ---- ids and databases ---- */

struct id_case {
        const char *database, *id, *fields, *row;
        const char *expected; /* "DATABASE ID", or a reject */
};

static void check_id(const struct id_case *c)
{
        cleanup_buf_ struct buf yaml = {.max = MAX_TEXT};
        struct fixture f;
        struct mapped m;
        struct mapper_reject why;
        struct err e;
        char text[8192];

        fixture_yaml(&yaml, "", c->database, c->id, c->fields);
        if (fixture_load(&f, buf_cstr(&yaml), &e))
                fail_msg("%s: %s", c->id, e.text);
        int rc = fixture_render(&f, c->row, "", &m, &why, &e);
        if (*c->expected == '!') {
                struct render_case rendered = {c->id, c->row, c->expected};
                render_reject_check(&rendered, rc, &why, &m);
        } else {
                if (rc)
                        fail_msg("%s: %s: %s", c->id, why.field, why.reason);
                snprintf(text, sizeof(text), "%.*s %.*s", STR_ARG(m.database), STR_ARG(m.id));
                assert_string_equal(text, c->expected);
        }
        fixture_close(&f);
}

static void ids_and_databases_come_from_templates(void **state)
{
        static const struct id_case cases[] = {
                {"db", "t:${sku}", "sku: code", "code=A1", "db t:A1"},
                {"db", "t:${sku}", "sku: {from: code, trim: true}", "code= A1 ", "db t:A1"},
                {"db", "t:${code}", "sku: code", "code=a\xC3\xA9 /?", "db t:a\xC3\xA9 /?"},
                {"db", "t:${row.padded}:${id}", "sku: code", "id=5|padded=x   ", "db t:x:5"},
                {"db", "t:${doc.o.k}-${row.code}", "o: {object: {k: id}}", "id=5|code=c",
                        "db t:5-c"},
                {"db", "t:${id}", "sku: code", "id=9007199254740993", "db t:9007199254740993"},
                {"db", "t:${a}", "a: {template: \"${b}!\"}\nb: id", "id=5", "db t:5!"},
                {"db", "t:${sku}", "sku: code", "",
                        "!_id: ${sku} is null: every record needs its value here"},
                {"db", "t:${row.code}", "sku: code", "", "!_id: ${code} is null"},
                {"db", "t:${code}", "sku: id", "code=a\nb", "!_id: holds a control character"},
                {"db", "t:${code}", "sku: id", "code=a\x7F", "!_id: holds a control character"},
                {"db", "t:${code}", "sku: id", "code=\xFF", "!_id: is not valid UTF-8"},
                {"db", "t:${price}", "sku: id", "price=NaN", "!_id: is not a number"},
                {"db_${code}", "t:${id}", "sku: id", "code=ie", "db_ie t:1"},
                {"${code}/x+(y)-$$", "t:${id}", "sku: id", "code=ie", "ie/x+(y)-$ t:1"},
                {"db_${code}", "t:${id}", "sku: id", "code=IE",
                        "!target.database: \"db_IE\" is no name of a CouchDB database"},
                {"${code}", "t:${id}", "sku: id", "code=", "!target.database: \"\" is no name"},
                {"${code}", "t:${id}", "sku: id", "code=1a", "!target.database: is no name"},
                {"${code}", "t:${id}", "sku: id", "", "!target.database: ${code} is null"},
        };

        for (size_t i = 0; i < COUNT(cases); i++)
                check_id(&cases[i]);
}

static void long_ids_are_refused(void **state)
{
        char row[MAPPER_MAX_ID + 64], expected[MAPPER_MAX_ID + 64];
        char *code = row + 5;

        memcpy(row, "code=", 5);
        memset(code, 'x', MAPPER_MAX_ID);
        code[MAPPER_MAX_ID - 2] = '\0';
        snprintf(expected, sizeof(expected), "db t:%s", code);
        check_id(&(struct id_case){"db", "t:${code}", "sku: id", row, expected});
        code[MAPPER_MAX_ID - 2] = 'x';
        code[MAPPER_MAX_ID - 1] = '\0';
        check_id(&(struct id_case){
                "db", "t:${code}", "sku: id", row, "!_id: is a document id of more than 4096"});
}

/* ---- rejects ---- */

static void rejects_cut_and_escape_values(void **state)
{
        char row[256] = "code=", expected[256];

        for (size_t i = 0; i < 40; i++)
                memcpy(row + 5 + 3 * i, "\xE2\x82\xAC", 4);
        snprintf(expected, sizeof(expected), "!v: \"%.*s\"... (120 bytes) is not a number", 63,
                row + 5);
        render_case_check(
                "", &(struct render_case){"v: {from: code, type: integer}", row, expected}, "");
        render_case_check("",
                &(struct render_case){"v: {from: code, type: integer}", "code=a\n\"\x01\xFF",
                        "!v: \"a\\n\\\"\\u0001\xEF\xBF\xBD\" is not a number"},
                "");
}

/* A record that was refused leaves nothing behind for the next one. */
static void records_after_a_reject_are_whole(void **state)
{
        struct fixture f;
        struct mapped m;
        struct mapper_reject why;
        struct err e;

        assert_int_equal(fixture_open(&f,
                                 "a: code\nl: {each: lines, fields: {q: {from: qty, type: "
                                 "integer, significant: false}}}\nt: {each: tags, fields: {n: "
                                 "value}}\nb: id",
                                 &e),
                0);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(
                        fixture_render(&f, "code=c", "qty=1\nqty=x", &m, &why, &e), MAPPER_REJECT);
                assert_string_equal(why.field, "l[1].q");
                assert_int_equal(
                        fixture_render(&f, "code=c|tags={{1}}", "", &m, &why, &e), MAPPER_REJECT);
                assert_string_equal(why.field, "t");
                assert_int_equal(fixture_render(&f, "id=2|tags={x}", "qty=3", &m, &why, &e), 0);
                assert_true(str_is(m.body, "\"l\":[{\"q\":3}],\"t\":[{\"n\":\"x\"}],\"b\":2"));
        }
        fixture_close(&f);
}

/* Two texts of 40 MiB do not fit one document; the record behind them does. */
static void huge_documents_are_refused(void **state)
{
        size_t n = (size_t)40 << 20;
        char *large = malloc(n);
        struct value row[FIXTURE_COLUMNS] = {{NULL, 0}};
        struct child_rows none[2] = {{NULL, 0}, {NULL, 0}};
        struct record record = {row, none};
        struct mapper_reject why;
        struct fixture f;
        struct mapped m;
        struct err e;

        memset(large, 'x', n);
        assert_int_equal(fixture_open(&f, "a: code\nb: name\nc: id", &e), 0);
        fixture_value(row, "id", STR("1"));
        fixture_value(row, "code", (struct str){large, n});
        assert_int_equal(mapper_render(f.program, &record, &m, &why, &e), 0);
        assert_int_equal(m.body.len, n + strlen("'a':'','c':1"));
        fixture_value(row, "name", (struct str){large, n});
        assert_int_equal(mapper_render(f.program, &record, &m, &why, &e), MAPPER_REJECT);
        assert_string_equal(why.field, "document");
        assert_string_equal(why.reason, "the document is larger than 67108864 bytes");
        assert_int_equal(fixture_render(&f, "code=c", "", &m, &why, &e), 0);
        assert_true(str_is(m.body, "\"a\":\"c\",\"c\":1"));
        fixture_close(&f);
        free(large);
}

/* ---- digests ---- */

static void assert_digest(const char *fields, const char *row, const char *lines, const char *left)
{
        cleanup_buf_ struct buf scratch = {.max = MAX_TEXT}, document = {.max = MAX_TEXT};
        struct digest expected = digest_body(str_of(left)), filtered, given_back;
        struct fixture f;
        struct mapped m;
        struct mapper_reject why;
        struct err e;

        if (fixture_open(&f, fields, &e))
                fail_msg("%s", e.text);
        assert_int_equal(fixture_render(&f, row, lines, &m, &why, &e), 0);
        assert_int_equal(digest_filtered(m.body, f.spec->filter, &scratch, &filtered, &e), 0);
        buf_printf(&document, "{\"_id\":\"t:1\",\"_rev\":\"1-0\"%s%.*s}", m.body.len ? "," : "",
                STR_ARG(m.body));
        assert_int_equal(digest_document(buf_str(&document), f.spec->filter, &scratch, NULL,
                                 &given_back, &e),
                0);
        if (!digest_eq(&m.digest, &expected))
                fail_msg("%.*s: the digest is not that of %s", STR_ARG(m.body), left);
        assert_true(digest_eq(&m.digest, &filtered));
        assert_true(digest_eq(&m.digest, &given_back));
        fixture_close(&f);
}

static void digests_leave_out_insignificant_fields(void **state)
{
        assert_digest("a: id\nb: code", "code=x", "", "\"a\":1,\"b\":\"x\"");
        assert_digest("a: id\nb: {from: code, significant: false}", "code=x", "", "\"a\":1");
        assert_digest("b: {from: code, significant: false}\na: id", "code=x", "", "\"a\":1");
        assert_digest("b: {from: code, significant: false}\na: id", "", "", "\"a\":1");
        assert_digest("b: {from: code, significant: false}", "code=x", "", "");
        assert_digest("a: id\nb: {from: code, significant: false}\n"
                      "c: {from: name, significant: false}\nd: id",
                "code=x|name=y", "", "\"a\":1,\"d\":1");
        assert_digest("o: {object: {x: {from: code, significant: false}, y: id}}", "code=c", "",
                "\"o\":{\"y\":1}");
        assert_digest("o: {object: {y: id, x: {from: code, significant: false}}}", "code=c", "",
                "\"o\":{\"y\":1}");
        assert_digest("o: {object: {x: {from: code, significant: false}, z: {value: 1, "
                      "significant: false}, y: id}}",
                "code=c", "", "\"o\":{\"y\":1}");
        assert_digest("o: {object: {x: {from: code, significant: false}}}\nb: id", "code=c", "",
                "\"o\":{},\"b\":1");
        assert_digest("o: {significant: false, object: {x: {from: code, significant: false}, y: "
                      "id}}\nb: id",
                "code=c", "", "\"b\":1");
        assert_digest("l: {each: lines, fields: {s: {from: sku, significant: false}, q: id}}", "",
                "sku=a|id=1\nid=2\nsku=b\n", "\"l\":[{\"q\":1},{\"q\":2},{}]");
        assert_digest("l: {each: lines, significant: false, fields: {s: {from: sku, significant: "
                      "false}}}\nz: id",
                "", "sku=a\nsku=b", "\"z\":1");
        /* rendered early, insignificant, and copied */
        assert_digest("v: {template: \"<${w}>\"}\nw: {from: code, significant: false}", "code=c",
                "", "\"v\":\"<c>\"");
        assert_digest("v: {template: \"<${o.w}>\"}\no: {object: {w: {from: code, significant: "
                      "false}, x: id}}",
                "code=c", "", "\"v\":\"<c>\",\"o\":{\"x\":1}");
}

/* ---- the record of a reject ---- */

static void assert_record_json_in(struct value *row, size_t max, size_t room, const char *expected)
{
        cleanup_buf_ struct buf out = {.max = room}, again = {.max = MAX_TEXT};
        struct child_rows none[2] = {{NULL, 0}, {NULL, 0}};
        struct record record = {row, none};
        struct err e;

        mapper_record_json(&fixture_shape, &record, max, &out);
        assert_true(out.len <= max);
        if (json_canonical(buf_str(&out), JSON_NUMBERS_EXACT, &again, &e))
                fail_msg("%s: %s", e.text, buf_cstr(&out));
        if (expected && !strstr(buf_cstr(&out), expected))
                fail_msg("%s does not hold %s", buf_cstr(&out), expected);
}

static void assert_record_json(struct value *row, size_t max, const char *expected)
{
        assert_record_json_in(row, max, MAX_TEXT, expected);
}

static void rejects_keep_their_record(void **state)
{
        struct value row[FIXTURE_COLUMNS] = {{NULL, 0}};
        char *large = malloc(5000);

        memset(large, 'x', 5000);
        fixture_value(row, "id", STR("7"));
        fixture_value(row, "code", STR("a\xFF\"\n"));
        fixture_value(row, "active", STR("t"));
        fixture_value(row, "price", STR("2.50"));
        fixture_value(row, "raw", STR("\\x00ff"));
        assert_record_json(row, 4096,
                "{\"id\":7,\"code\":\"a\xEF\xBF\xBD\\\"\\n\",\"name\":null,\"price\":\"2.50\"");
        assert_record_json(row, 4096, "\"active\":true");
        for (size_t max = 40; max < 600; max++)
                assert_record_json(row, max, "{");
        assert_record_json(row, 100, "\"...\":");
        row[1] = (struct value){large, 5000};
        assert_record_json(row, 4096, "\"code\":\"xxx");
        memset(large, 0, 5000); /* six bytes each: a value that is larger than the room for all */
        assert_record_json_in(row, 2048, 2048, "\"active\":true");
        fixture_value(row, "id", STR("9007199254740993"));
        assert_record_json(row, 4096, "\"id\":\"9007199254740993\"");
        free(large);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(kinds_have_their_form),
                cmocka_unit_test(arrays_keep_their_nulls),
                cmocka_unit_test(json_columns_keep_their_structure),
                cmocka_unit_test(types_convert_or_reject),
                cmocka_unit_test(decimals_are_exact),
                cmocka_unit_test(every_rounding_rounds_its_way),
                cmocka_unit_test(steps_come_in_their_order),
                cmocka_unit_test(constants_objects_and_prefixes),
                cmocka_unit_test(templates_take_texts),
                cmocka_unit_test(children_become_arrays),
                cmocka_unit_test(each_runs_over_arrays_and_json),
                cmocka_unit_test(local_times_go_through_their_zone),
                cmocka_unit_test(ids_and_databases_come_from_templates),
                cmocka_unit_test(long_ids_are_refused),
                cmocka_unit_test(rejects_cut_and_escape_values),
                cmocka_unit_test(records_after_a_reject_are_whole),
                cmocka_unit_test(huge_documents_are_refused),
                cmocka_unit_test(digests_leave_out_insignificant_fields),
                cmocka_unit_test(rejects_keep_their_record),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
