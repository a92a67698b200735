/*
 * What the compiler proves: names, paths, types, zones, templates; every mistake names place and
 * remedy. And that no failed allocation is more than an error.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/alloc_fail.h"
#include "tests/support/mapper_fixture.h"

#define MAX_TEXT     (1 << 20)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Fields begin on line 6 of the fixture's mapper, two columns in. */
static const struct {
        const char *fields;
        const char *error; /* its beginning, "..." and a later part */
} mistakes[] = {
        {"v: cod", "m.yaml:6:6: field 'v': there is no column 'cod'; did you mean 'code'?"},
        {"v: id\nw: {from: prize}",
                "m.yaml:7:6: field 'w': there is no column 'prize'; did you mean 'price'?"},
        {"v: Code", "m.yaml:6:6: field 'v': there is no column 'Code'; did you mean "
                    "'code'?"},
        {"v: zzzzzz", "m.yaml:6:6: field 'v': there is no column 'zzzzzz'...; there is id, "
                      "code, name"},
        {"o: {object: {p: {object: {q: nmae}}}}",
                "m.yaml:6:32: field 'o.p.q': there is no column 'nmae'"},
        {"v: code.a", "m.yaml:6:6: field 'v': column 'code' is text (text): only JSON has "
                      "members"},
        {"v: 'id[0]'", "m.yaml:6:6: field 'v': column 'id' is bigint (integer): only JSON"},
        {"v: tags.a", "m.yaml:6:6: field 'v': column 'tags' is an array (text[])"},
        {"v: 'tags[0].a'", "m.yaml:6:6: field 'v': column 'tags' is an array (text[])"},
        {"v: docs.a", "m.yaml:6:6: field 'v': column 'docs' is an array (jsonb[])"},
        {"v: {from: day, type: boolean}",
                "m.yaml:6:6: field 'v': column 'day' is date and can never become a "
                "boolean; write another type"},
        {"v: {from: active, type: integer}",
                "m.yaml:6:6: field 'v': column 'active' is boolean and can never become"},
        {"v: {from: id, type: boolean}", "m.yaml:6:6: ...; name its values in map"},
        {"v: {from: id, type: datetime}", "m.yaml:6:6: ...can never become a datetime"},
        {"v: {from: price, type: date}", "m.yaml:6:6: ...can never become a date"},
        {"v: {from: stamp, type: date}", "m.yaml:6:6: ...cast it in the query"},
        {"v: {from: id, type: bytes}", "m.yaml:6:6: ...can never become a bytes"},
        {"v: {from: raw, type: json}", "m.yaml:6:6: ...can never become a json"},
        {"v: {from: clock, type: datetime}", "m.yaml:6:6: ...can never become a datetime"},
        {"v: {from: span, type: integer}", "m.yaml:6:6: ...can never become a integer"},
        {"v: {from: flags, type: decimal}",
                "m.yaml:6:6: field 'v': column 'flags' is boolean[] (its elements) and can "
                "never become a decimal"},
        {"v: local", "m.yaml:6:6: field 'v': column 'local' is timestamp without time zone, a "
                     "local time: write timezone: with the zone...timezone: Europe/Dublin"},
        {"v: {from: local, type: string}", "m.yaml:6:6: ...a local time: write timezone:"},
        {"v: {from: day, type: datetime}", "m.yaml:6:6: ...a local time: write timezone:"},
        {"v: {each: code, fields: {x: id}}",
                "m.yaml:6:6: field 'v': column 'code' is text: each runs over a child, an "
                "array or JSON"},
        {"v: {each: linse, fields: {x: id}}",
                "m.yaml:6:6: field 'v': there is no column 'linse'; did you mean 'lines'?"},
        {"v: {each: lines.a, fields: {x: id}}",
                "m.yaml:6:6: field 'v': 'lines' is a child: its rows have no path"},
        {"v: {each: lines, fields: {x: skv}}",
                "m.yaml:6:32: field 'v[].x': there is no column 'skv' in these elements; "
                "did you mean 'sku'?"},
        {"v: {each: lines, fields: {x: code}}",
                "m.yaml:6:32: field 'v[].x': there is no column 'code' in these elements"},
        {"v: {each: tags, fields: {x: valeu}}",
                "m.yaml:6:31: field 'v[].x': there is no column 'valeu' in these elements; "
                "did you mean 'value'?"},
        {"v: lines", "m.yaml:6:6: field 'v': there is no column 'lines'"},
        {"v: {value: x, type: decimal}", "m.yaml:6:6: field 'v': \"x\" is not a number"},
        {"v: {value: \"1.005\", type: decimal, scale: 2}",
                "m.yaml:6:6: field 'v': \"1.005\" has digits beyond scale: 2"},
        {"v: {value: null, required: true}",
                "m.yaml:6:6: field 'v': it is required, but its value is null"},
        {"v: {from: code, map: {a: x}, type: integer}",
                "m.yaml:6:28: field 'v': \"x\" is not a number"},
        {"v: {template: \"${cdoe}\"}", "m.yaml:6:6: ...there is no column 'cdoe'; did you "
                                       "mean 'code'?"},
        {"v: {template: \"${row.cdoe}\"}", "m.yaml:6:6: ...did you mean 'code'?"},
        {"v: {template: \"${tags}\"}",
                "m.yaml:6:6: field 'v': ${tags}: an array has no text; name an element"},
        {"v: {template: \"${local}\"}", "m.yaml:6:6: ...a local time: write timezone:"},
        {"v: {template: \"${o}\"}\no: {object: {x: id}}",
                "m.yaml:6:6: field 'v': ${o}: an object or array has no text"},
        {"v: {template: \"${doc.l}\"}\nl: {each: lines, fields: {x: id}}",
                "m.yaml:6:6: field 'v': ${doc.l}: an object or array has no text"},
        {"v: {template: \"${o.y}\"}\no: {object: {x: id}}",
                "m.yaml:6:6: field 'v': ${o.y}: there is no such field"},
        {"v: {template: \"${w.y}\"}\nw: data",
                "m.yaml:6:6: field 'v': ${w.y}: the field has no members"},
        {"v: {template: \"${c}\"}\nc: {value: [1]}",
                "m.yaml:6:6: field 'v': ${c}: an object or array has no text"},
        {"v: {template: \"${v}\"}", "m.yaml:6:6: field 'v': its template needs its own"},
        {"v: {template: \"${w}\"}\nw: {template: \"${x}\"}\nx: {template: \"${v}\"}",
                "m.yaml:...its template needs its own text"},
        {"o: {object: {a: {template: \"${b}\"}}}\nb: {template: \"${o.a}\"}",
                "m.yaml:...its template needs its own text"},
        {"v: {each: lines, fields: {a: {template: \"${b}\"}, b: {template: \"${a}\"}}}",
                "m.yaml:...field 'v[].b': its template needs its own text"},
        {"v: {each: lines, fields: {a: {template: \"${name}\"}}}",
                "m.yaml:6:32: ...there is no column 'name' in these elements"},
};

