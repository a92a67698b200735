/*
 * Expressions: values in and out, exact decimals, fields and rows, what is refused before a run,
 * and every way in which a script could hurt: loops, memory, patterns, leaks between records.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <time.h>

#include "tests/support/alloc_fail.h"
#include "tests/support/mapper_fixture.h"

#define MAX_TEXT     (1 << 20)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* "v" with @expr in a block scalar, so that any text can stand there. */
static void put_expr(struct buf *out, const char *expr)
{
        buf_puts(out, "v:\n  expr: |\n    ");
        for (; *expr; expr++) {
                buf_putc(out, *expr);
                if (*expr == '\n')
                        buf_puts(out, "    ");
        }
        buf_putc(out, '\n');
}

static void render_text(
        struct fixture *f, const char *row, const char *lines, char *out, size_t size)
{
        struct mapper_reject why;
        struct mapped m;
        struct err e;

        int rc = fixture_render(f, row, lines, &m, &why, &e);
        if (rc == 0)
                snprintf(out, size, "%.*s", STR_ARG(m.body));
        else if (rc == MAPPER_REJECT)
                snprintf(out, size, "!%s: %s", why.field, why.reason);
        else
                snprintf(out, size, "?%s", e.text);
        if (!str_utf8_valid(str_of(out)) || strchr(out, '\n'))
                fail_msg("not one line of UTF-8: %s", out);
}

/* Whether @said begins as @expected does, and holds its other parts in their order. */
static bool matches(const char *said, const char *expected)
{
        const char *dots = strstr(expected, "...");

        if (!dots)
                return strcmp(said, expected) == 0;
        if (strncmp(said, expected, (size_t)(dots - expected)) != 0)
                return false;
        said += dots - expected;
        while (dots) {
                const char *part = dots + 3;
                char text[256];

                dots = strstr(part, "...");
                snprintf(
                        text, sizeof(text), "%.*s", (int)(dots ? dots - part : strlen(part)), part);
                said = strstr(said, text);
                if (!said)
                        return false;
                said += strlen(text);
        }
        return true;
}

/* @expected: the whole; "..." stands for anything, at the end too. */
static void expect(const char *what, const char *said, const char *expected)
{
        if (!matches(said, expected))
                fail_msg("%s:\n    %s\n    is not\n    %s", what, said, expected);
}

static void check_fields(
        const char *fields, const char *row, const char *lines, const char *expected)
{
        struct fixture f;
        struct err e;
        char said[8192];

        if (fixture_open(&f, fields, &e)) {
                expect(fields, e.text, expected);
                return;
        }
        render_text(&f, row, lines, said, sizeof(said));
        fixture_close(&f);
        expect(fields, said, expected);
}

/* What one expression gives: the JSON of its field, "-" where it is left out, "!v: reason" of a
 * reject, or the error of the compiler. */
struct expr_case {
        const char *expr, *row, *expected;
};

static void check_cases(const struct expr_case *cases, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                const struct expr_case *c = &cases[i];
                cleanup_buf_ struct buf fields = {.max = MAX_TEXT}, whole = {.max = MAX_TEXT};
                bool error = *c->expected == '!' || strncmp(c->expected, "m.yaml", 6) == 0;

                put_expr(&fields, c->expr);
                if (!error && *c->expected != '-')
                        buf_puts(&whole, "\"v\":");
                buf_puts(&whole, *c->expected == '-' && !c->expected[1] ? "" : c->expected);
                check_fields(buf_cstr(&fields), c->row, "", buf_cstr(&whole));
        }
}

#define CHECK(cases) check_cases(cases, COUNT(cases))

static void columns_become_values(void **state)
{
        static const struct expr_case cases[] = {
                {"row.id + 1", "id=7", "8"},
                {"row.id", "id=9007199254740991", "9007199254740991"},
                {"row.id", "id=9007199254740992", "!v: ...write type: string"},
                {"row.id - 9223372036854775807", "id=9223372036854775808", "\"1\""},
                {"row.price", "price=2.50", "\"2.50\""},
                {"row.price", "", "-"},
                {"row.price", "price=NaN",
                        "!v: ...column 'price' is not a number that a decimal can be"},
                {"row.weight * 2", "weight=0.5", "1.0"},
                {"row.ratio", "ratio=0.1", "0.1"},
                {"row.weight", "weight=NaN", "!v: ...is not a number that JSON has"},
                {"not row.active", "active=t", "false"},
                {"row.name .. '!'", "name=caf\xC3\xA9", "\"caf\xC3\xA9!\""},
                {"row.name", "name=caf\xE9", "!v: ...is not valid UTF-8"},
                {"row.padded .. '|'", "padded=A1   ", "\"A1|\""},
                {"row.day", "day=2024-02-29", "\"2024-02-29\""},
                {"row.day", "day=2023-02-29", "!v: 'expr' failed: ...is not a date"},
                {"row.clock", "clock=08:05:00.120", "\"08:05:00.12\""},
                {"row.stamp", "stamp=2024-01-02 03:04:05+02", "\"2024-01-02T01:04:05Z\""},
                {"row.span", "span=P1Y2M", "\"P1Y2M\""},
                {"row.raw", "raw=\\x00ff", "\"AP8=\""},
                {"row.tags", "tags={a,NULL,\"b c\"}", "[\"a\",null,\"b c\"]"},
                {"row.tags", "tags={}", "[]"},
                {"row.tags", "tags={a", "!v: ...is not an array"},
                {"row.amounts[1] + row.amounts[2]", "amounts={1.5,2.25}", "\"3.75\""},
                {"row.grid[2][1]", "grid={{1,2},{3,4}}", "3"},
                {"row.docs[1].a", "docs={\"{\\\"a\\\": 5}\"}", "5"},
                {"row.flags", "flags={t,f}", "[true,false]"},
                {"row['with.dot']", "with.dot=x", "\"x\""},
                {"row['pri' .. 'ce']", "price=1.0", "\"1.0\""},
                {"row['pri' .. 'ze']", "", "!v: ...no column 'prize'; did you mean 'price'?"},
                {"record.code", "code=x", "\"x\""},
                {"#row.lines", "", "0"},
        };
        CHECK(cases);
}

