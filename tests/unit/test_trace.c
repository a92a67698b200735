/* How fields came about, as tables: a field, a row, and the steps that are told. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "mappers/trace.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/mapper_fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void put_mark(struct buf *out, enum trace_mark mark, struct str value)
{
        static const char *const marks[] = {
                [TRACE_NULL] = "null", [TRACE_MASKED] = "***", [TRACE_BARE] = "-"};

        if (mark == TRACE_REFUSED)
                buf_puts(out, "REFUSED ");
        if (mark == TRACE_VALUE || mark == TRACE_REFUSED)
                buf_put_str(out, value);
        else
                buf_puts(out, marks[mark]);
}

/* "f: from=text trim="text" -> "text"\n"; of the fields that the id names nothing */
static void on_field(void *ctx, const struct trace_field *f)
{
        struct buf *out = ctx;

        if (f->path[0] == '_')
                return;
        buf_printf(out, "%s:", f->path);
        for (size_t i = 0; i < f->count; i++) {
                const struct trace_step *s = &f->steps[i];
                buf_printf(out, " %s%s%s%s=", s->name, *s->detail ? "(" : "", s->detail,
                        *s->detail ? ")" : "");
                put_mark(out, s->mark, s->value);
        }
        if (f->mark != TRACE_REFUSED && !f->is_array) {
                buf_puts(out, " -> ");
                put_mark(out, f->mark, f->result);
        }
        buf_putc(out, '\n');
}

static int fill(struct value *values, struct record *record, const char *name, const char *text)
{
        static const struct child_rows none[2];

        values[0] = (struct value){"1", 1};
        if (text)
                fixture_value(values, name, str_of(text));
        *record = (struct record){values, none};
        return 0;
}

/* Return: as mapper_render(). */
static int trace(const char *fields, const char *name, const char *text, struct buf *out)
{
        struct value values[FIXTURE_COLUMNS] = {{NULL, 0}};
        cleanup_(mapper_trace_freep) struct mapper_trace *t = NULL;
        struct fixture f = {NULL, NULL};
        struct record record;
        struct mapper_reject why;
        struct mapped m;
        struct err e = {0};
        int rc = fixture_open(&f, fields, &e);

        if (!rc) {
                fill(values, &record, name, text);
                rc = mapper_trace_new(f.program, on_field, out, &t, &e);
                if (!rc)
                        rc = mapper_trace_render(t, &record, &m, &why, &e);
        }
        fixture_close(&f);
        return rc;
}

struct trace_case {
        const char *fields, *name, *text, *told;
};

static void run_cases(const struct trace_case *cases, size_t count, int expected)
{
        for (size_t i = 0; i < count; i++) {
                cleanup_buf_ struct buf out = BUF_INIT(1 << 16);
                int rc = trace(cases[i].fields, cases[i].name, cases[i].text, &out);
                if (rc != expected || strcmp(buf_cstr(&out), cases[i].told) != 0)
                        fail_msg("%s, %s: %d\ntold     %sexpected %s", cases[i].fields,
                                cases[i].text ? cases[i].text : "NULL", rc, out.data,
                                cases[i].told);
        }
}