static void mistakes_name_place_and_remedy(void **state)
{
        for (size_t i = 0; i < COUNT(mistakes); i++) {
                const char *dots = strstr(mistakes[i].error, "...");
                size_t first =
                        dots ? (size_t)(dots - mistakes[i].error) : strlen(mistakes[i].error);
                struct fixture f;
                struct err e = {.text = ""};

                int rc = fixture_open(&f, mistakes[i].fields, &e);
                if (!rc)
                        fixture_close(&f);
                if (rc != -ERR_CONFIG || strncmp(e.text, mistakes[i].error, first) != 0 ||
                        (dots && !strstr(e.text, dots + 3)))
                        fail_msg("%s:\n    %s\n    is not\n    %s", mistakes[i].fields, e.text,
                                mistakes[i].error);
        }
}

static void targets_are_proved_too(void **state)
{
        static const struct {
                const char *database, *id, *error;
        } cases[] = {
                {"Sales", "t:${id}",
                        "m.yaml:4:20: target.database: 'Sales' is no name of a CouchDB database"},
                {"db", "t:${cdoe}", "m.yaml:4:30: ...there is no column 'cdoe'; did you mean"},
                {"db", "t:${doc.v.x}", "m.yaml:4:30: _id: ${doc.v.x}: the field has no members"},
                {"db", "t:${tags}", "m.yaml:4:30: _id: ${tags}: an array has no text"},
                {"db_${prize}", "t:${id}", "m.yaml:4:20: ...there is no column 'prize'"},
        };

        for (size_t i = 0; i < COUNT(cases); i++) {
                cleanup_buf_ struct buf yaml = {.max = MAX_TEXT};
                const char *dots = strstr(cases[i].error, "...");
                size_t first = dots ? (size_t)(dots - cases[i].error) : strlen(cases[i].error);
                struct fixture f;
                struct err e;

                fixture_yaml(&yaml, "", cases[i].database, cases[i].id, "v: id");
                int rc = fixture_load(&f, buf_cstr(&yaml), &e);
                if (rc != -ERR_CONFIG || strncmp(e.text, cases[i].error, first) != 0 ||
                        (dots && !strstr(e.text, dots + 3)))
                        fail_msg("%s is not %s", e.text, cases[i].error);
        }
}

