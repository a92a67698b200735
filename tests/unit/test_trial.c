/* Tests of mappers as tables: the mapper, one test, and what is said of it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "ingest/pipeline/trial.h"
#include "ingest/source/source.h"
#include "tests/support/alloc_fail.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char head[] = "mapper: m\nsource: erp\ntimezone: Europe/Dublin\nextract:\n";
static const char plain[] =
        "  query: SELECT p.id, p.Code, note FROM p\n  key: id\n  children:\n"
        "    lines: {query: \"SELECT id, remark FROM l\", key: id, parent: sale}\n"
        "target: {database: \"c_${k}\", id: \"t:${k}\"}\nfields:\n  k: {from: id, default: 1}\n";
static const char grouped[] = "  table: prices\n  group: [customer]\n"
                              "target: {database: c, id: \"g:${customer}\"}\nfields:\n";

static struct source_ops described; /* as a source that describes no columns, where set */

struct subject {
        struct config_mapper mapper;
        struct source_config source;
};

static void open_mapper(
        struct subject *s, const char *extract, const char *fields, const char *test)
{
        char text[4096];
        struct err e = {0};

        snprintf(text, sizeof(text), "%s%s  %s\ntests:\n  - {%s}\n", head, extract, fields, test);
        *s = (struct subject){
                .source = {.name = "erp", .ops = described.type ? &described : &source_postgres}};
        s->mapper.source = &s->source;
        if (mapper_spec_parse(str_of(text), "m.yaml", &s->mapper.spec, &e) ||
                extract_decode(&s->source, s->mapper.spec->doc, s->mapper.spec->extract,
                        s->mapper.spec->arena, &s->mapper.extract, &e))
                fail_msg("%s\n%s", e.text, text);
}

/* "ok", "error: ...", or the differences: "price 2.5/\"2.50\"; name -/null" */
static void say(const struct trial_result *r, struct buf *out)
{
        if (r->outcome == TRIAL_ERROR)
                buf_printf(out, "error: %s", r->error);
        else if (r->outcome == TRIAL_OK)
                buf_puts(out, "ok");
        for (size_t i = 0; i < r->count; i++) {
                const struct trial_difference *d = &r->differences[i];
                buf_printf(out, "%s%s %s/%s", i ? "; " : "", d->field,
                        d->expected ? d->expected
                        : d->masked ? "masked"
                                    : "-",
                        d->got ? d->got : "-");
        }
}

static void expect_said(const char *extract, const char *fields, const char *test, const char *said)
{
        cleanup_buf_ struct buf out = BUF_INIT(1 << 16);
        struct trial_report report;
        struct subject s;
        struct err e = {0};

        open_mapper(&s, extract, fields, test);
        if (trial_mapper(&s.mapper, &report, &e))
                fail_msg("%s", e.text);
        assert_int_equal(report.count, 1);
        say(&report.results[0], &out);
        if (strcmp(buf_cstr(&out), said) != 0)
                fail_msg("%s\n%s\nsaid     %s\nexpected %s", fields, test, out.data, said);
        assert_int_equal(report.passed, strcmp(said, "ok") == 0);
        trial_report_deinit(&report);
        mapper_spec_free(s.mapper.spec);
}

struct test_case {
        const char *fields, *test, *said;
};

static void run_cases(const char *extract, const struct test_case *cases, size_t count)
{
        for (size_t i = 0; i < count; i++)
                expect_said(extract, cases[i].fields, cases[i].test, cases[i].said);
}

/* ---- sources that describe no columns ---- */