static void steps_are_told(void **state)
{
        static const struct trace_case cases[] = {
                {"f: name", "name", "x", "f: from(name, text)=x -> \"x\"\n"},
                {"f: active", "active", "t", "f: from(active, boolean)=t written=true -> true\n"},
                {"f: name", "name", NULL, "f: from(name, text)=null -> -\n"},
                {"f: {template: \"${o.a}\"}\no: {object: {a: {expr: \"error('no')\"}}, when: "
                 "row.active}",
                        "active", "f", "f: ${}(o.a)=null -> -\no: when(row.active)=false -> -\n"},
                {"f: {from: name, keep_null: true}", "name", NULL,
                        "f: from(name, text)=null -> null\n"},
                {"f: {from: name, default: 3}", "name", NULL,
                        "f: from(name, text)=null default=3 -> 3\n"},
                {"f: {from: name, trim: true, null_if: x, default: y}", "name", " x ",
                        "f: from(name, text)= x  trim=x null_if=null default=\"y\" -> \"y\"\n"},
                {"f: {from: name, trim: true, null_if: x}", "name", " z ",
                        "f: from(name, text)= z  trim=z null_if=z -> \"z\"\n"},
                {"f: {from: price, type: decimal, scale: 1, rounding: half_up, as: number}",
                        "price", "2.25",
                        "f: from(price, numeric(12,2))=2.25 type(decimal, scale 1, rounding "
                        "half_up, as number)=2.3 -> 2.3\n"},
                {"f: {from: name, map: {a: 1, b: null}}", "name", "a",
                        "f: from(name, text)=a map=1 -> 1\n"},
                {"f: {from: name, map: {a: 1, b: null}, default: 9}", "name", "b",
                        "f: from(name, text)=b map=null default=9 -> 9\n"},
                {"f: {from: name, split: ',', trim: true, replace: {pattern: b, with: c}, upper: "
                 "true}",
                        "name", "a, b",
                        "f: from(name, text)=a, b split=[\"a\",\" b\"] trim=[\"a\",\"b\"] "
                        "replace=[\"a\",\"c\"] upper=[\"A\",\"C\"] -> [\"A\",\"C\"]\n"},
                {"f: {from: local, timezone: Europe/Dublin}", "local", "2026-07-01 10:00:00",
                        "f: from(local, timestamp without time zone)=2026-07-01 10:00:00 "
                        "type(timezone Europe/Dublin)=\"2026-07-01T09:00:00Z\" -> "
                        "\"2026-07-01T09:00:00Z\"\n"},
                {"f: {from: name, format: '1.234,5', type: decimal}", "name", "1.000,5",
                        "f: from(name, text)=1.000,5 type(decimal, format 1.234,5)=\"1000.5\" -> "
                        "\"1000.5\"\n"},
                {"f: {from: data.a, trim: true}", "data", "{\"a\": [\" x \", null]}",
                        "f: from(data.a, JSON)=[\" x \", null] trim=[\"x\",null] -> "
                        "[\"x\",null]\n"},
                {"f: {from: data.a, default: 0}", "data", "{\"a\": null}",
                        "f: from(data.a, JSON)=null default=0 -> 0\n"},
                {"f: {value: 7}", "name", NULL, "f: value=7 -> 7\n"},
                {"f: {template: 'a${name}'}", "name", "x",
                        "f: ${}(name)=x template(a${name})=ax -> \"ax\"\n"},
                {"f: {template: '${code}${name}', default: d}", "name", "x",
                        "f: ${}(code)=null default=\"d\" -> \"d\"\n"},
                {"f: {template: '${g}'}\ng: {from: name, trim: true}", "name", " x",
                        "g: from(name, text)= x trim=x -> \"x\"\nf: ${}(g)=x template(${g})=x -> "
                        "\"x\"\n"},
                {"f: {object: {a: name, b: {object: {c: code}}}}", "name", "x",
                        "f.a: from(name, text)=x -> \"x\"\nf.b.c: from(code, text)=null -> -\n"},
                {"f: {each: data, fields: {q: {from: q, type: decimal}}}", "data",
                        "[{\"q\": 1}, {}]",
                        "f: each(data)=-\nf[0].q: from(q, JSON)=1 type(decimal)=\"1\" -> "
                        "\"1\"\nf[1].q: from(q, JSON)=null -> -\n"},
                {"f: {each: data, fields: {q: q}}", "data", "null",
                        "f: each(data)=-\nf: null=- -> -\n"},
                {"f: {lookup: {from: name, map: {x: 7}}, type: string}", "name", "x",
                        "f: from(name)=x lookup=7 type(string)=\"7\" -> \"7\"\n"},
                {"f: {lookup: {from: name, map: {x: 7}}, default: 0}", "name", "y",
                        "f: from(name)=y lookup=null default=0 -> 0\n"},
                {"f: {expr: 'row.name .. \" \"', trim: true}", "name", "x",
                        "f: expr(row.name .. \" \")=x  trim=x -> \"x\"\n"},
                {"f: {expr: row.name}", "name", NULL, "f: expr(row.name)=null -> -\n"},
                {"f: {from: name, when: row.name == 'y'}", "name", "x",
                        "f: when(row.name == 'y')=false -> -\n"},
                {"f: {from: name, when: row.name == 'x'}", "name", "x",
                        "f: from(name, text)=x -> \"x\"\n"},
                {"f: {each: data, when: row.name, fields: {q: q}}", "data", "[{}]",
                        "f: when(row.name)=false -> -\n"},
        };
        (void)state;
        run_cases(cases, COUNT(cases), 0);
}

static void rejects_name_their_step(void **state)
{
        static const struct trace_case cases[] = {
                {"f: {from: name, type: integer}", "name", "x",
                        "f: from(name, text)=x type(integer)=REFUSED \"x\" is not a number (digits "
                        "with one decimal point): mend it in the ERP, convert it in the query, "
                        "or write null_if\n"},
                {"f: {from: name, trim: true, map: {a: 1}}\ng: {value: 1}", "name", " x",
                        "f: from(name, text)= x trim=x map=REFUSED \"x\" is not in map: add it "
                        "there, or write a default\n"},
                {"f: {from: name, null_if: x, required: true}", "name", "x",
                        "f: from(name, text)=x null_if=null required=REFUSED required but null "
                        "(column \"name\"): mend the record in the ERP, or write a default\n"},
                {"f: {each: data, fields: {q: {from: q, type: boolean}}}", "data",
                        "[{\"q\": true}, {\"q\": \"x\"}]",
                        "f: each(data)=-\nf[0].q: from(q, JSON)=true type(boolean)=true -> true\n"
                        "f[1].q: from(q, JSON)=\"x\" type(boolean)=REFUSED \"x\" is not true, "
                        "false, t or f: name the values that mean them in map\n"},
                {"f: {each: data, fields: {q: q}}", "data", "5",
                        "f: each(data)=-\nf: each(data)=REFUSED \"5\" is not a JSON array, which "
                        "each needs\n"},
                {"f: {expr: error('no')}", "name", "x",
                        "f: expr(error('no'))=REFUSED 'expr' failed: expr:1: no\n"},
                {"f: {from: name, when: error('no')}", "name", "x",
                        "f: when(error('no'))=REFUSED 'when' failed: expr:1: no\n"},
        };
        (void)state;
        run_cases(cases, COUNT(cases), MAPPER_REJECT);
}