static void json_keeps_its_structure(void **state)
{
        static const struct expr_case cases[] = {
                {"row.data", "data={\"z\": 1.10, \"a\": [], \"b\": {}, \"c\": null}",
                        "{\"a\":[],\"b\":{},\"c\":null,\"z\":1.1}"},
                {"row.data", "data=123456789012345678901234567890",
                        "123456789012345678901234567890"},
                {"row.data", "data=[123456789012345678901234567890, 1e25, -0.5]",
                        "[123456789012345678901234567890,1e+25,-0.5]"},
                {"row.data", "data=0.1234567890123456789", "!v: ...would change as a double"},
                {"row.data.price * 3", "data={\"price\": 19.99}", "\"59.97\""},
                {"row.data.price", "data={\"price\": 19.90}", "19.9"},
                {"row.data.x == null", "data={\"x\": null}", "true"},
                {"row.data.y == nil", "data={\"x\": null}", "true"},
                {"row.data", "data=null", "-"},
                {"row.data == nil and record.data == nil", "data=null", "true"},
                {"(row.data or {}).x == nil", "data=null", "true"},
                {"row.data", "data={\"a\": 1, \"a\": 2}", "!v: ...holds the key \"a\" twice"},
                {"row.data", "data={\"a\": \"\\ud800\"}", "!v: ...surrogate"},
                {"row.data", "data={\"a\": 1e999}", "!v: ...what is no number"},
                {"row.data", "data={\"a\": tru}", "!v: ...not JSON"},
                {"row.data", "data={\"a\"", "!v: ...not JSON"},
                {"{b = 1, a = {1, 2, null}, c = decimal('1.20')}", "",
                        "{\"a\":[1,2,null],\"b\":1,\"c\":\"1.20\"}"},
                {"{}", "", "[]"},
                {"{'', '\\0\\n\"'}", "", "[\"\",\"\\u0000\\n\\\"\"]"},
                {"{9007199254740993, 0.1, 1e100}", "", "[9007199254740993,0.1,1e+100]"},
        };
        CHECK(cases);
}

static void decimals_are_exact(void **state)
{
        static const struct expr_case cases[] = {
                {"row.price - row.money", "price=2.50|money=0.125", "\"2.375\""},
                {"row.price + 1", "price=2.50", "\"3.50\""},
                {"1 - row.price", "price=2.50", "\"-1.50\""},
                {"row.price * row.money", "price=-2.50|money=0.125", "\"-0.31250\""},
                {"-row.price", "price=0.00", "\"0.00\""},
                {"row.price - row.price", "price=1.10", "\"0.00\""},
                {"decimal('0.1') + decimal('0.2') == decimal('0.30')", "", "true"},
                {"decimal(0.1)", "", "\"0.1\""},
                {"decimal(3)", "", "\"3\""},
                {"decimal(2.0^70)", "", "\"1180591620717411300000\""},
                {"decimal('1e3') + 1", "", "\"1001\""},
                {"decimal('999999999999999999') + 1", "", "\"1000000000000000000\""},
                {"decimal('1000000000000000000') - decimal('0.000000000000000001')", "",
                        "\"999999999999999999.999999999999999999\""},
                {"decimal('999999999999999999') * decimal('999999999999999999')", "",
                        "\"999999999999999998000000000000000001\""},
                {"decimal('0.00001') * decimal('0.00001')", "", "\"0.0000000001\""},
                {"math.mininteger * decimal(1)", "", "\"-9223372036854775808\""},
                {"row.price == 0", "price=0.00", "true"},
                {"row.price ~= 0", "price=0.00", "false"},
                {"row.price == 2.5", "price=2.50", "!v: ...a decimal and a float"},
                {"row.price == 'x'", "price=2.50", "false"},
                {"row.price == nil", "", "true"},
                {"row.price ~= nil and row.price < 3 and row.price >= 2", "price=2.50", "true"},
                {"not row.price == 0 and 1 or 2", "price=0.00", "2"},
                {"(row.price == 0 and row.id == 1) or row.code ~= row.name", "price=0.0", "true"},
                {"{row.price == 1, x == 2 and 1}", "", "m.yaml:...x is no variable here"},
                {"local a, b = row.price == 1, row.price ~= 1 return {a, b}", "price=1.0",
                        "[true,false]"},
                {"local n = 0\nfor i = 1, 3 do if i * 2 == row.price then n = i end end\nreturn n",
                        "price=4.00", "2"},
                {"local f = function(x) return x == 1 end return f(row.price)", "price=1.00",
                        "true"},
                {"row.price == 1 == true", "price=1.0", "true"},
                {"#row.name + 1 == row.price - 2", "name=ab|price=5.00", "true"},
                {"row.price + 0.5", "price=1.0", "!v: ...decimal and a float (0.5)...decimal(x)"},
                {"row.price < 0.5", "price=1.0", "!v: ...decimal(\"0.5\")"},
                {"row.price + row.code", "price=1|code=2", "!v: ...a text (2): decimal(x)"},
                {"row.price + row.money", "price=1", "!v: ...(row.x or 0)"},
                {"row.price + true", "price=1", "!v: ...a decimal and a boolean"},
                {"row.price / 2", "price=1", "!v: ...a:div(b, 2, \"half_up\")"},
                {"row.price % 2", "price=1", "!v: ...a:div("},
                {"row.price:div(3, 2, 'half_up')", "price=10.00", "\"3.33\""},
                {"row.price:div(3, 2, 'up')", "price=10", "\"3.34\""},
                {"row.price:div(-3, 0, 'half_even')", "price=7.5", "\"-2\""},
                {"row.price:div(8, 3)", "price=1", "\"0.125\""},
                {"row.price:div(8, 2)", "price=1", "!v: ...name a rounding"},
                {"row.price:div(8)", "price=1", "!v: ...a quotient has no end"},
                {"row.price:div(row.money, 2, 'down')", "price=1|money=0.000", "!v: ...by zero"},
                {"row.price:div(decimal('0.0003'), 38, 'down')", "price=0.0001",
                        "\"0.33333333333333333333333333333333333333\""},
                {"row.price:round(1, 'half_even')", "price=10.05", "\"10.0\""},
                {"row.price:round(1, 'half_up')", "price=-10.05", "\"-10.1\""},
                {"row.price:round(1, 'floor')", "price=-10.01", "\"-10.1\""},
                {"row.price:round(1)", "price=10.05", "!v: ...name a rounding"},
                {"row.price:round(3)", "price=10.05", "\"10.050\""},
                {"row.price:round(39)", "price=10.05", "!v: ...a scale is from 0 to 38"},
                {"row.price:round(1, 'x')", "price=1.05", "!v: ...invalid option 'x'"},
                {"row.price:scale() .. row.price:abs()", "price=-1.50", "\"21.50\""},
                {"math.max(row.price, 2, row.money)", "price=1|money=3.5", "\"3.5\""},
                {"math.floor(row.price) + math.ceil(row.price)", "price=-1.5", "\"-3\""},
                {"tonumber(row.price) * 0.5", "price=1.50", "0.75"},
                {"math.tointeger(row.price)", "price=12.00", "12"},
                {"type(row.price)", "price=1", "\"decimal\""},
                {"'EUR ' .. row.price", "price=1.10", "\"EUR 1.10\""},
                {"string.format('%s|%5s', row.price, row.price)", "price=1.10", "\"1.10| 1.10\""},
                {"string.format('%d', row.price)", "price=1.10", "!v: ...got decimal"},
                {"decimal('1,5')", "", "!v: ...\"1,5\" is not a number"},
                {"decimal(nil)", "", "!v: ...not nil: a NULL is nil"},
                {"decimal(1/0)", "", "!v: ...is no number that a decimal can be"},
                {"decimal(('9'):rep(1001))", "", "!v: ...more than 1000 digits"},
                {"decimal('1e400') * decimal('1e400') * decimal('1e400')", "",
                        "!v: ...more than 1000 digits"},
        };
        CHECK(cases);
}