static void everything_is_json_without_columns(void **state)
{
        static const struct test_case cases[] = {
                {"a: a", "given: {a: x}, expect: {a: x}", "ok"},
                {"a: a", "given: {a: '7'}, expect: {a: '7'}", "ok"},
                {"a: a", "given: {a: 7}, expect: {a: 7}", "ok"},
                {"a: {from: a, type: decimal}", "given: {a: 2.50}, expect: {a: '2.50'}", "ok"},
                {"a: {from: a, type: decimal}", "given: {a: '2.50'}, expect: {a: '2.50'}", "ok"},
                {"a: {from: a, trim: true}", "given: {a: ' x '}, expect: {a: x}", "ok"},
                {"a: {from: a, type: date}", "given: {a: '2026-01-31'}, expect: {a: '2026-01-31'}",
                        "ok"},
                {"a: a.b", "given: {a: {b: x}}, expect: {a: x}", "ok"},
                {"a: a.b", "given: {a: null}, expect: {a: null}", "ok"},
                {"a: a", "given: {}, expect: {a: null}", "ok"},
                {"a: a", "given: {a: x, more: {of: [it]}}, expect: {a: x}", "ok"},
                /* children are values, too: of a call of their own or nested */
                {"a: {each: lines, fields: {q: q, s: t.s}}",
                        "given: {lines: [{q: 1, t: {s: x}}, {}]}, expect: {a: [{q: 1, s: x}, {}]}",
                        "ok"},
                {"a: {each: subs, fields: {q: {expr: 'row.q .. row.cur'}}}",
                        "given: {cur: E, subs: [{q: '1'}]}, expect: {a: [{q: 1E}]}", "ok"},
                {"a: a", "given: {a: 1}, types: {a: text}, expect: {a: 1}",
                        "error: m.yaml:14:28: 'types' is for sources with columns: what a source "
                        "of "
                        "type postgres gives is JSON"},
        };
        (void)state;
        described = source_postgres;
        described.open_shape = true;
        run_cases(plain, cases, COUNT(cases));
        described.type = NULL;
}

static void groups_have_json_rows_without_columns(void **state)
{
        static const struct test_case cases[] = {
                {"  p: {each: rows, fields: {q: qty.n}}",
                        "given: {customer: c, rows: [{qty: {n: 1}}, {qty: {n: 2}}]}, "
                        "expect: {_id: 'g:c', p: [{q: 1}, {q: 2}]}",
                        "ok"},
        };
        (void)state;
        described = source_postgres;
        described.open_shape = true;
        run_cases(grouped, cases, COUNT(cases));
        described.type = NULL;
}

/* ---- what is given ---- */

static void values_become_columns(void **state)
{
        static const struct test_case cases[] = {
                {"a: a", "given: {a: x}, expect: {a: x}", "ok"},
                {"a: a", "given: {a: 7}, expect: {a: 7}", "ok"},
                {"a: a", "given: {a: 2.50}, expect: {a: \"2.50\"}", "ok"},
                {"a: a", "given: {a: 1e2}, expect: {a: 100}", "ok"},
                {"a: a", "given: {a: true}, expect: {a: true}", "ok"},
                {"a: {from: a, map: {true: yes}}", "given: {a: true}, expect: {a: yes}", "ok"},
                {"a: {from: a, keep_null: true}", "given: {a: null}, expect: {a: null}", "ok"},
                {"a: a", "given: {}, expect: {a: null}", "ok"},
                {"a: {from: a, type: bytes}", "given: {}, expect: {a: null}", "ok"},
                {"a: a", "given: {a: {b: [1, 2.50]}}, expect: {a: {b: [1, 2.5]}}", "ok"},
                {"a: a.b", "given: {a: {b: x}}, expect: {a: x}", "ok"},
                {"a: a.b", "given: {a: '{\"b\": \"x\"}'}, expect: {a: x}", "ok"},
                {"a: a.b", "given: {a.b: x}, expect: {a: x}", "ok"},
                {"a: a.b", "given: {}, expect: {a: null}", "ok"},
                {"a: {each: a, fields: {v: value, w: b.c}}",
                        "given: {a: [1, {b: {c: 2}}]}, expect: {a: [{v: 1}, {w: 2}]}", "ok"},
                {"a: {template: '${b}-${row.c}-${doc.d}'}\n  d: {value: 4}",
                        "given: {b: 1, c: x}, expect: {a: 1-x-4}", "ok"},
                {"a: {object: {b: {object: {c: d}}}}", "given: {d: 5}, expect: {a: {b: {c: 5}}}",
                        "ok"},
                /* the child, and what is not given of it */
                {"a: {each: lines, fields: {q: q, r: r}}",
                        "given: {lines: [{q: 1}, {q: 2.5, r: x}]}, "
                        "expect: {a: [{q: \"1\", r: null}, {q: \"2.5\", r: x}]}",
                        "ok"},
                {"a: {each: lines, fields: {q: q}}", "given: {}, expect: {a: []}", "ok"},
                {"a: {each: lines, fields: {p: {template: '${q}/${row.id}'}}}",
                        "given: {id: 3, lines: [{q: 1}]}, expect: {a: [{p: 1/3}]}", "ok"},
                {"a: {each: lines, fields: {b: {each: t, fields: {v: value}}}}",
                        "given: {lines: [{t: [x, y]}]}, expect: {a: [{b: [{v: x}, {v: y}]}]}",
                        "ok"},
        };
        (void)state;
        run_cases(plain, cases, COUNT(cases));
}