/* The document and the reject are those of a program that is not traced. */
static void nothing_else_changes(void **state)
{
        static const char *const fields[] = {
                "a: {from: name, trim: true}\nb: {template: '${c}-${a}'}\nc: {from: code, default: "
                "z}",
                "a: {from: name, map: {y: 1}}",
                "a: {from: name, upper: true, significant: false}\nb: {object: {c: id}}",
                "a: {each: data, when: row.name, fields: {b: b}}\nc: {expr: doc.a == nil}",
        };
        (void)state;
        for (size_t i = 0; i < COUNT(fields); i++) {
                cleanup_(mapper_trace_freep) struct mapper_trace *t = NULL;
                cleanup_buf_ struct buf out = BUF_INIT(1 << 16), body = BUF_INIT(1 << 16);
                struct value values[FIXTURE_COLUMNS] = {{NULL, 0}};
                struct digest digest = {0};
                struct mapper_reject why;
                struct record record;
                struct mapped m;
                struct fixture f;
                struct err e = {0};

                assert_int_equal(fixture_open(&f, fields[i], &e), 0);
                fill(values, &record, "name", " x ");
                int plain = mapper_render(f.program, &record, &m, &why, &e);
                buf_put_str(&body, plain ? str_of(why.reason) : m.body);
                if (!plain)
                        digest = m.digest;
                assert_int_equal(mapper_trace_new(f.program, on_field, &out, &t, &e), 0);
                for (int k = 0; k < 2; k++) {
                        assert_int_equal(mapper_trace_render(t, &record, &m, &why, &e), plain);
                        assert_true(str_eq(buf_str(&body), plain ? str_of(why.reason) : m.body));
                        assert_true(plain || memcmp(&digest, &m.digest, sizeof(digest)) == 0);
                }
                fixture_close(&f);
        }
}

static const struct column secret_columns[] = {
        {.name = "id", .kind = COL_INT},
        {.name = "api_token", .kind = COL_TEXT},
        {.name = "data", .kind = COL_JSON},
};

static void secrets_are_masked(void **state)
{
        static const char fields[] =
                "a: api_token\nb: {template: 'x${api_token}'}\nc: data.password\n"
                "d: {template: '${b}'}\ne: {expr: row.api_token}\n"
                "f: {lookup: {from: api_token, map: {hunter2: hunter3}}}\n"
                "g: {from: api_token, type: integer}";
        struct value values[] = {{"1", 1}, {"hunter2", 7}, {"{\"password\": \"hunter4\"}", 23}};
        const struct shape shape = {.columns = {secret_columns, COUNT(secret_columns)}};
        const struct record record = {.row = values};
        cleanup_(mapper_program_freep) struct mapper_program *program = NULL;
        cleanup_(mapper_spec_freep) struct mapper_spec *spec = NULL;
        cleanup_(mapper_trace_freep) struct mapper_trace *t = NULL;
        cleanup_buf_ struct buf yaml = BUF_INIT(1 << 16), out = BUF_INIT(1 << 16);
        struct mapper_reject why;
        struct mapped m;
        struct err e = {0};

        (void)state;
        fixture_yaml(&yaml, "", "db", "t:${id}", fields);
        assert_int_equal(mapper_spec_parse(buf_str(&yaml), "m.yaml", &spec, &e), 0);
        assert_int_equal(mapper_compile(spec, &shape, &program, &e), 0);
        assert_int_equal(mapper_trace_new(program, on_field, &out, &t, &e), 0);
        assert_int_equal(mapper_trace_render(t, &record, &m, &why, &e), MAPPER_REJECT);
        assert_non_null(strstr(buf_cstr(&out), "\ng:"));
        assert_non_null(strstr(out.data, "REFUSED the value (masked) is not a number"));
        if (strstr(out.data, "hunter"))
                fail_msg("%s", out.data);
}

static void running_out_of_memory_is_an_error(void **state)
{
        (void)state;
        ALLOC_FAIL_EACH(i)
        {
                cleanup_buf_ struct buf out = BUF_INIT(1 << 16);
                alloc_fail_at(i);
                int rc = trace("f: {from: name, trim: true, type: integer}\n"
                               "g: {template: '${f}-${name}'}\nh: {each: data, fields: {q: q}}",
                        "name", "5", &out);
                if (rc && rc != -ERR_NOMEM)
                        fail_msg("allocation %ld: %d", i, rc);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(steps_are_told),
                cmocka_unit_test(rejects_name_their_step),
                cmocka_unit_test(nothing_else_changes),
                cmocka_unit_test(secrets_are_masked),
                cmocka_unit_test(running_out_of_memory_is_an_error),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