static void results_take_the_chain(void **state)
{
        static const struct {
                const char *fields, *row, *expected;
        } cases[] = {
                {"v: {expr: \"row.price - row.money\", type: decimal, scale: 2, rounding: half_up}",
                        "price=2|money=0.125", "\"v\":\"1.88\""},
                {"v: {expr: \"row.id * 2\", type: decimal, scale: 2}", "id=2", "\"v\":\"4.00\""},
                {"v: {expr: \"row.price\", type: integer}", "price=2.00", "\"v\":2"},
                {"v: {expr: \"row.id\", type: string}", "id=99999999999999999",
                        "\"v\":\"999...9\""},
                {"v: {expr: \"row.name\", trim: true, map: {a: 1}, default: 2}", "name= a ",
                        "\"v\":1"},
                {"v: {expr: \"row.name\", default: 2}", "", "\"v\":2"},
                {"v: {expr: \"null\", keep_null: true}", "", "\"v\":null"},
                {"v: {expr: \"nil\", required: true}", "", "!v: required but null"},
                {"v: {expr: \"true\", map: {\"true\": yes}}", "", "\"v\":\"yes\""},
                {"v: {expr: \"row.tags\", trim: true}", "tags={\" a \"}", "\"v\":[\"a\"]"},
                {"v: {expr: \"true\", type: date}", "", "!v: ...cannot become a date"},
                {"v: {expr: \"row.code\", type: datetime, timezone: Europe/Dublin}",
                        "code=2024-07-01 12:00:00", "\"v\":\"2024-07-01T11:00:00Z\""},
                {"v: {expr: \"row['local']\", timezone: Europe/Dublin}",
                        "local=2024-07-01 12:00:00", "\"v\":\"2024-07-01T11:00:00Z\""},
                {"v: {expr: \"0/0\", null_if: [NaN, -nan]}", "", ""},
                {"v: {expr: 1}", "", "\"v\":1"},
                {"v: {expr: \"row.id\", significant: false}\nw: {template: \"<${v}>\"}", "id=3",
                        "\"v\":3,\"w\":\"<3>\""},
        };

        for (size_t i = 0; i < COUNT(cases); i++)
                check_fields(cases[i].fields, cases[i].row, "", cases[i].expected);
}