static void text_is_taken_as_the_source_would(void **state)
{
        static const struct test_case cases[] = {
                {"a: {from: a, type: datetime}",
                        "given: {a: '2026-07-01 10:00:00'}, expect: {a: '2026-07-01T09:00:00Z'}",
                        "ok"},
                {"a: {from: a, type: datetime}",
                        "given: {a: '2026-07-01 10:00:00+02'}, expect: {a: '2026-07-01T08:00:00Z'}",
                        "ok"},
                {"a: {from: a, type: datetime}",
                        "given: {a: '2026-07-01'}, expect: {a: '2026-06-30T23:00:00Z'}", "ok"},
                {"a: {from: a, type: date}",
                        "given: {a: '2026-07-01 00:00:00'}, expect: {a: '2026-07-01'}", "ok"},
                {"a: a", "given: {a: '2026-07-01 10:00:00'}, expect: {a: '2026-07-01T09:00:00Z'}",
                        "ok"},
                {"a: a", "given: {a: '2026-07-01T10:00:00'}, expect: {a: '2026-07-01T10:00:00'}",
                        "ok"},
                {"a: {from: a, trim: true}",
                        "given: {a: '2026-07-01 10:00:00'}, expect: {a: '2026-07-01 10:00:00'}",
                        "ok"},
                {"a: {from: a, type: datetime}",
                        "given: {a: '2026-03-29 01:30:00'}, reject: 'a: \"2026-03-29 01:30:00\" "
                        "never was in its time zone'",
                        "ok"},
                {"a: {from: a, type: datetime}",
                        "given: {a: infinity}, reject: 'a: \"infinity\" has'", "ok"},
                /* types say otherwise */
                {"a: a",
                        "types: {a: text}, given: {a: '2026-07-01 10:00:00'}, expect: {a: "
                        "'2026-07-01 10:00:00'}",
                        "ok"},
                {"a: a", "types: {a: float}, given: {a: 2.50}, expect: {a: 2.5}", "ok"},
                {"a: a", "types: {a: bytea}, given: {a: '\\x00ff'}, expect: {a: AP8=}", "ok"},
                {"a: a", "types: {a: char}, given: {a: 'x   '}, expect: {a: x}", "ok"},
                {"a: a", "types: {a: numeric}, given: {a: 5}, expect: {a: '5'}", "ok"},
                {"a: a",
                        "types: {a: 'timestamptz[]'}, given: {a: ['2026-07-01 10:00:00+00', "
                        "null]}, "
                        "expect: {a: ['2026-07-01T10:00:00Z', null]}",
                        "ok"},
                {"a: a",
                        "types: {a: 'text[]'}, given: {a: ['q\"\\', [x]]}, expect: {a: ['q\"\\', "
                        "[x]]}",
                        "ok"},
                {"a: a", "types: {a: json}, given: {a: '\"\\ud800\"'}, reject: 'a: '", "ok"},
                {"a: a", "types: {a: 'json[]'}, given: {a: [{b: 1}]}, expect: {a: [{b: 1}]}", "ok"},
                {"a: {each: lines, fields: {d: d}}",
                        "types: {lines: {d: timestamp}}, given: {lines: [{d: '2026-07-01 "
                        "10:00:00'}]}, expect: {a: [{d: '2026-07-01T09:00:00Z'}]}",
                        "ok"},
                {"a: a", "types: {a: integer}, given: {a: [1]}, expect: {}",
                        "error: m.yaml:14:38: column 'a' takes single values, not a list"},
                {"a: a", "types: {b: integer}, given: {}, expect: {}",
                        "error: m.yaml:14:14: 'types' names 'b', which is no column of this test"},
                {"a: a", "types: {b: {c: integer}}, given: {}, expect: {}",
                        "error: m.yaml:14:14: 'types' names 'b', which is no child of this test"},
        };
        (void)state;
        run_cases(plain, cases, COUNT(cases));
}