/* A mapper that uses everything the compiler and the renderer allocate for. */
static const char everything[] =
        "a: {from: name, trim: true, null_if: [x], map: {n: 1}, default: 2}\n"
        "b: {template: \"${c}${data.k}${tags[0]}\"}\n"
        "c: {from: local, timezone: America/New_York, significant: false}\n"
        "d: {from: money, type: decimal, scale: 2, rounding: half_up, as: number}\n"
        "e: {each: lines, fields: {k: {template: \"${q}\"}, q: {from: qty, type: decimal}}}\n"
        "f: {each: tags, fields: {v: value}}\n"
        "g: raw\nh: docs\n"
        "i: {value: '01.01.2024', type: datetime, format: '%d.%m.%Y', timezone: UTC}\n"
        "j: {value: '1.234,5', type: decimal, format: '1.234,56'}\n";

static const char rendered[] =
        "\"a\":1,\"b\":\"2024-01-01T05:00:00ZAa\\\"\",\"c\":\"2024-01-01T05:00:00Z\","
        "\"d\":1.01,\"e\":[{\"k\":\"10\",\"q\":\"10\"}";

static int open_and_render(struct err *e)
{
        struct mapper_reject why;
        struct mapped m;
        struct fixture f;

        int rc = fixture_open(&f, everything, e);
        if (rc)
                return rc;
        rc = fixture_render(&f,
                "name= n |data={\"k\":\"\\u0041\"}|tags={\"a\\\"\"}|local=2024-01-01 00:00:00|"
                "money=1.005|raw=\\x00|docs={\"{\\\"a\\\":1}\"}",
                "qty=1e1\nqty=2", &m, &why, e);
        if (!rc && !str_starts(m.body, str_of(rendered)))
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
                        continue;
                failures++;
                if (rc != -ERR_NOMEM)
                        fail_msg("allocation %ld: %d %s", i, rc, e.text);
        }
        assert_true(failures > 30);
}

/* Nothing is allocated once the buffers have grown. */
static void records_need_no_memory(void **state)
{
        struct fixture f;
        struct mapper_reject why;
        struct mapped m;
        struct err e;

        assert_int_equal(fixture_open(&f, everything, &e), 0);
        for (int i = 0; i < 20; i++) {
                alloc_fail_at(i < 10 ? 0 : 1);
                int rc = fixture_render(&f,
                        "name=n|data={\"k\":\"\\u0041\"}|tags={\"a\\\"\"}|local=2024-01-01 "
                        "00:00:00|money=1.005|raw=\\x00|docs={\"{\\\"a\\\":1}\"}",
                        "qty=1\nqty=2", &m, &why, &e);
                assert_false(alloc_fail_hit());
                assert_int_equal(rc, 0);
        }
        fixture_close(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(mistakes_name_place_and_remedy),
                cmocka_unit_test(targets_are_proved_too),
                cmocka_unit_test(failed_allocations_are_errors),
                cmocka_unit_test(records_need_no_memory),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