static void when_leaves_fields_out(void **state)
{
        static const struct {
                const char *fields, *row, *lines, *expected;
        } cases[] = {
                {"v: {from: code, required: true, when: \"row.id > 1\"}\nw: id", "id=1", "",
                        "\"w\":1"},
                {"v: {from: code, required: true, when: \"row.id > 1\"}", "id=2", "",
                        "!v: required but null..."},
                {"v: {value: 1, when: \"row.name\"}", "", "", ""},
                {"v: {value: 1, when: \"row.data.a\"}", "data={\"a\":null}", "", ""},
                {"v: {value: 1, when: true}", "", "", "\"v\":1"},
                {"v: {template: \"${id}\", when: \"false\"}", "", "", ""},
                {"v: {object: {a: id, b: {value: 1, when: \"row.id == 2\"}}, when: \"row.name\"}",
                        "name=x|id=2", "", "\"v\":{\"a\":2,\"b\":1}"},
                {"v: {object: {a: {expr: \"error('never')\"}}, when: \"row.name\"}", "", "", ""},
                {"v: {each: lines, fields: {a: sku}, when: \"#row.lines > 1\"}", "", "sku=x", ""},
                {"v: {each: lines, fields: {a: {from: sku, when: \"row.qty > 1\"}}}", "",
                        "sku=x|qty=1\nsku=y|qty=2", "\"v\":[{},{\"a\":\"y\"}]"},
                /* members that stand behind what reads them are left out with their object */
                {"t: {template: \"<${v.a}>\"}\nv: {object: {a: code}, when: \"row.active\"}\n"
                 "u: {expr: \"doc.v.a\"}",
                        "code=x|active=f", "", ""},
                {"t: {template: \"<${v.a}>\"}\nv: {object: {a: code}, when: \"row.active\"}\n"
                 "u: {expr: \"doc.v.a\"}",
                        "code=x|active=t", "", "\"t\":\"<x>\",\"v\":{\"a\":\"x\"},\"u\":\"x\""},
                {"t: {expr: \"doc.v.o.a\"}\nv: {object: {o: {object: {a: {expr: "
                 "\"error('never')\"}}, "
                 "when: \"error('nor this')\"}}, when: \"doc.w\"}\nw: active",
                        "active=f", "", "\"w\":false"},
                {"t: {expr: \"doc.v.a\"}\nv: {object: {a: code}, when: \"doc.v.a ~= 'x'\"}\n"
                 "u: {expr: \"doc.v.a\"}",
                        "code=x", "", "\"t\":\"x\""},
                {"t: {expr: \"doc.v.a\"}\nv: {object: {a: code}, when: \"doc.t\"}", "", "",
                        "m.yaml:...field 'v.a': it needs its own value, ...`when` around it..."},
                {"v: {each: lines, fields: {t: {template: \"<${o.a}>\"}, o: {object: {a: sku}, "
                 "when: \"row.qty > 1\"}}}",
                        "", "sku=x|qty=1\nsku=y|qty=2",
                        "\"v\":[{},{\"t\":\"<y>\",\"o\":{\"a\":\"y\"}}]"},
                {"v: {value: 1, when: \"row.x.y\"}", "", "",
                        "m.yaml:...'when': line 1: there is no column 'x'"},
                {"v: {value: 1, when: \"row.data.y.z\"}", "", "",
                        "!v: 'when' failed: ...(row.x or 0)"},
        };

        for (size_t i = 0; i < COUNT(cases); i++)
                check_fields(cases[i].fields, cases[i].row, cases[i].lines, cases[i].expected);
}

static void fields_and_elements_are_seen(void **state)
{
        static const struct {
                const char *fields, *row, *lines, *expected;
        } cases[] = {
                {"a: code\nv: {expr: \"doc.a .. doc.b\"}\nb: {from: name, trim: true}",
                        "code=x|name= y ", "", "\"a\":\"x\",\"v\":\"xy\",\"b\":\"y\""},
                {"a: {from: price, type: decimal, scale: 1}\nv: {expr: \"doc.a * 2\"}",
                        "price=1.50", "", "\"a\":\"1.5\",\"v\":\"3.0\""},
                {"a: {expr: \"row.price * 2\"}\nv: {expr: \"doc.a * 2 == 6\"}", "price=1.50", "",
                        "\"a\":\"3.00\",\"v\":true"},
                {"v: {expr: \"doc.a == nil\"}\na: {from: code, when: \"row.id ~= 1\"}", "code=x",
                        "", "\"v\":true"},
                {"o: {object: {x: id, p: price}}\nv: {expr: \"doc.o.x + 1\"}\n"
                 "w: {expr: \"doc.o\"}",
                        "id=2|price=1.0", "",
                        "\"o\":{\"x\":2,\"p\":\"1.0\"},\"v\":3,\"w\":{\"p\":\"1.0\",\"x\":2}"},
                {"v: {expr: \"doc.o.x\"}\no: {object: {x: id}}", "id=2", "",
                        "\"v\":2,\"o\":{\"x\":2}"},
                {"v: {expr: \"doc.o\"}\no: {object: {x: id}}", "", "",
                        "m.yaml:...must stand before what reads it"},
                {"o: {object: {x: id, y: {expr: \"doc.o\"}}}", "", "",
                        "m.yaml:...must stand before what reads it"},
                {"l: {each: lines, fields: {q: qty}}\nv: {expr: \"#doc.l\"}", "", "qty=1\nqty=2",
                        "\"l\":[{\"q\":\"1\"},{\"q\":\"2\"}],\"v\":2"},
                {"v: {expr: \"doc.v\"}", "", "", "m.yaml:...it needs its own value"},
                {"v: {expr: \"doc.w\"}\nw: {template: \"${v}\"}", "", "",
                        "m.yaml:...needs its own"},
                {"v: {expr: \"doc.nmae\"}\nname: id", "", "",
                        "m.yaml:6:13: field 'v': 'expr': line 1: there is no field 'nmae'; did you "
                        "mean 'name'?"},
                {"v: {expr: \"doc\"}", "", "", "m.yaml:...doc needs the name of a field"},
                {"l: {each: lines, fields: {t: {expr: \"row.qty * row.price\"}, u: {expr: "
                 "\"record.id + row.id\"}, d: {expr: \"doc.t .. doc.k\"}}}\nk: code",
                        "id=5|price=2|code=x", "id=1|qty=3\nid=2|qty=4",
                        "\"l\":[{\"t\":\"6\",\"u\":6,\"d\":\"6x\"},{\"t\":\"8\",\"u\":7,"
                        "\"d\":\"8x\"}],\"k\":\"x\""},
                {"l: {each: lines, fields: {t: {expr: \"row.qyt\"}}}", "", "",
                        "m.yaml:6:39: field 'l[].t': 'expr': line 1: there is no column 'qyt'; did "
                        "you mean 'qty'?"},
                {"l: {each: data, fields: {t: {expr: \"(row.a or row.code) .. row.id\"}}}",
                        "data=[{\"a\":1},{\"a\":null}]|code=x|id=7", "",
                        "\"l\":[{\"t\":\"17\"},{\"t\":\"x7\"}]"},
                {"l: {each: tags, fields: {t: {expr: \"row.value:upper() .. row.id\"}}}",
                        "tags={a,b}|id=7", "", "\"l\":[{\"t\":\"A7\"},{\"t\":\"B7\"}]"},
                {"l: {each: lines, fields: {t: {expr: \"row.qty + 1\"}}}", "", "qty=1\nsku=x",
                        "!l[1].t: ...(row.x or 0)"},
                {"v:\n  expr: |\n    local t = decimal(0)\n    for i, l in ipairs(row.lines) do\n"
                 "      t = t + l.qty * i\n    end\n    return t",
                        "", "qty=1.5\nqty=2.25", "\"v\":\"6.00\""},
                {"v: {expr: \"row.lines[2].sku .. #row.lines\"}", "", "sku=a\nsku=b",
                        "\"v\":\"b2\""},
                {"v: {expr: \"row.lines[1].skv\"}", "", "sku=a",
                        "!v: ...no column 'skv'; did you mean 'sku'?"},
                {"v: {expr: \"row.lines.sku\"}", "", "sku=a", "!v: ...ipairs(row.lines)"},
        };

        for (size_t i = 0; i < COUNT(cases); i++)
                check_fields(cases[i].fields, cases[i].row, cases[i].lines, cases[i].expected);
}