static void unknown_names_are_errors(void **state)
{
        static const struct test_case cases[] = {
                {"a: price", "given: {prise: 1}, expect: {}",
                        "error: m.yaml:14:14: 'prise' is given, but neither a field nor the "
                        "extract uses such a column; did you mean 'price'?"},
                {"a: price", "given: {note: 1, code: 2, id: 3}, expect: {a: null}", "ok"},
                {"a: price", "given: {Code: 2}, expect: {}", "ok"},
                {"a: price", "given: {Note: 2}, expect: {}",
                        "error: m.yaml:14:14: 'Note' is given, but neither a field nor the extract "
                        "uses such a column"},
                {"a: price", "given: {ELECT: 2}, expect: {}",
                        "error: m.yaml:14:14: 'ELECT' is given, but neither a field nor the "
                        "extract "
                        "uses such a column"},
                {"a: price", "given: {line: []}, expect: {}",
                        "error: m.yaml:14:14: 'line' is given, but neither a field nor the extract "
                        "uses such a column; did you mean 'lines'?"},
                {"a: {each: lines, fields: {q: qty}}",
                        "given: {lines: [{qty: 1, sale: 2, remark: "
                        "x}]}, expect: {a: [{q: 1}]}",
                        "ok"},
                {"a: {each: lines, fields: {q: qty}}", "given: {lines: [{note: 1}]}, expect: {}",
                        "error: m.yaml:14:23: 'note' is given, but neither a field nor the child "
                        "uses such a column"},
                {"a: price", "given: {lines: {}}, expect: {}",
                        "error: m.yaml:14:21: 'lines' is a list of rows, not a map"},
                {"a: price", "given: {lines: [1]}, expect: {}",
                        "error: m.yaml:14:22: a row of 'lines' is a map of columns, not an "
                        "integer"},
                {"a: {from: price, type: decimal}", "given: {price: true}, expect: {}",
                        "error: m.yaml:12:6: field 'a': column 'price' is boolean and can never "
                        "become a decimal; write another type, or cast it in the query; types of "
                        "columns come from the values that the test gives: 'types' says others"},
        };
        (void)state;
        run_cases(plain, cases, COUNT(cases));
}

static void groups_have_rows(void **state)
{
        static const struct test_case cases[] = {
                {"p: {each: rows, fields: {m: min, c: customer}}\n  t: tag",
                        "given: {customer: 7, rows: [{min: 1, tag: x}, {min: 2, tag: y}]}, "
                        "expect: {_id: 'g:7', p: [{m: 1, c: 7}, {m: 2, c: 7}], t: x}",
                        "ok"},
                {"p: {each: rows, fields: {m: min}}",
                        "given: {customer: 7, min: 3}, expect: {p: [{m: 3}]}", "ok"},
                {"p: {each: rows, fields: {m: min}}", "given: {rows: []}, expect: {p: []}",
                        "error: m.yaml:11:20: a group has at least one row: leave 'rows' out where "
                        "it has one alone"},
                {"p: {each: rows, fields: {m: min}}", "given: {rows: [{mim: 1}]}, expect: {}",
                        "error: m.yaml:11:22: 'mim' is given, but neither a field nor the extract "
                        "uses such a column; did you mean 'min'?"},
        };
        (void)state;
        run_cases(grouped, cases, COUNT(cases));
}

/* ---- what is expected ---- */

static void documents_are_compared(void **state)
{
        static const struct test_case cases[] = {
                {"a: a", "given: {a: 1}, expect: {}", "ok"},
                {"a: a", "given: {id: 1}, expect: {_id: 't:1', _database: c_1}", "ok"},
                {"a: a", "given: {id: 1}, expect: {_id: 't:2', _database: d}",
                        "_id \"t:2\"/\"t:1\"; _database \"d\"/\"c_1\""},
                {"a: a", "given: {a: 2.50}, expect: {a: 2.5}", "a 2.5/\"2.50\""},
                {"a: a", "given: {a: 2}, expect: {a: '2'}", "a \"2\"/2"},
                {"a: a", "given: {a: 2}, expect: {a: 2.0}", "ok"},
                {"a: a", "given: {a: 2}, expect: {a: 20e-1}", "ok"},
                {"a: a", "given: {a: 0}, expect: {a: -0.0}", "ok"},
                {"a: a", "given: {a: -2}, expect: {a: 2}", "a 2/-2"},
                {"a: a", "given: {a: x}, expect: {a: null}", "a null/\"x\""},
                {"a: a", "given: {a: true}, expect: {a: 'true'}", "a \"true\"/true"},
                {"a: a", "given: {a: \"\\u00e9\\n\"}, expect: {a: \"\\u00e9\\n\"}", "ok"},
                {"a: a", "given: {}, expect: {a: x}", "a \"x\"/-"},
                {"a: {object: {b: b, c: c}}", "given: {b: 1, c: 2}, expect: {a: {b: 1}}", "ok"},
                {"a: {object: {b: b, c: c}}", "given: {b: 1, c: 2}, expect: {a: {b: 2, c: 3}}",
                        "a.b 2/1; a.c 3/2"},
                {"a: a", "given: {a: x}, expect: {a: {b: 1}}", "a {\"b\":1}/\"x\""},
                {"a: a", "given: {a: {b: 1}}, expect: {a: [1]}", "a [1]/{\"b\":1}"},
                {"a: a", "given: {a: {b: 1}}, expect: {a: x}", "a \"x\"/{\"b\":1}"},
                {"a: a", "given: {a: [1, null]}, expect: {a: [1, null]}", "ok"},
                {"a: a", "given: {a: [1, 2]}, expect: {a: [1, null]}", "a[1] null/2"},
                {"a: a", "given: {a: [1]}, expect: {a: [1, 2]}", "a[1] 2/-"},
                {"a: a", "given: {a: [1, 2]}, expect: {a: [3]}", "a[0] 3/1; a[1] -/2"},
                {"a: a", "given: {a: [{b: 1, c: 2}]}, expect: {a: [{b: 1}]}", "ok"},
                {"a: a", "given: {a: x}, expect: {a: '${env:TEST_TRIAL}'}", "a masked/\"x\""},
        };
        (void)state;
        setenv("TEST_TRIAL", "secret", 1);
        run_cases(plain, cases, COUNT(cases));
        unsetenv("TEST_TRIAL");
}