static void mistakes_are_found_before_a_run(void **state)
{
        static const struct {
                const char *fields, *error;
        } cases[] = {
                {"v: {expr: \"row.prize\"}", "m.yaml:6:13: field 'v': 'expr': line 1: there is no "
                                             "column 'prize'; did you mean 'price'?"},
                {"v: {expr: \"row['prize']\"}", "m.yaml:6:13: ...did you mean 'price'?"},
                {"v: {expr: \"record.zzzz\"}", "m.yaml:6:13: ...add it to the query"},
                {"v:\n  expr: |\n    local a = 1\n    return row.prize",
                        "m.yaml:7:11: field 'v': 'expr': line 2: there is no column 'prize'"},
                {"v: {expr: \"-- row.prize\\n'row.prize'\"}", ""},
                {"v: {expr: \"row.price *\"}",
                        "m.yaml:6:13: 'expr': expr:1: unexpected symbol near "
                        "<eof>"},
                {"v: {expr: \"local a = return a\"}",
                        "m.yaml:6:13: 'expr': expr:1: unexpected symbol near 'return'"},
                {"v:\n  expr: |\n    if row.id then\n      return 1",
                        "m.yaml:7:11: 'expr': expr:3: 'end' expected (to close 'if' at line 1)"},
                {"v: {expr: \"local a = 1\"}", "m.yaml:6:13: 'expr': statements need a return"},
                {"v: {expr: \"  -- nothing\"}", "m.yaml:6:13: 'expr' is empty"},
                {"v: {expr: \"\"}", "m.yaml:6:13: ...'expr'"},
                {"v: {expr: \"price * 2\"}",
                        "m.yaml:6:13: 'expr': line 1: price is no variable here; a column is "
                        "row.price"},
                {"v: {expr: \"rwo.price\"}",
                        "m.yaml:6:13: ...rwo is no variable here; did you mean "
                        "'row'?"},
                {"v: {expr: \"x = 1 return x\"}", "m.yaml:6:13: ...x is no variable here"},
                {"v: {expr: \"row = 1 return 1\"}", "m.yaml:6:13: ...row cannot be changed"},
                {"v: {expr: \"local row = 1 return 1\"}", "m.yaml:6:13: ...belongs to the mapper"},
                {"v: {expr: \"_ENV.x\"}", "m.yaml:6:13: ..._ENV is not for expressions"},
                {"v: {expr: \"__equal(1, 1)\"}", "m.yaml:6:13: ...is not for expressions"},
                {"v: {expr: \"row.end\"}", "m.yaml:6:13: ...row[\"end\"]"},
                {"v: {expr: \"row['local']\"}", "m.yaml:6:13: ...a local time: write timezone:"},
                {"v: {expr: \"goto x ::x:: return {x = 1, goto_ = 2}\"}", ""},
                {"v: {expr: \"local a <const>, b = 1, 2 local function f(p, ...) return p + a end "
                 "for k, w in pairs({}) do b = k end return f(b)\"}",
                        ""},
                {"v: {expr: \"local t = {} function t.a.f(p, q) return p + q end function t:g(r) "
                 "return self, r end return t\"}",
                        ""},
                {"v: {expr: \"os.time()\"}", "m.yaml:6:13: ...os is no variable here"},
                {"v: {expr: \"io.open('x')\"}", "m.yaml:6:13: ...io is no variable here"},
                {"v: {expr: \"load('return 1')\"}", "m.yaml:6:13: ...load is no variable here"},
                {"v: {expr: \"setmetatable({}, {})\"}", "m.yaml:6:13: ...is no variable here"},
                {"v: {expr: \"getmetatable('').__index\"}", "m.yaml:6:13: ...is no variable here"},
                {"v: {expr: \"rawset\"}", "m.yaml:6:13: ...is no variable here"},
                {"v: {expr: \"coroutine.create\"}", "m.yaml:6:13: ...is no variable here"},
                {"v: {expr: \"debug\"}", "m.yaml:6:13: ...is no variable here"},
                {"v: {expr: \"require('x')\"}", "m.yaml:6:13: ...is no variable here"},
                {"v: {expr: \"collectgarbage()\"}", "m.yaml:6:13: ...is no variable here"},
                {"v: {expr: id, from: code}",
                        "m.yaml:6:17: 'expr' and 'from': a field has one of them"},
                {"v: {expr: \"1\", fields: {a: id}}", "m.yaml:6:18: 'fields' means nothing beside "
                                                      "'expr'"},
        };

        for (size_t i = 0; i < COUNT(cases); i++) {
                struct err e = {.text = ""};
                struct fixture f;
                char error[ERR_TEXT_MAX + 3];

                int rc = fixture_open(&f, cases[i].fields, &e);
                if (!rc)
                        fixture_close(&f);
                snprintf(error, sizeof(error), "%s%s", cases[i].error,
                        *cases[i].error && !strstr(cases[i].error, "...") ? "..." : "");
                expect(cases[i].fields, rc ? e.text : "", error);
        }
}

/* Whatever they do, they end soon, and with a reject that says why. */
static void hostile_scripts_are_stopped(void **state)
{
        static const struct expr_case cases[] = {
                {"while true do end return 1", "", "!v: ...more than 1000000 steps"},
                {"repeat until false return 1", "", "!v: ...more than 1000000 steps"},
                {"::a:: if true then goto a end return 1", "", "!v: ...more than 1000000 steps"},
                {"pcall(function() while true do end end)", "", "!v: ...1000000 steps"},
                {"while true do pcall(error) end return 1", "", "!v: ...1000000 steps"},
                {"while true do pcall(function() while true do end end) end return 1", "",
                        "!v: ...1000000 steps"},
                {"local function f() return pcall(f) end return f()", "", "true"},
                {"local function f() return f() end return f()", "", "!v: ...1000000 steps"},
                {"local function f() return 1 + f() end return f()", "", "!v: ...16 MiB"},
                {"pcall(function() local function f() return 1 + f() end return f() end)", "",
                        "!v: ...16 MiB"},
                {"local t = {} for i = 1, 1e9 do t[i] = i end return t", "", "!v: ...failed"},
                {"local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end return t", "",
                        "!v: ...failed"},
                {"local s = 'x' while true do s = s .. s end return s", "", "!v: ...16 MiB"},
                {"local s = ('1234567'):rep(1e6) for i = 1, 1e6 do local t = s .. i end return 1",
                        "", "!v: ...16 MiB"},
                {"local s, t = ('123'):rep(1e6) .. 1, ('123'):rep(1e6) .. 1 for i = 1, 1e6 "
                 "do if s "
                 "< t then end end return 1",
                        "", "!v: ...more than 2 s"},
                {"('x'):rep(1e9)", "", "!v: ...16 MiB"},
                {"(''):rep(1e18)", "", "!v: ...16 MiB"},
                {"('x'):rep(1e5, 'y'):rep(1e5)", "", "!v: ...16 MiB"},
                {"('x'):rep(math.maxinteger)", "", "!v: ...16 MiB"},
                {"('x'):rep(-1)", "", "\"\""},
                {"('a'):rep(5000):find(('a-'):rep(20) .. 'b')", "", "!v: ...1000000 steps"},
                {"('a'):rep(5000):match(('a*'):rep(20) .. 'b')", "", "!v: ...1000000 steps"},
                {"('a'):rep(5000):gsub(('a?'):rep(50) .. 'b', '')", "", "!v: ...steps"},
                {"for _ in ('a'):rep(5000):gmatch('(.-)(.-)(.-)b') do end return 1", "",
                        "!v: ...1000000 steps"},
                {"('('):rep(5000):find('%b()')", "", "!v: ...1000000 steps"},
                {"('a'):rep(1e6):find('.-b')", "", "!v: ...1000000 steps"},
                {"('a'):rep(1e6):gsub('a', 'bb')", "", "!v: ...1000000 steps"},
                {"table.unpack({}, 1, 1e8)", "", "!v: ...at most 250 values"},
                {"table.unpack({}, math.mininteger, math.maxinteger)", "", "!v: ...250 values"},
                {"table.concat({}, 'x', 1, 1e18)", "", "!v: ...invalid value"},
                {"local t = {} for i = 1, 3e4 do table.insert(t, 1, i) end return 1", "",
                        "!v: ...1000000 steps"},
                {"local t = {} for i = 1, 2e5 do t[i] = -i end table.sort(t) return t[1]", "",
                        "!v: ...1000000 steps"},
                {"table.sort({3, 1, 2}, function() return true end)", "", "-"},
                {"table.sort({1, 'x'})", "", "!v: ...attempt to compare"},
                {"table.sort({1, 2, 3}, error)", "", "!v: ...failed"},
                {"select('#', table.unpack({}, 1, 250))", "", "250"},
        };
        CHECK(cases);
}