static void rejects_are_compared(void **state)
{
        static const struct test_case cases[] = {
                {"a: {from: a, required: true}", "given: {}, reject: a", "ok"},
                {"a: {from: a, required: true}", "given: {}, reject: 'a: required but null'", "ok"},
                {"a: {from: a, map: {x: 1}}", "given: {a: y}, reject: 'a: \"y\" is not in map'",
                        "ok"},
                {"a: {from: a, map: {x: 1}}", "given: {a: y}, reject: b",
                        "(reject) \"b\"/\"a: \\\"y\\\" is not in map: add it there, or write a "
                        "default\""},
                {"a: {from: a, map: {x: 1}}", "given: {a: x}, reject: a", "(reject) \"a\"/-"},
                {"a: {from: a, map: {x: 1}}", "given: {a: y}, expect: {}",
                        "(reject) -/\"a: \\\"y\\\" is not in map: add it there, or write a "
                        "default\""},
        };
        (void)state;
        run_cases(plain, cases, COUNT(cases));
}

/* ---- what no test looks at ---- */

static void coverage_names_fields(void **state)
{
        static const struct {
                const char *test, *missing;
        } cases[] = {
                {"given: {}, expect: {}", "k a o.x o.y.z l[].q l[].r"},
                {"given: {}, expect: {a: 1, o: {x: 1}}", "k o.y.z l[].q l[].r"},
                {"given: {}, expect: {o: {y: {z: null}}, l: [{}, {r: 1}]}", "k a o.x l[].q"},
                {"given: {}, expect: {o: null, l: []}", "k a o.x o.y.z l[].q l[].r"},
                {"given: {}, reject: 'a: required'", "k o.x o.y.z l[].q l[].r"},
                {"given: {}, reject: 'l[2].q: x'", "k a o.x o.y.z l[].r"},
                {"given: {}, reject: 'o.xy'", "k a o.x o.y.z l[].q l[].r"},
        };
        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                cleanup_buf_ struct buf out = BUF_INIT(1 << 12);
                struct trial_report report;
                struct subject s;
                struct err e = {0};

                open_mapper(&s, plain,
                        "a: a\n  o: {object: {x: x, y: {object: {z: z}}}}\n"
                        "  l: {each: lines, fields: {q: q, r: r}}",
                        cases[i].test);
                assert_int_equal(trial_mapper(&s.mapper, &report, &e), 0);
                assert_int_equal(report.field_count, 6);
                for (size_t k = 0; k < report.unasserted_count; k++)
                        buf_printf(&out, "%s%s", k ? " " : "", report.unasserted[k]);
                assert_string_equal(buf_cstr(&out), cases[i].missing);
                trial_report_deinit(&report);
                mapper_spec_free(s.mapper.spec);
        }
}

static void running_out_of_memory_is_an_error(void **state)
{
        struct subject s;

        (void)state;
        open_mapper(&s, plain, "a: {each: lines, fields: {q: q}}\n  b: b.c",
                "given: {id: 1, b: {c: [x]}, lines: [{q: 1.5}]}, expect: {a: [{q: 2}], b: [y, z]}");
        ALLOC_FAIL_EACH(i)
        {
                struct trial_report report;
                struct err e = {0};
                alloc_fail_at(i);
                int rc = trial_mapper(&s.mapper, &report, &e);
                if (rc && rc != -ERR_NOMEM)
                        fail_msg("allocation %ld: %s", i, e.text);
                if (rc == 0)
                        assert_int_equal(report.results[0].count, 3);
                trial_report_deinit(&report);
        }
        mapper_spec_free(s.mapper.spec);
}