static void what_is_no_value_is_refused(void **state)
{
        static const struct expr_case cases[] = {
                {"string.format('%99999d', 1)", "", "!v: ...invalid"},
                {"string.format('%p', {})", "", "!v: ...addresses differ"},
                {"string.format('%-p', 'x')", "", "!v: ...addresses differ"},
                {"string.format('%s', {})", "", "!v: ...a table has no text"},
                {"tostring(print)", "", "m.yaml:...is no variable here"},
                {"tostring(pcall)", "", "!v: ...a function has no text"},
                {"error({1})", "", "!v: ...was given a table"},
                {"error()", "", "!v: ...no text"},
                {"error('not wanted: ' .. row.id)", "", "!v: 'expr' failed: expr:1: not wanted: 1"},
                {"error('x', 0)", "", "!v: 'expr' failed: x"},
                {"assert(nil, 'no price')", "", "!v: 'expr' failed: no price"},
                {"string.format('%\xCF\x83', 1)", "",
                        "!v: 'expr' failed: ...conversion '%\xEF\xBF\xBD' to ..."},
                {"assert(false)", "", "!v: ...assertion failed"},
                {"select(2, pcall(error, 'caught'))", "", "\"caught\""},
                {"error('not enough memory')", "", "!v: ...not enough memory"},
                {"0/0", "", "!v: ...is not a number that JSON has"},
                {"-1/0", "", "!v: ...\"-Infinity\" is not a number"},
                {"{1, 0/0}", "", "!v: ...holds not-a-number"},
                {"{1/0}", "", "!v: ...an infinite number"},
                {"1 // 0", "", "!v: ...attempt to divide by zero"},
                {"9223372036854775807 + 1", "", "!v: ...beyond 2^53-1"},
                {"'10' + 1", "", "!v: ...decimal(x) or tonumber(x)"},
                {"row.code < 1", "code=2", "!v: ...decimal(x) or tonumber(x)"},
                {"local t = {} t[1] = t return t", "", "!v: ...a table holds itself"},
                {"local t = {} t.a = t t.b = t return t", "", "!v: ...a table holds itself"},
                {"local t = {} for i = 1, 60 do t = {t, t} end return t", "", "!v: ...steps"},
                {"local t = {} for i = 1, 300 do t = {t} end return t", "", "!v: ...200 levels"},
                {"{1, nil, 3}", "", "!v: ...holes (2 of 3"},
                {"{[0] = 1}", "", "!v: ...has a key"},
                {"{1, x = 2}", "", "!v: ...numbers and texts as keys"},
                {"{[1.5] = 2}", "", "!v: ...has a key"},
                {"{[true] = 2}", "", "!v: ...has a key"},
                {"{[row.price] = 2}", "price=1", "!v: ...has a key"},
                {"{row}", "", "!v: ...holds a row"},
                {"{row.lines}", "", "!v: ...holds a row"},
                {"row", "", "!v: ...holds a row"},
                {"pairs", "", "!v: ...holds a function"},
                {"string", "", "!v: ...a library"},
                {"{'\\xff'}", "", "!v: ...not valid UTF-8"},
                {"{['\\xff'] = 1}", "", "!v: ...not valid UTF-8"},
                {"('x'):nothing()", "", "!v: ...no function 'nothing'"},
                {"math.random()", "", "!v: ...no function 'random'"},
                {"string.dump(function() end)", "", "!v: ...no function 'dump'"},
                {"pairs(row)", "", "!v: ...name a row's columns"},
                {"string.find('a', '[a')", "", "!v: ...malformed pattern"},
                {"string.find('a', '%')", "", "!v: ...malformed pattern"},
                {"string.find('a', '(a')", "", "!v: ...unfinished capture"},
                {"string.match('a', 'a)')", "", "!v: ...invalid pattern capture"},
                {"string.find('a', '%1')", "", "!v: ...invalid capture index"},
                {"string.find('a', ('a'):rep(300) .. '.')", "", "!v: ...too complex"},
                {"('x'):gsub('x', '%2')", "", "!v: ...invalid capture index"},
                {"('x'):gsub('x', '%z')", "", "!v: ...invalid use of '%'"},
                {"('x'):gsub('x', function() return {} end)", "", "!v: ...invalid replacement"},
        };
        CHECK(cases);
}

/* No address, seed, clock or order inside a hash table shows. */
static void patterns_are_luas(void **state)
{
        static const struct expr_case cases[] = {
                {"row.name:match('^%s*(.-)%s*$')", "name=  a b ", "\"a b\""},
                {"{('key = value'):match('(%w+) = (%w+)')}", "", "[\"key\",\"value\"]"},
                {"{('hello'):find('l')}", "", "[3,3]"},
                {"{('a.b'):find('.', 1, true)}", "", "[2,2]"},
                {"{('a.b'):find('%.', -2)}", "", "[2,2]"},
                {"{('abc'):find('b()')}", "", "[2,2,3]"},
                {"{('abc'):find('', 10)}", "", "[]"},
                {"{('abc'):find('', 4)}", "", "[4,3]"},
                {"('x=1, y=2'):gsub('(%w+)=(%w+)', '%2=%1')", "", "\"1=x, 2=y\""},
                {"('abc'):gsub('%w', '%0%0', 2)", "", "\"aabbc\""},
                {"('abc'):gsub('', '-')", "", "\"-a-b-c-\""},
                {"('hello world'):gsub('o', {o = '0'})", "", "\"hell0 w0rld\""},
                {"('$name'):gsub('%$(%w+)', function(n) return row[n] end)", "name=x", "\"x\""},
                {"('abc'):gsub('^a', 'x')", "", "\"xbc\""},
                {"('THE (quick) fox'):find('%((%a+)%)')", "", "5"},
                {"('THE (quick) fox'):match('%b()')", "", "\"(quick)\""},
                {"('THE (quick) fox'):gsub('%f[%a]%a+', 'w')", "", "\"w (w) w\""},
                {"('a\"b\"c'):match('([\"\\'])(.-)%1')", "", "\"\\\"\""},
                {"('2024-01-02'):match('^(%d+)-(%d+)-(%d+)$')", "", "\"2024\""},
                {"('[a]^'):match('[]^]+')", "", "\"]^\""},
                {"('a-z'):match('[a%-]+')", "", "\"a-\""},
                {"('xyz'):match('[^x-y]')", "", "\"z\""},
                {"('aXb'):match('%u')", "", "\"X\""},
                {"('a$'):match('$b?')", "", "\"$\""},
                {"('aaa'):match('a-$')", "", "\"aaa\""},
                {"('ab'):match('a?a?b')", "", "\"ab\""},
                {"local t = {} for k, v in ('a=1,b=2'):gmatch('(%w)=(%w)') do t[k] = v end return "
                 "t",
                        "", "{\"a\":\"1\",\"b\":\"2\"}"},
                {"local n = 0 for _ in ('abc'):gmatch('') do n = n + 1 end return n", "", "4"},
                {"local s = '' for k, v in pairs({b = 1, a = 2, [2] = 3, [1] = 4, [true] = 5}) do "
                 "s = s .. tostring(k) .. v end return s",
                        "", "\"1423a2b1true5\""},
                {"local s, k = '', next({}) for k in next, {z = 1, y = 2, x = 3} do s = s .. k end "
                 "return s",
                        "", "\"xyz\""},
                {"local t = {} for i = 1, 300 do t[i] = {k = i % 3, i = i} end table.sort(t, "
                 "function(a, b) return a.k < b.k end) return {t[1].i, t[2].i, t[300].i}",
                        "", "[3,6,299]"},
                {"table.concat({1, 'a', 2}, '-')", "", "\"1-a-2\""},
                {"local t = {3, 1, 2} table.sort(t) table.insert(t, 9) table.remove(t, 1) return t",
                        "", "[2,3,9]"},
                {"utf8.len(row.name)", "name=caf\xC3\xA9", "4"},
                {"('%5.2f|%d|%x'):format(3.14159, 42, 255)", "", "\" 3.14|42|ff\""},
        };
        CHECK(cases);
}

/* Nothing that an expression does is seen by the next one, or by the next record. */
static void records_do_not_see_each_other(void **state)
{
        static const char *const tries[] = {"string.x = 1 return string.x",
                "table.insert(string, 1) return 1", "table.sort(string) return 1",
                "row.price = 1 return 1", "row.data.x = (row.data.x or 0) + 1 return row.data.x",
                "local t = row.data t.x = (t.x or 0) + 1 return t.x", "pcall = 1 return 1"};

        for (size_t i = 0; i < COUNT(tries); i++) {
                cleanup_buf_ struct buf fields = {.max = MAX_TEXT};
                char first[4096], second[4096];
                struct fixture f;
                struct err e;

                put_expr(&fields, tries[i]);
                if (fixture_open(&f, buf_cstr(&fields), &e))
                        continue;
                render_text(&f, "data={}|price=1", "", first, sizeof(first));
                render_text(&f, "data={}|price=1", "", second, sizeof(second));
                assert_string_equal(first, second);
                fixture_close(&f);
        }
}

/* What `when` leaves out leaves nothing behind in the slots of templates and doc. */
static void what_is_left_out_is_forgotten(void **state)
{
        char said[4096];
        struct fixture f;
        struct err e;

        assert_int_equal(fixture_open(&f,
                                 "o: {object: {x: {from: code}}, when: \"row.active\"}\n"
                                 "t: {template: \"<${o.x}>\"}\nu: {expr: \"doc.o.x\"}\n",
                                 &e),
                0);
        render_text(&f, "active=t|code=a", "", said, sizeof(said));
        assert_string_equal(said, "\"o\":{\"x\":\"a\"},\"t\":\"<a>\",\"u\":\"a\"");
        render_text(&f, "active=f|code=b", "", said, sizeof(said));
        assert_string_equal(said, "");
        fixture_close(&f);
}

/* Two programs, whose hash tables have other seeds, give the same bytes. */
static void equal_records_give_equal_bytes(void **state)
{
        static const char fields[] = "v:\n  expr: |\n    local s = ''\n    for k, v in "
                                     "pairs(row.data) do s = s .. k end\n"
                                     "    return {s, row.data}";
        static const char row[] = "data={\"zz\":1,\"b\":2,\"cc\":3,\"d\":4,\"eee\":5,\"f\":6,"
                                  "\"a\":{\"y\":1,\"x\":2}}";
        char first[4096], said[4096];

        for (int i = 0; i < 5; i++) {
                struct fixture f;
                struct err e;

                assert_int_equal(fixture_open(&f, fields, &e), 0);
                render_text(&f, row, "", i ? said : first, sizeof(said));
                if (i)
                        assert_string_equal(first, said);
                fixture_close(&f);
        }
}

static const char everything[] =
        "v: {expr: \"row.price - row.money == 1 and {row.data, row.tags, row.day} or nil\", "
        "when: \"row.active\"}\n"
        "d: {expr: \"row.price:div(3, 2, 'half_up')\"}\nw: {expr: \"doc.d + 1\"}\n"
        "o: {object: {x: {expr: \"doc.o.y\"}, y: code}}\n"
        "s: {expr: \"row.name:gsub('%a', '%0%0')\"}\n"
        "l: {each: lines, fields: {q: {expr: \"row.qty * 2\"}, n: {expr: \"#row.lines\"}}}\n";

static int open_and_render(struct err *e)
{
        struct mapper_reject why;
        struct mapped m;
        struct fixture f;

        int rc = fixture_open(&f, everything, e);
        if (rc)
                return rc;
        rc = fixture_render(&f,
                "price=2.5|money=1.5|active=t|tags={a,\"b\\\"\"}|day=2024-01-01|code=x|name=ab|"
                "data={\"a\":[1,2.5,\"\\u0041\"]}",
                "qty=1\nqty=2", &m, &why, e);
        if (rc == MAPPER_REJECT)
                fail_msg("%s: %s", why.field, why.reason);
        if (!rc && !str_is(m.body,
                           "\"v\":[{\"a\":[1,2.5,\"A\"]},[\"a\",\"b\\\"\"],\"2024-01-01\"],"
                           "\"d\":\"0.83\",\"w\":\"1.83\",\"o\":{\"x\":\"x\",\"y\":\"x\"},"
                           "\"s\":\"aabb\",\"l\":[{\"q\":\"2\",\"n\":2},{\"q\":\"4\",\"n\":2}]"))
                fail_msg("%.*s", STR_ARG(m.body));
        fixture_close(&f);
        return rc;
}

static void failed_allocations_are_errors(void **state)
{
        struct err e;
        long failures = 0;

        assert_int_equal(open_and_render(&e), 0);
        ALLOC_FAIL_EACH(i)
        {
                alloc_fail_at(i);
                int rc = open_and_render(&e);
                if (rc == 0)
                        continue; /* Lua collects garbage and asks again */
                failures++;
                if (rc != -ERR_NOMEM)
                        fail_msg("allocation %ld: %d %s", i, rc, e.text);
        }
        assert_true(failures > 30);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(columns_become_values),
                cmocka_unit_test(json_keeps_its_structure),
                cmocka_unit_test(decimals_are_exact),
                cmocka_unit_test(results_take_the_chain),
                cmocka_unit_test(when_leaves_fields_out),
                cmocka_unit_test(fields_and_elements_are_seen),
                cmocka_unit_test(mistakes_are_found_before_a_run),
                cmocka_unit_test(hostile_scripts_are_stopped),
                cmocka_unit_test(what_is_no_value_is_refused),
                cmocka_unit_test(patterns_are_luas),
                cmocka_unit_test(records_do_not_see_each_other),
                cmocka_unit_test(what_is_left_out_is_forgotten),
                cmocka_unit_test(equal_records_give_equal_bytes),
                cmocka_unit_test(failed_allocations_are_errors),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