/* ---- tables, expressions ---- */

static void tables_are_given(void **state)
{
        static const struct test_case cases[] = {
                {"a: {lookup: {from: u, query: SELECT 1, key: id, value: name}}",
                        "given: {u: 7}, lookups: {a: {7: box}}, expect: {a: box}", "ok"},
                {"a: {lookup: {from: u, query: SELECT 1, key: id, value: name}}",
                        "given: {u: 8}, lookups: {a: {7: box}}, expect: {a: null}", "ok"},
                {"a: {lookup: {from: u, query: SELECT 1, key: id, value: name}, required: true}",
                        "given: {u: 8}, reject: 'a: \"8\" is not in'", "ok"},
                {"a: {lookup: {from: u, map: {x: 1}}}", "given: {u: x}, expect: {a: 1}", "ok"},
                {"a: {lookup: {from: u, map: {x: 1}}}",
                        "given: {u: x}, lookups: {a: {x: 2.5}}, expect: {a: 2.5}", "ok"},
                {"a: {lookup: {from: [u, v], query: SELECT 1, key: [c, r], value: w}}",
                        "given: {u: IE, v: low}, lookups: {a: {IE: {low: 13.5}}},"
                        " expect: {a: 13.5}",
                        "ok"},
                {"a: {lookup: {from: [u, v], query: SELECT 1, key: [c, r], value: w}}",
                        "given: {u: IE, v: low}, lookups: {a: {IE: 13.5}}, expect: {a: null}",
                        "error: m.yaml:14:48: this look-up has keys of 2 columns: write a map of"
                        " maps, {a: {b: value}}"},
                {"a: {each: lines, fields: {t: {lookup: {from: x, query: q, key: k}}}}",
                        "given: {lines: [{x: 1}]}, lookups: {a.t: {1: low}},"
                        " expect: {a: [{t: low}]}",
                        "ok"},
                /* the element has no such column: the record's, for expressions, too */
                {"a: {each: lines, fields: {t: {lookup: {query: q, key: land}}, "
                 "u: {expr: row.land}, x: x}}",
                        "given: {land: IE, lines: [{x: 1}]}, lookups: {a.t: {IE: low}},"
                        " expect: {a: [{t: low, u: IE, x: 1}]}",
                        "ok"},
                {"a: {lookup: {from: u, file: none.csv, key: k}}", "given: {u: 1}, expect: {}",
                        "error: m.yaml:12:31: lookup: cannot read none.csv: No such file or"
                        " directory"},
                {"a: {expr: row.x + 1}", "given: {x: 1.5}, expect: {a: '2.5'}", "ok"},
                {"a: {expr: \"local s = 0 for _, l in ipairs(row.lines) do s = s + (l.q or 1) * "
                 "l.p end"
                 " return s\"}",
                        "given: {lines: [{p: 2}, {q: 3, p: 4}]}, expect: {a: 14}", "ok"},
                {"a: {expr: 'row.lines[1].q'}", "given: {lines: [{q: 5}]}, expect: {a: 5}", "ok"},
                {"a: {expr: 'row.lines[1].q'}", "given: {lines: [{p: 5}]}, expect: {a: 5}",
                        "error: m.yaml:14:23: 'p' is given, but neither a field nor the child uses"
                        " such a column; did you mean 'q'?"},
                {"a: {expr: row.x + 1, when: row.y}", "given: {x: 1.5}, expect: {a: null}", "ok"},
        };

        (void)state;
        run_cases(plain, cases, COUNT(cases));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(values_become_columns),
                cmocka_unit_test(everything_is_json_without_columns),
                cmocka_unit_test(groups_have_json_rows_without_columns),
                cmocka_unit_test(tables_are_given),
                cmocka_unit_test(text_is_taken_as_the_source_would),
                cmocka_unit_test(unknown_names_are_errors),
                cmocka_unit_test(groups_have_rows),
                cmocka_unit_test(documents_are_compared),
                cmocka_unit_test(rejects_are_compared),
                cmocka_unit_test(coverage_names_fields),
                cmocka_unit_test(running_out_of_memory_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
